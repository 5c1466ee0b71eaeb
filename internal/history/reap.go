package history

import (
	"context"
	"database/sql"
	"time"

	"borgcron/internal/backup"
)

// lastWords is how long after its last sign of life a run may still be about to say that it ended: it lets go
// of the repository's lock before it does.
const lastWords = time.Minute

// Reap closes the target's runs that were begun and never ended as interrupted, at the time when they were last
// heard of, and returns them with their steps. The caller holds the repository's lock: whatever was in the
// middle of a step is dead. A run that is between steps may be at its very end, so it is left alone for a minute.
func (s *Store) Reap(ctx context.Context, t backup.Target) (runs []backup.Run, err error) {
	err = s.write(ctx, true, func(tx *sql.Tx) error {
		dead, err := deadRuns(ctx, tx, t, s.now())
		if err != nil {
			return err
		}
		for _, run := range dead {
			if err := reap(ctx, tx, t, run, s.now()); err != nil {
				return err
			}
			detail, err := readRun(ctx, tx, run.ID)
			if err != nil {
				return err
			}
			runs = append(runs, detail.Run)
		}
		return nil
	})
	if err != nil {
		return nil, about("runs that were cut off", t, err)
	}
	return runs, nil
}

// Dangling tells whether runs of the target were begun that have not ended: they are at work, or dead.
func (s *Store) Dangling(ctx context.Context, t backup.Target) (dangling bool, err error) {
	err = s.read(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM runs WHERE job = ? AND repository_key = ? AND outcome IS NULL)",
			t.Job.Name, t.Repository.Key()).Scan(&dangling)
	})
	return dangling, about("runs that did not end", t, err)
}

// deadRuns returns the open runs; Ended is when each was last heard of.
func deadRuns(ctx context.Context, tx *sql.Tx, t backup.Target, now time.Time) (runs []backup.Run, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, job, repository, started, heard FROM runs
		WHERE job = ? AND repository_key = ? AND outcome IS NULL
		AND (heard NOT BETWEEN ? AND ? OR EXISTS (SELECT 1 FROM steps WHERE run = runs.id AND outcome IS NULL))
		ORDER BY started`,
		t.Job.Name, t.Repository.Key(), now.Add(-lastWords).UnixMicro(), now.UnixMicro())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var run backup.Run
		var started, heard int64
		if err := rows.Scan(&run.ID, &run.Job, &run.Repository, &started, &heard); err != nil {
			return nil, err
		}
		run.Started, run.Ended = time.UnixMicro(started), time.UnixMicro(heard)
		runs = append(runs, run)
	}
	return runs, rows.Err()
}

func reap(ctx context.Context, tx *sql.Tx, t backup.Target, run backup.Run, now time.Time) error {
	steps, err := openSteps(ctx, tx, run.ID)
	if err != nil {
		return err
	}
	run.Outcome, run.Problem = backup.Interrupted, "cut off between two steps"
	if len(steps) > 0 {
		run.Problem = cutOff(steps[len(steps)-1].Step)
	}
	if err := interrupt(ctx, tx, t, run.ID, run.Ended, now); err != nil {
		return err
	}
	return closeRun(ctx, tx, run)
}
