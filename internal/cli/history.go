package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/history"
	"borgcron/internal/status"
)

type historyOptions struct {
	json       bool
	repository string
	limit      int
	run        string
}

func newHistoryCommand(env *environment) *cobra.Command {
	var options historyOptions
	command := &cobra.Command{
		Use:   "history [JOB]",
		Short: "Show past runs",
		Long: `history shows the runs that have ended, newest first: when each began, how long it took, how it ended, how
many attempts it needed, the size of the archive and what it added. With --run it shows one run whole: each
step with the reason why it was due or not, the attempts that failed, the warnings, and the end of borg's log.
Of one job the last line tells what is usual, and where its sizes go.

Only its owner may read the history; how the backups are, anybody may ask: see borgcron status.`,
		Example: `  borgcron history home --limit 50
  borgcron history --run 20261122T0230`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("history takes one job; without one it shows all")
			}
			return nil
		},
		ValidArgsFunction: env.completeJobs,
		RunE: func(command *cobra.Command, args []string) error {
			if options.limit < 0 {
				return usage("--limit %d: give the number of runs, 0 for all", options.limit)
			}
			job := ""
			if len(args) == 1 {
				job = args[0]
			}
			return showHistory(command.Context(), env, job, options)
		},
	}
	flags := command.Flags()
	flags.BoolVar(&options.json, "json", false, "print JSON")
	flags.IntVar(&options.limit, "limit", 20, "show `N` runs, 0 for all")
	flags.StringVar(&options.run, "run", "", "show the run with this `ID`; its beginning is enough")
	env.addRepositoryFlag(command, &options.repository)
	return command
}

func showHistory(ctx context.Context, env *environment, job string, options historyOptions) error {
	store, err := env.openHistory(ctx)
	if err != nil {
		return err
	}
	if store == nil {
		return env.printRuns(nil, nil, options)
	}
	defer store.Close()
	if options.run != "" {
		return env.showRun(ctx, store, options)
	}
	query := history.Query{Job: job, Repository: options.repository, Limit: options.limit}
	runs, err := store.Runs(ctx, query)
	if err != nil {
		return exitError{exitUnreadable, err}
	}
	if len(runs) == 0 && job != "" {
		if err := env.knowsJob(ctx, store, job); err != nil {
			return err
		}
	}
	var trends []history.Trend
	if options.json || job != "" {
		if trends, err = store.Trends(ctx, query); err != nil {
			return exitError{exitUnreadable, err}
		}
	}
	return env.printRuns(runs, trends, options)
}

// openHistory opens the first history that is there; nil if there is none.
func (env *environment) openHistory(ctx context.Context) (*history.Store, error) {
	loaded, err := env.configForReading()
	if err != nil {
		return nil, err
	}
	var denied error
	folders := env.stateFolders(loaded)
	slices.Reverse(folders) // the user's own first
	for _, folder := range folders {
		store, err := history.OpenReader(ctx, filepath.Join(folder, "history.db"), env.Now)
		switch {
		case err == nil:
			return store, nil
		case errors.Is(err, fs.ErrPermission):
			denied = exitError{exitUnreadable, fmt.Errorf("%w; only its owner may read it; see borgcron status", err)}
		case !errors.Is(err, fs.ErrNotExist):
			return nil, exitError{exitUnreadable, fmt.Errorf("%w; the next run sets it aside if it is damaged", err)}
		}
	}
	return nil, denied
}

// knowsJob is an error if neither the configuration nor the history has the job.
func (env *environment) knowsJob(ctx context.Context, store *history.Store, job string) error {
	known, err := store.Jobs(ctx)
	if err != nil {
		return exitError{exitUnreadable, err}
	}
	if loaded, err := env.readConfig(); err == nil {
		known = append(known, jobNames(loaded)...)
	}
	if slices.Contains(known, job) {
		return nil
	}
	for i := range known {
		known[i] = backup.Clean(known[i])
	}
	return usage("there is no job %q%s", job, didYouMean(job, known))
}

func (env *environment) printRuns(runs []backup.Run, trends []history.Trend, options historyOptions) error {
	if options.json {
		rows := make([]history.Row, 0, len(runs))
		for _, run := range runs {
			rows = append(rows, history.RowOf(run))
		}
		return printJSON(env.Stdout, map[string]any{"runs": rows, "trends": append([]history.Trend{}, trends...)})
	}
	if options.run != "" {
		return exitError{exitFailed, history.ErrNoRun}
	}
	if len(runs) == 0 {
		answer := "No run recorded yet; try: borgcron run"
		if options.repository != "" {
			answer = "No run on that repository is recorded; its names are in: borgcron status"
		}
		_, err := fmt.Fprintln(env.Stdout, answer)
		return err
	}
	several := slices.ContainsFunc(runs, func(run backup.Run) bool { return run.Repository != run.Job })
	lines := newTable(env.Stdout)
	lines.AppendHeader(without(several, []any{
		"JOB", "REPOSITORY", "START", "TOOK", "OUTCOME", "ATTEMPTS", "SIZE", "NEW", "RUN", "WHAT IS WRONG",
	}))
	for _, run := range runs {
		row := history.RowOf(run)
		lines.AppendRow(without(several, []any{
			backup.Clean(row.Job), backup.Clean(row.Repository), row.Started.Local().Format("2006-01-02 15:04"), took(row.Ended.Sub(row.Started)),
			env.outcomeCell(row.Outcome), row.Attempts, archiveSize(row.Archive, row.OriginalSize),
			archiveSize(row.Archive, row.DeduplicatedSize), backup.Clean(row.ID), backup.CleanLine(remarks(row), 100),
		}))
	}
	lines.Render()
	for _, trend := range trends {
		if _, err := fmt.Fprintln(env.Stdout, describeTrend(trend)); err != nil {
			return err
		}
	}
	return nil
}

