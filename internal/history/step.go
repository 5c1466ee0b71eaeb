package history

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"borgcron/internal/backup"
)

// endStep writes the result of a step and folds it into what is known.
func endStep(ctx context.Context, tx *sql.Tx, target backup.Target, run backup.Run, result backup.StepResult) error {
	if err := beginRun(ctx, tx, backup.Event{Run: run, Target: target, Time: result.Ended}); err != nil {
		return err
	}
	id, err := openStep(ctx, tx, run.ID, result.Step)
	if errors.Is(err, sql.ErrNoRows) { // not begun, or its start could not be written
		inserted, failed := tx.ExecContext(ctx, "INSERT INTO steps (run, step, started) VALUES (?, ?, ?)",
			run.ID, result.Step, result.Started.UnixMicro())
		if failed != nil {
			return failed
		}
		id, err = inserted.LastInsertId()
	}
	if err != nil {
		return err
	}
	if err := writeResult(ctx, tx, id, target.Job, result); err != nil {
		return err
	}
	if err := writeDetails(ctx, tx, id, result); err != nil {
		return err
	}
	if !isBorgs(result.Step) || !result.Outcome.Ran() {
		return nil
	}
	return amend(ctx, tx, target, func(last *backup.Last) { last.End(target.Job, result) })
}

// endStepOnce is endStep for a step that may be on record already.
func endStepOnce(ctx context.Context, tx *sql.Tx, target backup.Target, run backup.Run, result backup.StepResult) error {
	var known bool
	err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM steps WHERE run = ? AND step = ? AND started = ? AND outcome IS NOT NULL)",
		run.ID, result.Step, result.Started.UnixMicro()).Scan(&known)
	if err != nil || known {
		return err
	}
	return endStep(ctx, tx, target, run, result)
}

func writeResult(ctx context.Context, tx *sql.Tx, id int64, job *backup.Job, result backup.StepResult) error {
	report := result.Report
	archive := backup.Archive{}
	if report.Archive != nil {
		archive = *report.Archive
	}
	notes, err := text(append([]string{}, result.Notes...))
	if err != nil {
		return err
	}
	deleted, err := text(append([]backup.Archive{}, report.Deleted...))
	if err != nil {
		return err
	}
	selection := ""
	if result.Step == backup.Create {
		selection = job.Fingerprint()
	}
	_, err = tx.ExecContext(ctx, `UPDATE steps SET outcome = ?, started = ?, ended = ?, attempts = ?, reason = ?, problem = ?,
		breached = ?, alarm = ?, notes = ?, archive = ?, archive_id = ?, archive_time = ?, repository_id = ?, files = ?,
		original_size = ?, deduplicated_size = ?, repository_size = ?, checked = ?, deleted = ?, selection = ?, tail = ? WHERE id = ?`,
		result.Outcome.String(), result.Started.UnixMicro(), result.Ended.UnixMicro(), result.Attempts, result.Reason, result.Problem,
		result.Breached, result.Alarm, notes, archive.Name, archive.ID, micros(archive.Time), report.RepositoryID, report.Files,
		report.OriginalSize, report.DeduplicatedSize, report.RepositorySize, report.CheckedRepository, deleted, selection,
		strings.Join(report.Tail, "\n"), id)
	return err
}

// writeDetails writes the attempts that failed and the warnings. The report's warnings take the place of
// those that came while the step went on; a step that failed may have no report, then these stay.
func writeDetails(ctx context.Context, tx *sql.Tx, id int64, result backup.StepResult) error {
	for _, attempt := range result.Failures {
		if err := writeAttempt(ctx, tx, id, attempt); err != nil {
			return err
		}
	}
	if len(result.Report.Warnings) > 0 {
		if _, err := tx.ExecContext(ctx, "DELETE FROM warnings WHERE step = ?", id); err != nil {
			return err
		}
	}
	kept := map[backup.WarningKind]int{}
	for _, warning := range result.Report.Warnings {
		if kept[warning.Kind]++; kept[warning.Kind] > mostWarnings {
			continue
		}
		if err := writeWarning(ctx, tx, id, warning); err != nil {
			return err
		}
	}
	if err := writeDumps(ctx, tx, id, result.Report.Dumps); err != nil {
		return err
	}
	if err := writeDrill(ctx, tx, id, result.Report.Drill); err != nil {
		return err
	}
	for kind, count := range result.Report.Counts {
		if _, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO counts VALUES (?, ?, ?)", id, kind, count); err != nil {
			return err
		}
	}
	return nil
}

// interrupt closes the steps of a run that were begun and of whose end nothing is known. They were cut off before
// `known`, and after they were last heard of.
func interrupt(ctx context.Context, tx *sql.Tx, target backup.Target, run string, heard, known time.Time) error {
	steps, err := openSteps(ctx, tx, run)
	if err != nil {
		return err
	}
	for _, result := range steps {
		succeeded, err := succeededSince(ctx, tx, target, result.Started)
		if err != nil {
			return err
		}
		if succeeded { // whatever it had left behind was no hindrance
			known = time.Time{}
		}
		result.Outcome, result.Ended, result.Attempts = backup.Interrupted, heard, max(1, result.Attempts)
		result.Problem, result.Cut = cutOff(result.Step), known
		if err := endStep(ctx, tx, target, backup.Run{ID: run, Job: target.Job.Name, Started: heard}, result); err != nil {
			return err
		}
	}
	return nil
}

// succeededSince tells whether a borg of any job went well on the repository after a step had begun. What is known of
// its jobs says so without a look at their runs.
func succeededSince(ctx context.Context, tx *sql.Tx, target backup.Target, began time.Time) (succeeded bool, err error) {
	err = each(ctx, tx, "SELECT last FROM targets WHERE repository_key = ?", []any{target.Repository.Key()},
		func(scan func(...any) error) error {
			var encoded []byte
			if err := scan(&encoded); err != nil {
				return err
			}
			var last backup.Last
			err := decode(encoded, &last)
			for _, done := range last.Done {
				succeeded = succeeded || done.After(began)
			}
			return err
		})
	return succeeded, err
}

// cutOff is what is wrong with a run that was cut off in a step.
func cutOff(step backup.Step) string {
	if isBorgs(step) {
		return "cut off during " + string(step)
	}
	return "cut off during a hook (" + string(step) + ")"
}

// openSteps returns the steps that were begun and have not ended. The attempts that failed are counted, and
// the one that was cut off.
func openSteps(ctx context.Context, tx *sql.Tx, run string) (steps []backup.StepResult, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT step, started, reason, (SELECT count(*) + 1 FROM attempts WHERE step = steps.id)
		FROM steps WHERE run = ? AND outcome IS NULL ORDER BY id`, run)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var result backup.StepResult
		var started int64
		if err := rows.Scan(&result.Step, &started, &result.Reason, &result.Attempts); err != nil {
			return nil, err
		}
		result.Started = time.UnixMicro(started)
		steps = append(steps, result)
	}
	return steps, rows.Err()
}
