package alarm

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What stood before stands after a write that failed.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=64k,mode=755"); err != nil {
		if os.Getenv("BORGCRON_MUST") == "all" {
			t.Fatalf("cannot mount a tmpfs: %v", err)
		}
		t.Skipf("cannot mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(disk, unix.MNT_DETACH) })
	s := &Store{Dir: filepath.Join(disk, "alarms"), Now: func() time.Time { return now }}
	must(t, s.Raise(repository, finding))
	fill := func() {
		t.Helper()
		if err := os.WriteFile(filepath.Join(disk, "fill"), make([]byte, 128<<10), 0o600); err == nil {
			t.Fatal("the disk is not full")
		}
	}
	fill()
	if err := s.Raise(repository, finding); err == nil {
		t.Error("Raise found nothing wrong")
	}
	if got := standing(t, s); got == nil || got.Findings != 1 || got.Problem != finding.Problem {
		t.Errorf("Standing = %+v", got)
	}
	must(t, os.WriteFile(s.path(repository), nil, 0o600))
	fill()
	if err := s.Raise(repository, finding); err == nil {
		t.Error("Raise over a damaged file found nothing wrong")
	}
	if got := standing(t, s); got == nil || got.EndsWithCheck() {
		t.Errorf("Standing = %+v", got)
	}
	must(t, s.Settle(repository))
}