// remarks are what is wrong with a run, then what else is worth knowing.
func remarks(row history.Row) string {
	words := row.Notes
	if row.Problem != "" {
		words = append([]string{row.Problem}, words...)
	}
	return strings.Join(words, "; ")
}

func (env *environment) outcomeCell(outcome backup.Outcome) string {
	if !env.Colour {
		return outcome.String()
	}
	colours := stateColours[status.OK]
	switch outcome {
	case backup.Warned:
		colours = stateColours[status.Warning]
	case backup.Failed, backup.Interrupted:
		colours = stateColours[status.Failed]
	case backup.Skipped, backup.Locked:
		colours = stateColours[status.Gone]
	}
	return colours.Sprint(outcome.String())
}

func (env *environment) showRun(ctx context.Context, store *history.Store, options historyOptions) error {
	detail, err := store.Run(ctx, options.run)
	if errors.Is(err, history.ErrNoRun) {
		return exitError{exitFailed, fmt.Errorf("there is no run %q; see: borgcron history", options.run)}
	}
	if errors.Is(err, history.ErrAmbiguous) {
		return exitError{exitUsage, err}
	}
	if err != nil {
		return exitError{exitUnreadable, err}
	}
	if options.json {
		row := history.RowOf(detail.Run)
		row.Details(detail.Run)
		return printJSON(env.Stdout, map[string]any{"runs": []history.Row{row}})
	}
	var lines strings.Builder
	env.describeRun(&lines, detail)
	_, err = io.WriteString(env.Stdout, lines.String())
	return err
}

// describeRun writes a run for people, one fact a line.
func (env *environment) describeRun(to *strings.Builder, detail history.Detail) {
	outcome := detail.Outcome.String()
	ended := detail.Ended
	if detail.Open {
		outcome, ended = "not ended, or cut off", detail.Heard
	}
	fmt.Fprintf(to, "%s  run %s\n", backup.Clean(rowName(detail.Job, detail.Repository)), backup.Clean(detail.ID))
	fact(to, "outcome", outcome)
	fact(to, "began", detail.Started.Local().Format("2006-01-02 15:04:05 -0700"))
	fact(to, "took", took(ended.Sub(detail.Started)))
	fact(to, "problem", detail.Problem)
	for _, note := range detail.Notes {
		fact(to, "note", note)
	}
	for _, step := range detail.Steps {
		describeStep(to, step, detail.Open)
	}
}

func describeStep(to *strings.Builder, step backup.StepResult, open bool) {
	outcome := step.Outcome.String()
	if open && step.Ended.IsZero() {
		outcome = "not ended"
	} else if step.Attempts > 0 {
		outcome += " in " + took(step.Ended.Sub(step.Started))
	}
	fmt.Fprintf(to, "\n%s: %s\n", backup.Clean(string(step.Step)), outcome)
	fact(to, "why", step.Reason)
	fact(to, "problem", step.Problem)
	for _, note := range step.Notes {
		fact(to, "note", note)
	}
	report := step.Report
	if report.Archive != nil {
		fact(to, "archive", report.Archive.Name)
		fact(to, "figures", fmt.Sprintf("%s files, %s, %s new, repository %s", humanize.Comma(report.Files),
			size(report.OriginalSize), size(report.DeduplicatedSize), size(report.RepositorySize)))
	}
	for _, archive := range report.Deleted {
		fact(to, "deleted", archive.Name)
	}
	for _, attempt := range step.Failures {
		describeAttempt(to, attempt)
	}
	describeWarnings(to, report)
	for _, line := range report.Tail {
		fact(to, "log", line)
	}
}

func describeAttempt(to *strings.Builder, attempt backup.Attempt) {
	message := attempt.Message
	if attempt.ID != "" {
		message += " (" + attempt.ID + ")"
	}
	if attempt.Wait > 0 {
		message += "; tried again after " + took(attempt.Wait)
	}
	fact(to, fmt.Sprintf("attempt %d", attempt.Number), message)
}

// describeWarnings writes how many there were of each kind, and the first ones.
func describeWarnings(to *strings.Builder, report backup.Report) {
	var kinds []backup.WarningKind
	for _, warning := range report.Warnings {
		kinds = append(kinds, warning.Kind)
	}
	for kind := range report.Counts {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	for _, kind := range slices.Compact(kinds) {
		if count := report.Counts[kind]; count > 0 {
			fact(to, "warnings", fmt.Sprintf("%s %s", humanize.Comma(int64(count)), kind))
		}
		for _, warning := range report.Warnings {
			if warning.Kind == kind {
				fact(to, string(kind), warning.Message)
			}
		}
	}
}

// fact writes one line; nothing if there is nothing to say.
func fact(to *strings.Builder, name, value string) {
	if value = backup.Clean(value); value != "" {
		fmt.Fprintf(to, "  %-10s %s\n", backup.Clean(name), value)
	}
}
