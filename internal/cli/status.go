package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/config"
	"borgcron/internal/notice"
	"borgcron/internal/schedule"
	"borgcron/internal/status"
)

// exitUnreadable is what a monitor calls unknown.
const exitUnreadable = 3

func newStatusCommand(env *environment) *cobra.Command {
	var options struct{ json, login, noWait, notify bool }
	var repository string
	command := &cobra.Command{
		Use:   "status [JOB...]",
		Short: "Show how the backups are",
		Long: `status shows for each job when it last succeeded, how old that is, and what is wrong. Anybody may ask:
without a configuration it shows what is recorded in /var/lib/borgcron and in the user's own state.

State is the first that applies: failed (an alarm, or the last run failed or was cut off), stale (the last
success is older than stale_after), never (no success yet), warning, ok. A job that the configuration no
longer has is gone, which is no problem. TREND is how much the archives grew over the last runs, and what a
backup usually takes. A run that is out of the ordinary is noted, which changes no state.

With --login it prints nothing when all is well, else a line for each problem: for .bashrc, .profile or the
message of the day. On a terminal it then waits for Enter, for a minute at most. It exits with 0.

Exit codes else, as monitors want them: 0 ok, 1 warning or never, 2 failed or stale, 3 the records cannot be read.`,
		Example: `  borgcron status
  borgcron status home --json
  borgcron status --login --no-wait
  borgcron status --notify`,
		ValidArgsFunction: env.completeJobs,
		RunE: func(command *cobra.Command, names []string) error {
			switch {
			case options.notify && (options.login || options.json):
				return usage("--notify tells the channels, it prints nothing: it goes without --login and --json")
			case options.notify:
				return env.lookOut(command.Context(), names, repository)
			case options.noWait && !options.login:
				return usage("--no-wait belongs to --login")
			case options.login && (options.json || repository != "" || len(names) > 0):
				return usage("--login tells of all jobs, in lines: it goes with --no-wait only")
			case options.login:
				showNotice(command.Context(), env, options.noWait)
				return nil
			}
			return showStatus(command.Context(), env, names, repository, options.json)
		},
	}
	flags := command.Flags()
	flags.BoolVar(&options.json, "json", false, "print JSON")
	flags.BoolVar(&options.login, "login", false, "only problems, for a login shell; on a terminal wait for Enter")
	flags.BoolVar(&options.noWait, "no-wait", false, "with --login: do not wait")
	flags.BoolVar(&options.notify, "notify", false, "tell the channels what has become stale or has recovered; for a timer")
	env.addRepositoryFlag(command, &repository)
	return command
}

func showStatus(ctx context.Context, env *environment, names []string, repository string, asJSON bool) error {
	loaded, err := env.configForReading()
	if err != nil {
		return err
	}
	rows, unreadable := env.statusRows(loaded)
	chosen, unknown, err := chooseRows(rows, names, repository)
	if err != nil {
		return err
	}
	for _, problem := range slices.Concat(unreadable, unknown) {
		fmt.Fprintf(env.Stderr, "borgcron: %s\n", backup.Clean(problem))
	}
	var scheduled []schedule.Installed // whoever asks for one job wants a quick answer
	if len(names) == 0 && repository == "" {
		scheduled, _ = env.scheduled(ctx, false)
	}
	if asJSON {
		err = printJSON(env.Stdout, statusAnswer{status.Worst(chosen), env.Now().Truncate(time.Second), chosen, scheduled})
	} else if err = env.printStatus(chosen); err == nil {
		err = env.printScheduled(scheduled)
	}
	if err != nil {
		return err
	}
	return statusExit(status.Worst(chosen), len(unreadable) > 0, len(unknown) > 0)
}

// statusAnswer is the shape of `status --json`.
type statusAnswer struct {
	State     status.State `json:"state"`
	Generated time.Time    `json:"generated"`
	Jobs      []status.Row `json:"jobs"`
	// Schedule is what starts runs by itself; not there if nothing does, or if jobs are named.
	Schedule []schedule.Installed `json:"schedule,omitempty"`
}

