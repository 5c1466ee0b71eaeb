package main

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A file that nobody may change or remove comes back as one that a drill can remove.
func TestVerifyImmutable(t *testing.T) { oneBorg(t, verifyImmutable) }

func verifyImmutable(t *testing.T, borg string) {
	s := newSite(t, borg, verifiedHome)
	s.write(2, 3000)
	file, err := os.Open(s.path("data", "0"))
	check(t, err)
	defer file.Close()
	const immutable = 0x10 // FS_IMMUTABLE_FL of linux/fs.h
	if err := unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, immutable); err != nil {
		t.Skipf("a file cannot be made immutable here: %v", err) // only root may, and not on all file systems
	}
	defer func() { check(t, unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, 0)) }()
	s.must("init")
	s.must("run")
	if drill := s.drilled(); drill.Compared < 2 {
		t.Errorf("%+v", drill)
	}
	if found, err := os.ReadDir(s.path("state", "restore")); err != nil || len(found) > 0 {
		t.Errorf("left behind: %v, %v", found, err)
	}
}
