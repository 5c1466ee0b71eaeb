package borg_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
	"borgcron/internal/borg"
)

// On a full disk borg is ended at the first file that has no room.
func TestExtractTreeDiskFull(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting a small disk takes root")
	}
	for name, size := range map[string]int{"with a warning": 20 << 10, "with an error": 100 << 10} { // as borg buffers
		t.Run(name, func(t *testing.T) { diskFull(t, size) })
	}
}

func diskFull(t *testing.T, size int) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.init()
		for i := range 400 {
			f.write(fmt.Sprintf("file%03d", i), strings.Repeat("x", size))
		}
		f.create("host-home-1")
		dir := t.TempDir()
		if err := unix.Mount("small", dir, "tmpfs", 0, "size=1m"); err != nil {
			t.Skip("no small disk can be mounted: ", err)
		}
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
		_, err := f.client.ExtractTree(t.Context(), f.call(), "host-home-1", borg.Extraction{Dir: dir})
		f.fails(err, backup.Permanent, borg.DiskFull)
		if got := len(inDir(t, dir)); got >= 400 {
			t.Errorf("borg made all %d files: it was not ended", got)
		}
	})
}
