package sizes

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	godiff "github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// missing skips a test for want of a real component, or fails it where all of them must be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("BORGCRON_MUST") == "all" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// du is what the real one says of all names in the folders, by path, the sum as "total".
func du(t *testing.T, folders []string, flags ...string) map[string]int64 {
	t.Helper()
	if version, err := exec.Command("du", "--version").Output(); err != nil || !bytes.Contains(version, []byte("GNU")) {
		missing(t, "GNU du is needed to compare with")
	}
	args := append(flags, "-s", "-c", "-0", "--block-size=1", "--")
	for _, folder := range folders {
		for _, entry := range visible(t, folder) {
			args = append(args, join(folder, entry))
		}
	}
	if args[len(args)-1] == "--" {
		return map[string]int64{"total": 0}
	}
	output, _ := exec.Command("du", args...).Output() // 1 if something cannot be read
	said := map[string]int64{}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(output), "\x00"), "\x00") {
		size, path, _ := strings.Cut(line, "\t")
		bytes, err := strconv.ParseInt(size, 10, 64)
		if err != nil {
			t.Fatalf("du says %q", line)
		}
		said[path] += bytes
	}
	return said
}

func visible(t *testing.T, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	check(t, err)
	for _, entry := range entries {
		if entry.Name()[0] != '.' {
			names = append(names, entry.Name())
		}
	}
	return names
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// foldersHaveLength tells whether this du has the folders' own lengths in --apparent-size: since 9.2 it leaves them out.
func foldersHaveLength(t *testing.T) bool {
	t.Helper()
	top := t.TempDir()
	check(t, os.Mkdir(top+"/folder", 0o755))
	return du(t, []string{top}, "--apparent-size")["total"] > 0
}

// likeDu compares a report with what du says, to the byte.
func likeDu(t *testing.T, r Report, folders []string, flags ...string) {
	t.Helper()
	disk, inodes := map[string]int64{"total": r.Total.DiskSize}, map[string]int64{"total": r.Total.Files}
	size := map[string]int64{"total": r.Total.Size}
	for _, entry := range r.Entries {
		disk[entry.Path], size[entry.Path], inodes[entry.Path] = entry.DiskSize, entry.Size, entry.Files
	}
	if diff := godiff.Diff(du(t, folders, flags...), disk); diff != "" {
		t.Errorf("on the disk (-du +ours):\n%s", diff)
	}
	if diff := godiff.Diff(du(t, folders, append(flags, "--inodes")...), inodes); diff != "" {
		t.Errorf("files (-du +ours):\n%s", diff)
	}
	if foldersHaveLength(t) {
		if diff := godiff.Diff(du(t, folders, append(flags, "--apparent-size")...), size); diff != "" {
			t.Errorf("apparent size (-du +ours):\n%s", diff)
		}
	}
}

func measure(t *testing.T, options Options, folders ...string) Report {
	t.Helper()
	options.Now = cmp.Or(options.Now, time.Now())
	report, err := Measure(t.Context(), folders, options)
	check(t, err)
	return report
}

// grow makes a random tree: files, sparse ones, hard links all over, symbolic links, a FIFO, empty and deep folders and odd names.
func grow(t *testing.T, top string, random *rand.Rand) {
	t.Helper()
	folders, files := []string{top}, []string{}
	names := []string{"a", ".hidden", "with space", "new\nline", "tab\t", "\xff\xfe", "-s", "é", "*", strings.Repeat("n", 200)}
	for i := range 40 + random.IntN(200) {
		path := filepath.Join(folders[random.IntN(len(folders))], fmt.Sprint(names[random.IntN(len(names))], i))
		if random.IntN(8) == 0 {
			path = filepath.Join(filepath.Dir(path), ".dot"+strconv.Itoa(i))
		}
		switch kind := random.IntN(10); {
		case kind < 3 || len(files) == 0:
			check(t, os.WriteFile(path, make([]byte, random.IntN(20000)), 0o644))
			files = append(files, path)
		case kind == 3:
			check(t, os.WriteFile(path, []byte("x"), 0o644))
			check(t, os.Truncate(path, random.Int64N(1<<40)))
		case kind == 4:
			check(t, os.Symlink(files[random.IntN(len(files))], path))
		case kind == 5 && random.IntN(4) == 0:
			check(t, syscall.Mkfifo(path, 0o644))
		case kind < 7:
			check(t, os.Link(files[random.IntN(len(files))], path))
		default:
			check(t, os.Mkdir(path, 0o755))
			folders = append(folders, path)
		}
	}
	check(t, os.Symlink(folders[len(folders)-1], top+"/link to a folder"))
}

// Random trees, with any number of workers, are as du has them. The folders overlap in any order, which du counts once.
func TestLikeDu(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			top := t.TempDir()
			grow(t, top, random)
			choice := []string{top}
			for range random.IntN(4) {
				choice = append(choice, anyFolder(t, top, random))
			}
			random.Shuffle(len(choice), func(i, j int) { choice[i], choice[j] = choice[j], choice[i] })
			likeDu(t, measure(t, Options{Workers: 1 + random.IntN(8)}, choice...), choice)
			likeDu(t, measure(t, Options{}, top), []string{top})
		})
	}
}