func statusExit(worst status.State, unreadable, unknown bool) error {
	switch {
	case unknown, worst == status.Failed, worst == status.Stale:
		return exitError{code: exitFailed}
	case unreadable:
		return exitError{code: exitUnreadable}
	case worst == status.Never, worst == status.Warning:
		return exitError{code: exitWarning}
	}
	return nil
}

// configForReading is the configuration for a verb that can do without; nil if there is none, or none that
// can be read. One that was asked for by name must be there.
func (env *environment) configForReading() (*config.Config, error) {
	loaded, err := env.readConfig()
	switch {
	case err != nil && (env.ConfigFile != "" || env.Getenv("BORGCRON_CONFIG") != ""):
		return nil, exitError{exitConfig, err}
	case err != nil:
		return nil, nil //nolint:nilerr // there is none that was asked for, and the records alone will do
	case loaded.Fatal():
		fmt.Fprintln(env.Stderr, "borgcron: the configuration is wrong; see: borgcron config check")
		return nil, nil
	}
	return loaded, nil
}

// stateFolders are where records may be: the configured folder, else that of the machine and the user's own.
func (env *environment) stateFolders(loaded *config.Config) []string {
	usual := notice.Folders(env.Getenv, os.Getuid())
	if loaded != nil {
		if _, err := os.Stat(loaded.State); err != nil && os.Getuid() != 0 {
			return []string{usual[0], loaded.State} // who may read root's configuration wants to know of root's backups
		}
		return []string{loaded.State}
	}
	return usual
}

// statusRows judges all that is recorded, and the configured jobs of which nothing is.
func (env *environment) statusRows(loaded *config.Config) (rows []status.Row, unreadable []string) {
	now := env.Now()
	var files []status.File
	for _, folder := range env.stateFolders(loaded) {
		read, wrong := status.Read(folder)
		files = append(files, read...)
		for _, err := range wrong {
			unreadable = append(unreadable, err.Error())
		}
	}
	if loaded == nil {
		for _, file := range files {
			rows = append(rows, status.Judge(file, now, true)...)
		}
		return rows, unreadable
	}
	for i := range loaded.Jobs {
		rows = append(rows, jobRows(&loaded.Jobs[i], files, now)...)
	}
	known := jobNames(loaded)
	for _, file := range files {
		if !slices.Contains(known, file.Job) {
			// A file of the configuration that cannot be read may have it.
			rows = append(rows, status.Judge(file, now, len(loaded.Errors) > 0)...)
		}
	}
	return rows, unreadable
}

// jobRows are the rows of a configured job.
func jobRows(job *backup.Job, files []status.File, now time.Time) []status.Row {
	i := slices.IndexFunc(files, func(file status.File) bool { return file.Job == job.Name })
	if i >= 0 && len(files[i].Repositories) > 0 {
		return status.Judge(files[i], now, true)
	}
	if len(job.Repositories) == 0 {
		return []status.Row{{Job: job.Name, Repository: job.Name, State: status.Failed, Notes: []string{},
			Problem: "its configuration is wrong; see: borgcron config check"}}
	}
	return status.JudgeUnseen(job)
}

// chooseRows leaves the rows of the jobs and of the repository that are named, and says which job names are
// of no job. It is an error if nothing is left.
func chooseRows(rows []status.Row, names []string, repository string) (chosen []status.Row, unknown []string, err error) {
	var jobs, repositories []string
	for _, row := range rows {
		jobs, repositories = append(jobs, row.Job), append(repositories, row.Repository)
	}
	for _, name := range names {
		if !slices.Contains(jobs, name) {
			unknown = append(unknown, fmt.Sprintf("there is no job %q%s", name, didYouMean(name, jobs)))
		}
	}
	if len(names) > 0 && len(unknown) == len(names) {
		return nil, nil, usage("%s", strings.Join(unknown, "; "))
	}
	chosen = []status.Row{}
	for _, row := range rows {
		if (len(names) == 0 || slices.Contains(names, row.Job)) && (repository == "" || row.Repository == repository) {
			chosen = append(chosen, row)
		}
	}
	if repository != "" && len(chosen) == 0 {
		return nil, nil, usage("there is no repository %q%s", repository, didYouMean(repository, repositories))
	}
	return chosen, unknown, nil
}

