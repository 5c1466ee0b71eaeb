package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"borgcron/internal/backup"
)

const (
	// heardEvery is how often progress is written down as a sign of life.
	heardEvery = time.Minute
	// mostWarnings is how many warnings of a kind are kept of a step; all are counted.
	mostWarnings = 20
)

// warningsOf names the warnings of one kind in a step of a run.
type warningsOf struct {
	run  string
	step backup.Step
	kind backup.WarningKind
}

// Observe writes an event down. The start of a step is on the disk when it returns, so that a step that was
// cut off is known, whatever cut it off; so are the end of a step and of a run.
func (s *Store) Observe(ctx context.Context, e backup.Event) error {
	var err error
	switch e.Kind {
	case backup.RunStarted:
		err = s.write(ctx, false, func(tx *sql.Tx) error { return beginRun(ctx, tx, e) })
	case backup.StepStarted:
		err = s.write(ctx, true, func(tx *sql.Tx) error { return beginStep(ctx, tx, e) })
	case backup.AttemptFailed:
		err = s.write(ctx, false, func(tx *sql.Tx) error { return addAttempt(ctx, tx, e) })
	case backup.WarningSeen:
		if s.worthKeeping(e) {
			err = s.write(ctx, false, func(tx *sql.Tx) error { return addWarning(ctx, tx, e) })
		}
	case backup.LockBroken:
		err = s.write(ctx, false, func(tx *sql.Tx) error { return addNote(ctx, tx, e.Run.ID, backup.BrokeLock(e.Holder)) })
	case backup.Progressed:
		if s.longSilent(e) {
			err = s.write(ctx, false, func(tx *sql.Tx) error { return heard(ctx, tx, e) })
		}
	case backup.StepEnded:
		err = s.write(ctx, true, func(tx *sql.Tx) error { return endStep(ctx, tx, e.Target, e.Run, *e.Step) })
	case backup.RunEnded:
		err = s.write(ctx, true, func(tx *sql.Tx) error { return s.endRun(ctx, tx, e) })
		s.forgetRun(e.Run.ID)
	}
	return about(string(e.Kind), e.Target, err)
}

