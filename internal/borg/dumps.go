package borg

import (
	"context"
	"path/filepath"
	"syscall"
	"time"

	"borgcron/internal/backup"
)

// CreateDumps makes an archive of what comes out of the stream's named pipes. It is made whole or not at all: borg writes
// no checkpoint, and when ctx ends it is told to go at once, not to bring its work to an end. It is killed when we die: a pipe
// whose writer has died looks like one that has been read to its end, and SIGTERM is lost on a borg that is just about to open the next one,
// where it would wait for ever. The repository is none the worse: what was begun is rolled back, and a lock of a dead process broken by borg.
func (c *Client) CreateDumps(ctx context.Context, call backup.Call, archive string, stream backup.DumpStream) (backup.Report, error) {
	if call.Repository.IsLocal() { // borg runs in another folder
		if location, err := filepath.Abs(call.Repository.Key()); err == nil {
			call.Repository.Location = location
		}
	}
	// While it waits for a dump that does not come, the dump program is to be ended first, which says what is wrong.
	return c.run(ctx, call, task{
		command: "create", archive: archive, options: dumpOptions(call), paths: stream.Paths, answer: &answer{want: archive},
		stall: 2 * call.Job.Timeout.Stall, dir: stream.Dir, mortal: syscall.SIGKILL,
	})
}

// noCheckpoint is longer than any run.
const noCheckpoint = 10 * 365 * 24 * time.Hour

func dumpOptions(call backup.Call) []string {
	job := call.Job
	o := options{"--json", "--list", "--filter=CE", "--read-special", "--files-cache=disabled"}
	o.text("comment", escapeBraces(job.Comment))
	o.text("compression", job.Compression)
	o.text("chunker-params", job.Chunker)
	o.seconds("checkpoint-interval", noCheckpoint)
	return o
}
