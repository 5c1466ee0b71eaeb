package cli

import (
	"context"
	"io"
	"time"

	"borgcron/internal/backup"
)

// eventPrinter writes each event as one JSON object on a line.
type eventPrinter struct{ to io.Writer }

// eventLine is the shape of `run --json`; keys may be added.
type eventLine struct {
	Time       time.Time        `json:"time"`
	Event      backup.EventKind `json:"event"`
	Job        string           `json:"job"`
	Repository string           `json:"repository"`
	Run        string           `json:"run"`
	Step       backup.Step      `json:"step,omitempty"`
	Reason     string           `json:"reason,omitempty"`
	Outcome    string           `json:"outcome,omitempty"`
	Archive    string           `json:"archive,omitempty"`
	Problem    string           `json:"problem,omitempty"`
	Attempt    int              `json:"attempt,omitempty"`
	ID         string           `json:"id,omitempty"`
	Kind       string           `json:"kind,omitempty"`
	Message    string           `json:"message,omitempty"`
	Path       string           `json:"path,omitempty"`
	Temporary  *bool            `json:"temporary,omitempty"`
	Wait       *float64         `json:"wait,omitempty"` // seconds
	Holder     string           `json:"holder,omitempty"`
	Progress   *backup.Progress `json:"progress,omitempty"`
	Drill      *backup.Drill    `json:"drill,omitempty"`
	Notes      []string         `json:"notes,omitempty"`
}

func (p eventPrinter) Observe(_ context.Context, event backup.Event) error {
	line := eventLine{
		Time: event.Time, Event: event.Kind, Job: event.Run.Job, Repository: event.Run.Repository, Run: event.Run.ID,
		Holder: event.Holder, Progress: event.Progress,
	}
	if event.Step != nil {
		line.Step = event.Step.Step
	}
	switch event.Kind {
	case backup.StepStarted:
		line.Reason = event.Step.Reason
	case backup.StepEnded:
		line.Outcome, line.Problem, line.Drill = event.Step.Outcome.String(), event.Step.Problem, event.Step.Report.Drill
	case backup.AttemptFailed:
		attempt := event.Attempt
		wait := attempt.Wait.Seconds()
		line.Attempt, line.ID, line.Message = attempt.Number, attempt.ID, attempt.Message
		line.Temporary, line.Wait = &attempt.Temporary, &wait
	case backup.WarningSeen:
		line.Kind, line.Message, line.Path = string(event.Warning.Kind), event.Warning.Message, event.Warning.Path
	case backup.RunEnded:
		line.Outcome, line.Problem, line.Notes = event.Run.Outcome.String(), event.Run.Problem, event.Run.Notes
		if create := event.Run.Archived(); create != nil && create.Report.Archive != nil {
			line.Archive = create.Report.Archive.Name
		}
	}
	return printJSONLine(p.to, line)
}