func beginRun(ctx context.Context, tx *sql.Tx, e backup.Event) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO runs (id, job, repository, repository_key, started, heard)
		VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET heard = max(heard, excluded.heard)`,
		e.Run.ID, e.Run.Job, e.Run.Repository, e.Target.Repository.Key(), e.Run.Started.UnixMicro(), e.Time.UnixMicro())
	if err != nil || e.Kind != backup.RunStarted {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO facts VALUES (?, ?)", processOf+e.Run.ID, thisProcess())
	return err
}

// beginStep makes the run's row too if it is not there: the history may be newer than the run.
func beginStep(ctx context.Context, tx *sql.Tx, e backup.Event) error {
	if err := beginRun(ctx, tx, e); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO steps (run, step, started, reason) VALUES (?, ?, ?, ?)",
		e.Run.ID, e.Step.Step, e.Step.Started.UnixMicro(), e.Step.Reason)
	return err
}

// isBorgs tells whether a step starts a borg, so that it leaves something behind in the repository.
func isBorgs(step backup.Step) bool { return step != backup.Before && step != backup.After }

// openStep returns the row of the step that the run is at; sql.ErrNoRows if its start was not written.
func openStep(ctx context.Context, tx *sql.Tx, run string, step backup.Step) (id int64, err error) {
	err = tx.QueryRowContext(ctx, `SELECT id FROM steps WHERE run = ? AND step = ? AND outcome IS NULL
		ORDER BY id DESC LIMIT 1`, run, step).Scan(&id)
	return id, err
}

func addAttempt(ctx context.Context, tx *sql.Tx, e backup.Event) error {
	step, err := openStep(ctx, tx, e.Run.ID, e.Step.Step)
	if err != nil {
		return err
	}
	if err := writeAttempt(ctx, tx, step, *e.Attempt); err != nil {
		return err
	}
	return heard(ctx, tx, e)
}

func writeAttempt(ctx context.Context, tx *sql.Tx, step int64, attempt backup.Attempt) error {
	_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?)", step, attempt.Number,
		attempt.ID, attempt.Message, attempt.Temporary, attempt.Wait.Microseconds(), strings.Join(attempt.Tail, "\n"))
	return err
}

func addWarning(ctx context.Context, tx *sql.Tx, e backup.Event) error {
	step, err := openStep(ctx, tx, e.Run.ID, e.Step.Step)
	if err != nil {
		return err
	}
	return writeWarning(ctx, tx, step, *e.Warning)
}

func writeWarning(ctx context.Context, tx *sql.Tx, step int64, warning backup.Warning) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO warnings VALUES (?, ?, ?, ?)", step, warning.Kind, warning.Message, warning.Path)
	return err
}

func addNote(ctx context.Context, tx *sql.Tx, run, note string) error {
	notes, err := notesOf(ctx, tx, run)
	if err != nil {
		return err
	}
	encoded, err := text(append(notes, note))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "UPDATE runs SET notes = ? WHERE id = ?", encoded, run)
	return err
}

// notesOf returns what the run's row has to say already, nothing if there is no row.
func notesOf(ctx context.Context, tx *sql.Tx, run string) (notes []string, err error) {
	var encoded string
	err = tx.QueryRowContext(ctx, "SELECT notes FROM runs WHERE id = ?", run).Scan(&encoded)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return notes, json.Unmarshal([]byte(encoded), &notes)
}

func heard(ctx context.Context, tx *sql.Tx, e backup.Event) error {
	_, err := tx.ExecContext(ctx, "UPDATE runs SET heard = max(heard, ?) WHERE id = ?", e.Time.UnixMicro(), e.Run.ID)
	return err
}

// longSilent tells whether the last written sign of life of the event's run is old enough for a new one.
func (s *Store) longSilent(e backup.Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.Time.Sub(s.heard[e.Run.ID]) < heardEvery {
		return false
	}
	s.heard[e.Run.ID] = e.Time
	return true
}

// worthKeeping counts the warnings of a step: there may be one for each file.
func (s *Store) worthKeeping(e backup.Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	these := warningsOf{e.Run.ID, e.Step.Step, e.Warning.Kind}
	s.seen[these]++
	return s.seen[these] <= mostWarnings
}

func (s *Store) forgetRun(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.heard, id)
	for these := range s.seen {
		if these.run == id {
			delete(s.seen, these)
		}
	}
}

// endRun closes the run's row. Its steps that no event told of come with it: those that were not begun.
// A run that never began has no row so far. A second end of the same run has the last word: Reap may have
// closed a run that was merely slow to say that it ended.
func (s *Store) endRun(ctx context.Context, tx *sql.Tx, e backup.Event) error {
	run := e.Run
	var former sql.NullString
	err := tx.QueryRowContext(ctx, "SELECT outcome FROM runs WHERE id = ?", run.ID).Scan(&former)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if err := beginRun(ctx, tx, e); err != nil {
		return err
	}
	for _, step := range run.Steps {
		if err := endStepOnce(ctx, tx, e.Target, run, step); err != nil {
			return err
		}
	}
	if err := interrupt(ctx, tx, e.Target, run.ID, run.Ended, run.Ended); err != nil {
		return err
	}
	if err := closeRun(ctx, tx, run); err != nil {
		return err
	}
	if former.String != run.Outcome.String() {
		if err := amend(ctx, tx, e.Target, func(last *backup.Last) { last.EndRun(run) }); err != nil {
			return err
		}
	}
	return dropOld(ctx, tx, e.Target, run, s.now())
}

func closeRun(ctx context.Context, tx *sql.Tx, run backup.Run) error {
	notes, err := notesOf(ctx, tx, run.ID)
	if err != nil {
		return err
	}
	for _, note := range run.Notes {
		if !slices.Contains(notes, note) {
			notes = append(notes, note)
		}
	}
	encoded, err := text(append([]string{}, notes...))
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM facts WHERE name = ?", processOf+run.ID); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "UPDATE runs SET outcome = ?, started = ?, ended = ?, heard = max(heard, ?), problem = ?, notes = ? WHERE id = ?",
		run.Outcome.String(), run.Started.UnixMicro(), run.Ended.UnixMicro(), run.Ended.UnixMicro(), run.Problem, encoded, run.ID)
	return err
}
