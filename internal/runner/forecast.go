package runner

import (
	"context"

	"borgcron/internal/backup"
)

// Forecast is what a run would do for a job on one repository, as far as it can be known without a lock
// and without borg.
type Forecast struct {
	Repository string
	Due        backup.Due // whether a run with --due would do anything
	Archive    string
	Steps      []backup.Due
	Outcome    backup.Outcome // with Problem: how the run would end before it began
	Problem    string
}

// Forecast looks at the same things as Run, in the same order, and does nothing.
func (r *Runner) Forecast(ctx context.Context, job *backup.Job, choice backup.Choice) []Forecast {
	s := &session{Runner: r, job: job, options: Options{Choice: choice}}
	for _, repository := range job.Repositories {
		s.rows = append(s.rows, s.newRow(repository))
	}
	rows := s.rows
	s.preflight(ctx)
	forecasts := make([]Forecast, 0, len(rows))
	for _, row := range rows {
		row.recall(ctx)
		now := r.Now()
		due, reason := backup.IsDue(job, &row.last, now)
		forecast := Forecast{
			Repository: row.run.Repository, Due: backup.Due{Now: due, Reason: dueText(due, reason)},
			Outcome: row.run.Outcome, Problem: row.run.Problem,
		}
		if forecast.Problem == "" {
			forecast.Archive = row.archiveName(job.ArchiveName, now)
			if job.OnlyDumps() {
				forecast.Archive = row.archiveName(backup.DumpsName, now)
			}
			forecast.Steps = backup.Plan(job, &row.last, choice, now)
			if reason := row.noRoom(ctx); reason != "" {
				forecast.refuse(reason)
			}
		}
		forecasts = append(forecasts, forecast)
	}
	return forecasts
}

// refuse leaves out what makes an archive.
func (f *Forecast) refuse(reason string) {
	for i, due := range f.Steps {
		if due.Now && (due.Step == backup.Create || due.Step == backup.Dump) {
			f.Steps[i].Now, f.Steps[i].Reason = false, reason
		}
	}
}

func dueText(due bool, reason string) string {
	if due {
		return "due, " + reason
	}
	return "not due, " + reason
}
