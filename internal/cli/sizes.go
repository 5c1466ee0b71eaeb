package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/sizes"
)

const (
	// inState is the file of the state folder, as the value of --save and --cached.
	inState = "STATE/sizes.txt"
	// mostNamed is how many places that could not be read are named.
	mostNamed = 10
)

type sizesOptions struct {
	json, oneFileSystem bool
	save, cached        string        // a file, or inState; "" if not asked for
	staleAfter          time.Duration // 0: not asked for
	workers             int
}

func newSizesCommand(env *environment) *cobra.Command {
	var options sizesOptions
	command := &cobra.Command{
		Use:   "sizes [DIR...]",
		Short: "Show how much disk each entry of a folder takes",
		Long: `sizes prints what 'du -shc DIR/*' prints: what each entry of a folder takes on the disk, and the sum. It takes
about half of du's time. Without DIR it is the current folder. It needs no configuration and no borg.

--save writes the answer to a file that login scripts can print, sizes.txt in the state folder, and a line to
the log beside it; --cached prints what was saved last, at once. A third column shows what has grown since the
same folders were saved last.

--stale-after looks at the Borg repositories among the folders as well: each to which nothing was written for
longer than that is named. So a server sees which client has fallen silent, without any key.

Exit codes: 0 ok, 1 something could not be read or a repository is stale, 2 it could not be saved.`,
		Example: `  borgcron sizes /home /srv
  borgcron sizes /home --save --quiet         from cron
  borgcron sizes --cached                     from .profile
  borgcron sizes /srv/borg --stale-after 2d   on the server`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(command *cobra.Command, folders []string) error {
			if err := options.check(command.Flags().Changed, folders); err != nil {
				return err
			}
			if options.cached != "" {
				return env.showCachedSizes(options)
			}
			return showSizes(command.Context(), env, folders, options)
		},
	}
	flags := command.Flags()
	flags.BoolVar(&options.json, "json", false, "print JSON")
	flags.BoolVarP(&options.oneFileSystem, "one-file-system", "x", false, "leave out what is mounted below an entry")
	flags.StringVar(&options.save, "save", "", "keep the answer in the state folder, or in `FILE` (--save=FILE)")
	flags.StringVar(&options.cached, "cached", "", "print the answer that was kept last, there or in `FILE` (--cached=FILE)")
	flags.Lookup("save").NoOptDefVal, flags.Lookup("cached").NoOptDefVal = inState, inState
	flags.Var(newDurationValue(0, &options.staleAfter), "stale-after", "exit with 1 if nothing was written to a Borg repository for `DURATION`, such as 2d")
	flags.Lookup("stale-after").DefValue = "" // none
	flags.IntVar(&options.workers, "workers", 0, "read `N` folders at the same time; 0: twice the cores, at least 4 (experimental)")
	return command
}

func (o *sizesOptions) check(given func(flag string) bool, folders []string) error {
	switch {
	case o.save == "" && given("save"), o.cached == "" && given("cached"):
		return usage("an empty name of a file; without =FILE it is in the state folder")
	case o.cached != "" && (len(folders) > 0 || o.save != "" || given("stale-after") || o.oneFileSystem):
		return usage("--cached measures nothing: it takes only --json")
	case o.staleAfter <= 0 && given("stale-after"):
		return usage("--stale-after 0s: give a duration, such as 2d")
	case o.workers < 0 || o.workers > 256:
		return usage("--workers %d: give a number from 1 to 256, 0 for the usual one", o.workers)
	case slices.Contains(folders, ""):
		return usage("an empty name of a folder; the current one is .")
	}
	return nil
}

func showSizes(ctx context.Context, env *environment, folders []string, options sizesOptions) error {
	var saver *sizes.Saver
	if options.save != "" {
		opened, err := env.sizesSaver(options.save)
		if err != nil {
			return fmt.Errorf("%w\n  hint: a file of your own will do as well: --save=FILE", err)
		}
		defer opened.Close()
		saver = opened
	}
	report, err := sizes.Measure(ctx, folders, sizes.Options{Now: env.Now(), OneFileSystem: options.oneFileSystem, Workers: options.workers})
	if err != nil {
		return err
	}
	for _, path := range env.savedSizes(options.save) {
		if report.Since == nil {
			report.Grow(path)
		}
	}
	if saver != nil {
		err = saver.Save(report) // before it is printed: whoever reads may have gone
	}
	if options.json {
		err = errors.Join(err, printJSON(env.Stdout, report))
	} else if !env.Quiet || saver == nil {
		_, wrong := fmt.Fprint(env.Stdout, report.Text())
		err = errors.Join(err, wrong)
	}
	env.complainOfSizes(report, folders, options)
	if err != nil {
		return err
	}
	return sizesExit(report, options.staleAfter)
}

