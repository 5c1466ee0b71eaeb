package history

import (
	"time"

	"borgcron/internal/backup"
)

// Row is a run in the stable form of `history --json` and of what is sent to others. Sizes are bytes; figures
// of an archive that was not made are 0.
type Row struct {
	ID               string         `json:"id"`
	Job              string         `json:"job"`
	Repository       string         `json:"repository"`
	Outcome          backup.Outcome `json:"outcome"`
	Started          time.Time      `json:"started"`
	Ended            time.Time      `json:"ended"`
	Attempts         int            `json:"attempts"`
	Archive          string         `json:"archive"`
	Files            int64          `json:"files"`
	OriginalSize     int64          `json:"original_size"`
	DeduplicatedSize int64          `json:"deduplicated_size"`
	RepositorySize   int64          `json:"repository_size"`
	Problem          string         `json:"problem"`
	Notes            []string       `json:"notes"`
	Steps            []StepRow      `json:"steps"`
}

// StepRow is a step of a Row.
type StepRow struct {
	Step     backup.Step    `json:"step"`
	Outcome  backup.Outcome `json:"outcome"`
	Started  time.Time      `json:"started"`
	Ended    time.Time      `json:"ended"`
	Attempts int            `json:"attempts"`
	Reason   string         `json:"reason"`
	Problem  string         `json:"problem"`

	// Of one run that is looked at alone.
	Dumps    []backup.DatabaseDump      `json:"dumps,omitempty"`
	Drill    *backup.Drill              `json:"drill,omitempty"`
	Failures []backup.Attempt           `json:"failures,omitempty"`
	Warnings []backup.Warning           `json:"warnings,omitempty"`
	Counts   map[backup.WarningKind]int `json:"counts,omitempty"`
	Tail     []string                   `json:"tail,omitempty"`
}

// Details puts all that is on record of the steps into the row of the run.
func (r *Row) Details(run backup.Run) {
	for i, step := range run.Steps {
		row := &r.Steps[i]
		row.Dumps, row.Drill = step.Report.Dumps, step.Report.Drill
		row.Failures, row.Warnings, row.Counts, row.Tail = step.Failures, step.Report.Warnings, step.Report.Counts, step.Report.Tail
	}
}

// RowOf returns the stable form of a run.
func RowOf(run backup.Run) Row {
	row := Row{
		ID: run.ID, Job: run.Job, Repository: run.Repository, Outcome: run.Outcome, Started: run.Started, Ended: run.Ended,
		Attempts: run.Attempts(), Problem: run.Problem, Notes: append([]string{}, run.Notes...), Steps: []StepRow{},
	}
	if create := run.Archived(); create != nil {
		report := create.Report
		if report.Archive != nil {
			row.Archive = report.Archive.Name
		}
		row.Files, row.OriginalSize = report.Files, report.OriginalSize
		row.DeduplicatedSize, row.RepositorySize = report.DeduplicatedSize, report.RepositorySize
	}
	for _, step := range run.Steps {
		row.Steps = append(row.Steps, StepRow{
			Step: step.Step, Outcome: step.Outcome, Started: step.Started, Ended: step.Ended,
			Attempts: step.Attempts, Reason: step.Reason, Problem: step.Problem,
		})
	}
	return row
}
