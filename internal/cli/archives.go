package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/history"
)

type archivesOptions struct {
	from                 readFrom
	json, dumps, patient bool
}

func newArchivesCommand(env *environment) *cobra.Command {
	var options archivesOptions
	command := &cobra.Command{
		Use:   "archives JOB",
		Short: "List the archives of a job",
		Long: `archives lists the archives of a job, the newest last: name, when each was begun, and how many files it holds, their size
and what it added, as far as the history knows.

Borg is asked each time. While another run holds the repository's local lock the answer is what the records know, and
says as of when; with --wait it is waited for instead.

Wherever a command takes an archive it is named by latest, latest~2 (the second before it), its name or the beginning of
it, or a time such as yesterday, 2026-11-20, '2026-11-20 12:00' or '3 days ago': the newest archive of that time or before.`,
		Example: `  borgcron archives home
  borgcron archives home --json | jq -r '.archives[-1].name'`,
		Args:              oneArgument("archives takes one job"),
		ValidArgsFunction: env.completeOneJob,
		RunE: func(command *cobra.Command, args []string) error {
			options.patient = command.Flags().Changed("wait")
			return showArchives(command.Context(), env, args[0], options)
		},
	}
	flags := command.Flags()
	flags.BoolVar(&options.json, "json", false, "print JSON")
	flags.BoolVar(&options.dumps, "dumps", false, "the archives of dumps, instead of those of files")
	env.addReadingFlags(command, &options.from)
	return command
}

// oneArgument demands exactly one.
func oneArgument(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usage("%s", what)
		}
		return nil
	}
}

// completeOneJob offers jobs for the first word only.
func (env *environment) completeOneJob(command *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return env.completeJobs(command, args, start)
}

// archiveRow is an archive as JSON. The figures are those of the run that made it; without them null.
type archiveRow struct {
	backup.Archive
	Files        *int64 `json:"files"`
	OriginalSize *int64 `json:"original_size"`
	Deduplicated *int64 `json:"deduplicated_size"`
}

func showArchives(ctx context.Context, env *environment, name string, options archivesOptions) error {
	job, parts, err := env.openJob(ctx, name)
	if err != nil {
		return err
	}
	defer parts.close()
	var on backup.Call
	var seen sight
	err = env.look(ctx, parts, job, options.from, options.patient, options.dumps, func(_ context.Context, call backup.Call, all sight) error {
		on, seen = call, all
		return nil
	})
	if err != nil {
		return err
	}
	rows, err := env.archiveRows(ctx, parts, on, seen.archives)
	if err != nil {
		return err
	}
	if !options.json {
		return env.printArchives(rows)
	}
	answer := map[string]any{"archives": rows}
	if !seen.asOf.IsZero() {
		answer["as_of"] = seen.asOf.Local()
	}
	return printJSON(env.Stdout, answer)
}

// openJob is how a verb about one job begins.
func (env *environment) openJob(ctx context.Context, name string) (*backup.Job, *parts, error) {
	loaded, err := env.loadConfig()
	if err != nil {
		return nil, nil, err
	}
	job, err := oneJob(loaded.Jobs, name)
	if err != nil {
		return nil, nil, err
	}
	parts, err := env.newParts(ctx, loaded)
	return job, parts, err
}

// archiveRows adds what the history knows, and puts the newest last.
func (env *environment) archiveRows(ctx context.Context, p *parts, call backup.Call, archives []backup.Archive) ([]archiveRow, error) {
	reports := map[string]backup.Report{}
	if p.history != nil {
		runs, err := p.history.Runs(ctx, history.Query{Job: call.Job.Name, Repository: call.Job.RepositoryName(call.Repository)})
		if err != nil {
			return nil, exitError{exitUnreadable, err}
		}
		for _, run := range runs {
			for _, step := range run.Steps {
				if step.Report.Archive != nil && step.Report.Files > 0 {
					reports[step.Report.Archive.ID] = step.Report
				}
			}
		}
	}
	rows := make([]archiveRow, 0, len(archives))
	for _, archive := range slices.Backward(archives) {
		archive.Time = archive.Time.Local()
		row := archiveRow{Archive: archive}
		if report, known := reports[archive.ID]; known {
			row.Files, row.OriginalSize, row.Deduplicated = &report.Files, &report.OriginalSize, &report.DeduplicatedSize
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func (env *environment) printArchives(rows []archiveRow) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(env.Stdout, "There is no archive of this job yet; try: borgcron run")
		return err
	}
	lines := newTable(env.Stdout)
	lines.AppendHeader([]any{"ARCHIVE", "BEGUN", "AGE", "FILES", "SIZE", "NEW"})
	for _, row := range rows {
		lines.AppendRow([]any{
			backup.Clean(row.Name), moment(row.Time), humanize.RelTime(row.Time, env.Now(), "ago", "ahead"),
			orDash(row.Files, humanize.Comma), orDash(row.OriginalSize, size), orDash(row.Deduplicated, size),
		})
	}
	lines.Render()
	return nil
}

// moment is a time for people.
func moment(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }

func orDash(number *int64, text func(int64) string) string {
	if number == nil {
		return "-"
	}
	return text(*number)
}
