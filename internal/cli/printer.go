package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"borgcron/internal/backup"
	"borgcron/internal/runner"
)

// printers are the observers that show a run: events for programs, or the log, a progress line and a
// summary for people.
func (env *environment) printers(asJSON, progress bool) []runner.Observer {
	if asJSON {
		return []runner.Observer{logPrinter{env.Log}, eventPrinter{env.Stdout}}
	}
	printers := []runner.Observer{logPrinter{env.Log}, summaryPrinter{env.Stdout, env.Quiet}}
	if progress {
		printers = append([]runner.Observer{progressPrinter{env.Stderr}}, printers...)
	}
	return printers
}

// logPrinter writes what happens to the log.
type logPrinter struct{ log *slog.Logger }

func (p logPrinter) Observe(_ context.Context, event backup.Event) error {
	log := p.log.With("job", event.Run.Job)
	if event.Run.Repository != event.Run.Job {
		log = log.With("repository", event.Run.Repository)
	}
	switch event.Kind {
	case backup.RunStarted:
		log.Debug("run started", "run", event.Run.ID)
	case backup.StepStarted:
		log.Info(string(event.Step.Step)+" begins", "why", event.Step.Reason)
	case backup.AttemptFailed:
		attrs := []any{"attempt", event.Attempt.Number, "problem", event.Attempt.Message}
		if event.Attempt.Wait > 0 {
			attrs = append(attrs, "again_in", event.Attempt.Wait.String())
		}
		log.Warn(string(event.Step.Step)+" failed", attrs...)
	case backup.WarningSeen:
		log.Warn(string(event.Step.Step)+" warns", "kind", string(event.Warning.Kind), "message", event.Warning.Message)
	case backup.LockBroken:
		log.Warn("a stale lock in the repository was broken", "holder", event.Holder)
	case backup.StepEnded:
		p.stepEnded(log, event.Step)
	case backup.RunEnded:
		for _, step := range event.Run.Steps {
			if step.Attempts == 0 {
				log.Debug(string(step.Step)+" was not begun", "why", step.Reason)
			}
		}
		for _, note := range event.Run.Notes {
			log.Info("worth knowing: " + note)
		}
	}
	return nil
}

func (p logPrinter) stepEnded(log *slog.Logger, step *backup.StepResult) {
	attrs := []any{"outcome", step.Outcome.String(), "took", took(step.Ended.Sub(step.Started))}
	report := step.Report
	if report.Archive != nil {
		attrs = append(attrs, "archive", report.Archive.Name)
	}
	if len(report.Dumps) > 0 {
		attrs = append(attrs, "dumps", len(report.Dumps))
	}
	if (step.Step == backup.Prune || step.Step == backup.PruneDumps) && step.Attempts > 0 {
		attrs = append(attrs, "kept", len(report.Kept), "deleted", len(report.Deleted))
	}
	level := slog.LevelInfo
	switch {
	case step.Outcome >= backup.Failed:
		level = slog.LevelError
	case step.Outcome == backup.Warned:
		level = slog.LevelWarn
	}
	if step.Problem != "" {
		attrs = append(attrs, "problem", step.Problem)
	}
	log.Log(context.Background(), level, string(step.Step)+" ended", attrs...)
}

// summaryPrinter prints one line a run.
type summaryPrinter struct {
	to    io.Writer
	quiet bool
}

func (p summaryPrinter) Observe(_ context.Context, event backup.Event) error {
	if event.Kind != backup.RunEnded {
		return nil
	}
	run := event.Run
	if p.quiet && (run.Outcome == backup.Succeeded || run.Outcome == backup.Skipped) {
		return nil
	}
	parts := []string{fmt.Sprintf("%s: %s", rowName(run.Job, run.Repository), run.Outcome)}
	if create := run.Archived(); create != nil && create.Report.Archive != nil {
		report := create.Report
		parts = append(parts, report.Archive.Name,
			fmt.Sprintf("%s files, %s, %s new", humanize.Comma(report.Files), size(report.OriginalSize), size(report.DeduplicatedSize)))
	}
	if verify := run.Result(backup.Verify); verify != nil && verify.Report.Drill != nil && verify.Report.Drill.Of+verify.Report.Drill.Dumps > 0 {
		parts = append(parts, drillWords(verify.Report.Drill))
	}
	if run.Outcome.Ran() {
		parts = append(parts, "in "+took(run.Ended.Sub(run.Started)))
	}
	if run.Problem != "" {
		parts = append(parts, run.Problem)
	}
	_, err := fmt.Fprintln(p.to, backup.Clean(strings.Join(parts, "; ")))
	return err
}

// drillWords say what a restore drill did.
func drillWords(d *backup.Drill) string {
	text := fmt.Sprintf("read back %s of %s files, %s", humanize.Comma(d.Files), humanize.Comma(d.Of), size(d.Size))
	if seconds := time.Duration(d.Took).Seconds(); seconds > 0 && d.Size > 0 {
		text += fmt.Sprintf(" (%s/s)", size(int64(float64(d.Size)/seconds)))
	}
	text += fmt.Sprintf(", %s compared with the disk, %s different", humanize.Comma(d.Compared), humanize.Comma(d.Differ))
	if d.Dumps > 0 {
		text += fmt.Sprintf(", %d dumps", d.Dumps)
	}
	return text + fmt.Sprintf(", seed %d", d.Seed)
}

// rowName is what a job on a repository is called.
func rowName(job, repository string) string {
	if job == repository {
		return job
	}
	return job + " on " + repository
}

func size(bytes int64) string { return humanize.Bytes(uint64(max(bytes, 0))) }

// took prints a duration to the second, and below a second to the hundredth.
func took(d time.Duration) string {
	if d < time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// progressPrinter keeps one line of a terminal up to date.
type progressPrinter struct{ to io.Writer }

func (p progressPrinter) Observe(_ context.Context, event backup.Event) error {
	var err error
	switch event.Kind {
	case backup.Progressed:
		_, err = fmt.Fprintf(p.to, "%s%s: %s", clearLine, event.Step.Step, progressText(event.Progress))
	case backup.RunStarted, backup.RunEnded:
	default:
		_, err = io.WriteString(p.to, clearLine)
	}
	return err
}

func progressText(progress *backup.Progress) string {
	switch {
	case progress.Files > 0 || progress.OriginalSize > 0:
		return fmt.Sprintf("%s files, %s, %s new", humanize.Comma(progress.Files), size(progress.OriginalSize), size(progress.DeduplicatedSize))
	case progress.Total > 0:
		return fmt.Sprintf("%.0f%% %s", 100*float64(progress.Current)/float64(progress.Total), backup.CleanLine(progress.Message, 60))
	}
	return backup.CleanLine(progress.Message, 70)
}
