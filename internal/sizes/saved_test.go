package sizes

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	godiff "github.com/google/go-cmp/cmp"
)

var now = time.Date(2026, 11, 23, 4, 5, 6, 0, time.UTC)

func save(t *testing.T, path string, report Report) error {
	t.Helper()
	saver, err := NewSaver(path)
	if err != nil {
		return err
	}
	defer saver.Close()
	return saver.Save(report)
}

func some(path string, size int64) Report {
	return Report{Generated: now, Folders: []string{"/home"}, Entries: []Entry{{Path: path, Figures: Figures{DiskSize: size}}},
		Total: Total{Figures: Figures{DiskSize: size}}, Repositories: []Repository{}}
}

func TestSave(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	path := t.TempDir() + "/sizes.txt"
	if _, err := SavedReport(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing saved: %v", err)
	}
	if _, _, err := SavedText(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing saved: %v", err)
	}
	check(t, save(t, path, some("/home/a", 4096)))
	second := some("/home/a", 8192)
	second.Grow(path)
	second.Generated = now.Add(time.Hour)
	check(t, save(t, path, second))
	text, saved, err := SavedText(path)
	if want := "8.0K\t/home/a\t+4.0K\n8.0K\ttotal\t+4.0K\n"; err != nil || text != want || time.Since(saved) > time.Minute {
		t.Errorf("%q of %v, %v", text, saved, err)
	}
	last, err := SavedReport(path)
	if diff := godiff.Diff(second, last); err != nil || diff != "" {
		t.Errorf("%v, (-saved +read):\n%s", err, diff)
	}
	for file, want := range map[string]fs.FileMode{path: 0o644, logOf(path): 0o644, path + ".lock": 0o600} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
	}
}

func TestGrow(t *testing.T) {
	path := t.TempDir() + "/sizes.txt"
	before := some("/home/a", 10<<20)
	before.Folders = []string{"/home", "/odd\xff"}
	before.Entries = append(before.Entries, Entry{Path: "/home/\xff\xfe", PathBytes: []byte("/home/\xff\xfe"), Figures: Figures{DiskSize: 100}}, Entry{Path: "gone"})
	check(t, save(t, path, before))
	check(t, save(t, path, some("/home/a", 1))) // other folders
	apart := before
	apart.OneFileSystem, apart.Total = true, Total{}
	check(t, save(t, path, apart))
	after := before
	after.Entries = []Entry{{Path: "/home/a", Figures: Figures{DiskSize: 3 << 20}}, {Path: "/home/\xff\xfe", PathBytes: []byte("/home/\xff\xfe"), Figures: Figures{DiskSize: 100}}, {Path: "/home/new", Figures: Figures{DiskSize: 1 << 30}}}
	after.Total.DiskSize = 1<<30 + 3<<20
	after.Grow(path)
	want := "3.0M\t/home/a\t-7.0M\n100\t/home/��\t+0\n1.0G\t/home/new\tnew\n1.1G\ttotal\t+1017M\n"
	if after.Text() != want || after.Since == nil || !after.Since.Equal(now) {
		t.Errorf("since %v\n%swant\n%s", after.Since, after.Text(), want)
	}
	other := some("/home/a", 1)
	other.Folders = []string{"/elsewhere"}
	if other.Grow(path); other.Since != nil || other.Text() != "1\t/home/a\n1\ttotal\n" {
		t.Errorf("%v: %q", other.Since, other.Text())
	}
}

// A log that is full is put aside, once; what it says last is still known.
func TestRotate(t *testing.T) {
	path := t.TempDir() + "/sizes.txt"
	long := some("/home/"+strings.Repeat("long", 300000), 1)
	for range 4 {
		check(t, save(t, path, long))
	}
	if _, err := os.Stat(logOf(path) + ".1"); err == nil {
		t.Error("put aside before it was full")
	}
	check(t, save(t, path, some("new", 7)))
	first, err := os.Stat(logOf(path) + ".1")
	check(t, err)
	if info, err := os.Stat(logOf(path)); err != nil || first.Size() < rotateAt || info.Size() > 1000 {
		t.Errorf("%d, %v", info.Size(), err)
	}
	other := some("/home/x", 5)
	other.Folders = []string{"/other"}
	check(t, os.Remove(logOf(path)))
	if last, err := SavedReport(path); err != nil || last.Entries[0].Path != long.Entries[0].Path {
		t.Errorf("the log before is not looked at: %v", err)
	}
}

