package dump

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"borgcron/internal/process"
)

// folderTest is a database, where its dumps go, and where they are to be.
type folderTest struct {
	database, dir, file string
	part                Part
}

func newFolderTest(t *testing.T) folderTest {
	t.Helper()
	f := folderTest{database: filepath.Join(t.TempDir(), "app.db"), dir: filepath.Join(t.TempDir(), "dumps")}
	newSQLite(t, f.database, "delete", 4096)
	f.part = sqlitePart(f.database)
	f.file = filepath.Join(f.dir, f.part.Path())
	return f
}

func (f folderTest) write(t *testing.T, folder Folder, parts ...Part) []Written {
	t.Helper()
	folder.Dir = f.dir
	if len(parts) == 0 {
		parts = []Part{f.part}
	}
	results, err := (&Maker{}).WriteFiles(t.Context(), parts, folder)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func (f folderTest) mustWrite(t *testing.T, folder Folder) {
	t.Helper()
	for _, result := range f.write(t, folder) {
		if result.Failure != nil {
			t.Fatal(result.Failure)
		}
	}
}

// only sees to it that there are so many files in the folder, all others are folders.
func (f folderTest) only(t *testing.T, want int) {
	t.Helper()
	files := slices.DeleteFunc(names(t, f.dir), func(name string) bool {
		info, err := os.Lstat(f.dir + name)
		return err == nil && info.IsDir()
	})
	if len(files) != want || !slices.Contains(files, strings.TrimPrefix(f.file, f.dir)) {
		t.Errorf("files: %v", files)
	}
}

// pay makes the database another one.
func (f folderTest) pay(t *testing.T) {
	t.Helper()
	program := startSQLite(t, f.database, 0)
	program.must(t, "INSERT INTO log SELECT max(n) + 1, '' FROM log")
	program.end(t)
}

// names are all files of a folder, and below.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		all = append(all, strings.TrimPrefix(path, dir))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestFolder(t *testing.T) {
	f := newFolderTest(t)
	old := unix.Umask(0)
	defer unix.Umask(old)
	folder, owner := Folder{}, os.Geteuid()
	if owner == 0 {
		folder.Owner, owner = &process.User{UID: nobody, GID: nobody}, nobody
	}
	missing := sqlitePart(f.database + "-missing")
	left := sqlitePart(f.database + "-left")
	left.Left = "its server is down"
	results := f.write(t, folder, missing, left, f.part)
	if results[0].Failure == nil || results[0].Failure.Hint == "" || !strings.HasSuffix(results[0].Failure.Message, "-missing: the file does not exist") {
		t.Errorf("missing: %+v", results[0].Failure)
	}
	if results[1].Failure == nil || results[1].Failure.Message != "its server is down" {
		t.Errorf("left: %+v", results[1].Failure)
	}
	content, err := os.ReadFile(f.file)
	if err != nil || results[2].Failure != nil || results[2].Size != int64(len(content)) || results[2].Took <= 0 {
		t.Errorf("%+v, %v", results[2], err)
	}
	wholeSQLite(t, content)
	for _, name := range names(t, f.dir) {
		path, mode := f.dir+name, fs.FileMode(0o600)
		if path != f.file {
			mode = fs.ModeDir | 0o700
		}
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if uid, gid, _ := ownerOf(info); info.Mode() != mode || uid != owner || folder.Owner != nil && gid != nobody {
			t.Errorf("%s: %v %d:%d", path, info.Mode(), uid, gid)
		}
	}
	f.only(t, 1)
}

func TestFolderBelongsToItsOwner(t *testing.T) {
	needRoot(t)
	f := newFolderTest(t)
	if err := os.Mkdir(f.dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(f.dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	folder := Folder{Dir: f.dir}
	root, err := folder.open()
	if err != nil {
		t.Fatal(err)
	}
	defer root.close()
	file, err := root.begin(t.Context(), f.part.Path(), false)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(filepath.Join(filepath.Dir(f.file), filepath.Base(file.temp.Name())))
	if err != nil {
		t.Fatal(err)
	}
	if uid, gid, _ := ownerOf(info); info.Size() != 0 || uid != nobody || gid != nobody || info.Mode() != 0o600 {
		t.Errorf("before the first byte: %v %d:%d", info.Mode(), uid, gid)
	}
	file.abort()
	f.mustWrite(t, Folder{})
	if info, _ := os.Stat(f.file); info.Mode() != 0o600 {
		t.Errorf("mode = %v", info.Mode())
	}
	f.only(t, 1)
}

func TestFolderFormerFileStays(t *testing.T) {
	f := newFolderTest(t)
	f.mustWrite(t, Folder{Keep: 2})
	before := state(t, filepath.Dir(f.file))
	if err := os.WriteFile(f.database, []byte(strings.Repeat("damaged", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if results := f.write(t, Folder{Keep: 2}); results[0].Failure == nil {
		t.Error("no failure")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("stopped by the user"))
	results, err := (&Maker{}).WriteFiles(ctx, []Part{f.part}, Folder{Dir: f.dir})
	if err != nil || results[0].Failure == nil || !strings.Contains(results[0].Failure.Message, "stopped by the user") {
		t.Errorf("%+v, %v", results, err)
	}
	if diff := cmp.Diff(before, state(t, filepath.Dir(f.file))); diff != "" {
		t.Error(diff)
	}
}

func TestFolderKeeps(t *testing.T) {
	f := newFolderTest(t)
	versions := func() (all []int) {
		for i := range 9 {
			path := f.file
			if i > 0 {
				path = fmt.Sprintf("%s.%d", f.file, i)
			}
			content, err := os.ReadFile(path)
			if err != nil {
				break
			}
			all = append(all, wholeSQLite(t, content))
		}
		return all
	}
	for i, step := range []struct {
		keep int
		want []int
	}{
		{3, []int{0}}, {3, []int{1, 0}}, {3, []int{2, 1, 0}}, {3, []int{3, 2, 1, 0}}, {3, []int{4, 3, 2, 1}}, {1, []int{5, 4}}, {1, []int{6, 5}}, {0, []int{7, 5}},
		{2, []int{8, 7, 5}},
	} {
		if i > 0 {
			f.pay(t)
		}
		f.mustWrite(t, Folder{Keep: step.keep})
		if diff := cmp.Diff(step.want, versions()); diff != "" {
			t.Errorf("step %d: %s", i, diff)
		}
	}
	f.only(t, 3)
}

func TestFolderWithManyWriters(t *testing.T) {
	f := newFolderTest(t)
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			results, err := (&Maker{}).WriteFiles(t.Context(), []Part{f.part}, Folder{Dir: f.dir, Keep: 3})
			if err != nil || results[0].Failure != nil {
				t.Errorf("%v, %v", results, err)
			}
		})
	}
	group.Wait()
	entries, err := os.ReadDir(filepath.Dir(f.file))
	if err != nil || len(entries) != 4 {
		t.Fatalf("%v, %v", entries, err)
	}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(filepath.Dir(f.file), entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		wholeSQLite(t, content)
	}
}
