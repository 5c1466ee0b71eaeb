package sizes

import (
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func mount(t *testing.T, source, target, kind string, flags uintptr, options string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount")
	}
	if err := unix.Mount(source, target, kind, flags, options); err != nil {
		missing(t, "cannot mount: "+err.Error())
	}
	t.Cleanup(func() { check(t, unix.Unmount(target, unix.MNT_DETACH)) })
}

// With -x what is mounted below an entry is left out, also the folder and the file on which it is; an entry that is a mount
// itself is one that was asked for.
func TestOneFileSystem(t *testing.T) {
	top := t.TempDir()
	for _, folder := range []string{"/a/below/mount", "/mount", "/z"} {
		check(t, os.MkdirAll(top+folder, 0o755))
	}
	check(t, os.WriteFile(top+"/a/file", make([]byte, 5000), 0o644))
	check(t, os.WriteFile(top+"/a/bound", make([]byte, 50000), 0o644))
	mount(t, "tmpfs", top+"/a/below/mount", "tmpfs", 0, "size=1m,mode=755")
	mount(t, "tmpfs", top+"/mount", "tmpfs", 0, "size=1m,mode=755")
	check(t, os.WriteFile(top+"/a/below/mount/file", make([]byte, 9000), 0o644))
	check(t, os.WriteFile(top+"/mount/file", make([]byte, 20000), 0o644))
	mount(t, top+"/a", top+"/z", "", unix.MS_BIND, "") // one folder at two places
	whole := measure(t, Options{}, top)
	likeDu(t, whole, []string{top})
	likeDu(t, measure(t, Options{}, top+"/z", top), []string{top + "/z", top})
	mount(t, top+"/mount/file", top+"/a/bound", "", unix.MS_BIND, "")
	apart := measure(t, Options{OneFileSystem: true}, top)
	likeDu(t, apart, []string{top}, "-x")
	if apart.Total.DiskSize >= whole.Total.DiskSize {
		t.Errorf("with mounts %d, without %d", whole.Total.DiskSize, apart.Total.DiskSize)
	}
}

// A disk that is full costs no log, and leaves nothing half.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	mount(t, "tmpfs", disk, "tmpfs", 0, "size=64k,mode=755")
	path := disk + "/sizes.txt"
	first := Report{Generated: time.Now(), Entries: []Entry{{Path: "first"}}}
	check(t, save(t, path, first))
	if err := os.WriteFile(disk+"/fill", make([]byte, 128<<10), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	long := Report{Generated: time.Now(), Entries: []Entry{{Path: strings.Repeat("long", 5000)}}}
	if err := save(t, path, long); err == nil {
		t.Error("Save found nothing wrong")
	}
	if last, err := SavedReport(path); err != nil || last.Entries[0].Path != "first" {
		t.Errorf("%v, %v", last.Entries, err)
	}
	if data, err := os.ReadFile(logOf(path)); err != nil || strings.Count(string(data), "\n") != 1 || strings.Contains(string(data), "long") {
		t.Errorf("the log has %q, %v", data, err)
	}
	check(t, os.Remove(disk+"/fill"))
	check(t, save(t, path, long))
}