func anyFolder(t *testing.T, top string, random *rand.Rand) string {
	t.Helper()
	var all []string
	check(t, filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if entry != nil && entry.IsDir() {
			all = append(all, path)
		}
		return err
	}))
	return all[random.IntN(len(all))]
}

// As du, what is named twice, or is below what was named, counts once, in the entry that comes first.
func TestOverlap(t *testing.T) {
	top := t.TempDir()
	check(t, os.MkdirAll(top+"/a/b/c", 0o755))
	for _, path := range []string{"/plain", "/a/plain", "/a/b/plain", "/a/b/c/plain"} {
		check(t, os.WriteFile(top+path, make([]byte, 5000), 0o644))
	}
	check(t, os.Symlink(top+"/a", top+"/a link"))
	check(t, os.Link(top+"/a/b/plain", top+"/z"))
	for _, choice := range [][]string{
		{top, top}, {top, top + "/a"}, {top + "/a", top}, {top + "/a/b", top, top + "/a"}, {top + "/a link", top}, {top, top + "/a link"},
	} {
		for workers := range 5 {
			likeDu(t, measure(t, Options{Workers: 1 + workers}, choice...), choice)
		}
	}
}

// A wide folder is shared by the workers, a deep one is deeper than a path may be long.
func TestWideAndDeep(t *testing.T) {
	top := t.TempDir()
	check(t, os.MkdirAll(top+"/wide/folders", 0o755))
	for i := range 3000 {
		check(t, os.WriteFile(fmt.Sprintf("%s/wide/%d", top, i), make([]byte, i), 0o644))
		check(t, os.Mkdir(fmt.Sprintf("%s/wide/folders/%d", top, i), 0o755))
	}
	dig(t, top+"/deep", 600)
	for _, workers := range []int{1, 2, 8} {
		likeDu(t, measure(t, Options{Workers: workers}, top), []string{top})
	}
}

// dig makes folders one within the other, each with a file, and removes them in the end: os.RemoveAll can.
func dig(t *testing.T, path string, depth int) {
	t.Helper()
	check(t, os.Mkdir(path, 0o755))
	root, err := os.OpenRoot(path)
	check(t, err)
	for range depth {
		check(t, root.WriteFile("file", []byte("hello"), 0o644))
		check(t, root.Mkdir("a folder with a name", 0o755))
		next, err := root.OpenRoot("a folder with a name")
		check(t, err)
		root.Close()
		root = next
	}
	root.Close()
}

// What cannot be read is counted and named, and all else is as du has it.
func TestUnreadable(t *testing.T) {
	if os.Getuid() == 0 {
		asNobody(t)
		return
	}
	top := t.TempDir()
	for path, mode := range map[string]fs.FileMode{"closed": 0, "list only": 0o444, "no list": 0o111, "open": 0o755} {
		check(t, os.MkdirAll(filepath.Join(top, "e", path), 0o755))
		check(t, os.WriteFile(filepath.Join(top, "e", path, "file"), make([]byte, 5000), 0o644))
		check(t, os.Chmod(filepath.Join(top, "e", path), mode))
		defer os.Chmod(filepath.Join(top, "e", path), 0o755)
	}
	report := measure(t, Options{}, top, top+"/e/closed", top+"/e/list only", top+"/e/nothing", top+"/e/open/file")
	var failed []string
	for _, failure := range report.Failures {
		failed = append(failed, strings.TrimPrefix(failure.Path, top)+": "+failure.Err.Error())
	}
	want := []string{
		"/e/closed: permission denied", "/e/closed: permission denied", "/e/list only/file: permission denied",
		"/e/list only/file: permission denied", "/e/no list: permission denied", "/e/nothing: no such file or directory",
		"/e/open/file: not a directory",
	}
	if diff := godiff.Diff(want, failed); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	if len(report.Entries) != 1 || report.Entries[0].Errors != 3 || report.Total.Errors != 7 {
		t.Errorf("%+v, %+v", report.Entries, report.Total)
	}
	likeDu(t, report, []string{top})
}

const nobody = 65534

