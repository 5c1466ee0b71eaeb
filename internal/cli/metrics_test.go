package cli

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
	"borgcron/internal/metrics"
	"borgcron/internal/status"
)

// What the records do not say the metrics do not say either.
func TestMetricsRow(t *testing.T) {
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ended := began.Add(90 * time.Second)
	run := &status.LastRun{Outcome: backup.Warned, Started: began, Ended: ended, Attempts: 2}
	figures := status.Figures{Archive: "a", Files: 1, OriginalSize: 2, DeduplicatedSize: 3, RepositorySize: 4}
	archive := &metrics.Archive{Files: 1, OriginalSize: 2, DeduplicatedSize: 3, RepositorySize: 4}
	steps := map[backup.Step]time.Time{backup.Create: began}
	for _, test := range []struct {
		name string
		row  status.Row
		want metrics.Row
	}{
		{"all of it", status.Row{ID: "1", StaleAfter: time.Hour, Stale: true, Alarm: &status.Alarm{}, LastSuccess: &ended, LastRun: run, Figures: figures, Steps: steps},
			metrics.Row{
				ID: "1", Standing: &metrics.Standing{Stale: true, Alarm: true, StaleAfter: time.Hour}, Outcomes: []backup.Outcome{backup.Warned},
				LastRun: &metrics.Run{Ended: ended, Duration: 90 * time.Second, Attempts: 2}, LastSuccess: ended, Archive: archive, Steps: steps,
			}},
		{"only skipped so far", status.Row{ID: "1", State: status.Never, Waiting: &status.Waiting{Outcome: backup.Skipped}},
			metrics.Row{ID: "1", Standing: &metrics.Standing{}, Outcomes: []backup.Outcome{backup.Skipped}}},
		{"an alarm of another job's run", status.Row{ID: "1", State: status.Failed, Alarm: &status.Alarm{}},
			metrics.Row{ID: "1", Standing: &metrics.Standing{Alarm: true}}},
		{"not on record", status.Row{State: status.Never}, metrics.Row{}},
		{"kept from running by its configuration", status.Row{State: status.Failed}, metrics.Row{Outcomes: []backup.Outcome{backup.Failed}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, metricsRow(test.row)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