// sizesExit is du's exit code, and that of a silent repository.
func sizesExit(report sizes.Report, staleAfter time.Duration) error {
	silent := func(r sizes.Repository) bool { return r.Silent(staleAfter) }
	stale := staleAfter > 0 && (len(report.Repositories) == 0 || slices.ContainsFunc(report.Repositories, silent))
	if stale || report.Total.Errors > 0 {
		return exitError{exitWarning, wholeError{}}
	}
	return nil
}

// complainOfSizes names what could not be read, and repositories that have fallen silent.
func (env *environment) complainOfSizes(report sizes.Report, folders []string, options sizesOptions) {
	for _, failure := range report.Failures[:min(len(report.Failures), mostNamed)] {
		path, hint := failure.Path, ""
		if path == "" {
			path = "."
		}
		gone := errors.Is(failure.Err, syscall.ENOTDIR) || errors.Is(failure.Err, fs.ErrNotExist)
		if options.save == inState && gone && slices.Contains(folders, path) {
			hint = "; to save into this file, write --save=" + path
		}
		fmt.Fprintf(env.Stderr, "borgcron: cannot read %s: %s%s\n", backup.Clean(path), failure.Err, backup.Clean(hint))
	}
	if more := report.Total.Errors - mostNamed; more > 0 {
		fmt.Fprintf(env.Stderr, "borgcron: %s more could not be read\n", humanize.Comma(more))
	}
	if options.staleAfter > 0 && len(report.Repositories) == 0 {
		fmt.Fprintln(env.Stderr, "borgcron: no Borg repository was found there")
	}
	for _, repository := range report.Repositories {
		if options.staleAfter > 0 && repository.Silent(options.staleAfter) {
			fmt.Fprintf(env.Stderr, "borgcron: %s: %s\n", backup.Clean(repository.Path), silence(repository, report.Generated))
		}
	}
}

// silence says what is wrong with a repository that has fallen silent.
func silence(repository sizes.Repository, now time.Time) string {
	last := now.Add(-time.Duration(repository.Age) * time.Second)
	switch {
	case repository.NewestSegment == nil:
		return "no backup was ever written there; it was created " + humanize.RelTime(last, now, "ago", "ahead")
	case last.After(now):
		return "its newest segment is of the future, " + last.Format(time.RFC3339) + "; was the clock wrong?"
	}
	return fmt.Sprintf("nothing was written for %s, since %s", formatAge(now.Sub(last)), last.Local().Format("2006-01-02 15:04"))
}

// formatAge writes how long something is ago in days or hours, as --stale-after takes them.
func formatAge(age time.Duration) string {
	if age >= 48*time.Hour {
		return fmt.Sprintf("%dd", age/(24*time.Hour))
	}
	return age.Truncate(time.Minute).String()
}

// showCachedSizes prints what was saved last, of oneself or else of the machine.
func (env *environment) showCachedSizes(options sizesOptions) error {
	var failures []error
	for _, path := range env.savedSizes(options.cached) {
		saved, show, err := cachedSizes(env, path, options.json)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		fmt.Fprintf(env.Stderr, "borgcron: saved %s, %s\n", humanize.RelTime(saved, env.Now(), "ago", "ahead"), saved.Local().Format("2006-01-02 15:04"))
		return show()
	}
	return exitError{exitWarning, fmt.Errorf("nothing saved to show: %w\n  hint: borgcron sizes DIR --save", errors.Join(failures...))}
}

func cachedSizes(env *environment, path string, asJSON bool) (saved time.Time, show func() error, err error) {
	if asJSON {
		report, err := sizes.SavedReport(path)
		return report.Generated, func() error { return printJSON(env.Stdout, report) }, err
	}
	text, saved, err := sizes.SavedText(path)
	return saved, func() error { _, err := fmt.Fprint(env.Stdout, text); return err }, err
}

// savedSizes are the files in which an answer may have been saved: the one that is named, else the user's own, then
// the machine's. A configuration that cannot be read is passed over: nothing of it is needed but its state folder.
func (env *environment) savedSizes(named string) (paths []string) {
	if named != "" && named != inState {
		return []string{named}
	}
	loaded, err := env.readConfig()
	if err != nil || loaded.Fatal() {
		loaded = nil
	}
	for _, folder := range env.stateFolders(loaded) {
		paths = append(paths, sizesFile(folder))
	}
	slices.Reverse(paths)
	return paths
}

// sizesSaver opens the file that is named, else that in the state folder, which it makes.
func (env *environment) sizesSaver(named string) (*sizes.Saver, error) {
	if named != inState {
		return sizes.NewSaver(named)
	}
	loaded, err := env.configForReading()
	if err != nil {
		return nil, err
	}
	folders := env.stateFolders(loaded)
	folder := folders[len(folders)-1]
	if loaded != nil {
		err = loaded.MakeState()
	} else if _, missing := os.Lstat(folder); missing != nil {
		err = errors.Join(os.MkdirAll(folder, 0o755), os.Chmod(folder, 0o755)) // whatever the umask is
	}
	if err != nil {
		return nil, err
	}
	return sizes.NewSaver(sizesFile(folder))
}

func sizesFile(state string) string { return filepath.Join(state, "sizes.txt") }