// Many savers at the same time, also while the log is put aside, lose nothing.
func TestManySavers(t *testing.T) {
	path := t.TempDir() + "/sizes.txt"
	check(t, os.WriteFile(logOf(path), []byte(strings.Repeat(" ", rotateAt-2000)), 0o644))
	var done sync.WaitGroup
	for i := range 40 {
		done.Go(func() {
			if err := save(t, path, some(fmt.Sprintf("saver-%d", i), 1)); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	first, err := os.ReadFile(logOf(path) + ".1")
	check(t, err)
	second, err := os.ReadFile(logOf(path))
	check(t, err)
	all := map[string]bool{}
	for line := range strings.Lines(string(first) + string(second)) {
		if report, ok := parse([]byte(line)); ok {
			all[report.Entries[0].Path] = true
		}
	}
	if len(all) != 40 {
		t.Errorf("%d of 40 are in the logs", len(all))
	}
	if text, _, err := SavedText(path); err != nil || strings.Count(text, "\n") != 2 {
		t.Errorf("%q, %v", text, err)
	}
}

// A line that was cut off by a crash spoils neither the next one nor the one before.
func TestCutOff(t *testing.T) {
	path := t.TempDir() + "/sizes.txt"
	check(t, save(t, path, some("one", 1)))
	log, err := os.OpenFile(logOf(path), os.O_APPEND|os.O_WRONLY, 0)
	check(t, err)
	_, err = log.WriteString(`{"generated":"2026-`)
	check(t, err)
	log.Close()
	if last, err := SavedReport(path); err != nil || last.Entries[0].Path != "one" {
		t.Errorf("%v, %v", last.Entries, err)
	}
	check(t, save(t, path, some("two", 1)))
	if last, err := SavedReport(path); err != nil || last.Entries[0].Path != "two" {
		t.Errorf("%v, %v", last.Entries, err)
	}
}

// What others may have put there is neither followed, waited for, nor written to.
func TestHostileFiles(t *testing.T) {
	top := t.TempDir()
	check(t, os.WriteFile(top+"/target", []byte("precious"), 0o644))
	check(t, syscall.Mkfifo(top+"/fifo.log", 0o644))
	check(t, syscall.Mkfifo(top+"/fifo", 0o644))
	check(t, os.Symlink("target", top+"/link"))
	check(t, os.Symlink("target", top+"/link.log"))
	check(t, os.Symlink("target", top+"/locklink.lock"))
	check(t, os.Symlink("target", top+"/loglink.log"))
	check(t, os.Link(top+"/target", top+"/names.log"))
	check(t, os.Mkdir(top+"/folder", 0o755))
	for _, name := range []string{"fifo", "link", "folder", "locklink", "loglink", "names", "no/such"} {
		if err := save(t, top+"/"+name, some("x", 1)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: saved: %v", name, err)
		}
	}
	if err := save(t, "/dev/null", some("x", 1)); err == nil {
		t.Error("/dev/null was replaced")
	}
	for _, name := range []string{"fifo", "link", "folder"} {
		if _, _, err := SavedText(top + "/" + name); err == nil {
			t.Errorf("%s was read", name)
		}
		if _, err := SavedReport(top + "/" + name); err == nil {
			t.Errorf("%s.log was read", name)
		}
	}
	if data, _ := os.ReadFile(top + "/target"); string(data) != "precious" {
		t.Errorf("it was written to: %q", data)
	}
	check(t, os.WriteFile(top+"/text", []byte("1.0K\t/a\x1b[2J\u202eb\r\n\x00\ttotal"), 0o644))
	if text, _, err := SavedText(top + "/text"); err != nil || text != "1.0K\t/a [2J b\n\ttotal\n" {
		t.Errorf("%q, %v", text, err)
	}
	check(t, os.Truncate(top+"/text", mostText+1))
	if _, _, err := SavedText(top + "/text"); err == nil {
		t.Error("a text without end was read")
	}
	if os.Getuid() == 0 {
		check(t, os.WriteFile(top+"/other.log", nil, 0o644))
		check(t, os.Chown(top+"/other.log", nobody, nobody))
		if err := save(t, top+"/other", some("x", 1)); err == nil || !strings.Contains(err.Error(), "belongs to user") {
			t.Errorf("another user's log: %v", err)
		}
	}
}

// Nothing is saved while another process does; it is waited for, but not without end.
func TestWaitsForTheLock(t *testing.T) {
	path := t.TempDir() + "/sizes.txt"
	holder, err := NewSaver(path)
	check(t, err)
	check(t, holder.take())
	saver, err := NewSaver(path)
	check(t, err)
	defer saver.Close()
	saver.wait = 10 * time.Millisecond
	if err := saver.Save(some("x", 1)); err == nil || !strings.Contains(err.Error(), "another process is saving") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(logOf(path)); err == nil {
		t.Error("saved without the lock")
	}
	saver.wait = lockWait
	saved := make(chan error)
	go func() { saved <- saver.Save(some("x", 1)) }()
	holder.Close()
	check(t, <-saved)
}

func FuzzSaved(f *testing.F) {
	f.Add([]byte("8.0K\t/home/a\t+4.0K\n8.0K\ttotal\t+4.0K\n"))
	f.Add([]byte(`{"generated":"2026-11-23T04:05:06Z","folders":["/home"],"entries":[{"path":"/home/a","path_bytes":"/w==","size":-9223372036854775808,"disk_size":-9223372036854775808}],"total":{"disk_size":9223372036854775807},"repositories":[{"path":"r"}]}`))
	f.Add([]byte("\x1b[2J\n{}\n{\"generated\":1}\nnull"))
	folder := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		path := fmt.Sprintf("%s/%d", folder, os.Getpid())
		check(t, os.WriteFile(path, data, 0o600))
		text, _, err := SavedText(path)
		if err != nil || strings.ContainsAny(text, "\x1b\r\x00\u202e\u0085") {
			t.Fatalf("%q, %v", text, err)
		}
		check(t, os.Rename(path, logOf(path)))
		report, err := SavedReport(path)
		if err != nil {
			return
		}
		next := report
		if next.Grow(path); next.Since == nil {
			t.Fatalf("a report is not on the same folders as itself: %+v", report)
		}
		_ = next.Text()
	})
}
