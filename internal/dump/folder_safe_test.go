package dump

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
	"borgcron/internal/process"
)

// Whoever the folder belongs to may put links there while root writes: they lead nowhere else.
func TestFolderWithLinks(t *testing.T) {
	f := newFolderTest(t)
	outside := t.TempDir()
	precious := filepath.Join(outside, "precious")
	if err := os.WriteFile(precious, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := state(t, outside)
	f.mustWrite(t, Folder{})
	name := filepath.Base(f.file)
	for _, link := range []string{name, name + ".1", "." + name + ".tmp-ABC"} {
		path := filepath.Join(filepath.Dir(f.file), link)
		_ = os.Remove(path)
		if err := os.Symlink(precious, path); err != nil {
			t.Fatal(err)
		}
	}
	f.mustWrite(t, Folder{Keep: 3})
	if info, err := os.Lstat(f.file); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the dump is %v, %v", info, err)
	}
	if err := os.RemoveAll(filepath.Dir(f.file)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Dir(f.file)); err != nil {
		t.Fatal(err)
	}
	if results := f.write(t, Folder{}); results[0].Failure == nil {
		t.Error("it went through a link")
	}
	if diff := cmp.Diff(before, state(t, outside)); diff != "" {
		t.Error(diff)
	}
}

func TestFolderThatIsRefused(t *testing.T) {
	dir := t.TempDir()
	link, file, open, closed := filepath.Join(dir, "link"), filepath.Join(dir, "file"), filepath.Join(dir, "open"), filepath.Join(dir, "closed")
	if err := errors.Join(os.Symlink(t.TempDir(), link), os.WriteFile(file, nil, 0o600), os.Mkdir(open, 0o700), os.Chmod(open, 0o770), os.Mkdir(closed, 0o700)); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		folder Folder
		want   string
		root   bool
	}{
		"link":           {Folder{Dir: link}, "is no folder", false},
		"file":           {Folder{Dir: file}, "is no folder", false},
		"no parent":      {Folder{Dir: filepath.Join(dir, "missing", "dumps")}, "no such file or directory", false},
		"open to others": {Folder{Dir: open}, "others than its owner can write", true},
		"closed to him":  {Folder{Dir: closed, Owner: &process.User{UID: nobody, GID: nobody}}, "could not enter", true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.root {
				needRoot(t)
			}
			_, err := (&Maker{}).WriteFiles(t.Context(), nil, test.folder)
			var failure *backup.Failure
			if !errors.As(err, &failure) || !strings.Contains(failure.Message, test.want) || failure.Hint == "" || failure.Class != backup.Permanent {
				t.Errorf("err = %+v", err)
			}
		})
	}
}

func TestFolderSweepsTheDead(t *testing.T) {
	f := newFolderTest(t)
	f.mustWrite(t, Folder{})
	temp := func(id string) string {
		return filepath.Join(filepath.Dir(f.file), "."+filepath.Base(f.file)+".tmp-"+id)
	}
	other := filepath.Join(filepath.Dir(f.file), ".another.tmp-DEAD")
	for _, path := range []string{temp("DEAD"), temp("LIVES"), other} {
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lives, err := os.Open(temp("LIVES"))
	if err != nil {
		t.Fatal(err)
	}
	defer lives.Close()
	if err := unix.Flock(int(lives.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	f.mustWrite(t, Folder{})
	got := names(t, filepath.Dir(f.file))
	want := []string{"", "/" + filepath.Base(other), "/" + filepath.Base(temp("LIVES")), "/" + filepath.Base(f.file)}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFolderThatIsFull(t *testing.T) {
	f := newFolderTest(t)
	f.dir = smallDisk(t, 256<<10)
	f.file = filepath.Join(f.dir, f.part.Path())
	if err := os.MkdirAll(filepath.Dir(f.file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.file, []byte("former"), 0o600); err != nil {
		t.Fatal(err)
	}
	failure := f.write(t, Folder{})[0].Failure
	if failure == nil || failure.Class != backup.Permanent || failure.Hint == "" || !strings.Contains(failure.Message, "it may need up to") {
		t.Errorf("%+v", failure)
	}
	// Others fill the disk while the dump is written.
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
	w := &fileWriter{counter{to: file.temp}}
	err = sqlite{}.dump(t.Context(), &Maker{}, f.part, w)
	file.abort()
	if !errors.Is(w.err, syscall.ENOSPC) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("err = %v, %v", err, w.err)
	}
	if failure := backup.AsFailure("dump", folderFailure(f.dir, w.err)); failure.Message != "the disk is full in "+f.dir || failure.Hint == "" {
		t.Errorf("%+v", failure)
	}
	if content, err := os.ReadFile(f.file); err != nil || !bytes.Equal(content, []byte("former")) {
		t.Errorf("the former file is %q, %v", content, err)
	}
	f.only(t, 1)
}

// What others begin or publish at the same moment is waited for, but not for ever: the folder's owner can hold its lock, too.
func TestFolderThatIsHeld(t *testing.T) {
	f := newFolderTest(t)
	f.mustWrite(t, Folder{})
	holder, err := os.Open(filepath.Dir(f.file))
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	if err := unix.Flock(int(holder.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		folder := Folder{Dir: f.dir}
		root, err := folder.open()
		if err != nil {
			t.Fatal(err)
		}
		defer root.close()
		_, err = root.begin(t.Context(), f.part.Path(), false)
		var failure *backup.Failure
		if !errors.As(err, &failure) || failure.Class != backup.Transient || failure.Hint == "" {
			t.Errorf("err = %v", err)
		}
	})
	f.only(t, 1)
}
