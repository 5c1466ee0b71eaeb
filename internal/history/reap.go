package history

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"time"

	"borgcron/internal/backup"
	"borgcron/internal/machine"
)

// lastWords is how long after its last sign of life a run may still be about to say that it ended: it lets go
// of the repository's lock before it does.
const lastWords = time.Minute

// Reap closes the target's runs that were begun and never ended as interrupted, at the time when they were last
// heard of, and returns them with their steps. The caller holds the repository's lock: whatever was in the
// middle of a step is dead. A run that is between steps may be at its very end: unless its process is gone it is
// left alone for a minute.
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
	rows, err := tx.QueryContext(ctx, `SELECT id, job, repository, started, heard,
		heard NOT BETWEEN ? AND ? OR EXISTS (SELECT 1 FROM steps WHERE run = runs.id AND outcome IS NULL),
		coalesce((SELECT value FROM facts WHERE name = ? || runs.id), '')
		FROM runs WHERE job = ? AND repository_key = ? AND outcome IS NULL ORDER BY started`,
		now.Add(-lastWords).UnixMicro(), now.UnixMicro(), processOf, t.Job.Name, t.Repository.Key())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var run backup.Run
		var started, heard int64
		var dead bool
		var process string
		if err := rows.Scan(&run.ID, &run.Job, &run.Repository, &started, &heard, &dead, &process); err != nil {
			return nil, err
		}
		if !dead && !gone(process) {
			continue
		}
		run.Started, run.Ended = time.UnixMicro(started), time.UnixMicro(heard)
		runs = append(runs, run)
	}
	return runs, rows.Err()
}

// processOf is the beginning of the name of a fact: which process a run that has not ended belongs to.
const processOf = "process of run "

// thisProcess is how it is written: its number, when it began and under which boot, as numbers are given again.
func thisProcess() string {
	pid := os.Getpid()
	return fmt.Sprintf("%d %d %s", pid, machine.Started(pid), machine.BootID())
}

// gone tells whether the process certainly is no more.
func gone(process string) bool {
	var pid int
	var began uint64
	var boot string
	if _, err := fmt.Sscanf(process, "%d %d %s", &pid, &began, &boot); err != nil || pid <= 0 {
		return false // not on record, or not where there is no such thing
	}
	if boot != machine.BootID() || !machine.Exists(pid) {
		return true
	}
	now := machine.Started(pid)
	return began != 0 && now != 0 && now != began
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
