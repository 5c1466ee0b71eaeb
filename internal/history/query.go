package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"borgcron/internal/backup"
)

// Query chooses runs. Zero values: all.
type Query struct {
	Job        string
	Repository string // the name it is called by
	Limit      int
}

// Detail is one run with all that is on record of it.
type Detail struct {
	backup.Run
	Open  bool      // it has not ended, or was cut off and nothing was started since: Outcome means nothing
	Heard time.Time // its last sign of life
}

var (
	// ErrNoRun says that there is no run with such an id.
	ErrNoRun = errors.New("there is no such run")
	// ErrAmbiguous says that several runs have an id that begins so; the error names some.
	ErrAmbiguous = errors.New("several runs begin so")
)

const runColumns = "id, job, repository, outcome, started, ended, heard, problem, notes"

// where is the condition, built from what was asked: one that holds for all cases would be answered by looking at
// every run.
func (q Query) where() (condition string, args []any) {
	condition = "WHERE outcome IS NOT NULL"
	if q.Job != "" {
		condition, args = condition+" AND job = ?", append(args, q.Job)
	}
	if q.Repository != "" {
		condition, args = condition+" AND repository = ?", append(args, q.Repository)
	}
	condition += " ORDER BY started DESC, rowid DESC"
	if q.Limit > 0 {
		condition, args = condition+" LIMIT ?", append(args, q.Limit)
	}
	return condition, args
}