// asNobody runs the test that is running as an unprivileged user.
func asNobody(t *testing.T) {
	t.Helper()
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Skip("no /proc")
	}
	home, err := os.MkdirTemp("", "sizes-")
	check(t, err)
	defer os.RemoveAll(home)
	check(t, os.Chmod(home, 0o755))
	check(t, os.Mkdir(home+"/tmp", 0o755))
	check(t, os.Chown(home+"/tmp", nobody, nobody))
	check(t, os.WriteFile(home+"/test", program, 0o755))
	command := exec.Command(home+"/test", "-test.run=^"+t.Name()+"$", "-test.v")
	command.Dir, command.Env = home, append(os.Environ(), "TMPDIR="+home+"/tmp", "HOME="+home+"/tmp")
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	output, err := command.CombinedOutput()
	if err != nil || !bytes.Contains(output, []byte("--- PASS: "+t.Name())) {
		t.Errorf("as another user: %v\n%s", err, output)
	}
}

// Files that come and go while they are counted are no error.
func TestVanishing(t *testing.T) {
	top := t.TempDir()
	check(t, os.MkdirAll(top+"/entry/still", 0o755))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			folder := fmt.Sprintf("%s/entry/%d", top, i%7)
			_ = os.MkdirAll(folder+"/below/deeper", 0o755)
			_ = os.WriteFile(folder+"/below/file", []byte("x"), 0o644)
			_ = os.RemoveAll(fmt.Sprintf("%s/entry/%d", top, (i+3)%7))
		}
	}()
	for range 200 {
		report := measure(t, Options{}, top)
		if report.Total.Errors != 0 || len(report.Entries) != 1 || report.Total.Files < 2 {
			t.Errorf("%+v %v", report.Total, report.Failures)
		}
	}
	close(stop)
	<-stopped
}

// A folder that another thing has taken the place of is not walked into, neither is a link.
func TestSwapped(t *testing.T) {
	top := t.TempDir()
	check(t, os.MkdirAll(top+"/a", 0o755))
	check(t, os.Mkdir(top+"/b", 0o755))
	check(t, os.Symlink("a", top+"/link"))
	var a unix.Stat_t
	check(t, unix.Lstat(top+"/a", &a))
	seen := inodeOf(&a)
	for path, want := range map[string]error{"/a": nil, "/b": syscall.ENOENT, "/link": syscall.ENOTDIR, "/none": syscall.ENOENT} {
		fd, err := openFolder(-1, top+path, seen)
		if err == nil {
			syscall.Close(fd)
		}
		if !errors.Is(err, want) || !vanished(err) && err != nil {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
}

// The current folder has no name before that of its entries, the root only a slash.
func TestPaths(t *testing.T) {
	top := t.TempDir()
	check(t, os.MkdirAll(top+"/a/b", 0o755))
	t.Chdir(top)
	for folder, want := range map[string]string{"": "a", ".": "./a", "./": "./a", top: top + "/a", top + "/": top + "/a"} {
		folders := []string{folder}
		if folder == "" {
			folders = nil
		}
		report := measure(t, Options{}, folders...)
		if len(report.Entries) != 1 || report.Entries[0].Path != want || report.Folders[0] != top {
			t.Errorf("%q: %+v of %q", folder, report.Entries, report.Folders)
		}
	}
	if empty := measure(t, Options{}, "a/b"); empty.Text() != "0\ttotal\n" {
		t.Errorf("an empty folder is %q", empty.Text())
	}
}

// The sizes in the text are written as du -h writes them.
func TestHuman(t *testing.T) {
	if got := []string{Human(0), Human(512), Human(1023), Human(1 << 62), Human(1<<63 - 1)}; !slices.Equal(got, []string{"0", "512", "1023", "4.0E", "8.0E"}) {
		t.Errorf("%q", got)
	}
	top := t.TempDir()
	var sizes []int64
	for _, near := range []int64{1 << 10, 10 << 10, 99 << 10, 100 << 10, 1023 << 10, 1 << 20, 10 << 20, 1023 << 20, 1 << 30, 10 << 30, 1023 << 30, 1 << 40, 10 << 40} {
		for off := int64(-60); off <= 60; off += 30 {
			sizes = append(sizes, near+off, near+near*off/1000)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		sizes = append(sizes, random.Int64N(1<<random.IntN(43)+1))
	}
	args := []string{"-h", "-l", "--apparent-size"}
	for i, size := range sizes {
		path := fmt.Sprintf("%s/%d", top, i)
		check(t, os.WriteFile(path, nil, 0o644))
		check(t, os.Truncate(path, size))
		args = append(args, path)
	}
	command := exec.Command("du", args...)
	command.Env = append(os.Environ(), "LC_ALL=C")
	output, err := command.Output()
	if err != nil {
		missing(t, "GNU du is needed to compare with: "+err.Error())
	}
	for i, line := range strings.Split(strings.TrimSpace(string(output)), "\n") {
		if want, _, _ := strings.Cut(line, "\t"); Human(sizes[i]) != want {
			t.Errorf("%d is %s, not %s", sizes[i], want, Human(sizes[i]))
		}
	}
}
