package cli

import (
	"context"
	"path/filepath"
	"time"

	"borgcron/internal/backup"
	"borgcron/internal/config"
	"borgcron/internal/dump"
	"borgcron/internal/hook"
)

// databases makes the dumps of jobs: as pipes in a private folder of the run, or as files in the spool.
type databases struct {
	maker   *dump.Maker
	private string // folder of private folders
	now     func() time.Time
}

func (env *environment) newDatabases(loaded *config.Config) databases {
	return databases{env.newMaker(loaded), filepath.Join(loaded.Runtime, "dumps"), env.Now}
}

// newMaker makes what dumps and restores.
func (env *environment) newMaker(loaded *config.Config) *dump.Maker {
	return &dump.Maker{
		Environ: hook.Environ(env.Environ, env.secretVariables(loaded)), Secret: env.secretReader(loaded), Log: env.Log,
		Scratch: loaded.State,
	}
}

// of is the maker for a job: its programs may be as long without a sign of life as its borg.
func (d databases) of(job *backup.Job) *dump.Maker {
	maker := *d.maker
	maker.Stall = job.Timeout.Stall
	return &maker
}

// Stream prepares the job's dumps as pipes, in a folder that goes with them.
func (d databases) Stream(ctx context.Context, job *backup.Job, left map[string]string) (backup.DumpStream, error) {
	dir, remove, err := dump.Private(d.private)
	if err != nil {
		return backup.DumpStream{}, err
	}
	stream, err := d.of(job).Stream(ctx, job, dir, left)
	if err != nil {
		remove()
		return stream, err
	}
	closePipes := stream.Close
	stream.Close = func() { closePipes(); remove() }
	return stream, nil
}

// Spool makes the job's dumps as files.
func (d databases) Spool(ctx context.Context, job *backup.Job) ([]backup.DatabaseDump, error) {
	maker := d.of(job)
	parts, err := maker.EachParts(ctx, job.Databases)
	if err != nil {
		return nil, err
	}
	folder := dump.Folder{Dir: job.Spool, Now: d.now}
	written, err := maker.WriteFiles(ctx, parts, folder)
	if err != nil {
		return nil, err
	}
	if err := folder.Note(ctx, job.Name, written); err != nil {
		return nil, err
	}
	var dumps []backup.DatabaseDump
	var failed error
	for _, one := range written {
		switch {
		case one.Failure == nil:
		case one.Database.Warn && ctx.Err() == nil:
			one.Left = one.Failure.Sentence()
		default:
			if failed == nil {
				failed = one.Failure
			}
			continue
		}
		dumps = append(dumps, one.DatabaseDump)
	}
	return dumps, failed
}