// Runs returns the runs that have ended, newest first, with their steps and their figures.
func (s *Store) Runs(ctx context.Context, query Query) (runs []backup.Run, err error) {
	err = s.read(ctx, func(tx *sql.Tx) error {
		where, args := query.where()
		details, err := selectRuns(ctx, tx, where, args...)
		if err != nil {
			return err
		}
		steps, err := selectSteps(ctx, tx, "IN (SELECT id FROM runs "+where+")", args...)
		if err != nil {
			return err
		}
		for _, detail := range details {
			for _, step := range steps[detail.ID] {
				detail.Steps = append(detail.Steps, step.StepResult)
			}
			runs = append(runs, detail.Run)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("history: list runs: %w", err)
	}
	return runs, nil
}

// Jobs returns the names of all jobs of which something is on record.
func (s *Store) Jobs(ctx context.Context) (names []string, err error) {
	err = s.read(ctx, func(tx *sql.Tx) error {
		return each(ctx, tx, "SELECT DISTINCT job FROM targets ORDER BY job", nil,
			func(scan func(...any) error) error {
				var name string
				err := scan(&name)
				names = append(names, name)
				return err
			})
	})
	if err != nil {
		return nil, fmt.Errorf("history: list jobs: %w", err)
	}
	return names, nil
}

// Run returns one run whole. Any part that begins its id, and no other one's, is enough.
func (s *Store) Run(ctx context.Context, id string) (detail Detail, err error) {
	err = s.read(ctx, func(tx *sql.Tx) error {
		whole, err := resolve(ctx, tx, id)
		if err != nil {
			return err
		}
		detail, err = readRun(ctx, tx, whole)
		return err
	})
	if err != nil {
		return Detail{}, fmt.Errorf("history: run %q: %w", id, err)
	}
	return detail, nil
}

// resolve returns the whole id that begins so. The newest runs are named first where there are several.
func resolve(ctx context.Context, tx *sql.Tx, prefix string) (string, error) {
	if prefix == "" {
		return "", ErrNoRun
	}
	var found []string
	err := each(ctx, tx, `SELECT id FROM runs WHERE id = ?1
		UNION ALL SELECT * FROM (SELECT id FROM runs WHERE id > ?1 AND id < ?2 ORDER BY id DESC LIMIT 4)`,
		[]any{prefix, prefix + string(unicode.MaxRune)}, func(scan func(...any) error) error {
			var id string
			err := scan(&id)
			found = append(found, id)
			return err
		})
	switch {
	case err != nil:
		return "", err
	case len(found) == 0:
		return "", ErrNoRun
	case len(found) > 1 && found[0] != prefix:
		return "", fmt.Errorf("%w: %s", ErrAmbiguous, strings.Join(found, ", "))
	}
	return found[0], nil
}

func readRun(ctx context.Context, tx *sql.Tx, id string) (Detail, error) {
	details, err := selectRuns(ctx, tx, "WHERE id = ?", id)
	if err != nil {
		return Detail{}, err
	}
	if len(details) == 0 {
		return Detail{}, ErrNoRun
	}
	detail := details[0]
	steps, err := selectSteps(ctx, tx, "= ?", id)
	if err != nil {
		return Detail{}, err
	}
	for _, step := range steps[id] {
		if err := step.readDetails(ctx, tx); err != nil {
			return Detail{}, err
		}
		detail.Steps = append(detail.Steps, step.StepResult)
	}
	return detail, nil
}

func selectRuns(ctx context.Context, tx *sql.Tx, where string, args ...any) (details []Detail, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT "+runColumns+" FROM runs "+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var detail Detail
		var outcome sql.NullString
		var started, ended, heard sql.NullInt64
		var notes []byte
		err := rows.Scan(&detail.ID, &detail.Job, &detail.Repository, &outcome, &started, &ended, &heard, &detail.Problem, &notes)
		if err != nil {
			return nil, err
		}
		detail.Started, detail.Ended, detail.Heard = moment(started), moment(ended), moment(heard)
		if detail.Open = !outcome.Valid; !detail.Open {
			if err := detail.Outcome.UnmarshalText([]byte(outcome.String)); err != nil {
				return nil, err
			}
		}
		if err := json.Unmarshal(notes, &detail.Notes); err != nil {
			return nil, fmt.Errorf("notes of run %s: %w", detail.ID, err)
		}
		details = append(details, detail)
	}
	return details, rows.Err()
}

// stepRow is a step and the number of its row.
type stepRow struct {
	id int64
	backup.StepResult
}

// selectSteps returns the steps of the runs that are chosen, by the run's id. One query for all: one a run would take
// most of the time of a list.
func selectSteps(ctx context.Context, tx *sql.Tx, runs string, args ...any) (steps map[string][]stepRow, err error) {
	steps = map[string][]stepRow{}
	err = each(ctx, tx, `SELECT run, id, step, outcome, started, ended, attempts, reason, problem, breached, alarm, notes, archive,
		archive_id, archive_time, repository_id, files, original_size, deduplicated_size, repository_size, checked, deleted, tail
		FROM steps WHERE run `+runs+" ORDER BY run, started, id", args, func(scan func(...any) error) error {
		run, step, err := scanStep(scan)
		steps[run] = append(steps[run], step)
		return err
	})
	return steps, err
}

func scanStep(scan func(...any) error) (run string, step stepRow, err error) {
	var outcome sql.NullString
	var started, ended, archiveTime sql.NullInt64
	var archive backup.Archive
	var notes, deleted []byte
	var tail string
	report := &step.Report
	err = scan(&run, &step.id, &step.Step, &outcome, &started, &ended, &step.Attempts, &step.Reason, &step.Problem, &step.Breached,
		&step.Alarm, &notes, &archive.Name, &archive.ID, &archiveTime, &report.RepositoryID, &report.Files, &report.OriginalSize,
		&report.DeduplicatedSize, &report.RepositorySize, &report.CheckedRepository, &deleted, &tail)
	if err != nil {
		return run, step, err
	}
	step.Started, step.Ended, archive.Time = moment(started), moment(ended), moment(archiveTime)
	if archive != (backup.Archive{}) {
		report.Archive = &archive
	}
	if tail != "" {
		report.Tail = strings.Split(tail, "\n")
	}
	if outcome.Valid {
		err = step.Outcome.UnmarshalText([]byte(outcome.String))
	}
	return run, step, errors.Join(err, json.Unmarshal(notes, &step.Notes), json.Unmarshal(deleted, &report.Deleted))
}

// readDetails reads what only one who looks at a single run wants to know.
func (s *stepRow) readDetails(ctx context.Context, tx *sql.Tx) error {
	of := []any{s.id}
	err := each(ctx, tx, "SELECT number, message_id, message, temporary, wait, tail FROM attempts WHERE step = ? ORDER BY number", of,
		func(scan func(...any) error) error {
			var attempt backup.Attempt
			var wait int64
			var tail string
			err := scan(&attempt.Number, &attempt.ID, &attempt.Message, &attempt.Temporary, &wait, &tail)
			attempt.Wait = time.Duration(wait) * time.Microsecond
			if tail != "" {
				attempt.Tail = strings.Split(tail, "\n")
			}
			s.Failures = append(s.Failures, attempt)
			return err
		})
	if err != nil {
		return err
	}
	err = each(ctx, tx, "SELECT kind, message, path FROM warnings WHERE step = ? ORDER BY rowid", of,
		func(scan func(...any) error) error {
			var warning backup.Warning
			err := scan(&warning.Kind, &warning.Message, &warning.Path)
			s.Report.Warnings = append(s.Report.Warnings, warning)
			return err
		})
	if err != nil {
		return err
	}
	if s.Report.Dumps, err = readDumps(ctx, tx, s.id); err != nil {
		return err
	}
	if s.Report.Drill, err = readDrill(ctx, tx, s.id); err != nil {
		return err
	}
	return each(ctx, tx, "SELECT kind, count FROM counts WHERE step = ?", of,
		func(scan func(...any) error) error {
			var kind backup.WarningKind
			var count int
			err := scan(&kind, &count)
			if s.Report.Counts == nil {
				s.Report.Counts = map[backup.WarningKind]int{}
			}
			s.Report.Counts[kind] = count
			return err
		})
}

// each calls a function for every row of a query.
func each(ctx context.Context, tx *sql.Tx, query string, args []any, do func(scan func(...any) error) error) error {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := do(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
