package cli

import (
	"context"
	"errors"

	"borgcron/internal/backup"
	"borgcron/internal/config"
	"borgcron/internal/metrics"
	"borgcron/internal/status"
)

// metricsWriter writes the metrics anew at the end of each run. It comes after the records, which it reads.
type metricsWriter struct {
	env    *environment
	loaded *config.Config
}

func (w metricsWriter) Observe(_ context.Context, event backup.Event) error {
	if event.Kind != backup.RunEnded {
		return nil
	}
	return w.env.writeMetrics(w.loaded)
}

// writeMetrics writes how all configured jobs stand, if the configuration says where. What cannot be read of the
// records is missing in the file and an error.
func (env *environment) writeMetrics(loaded *config.Config) error {
	path := string(loaded.Metrics.Textfile)
	if path == "" {
		return nil
	}
	rows, unreadable := env.statusRows(loaded)
	var told []metrics.Row
	for _, row := range rows {
		if row.State != status.Gone {
			told = append(told, metricsRow(row))
		}
	}
	err := metrics.Write(path, told, metrics.Build{Version: Version, User: username()})
	for _, problem := range unreadable {
		err = errors.Join(err, errors.New(problem))
	}
	return err
}

// metricsRow is what the metrics tell of a row of the status.
func metricsRow(row status.Row) metrics.Row {
	told := metrics.Row{Job: row.Job, Repository: row.Repository, ID: row.ID, Steps: row.Steps}
	if row.ID != "" {
		told.Standing = &metrics.Standing{Stale: row.Stale, Alarm: row.Alarm != nil, StaleAfter: row.StaleAfter}
	}
	if row.LastSuccess != nil {
		told.LastSuccess = *row.LastSuccess
	}
	if run := row.LastRun; run != nil {
		told.LastRun = &metrics.Run{Ended: run.Ended, Duration: run.Ended.Sub(run.Started), Attempts: run.Attempts}
		told.Outcomes = append(told.Outcomes, run.Outcome)
	} else if row.State == status.Failed && row.Alarm == nil { // the configuration of the job is wrong: it was not even begun
		told.Outcomes = append(told.Outcomes, backup.Failed)
	}
	if row.Waiting != nil {
		told.Outcomes = append(told.Outcomes, row.Waiting.Outcome)
	}
	if row.Archive != "" {
		told.Archive = &metrics.Archive{
			Files: row.Files, OriginalSize: row.OriginalSize, DeduplicatedSize: row.DeduplicatedSize, RepositorySize: row.RepositorySize,
		}
	}
	return told
}
