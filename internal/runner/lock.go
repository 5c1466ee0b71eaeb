package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"borgcron/internal/backup"
	"borgcron/internal/lock"
)

// lock takes the local locks of all repositories, in the order of their keys, so that two jobs with the
// same repositories cannot wait for each other. It tells whether any row can go on.
func (s *session) lock(ctx context.Context) bool {
	rows := s.active()
	slices.SortStableFunc(rows, func(a, b *row) int {
		return cmp.Compare(a.target.Repository.Key(), b.target.Repository.Key())
	})
	for _, row := range rows {
		row.lock(ctx)
	}
	if s.options.Due { // while we waited, another run may have done the work
		s.leaveOut(ctx, s.notDue)
	}
	return len(s.active()) > 0
}

// unlock lets go of all locks; the kernel does it if we are killed before.
func (s *session) unlock() {
	for _, row := range s.rows {
		row.close()
	}
}

func (r *row) lock(ctx context.Context) {
	held, err := r.Locks.Acquire(ctx, r.target.Repository.Key(), r.job.Name, r.options.Wait)
	var other *lock.HeldError
	switch {
	case errors.As(err, &other):
		r.settle(backup.Locked, other.Error())
	case err != nil && ctx.Err() != nil:
		r.settle(backup.Locked, "ended by a signal while it waited for the lock")
	case err != nil:
		r.settle(backup.Failed, fmt.Sprintf("local lock: %v", err))
	default:
		r.held = held
		r.reap(ctx)
		r.recall(ctx)
		r.recalled = r.blind == ""
	}
}

func (r *row) close() {
	if r.held == nil {
		return
	}
	if err := r.held.Close(); err != nil {
		r.Log.Warn("letting go of the local lock", "repository", r.run.Repository, "error", err)
	}
	r.held = nil
}

// reap closes what a run that was cut off left open, and says so.
func (r *row) reap(ctx context.Context) {
	runs, err := r.Records.Reap(ctx, r.target)
	if err != nil {
		r.Log.Warn("looking for runs that were cut off", "job", r.job.Name, "error", err)
	}
	for _, run := range runs {
		r.Log.Warn("an earlier run was cut off", "job", run.Job, "repository", run.Repository, "run", run.ID, "problem", run.Problem)
		r.tell(ctx, backup.Event{Kind: backup.RunEnded, Run: run})
	}
}

// reapDead closes runs that were cut off although nothing is due, unless a run is at work.
func (r *row) reapDead(ctx context.Context) {
	if dangling, err := r.Records.Dangling(ctx, r.target); err != nil || !dangling {
		return
	}
	held, err := r.Locks.Acquire(ctx, r.target.Repository.Key(), r.job.Name, 0)
	if err != nil {
		return
	}
	r.held = held
	r.reap(ctx)
}

// recall reads what is known of the row. Records that cannot be read never stop a backup; without them
// nothing is known, and what needs knowledge waits.
func (r *row) recall(ctx context.Context) {
	last, err := r.Records.Recall(ctx, r.target)
	if err != nil {
		r.Log.Warn("reading the history", "job", r.job.Name, "error", err)
	}
	r.last, r.blind = last, ""
	if err != nil {
		r.blind = "the history cannot be read"
	}
	r.meetAlarm()
}
