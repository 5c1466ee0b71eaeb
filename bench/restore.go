package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	restoreFiles = 200_000
	// memoryDisk is where to restore to if there is room: what a disk takes for so many files changes from one minute to the next.
	memoryDisk, restoreRoom = "/dev/shm", 2 << 30
)

// restoring is part e: all of an archive into a new folder, against bare borg. Both restore the same archive.
func (b *bench) restoring() {
	w := b.newWorld("e", restoreFiles, 1)
	c := w.newContender(borgcron)
	archive := must(filepath.Abs(filepath.Join(c.home, "archive")))
	list := c.command([]string{"sh", "-c", "borg list --short --last=1 >" + archive})
	c.expect(list, list.Run())
	out := filepath.Join(w.dir, "out")
	note := machine()
	var stat syscall.Statfs_t
	if err := syscall.Statfs(memoryDisk, &stat); err == nil && int64(stat.Bavail)*stat.Bsize > restoreRoom { //nolint:gosec // no disk is so large
		out, note = must(os.MkdirTemp(memoryDisk, "borgcron-bench-")), "restored into memory; "+note
		defer func() { check(os.RemoveAll(out)) }()
	}
	programs := [][]string{
		{b.program, "--config", c.home + "/1d.yaml", "restore", "files", "--to", out},
		{"sh", "-c", fmt.Sprintf(`cd '%s' && exec borg extract --sparse "::$(cat '%s')"`, out, archive)},
	}
	s := &series{name: "e", unit: "seconds", note: note, columns: []string{borgcron, byHand}}
	s.measure(b.docs, b.rounds, func(round int, row []float64) {
		for _, i := range order(round%2, 2) {
			check(os.RemoveAll(out))
			check(os.Mkdir(out, 0o700))
			c.settle()
			command := c.command(programs[i])
			began := time.Now()
			c.expect(command, command.Run())
			row[i] = time.Since(began).Seconds()
		}
	})
	check(os.RemoveAll(w.dir))
}