func (env *environment) printStatus(rows []status.Row) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(env.Stdout, "No backup has been recorded on this machine; try: borgcron run")
		return err
	}
	now := env.Now()
	several := slices.ContainsFunc(rows, func(row status.Row) bool { return row.Repository != row.Job })
	trends := slices.ContainsFunc(rows, func(row status.Row) bool { return row.Trend != nil })
	needed := func(cells []any) table.Row {
		if !trends {
			cells = slices.Delete(cells, 7, 8)
		}
		return without(several, cells)
	}
	lines := newTable(env.Stdout)
	lines.AppendHeader(needed([]any{"JOB", "REPOSITORY", "STATE", "LAST SUCCESS", "AGE", "NEXT DUE", "SIZE", "TREND", "WHAT IS WRONG"}))
	for _, row := range rows {
		lines.AppendRow(needed([]any{
			backup.Clean(row.Job), backup.Clean(row.Repository), env.stateCell(row), lastSuccess(row), age(row, now), nextDue(row, now),
			archiveSize(row.Archive, row.OriginalSize), trendCell(row.Trend), backup.Clean(whatIsWrong(row, now)),
		}))
	}
	lines.Render()
	return nil
}

// without leaves the repository's column away if no row needs it.
func without(several bool, cells []any) table.Row {
	if several {
		return cells
	}
	return slices.Delete(cells, 1, 2)
}

// newTable is a table without lines, for people and for grep.
func newTable(to io.Writer) table.Writer {
	lines := table.NewWriter()
	lines.SetOutputMirror(to)
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatDefault
	lines.SetStyle(style)
	lines.SuppressTrailingSpaces()
	return lines
}

var stateColours = map[status.State]text.Colors{
	status.Failed: {text.FgRed, text.Bold}, status.Stale: {text.FgRed, text.Bold},
	status.Never: {text.FgYellow}, status.Warning: {text.FgYellow}, status.OK: {text.FgGreen}, status.Gone: {text.Faint},
}

func (env *environment) stateCell(row status.Row) string {
	cell := string(row.State)
	if env.Colour {
		cell = stateColours[row.State].Sprint(cell)
	}
	if row.Running {
		cell += ", running"
	}
	return cell
}

func lastSuccess(row status.Row) string {
	if row.LastSuccess == nil {
		return "-"
	}
	return row.LastSuccess.Local().Format("2006-01-02 15:04")
}

func age(row status.Row, now time.Time) string {
	if row.LastSuccess == nil {
		return "-"
	}
	return humanize.RelTime(*row.LastSuccess, now, "ago", "ahead")
}

func nextDue(row status.Row, now time.Time) string {
	switch {
	case row.State == status.Gone:
		return "-"
	case row.NextDue == nil || !row.NextDue.After(now):
		return "now"
	}
	return "in " + strings.TrimSpace(humanize.RelTime(*row.NextDue, now, "", ""))
}

func archiveSize(archive string, bytes int64) string {
	if archive == "" {
		return "-"
	}
	return size(bytes)
}

// whatIsWrong is the problem, then what else is worth knowing.
func whatIsWrong(row status.Row, now time.Time) string {
	var parts []string
	if row.Problem != "" {
		parts = append(parts, row.Problem)
	}
	if waiting := row.Waiting; waiting != nil && row.State != status.Gone {
		times := humanize.Comma(int64(waiting.Count)) + " times"
		if waiting.Count == 1 {
			times = "once"
		}
		parts = append(parts, fmt.Sprintf("%s %s, first %s: %s", waiting.Outcome, times,
			humanize.RelTime(waiting.Since, now, "ago", "ahead"), waiting.Reason))
	}
	return strings.Join(append(parts, row.Notes...), "; ")
}
