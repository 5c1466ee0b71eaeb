package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/lock"
)

// readFrom are the flags of commands that only read: where from, and how long to wait for the local lock.
type readFrom struct {
	repository string
	wait       time.Duration
}

func (env *environment) addReadingFlags(command *cobra.Command, from *readFrom) {
	command.Flags().Var(newDurationValue(20*time.Second, &from.wait), "wait", "how long to wait for the local lock (`DURATION`)")
	env.addRepositoryFlag(command, &from.repository)
}

// read takes the local lock of the job's first repository that answers what look asks there, or of the named one.
// The call that look got is good for as long as the lock is held. If none answers, the error is that of the first.
func (env *environment) read(ctx context.Context, p *parts, job *backup.Job, from readFrom, look func(context.Context, backup.Call) error) (*lock.Held, error) {
	targets := []backup.Target{}
	if from.repository != "" {
		target, err := repositoryOf(job, from.repository)
		if err != nil {
			return nil, err
		}
		targets = append(targets, target)
	} else {
		for _, repository := range job.Repositories {
			targets = append(targets, backup.Target{Job: job, Repository: repository})
		}
	}
	var first error
	for i, target := range targets {
		held, err := readOne(ctx, p, target, from.wait, look)
		if err == nil {
			if len(targets) > 1 {
				env.Log.Info("from the repository " + job.RepositoryName(target.Repository))
			}
			return held, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
		if i+1 < len(targets) {
			env.Log.Warn("going on with the next repository", "repository", job.RepositoryName(target.Repository), "error", err)
		}
	}
	return nil, first
}

func readOne(ctx context.Context, p *parts, target backup.Target, wait time.Duration, look func(context.Context, backup.Call) error) (*lock.Held, error) {
	held, err := acquire(ctx, p, target, wait)
	if err != nil {
		return nil, err
	}
	if err := look(ctx, backup.Call{Job: target.Job, Repository: target.Repository, Lock: held.File()}); err != nil {
		return nil, errors.Join(err, held.Close())
	}
	return held, nil
}
