package dump

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
)

// maxContents bounds what is read of the contents of a spool.
const maxContents = 64 << 20

// Note writes what the folder holds after its dumps were made, so that a restore finds its way: those that were written now, and
// what was noted before of those that failed, as their former files are still there.
func (f Folder) Note(ctx context.Context, job string, written []Written) error {
	root, err := f.open()
	if err != nil {
		return folderFailure(f.Dir, err)
	}
	defer root.close()
	contents := backup.Contents{Version: 1, Job: job}
	before := root.noted(job)
	for _, one := range written {
		if one.Failure == nil {
			contents.Dumps = append(contents.Dumps, one.DatabaseDump)
			continue
		}
		for _, former := range before.Dumps {
			if former.Path() == one.Path() || one.unknown != nil && former.Server == one.Server {
				contents.Dumps = append(contents.Dumps, former)
			}
		}
	}
	if err := root.note(ctx, contents); err != nil {
		return folderFailure(f.Dir, fmt.Errorf("note what the dumps are: %w", err))
	}
	return nil
}

// noted is what was noted before; nothing if that cannot be read.
func (r *dumpRoot) noted(job string) (contents backup.Contents) {
	file, err := r.OpenFile(backup.SpoolContents(job), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return contents
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxContents))
	if err != nil || json.Unmarshal(text, &contents) != nil {
		return backup.Contents{}
	}
	return contents
}

func (r *dumpRoot) note(ctx context.Context, contents backup.Contents) error {
	text, err := json.MarshalIndent(contents, "", "  ")
	if err != nil {
		return err
	}
	here := *r
	here.keep = 0
	file, err := here.begin(ctx, backup.SpoolContents(contents.Job), false)
	if err != nil {
		return err
	}
	defer file.abort()
	if _, err := file.temp.Write(append(text, '\n')); err != nil {
		return err
	}
	return file.commit(ctx)
}
