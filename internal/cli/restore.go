package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/restore"
)

type restoreOptions struct {
	from                 readFrom
	archive, to          string
	existing             string
	inPlace, yes, dryRun bool
	existingSaid         bool
}

func newRestoreCommand(env *environment) *cobra.Command {
	var options restoreOptions
	command := &cobra.Command{
		Use:   "restore JOB [PATH...] --to DIR|--in-place",
		Short: "Bring files back",
		Long: `restore brings files and folders back from an archive: those that are named, with all that is below them, or all of it. A
PATH is what it is called on this machine, or as the archive has it; with * ? [ it is a pattern, as for find: quote it.

--to DIR writes below DIR, each with its whole path; --in-place writes to where it all was, and asks before. Nothing is
overwritten unless you say so. What --existing says becomes of each file that is there already:
  refuse     nothing at all is written (the default)
  skip       it is left as it is, and so are the folders that are there
  rename     it is kept as NAME.before-restore-TIME
  overwrite  it is lost
Folders that are there already are no conflict. Nothing is ever written through a symbolic link.

A restore that was interrupted, or found the disk full, goes on when the same command is given again, within a week: files that are
whole are not read again. Meanwhile the repository's local lock is held, so backups wait.

The exit code is 1 if something could not be restored; it is named.`,
		Example: `  borgcron restore home /home/me/letter.odt --to /tmp/back
  borgcron restore home --archive yesterday --to /srv/restored
  borgcron restore home '/home/me/*.odt' --in-place --existing skip
  borgcron restore home /home/me --in-place --existing rename --dry-run`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("restore takes a job, and what to restore of it")
			}
			return nil
		},
		ValidArgsFunction: func(command *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return env.completeJobs(command, args, start)
		},
		RunE: func(command *cobra.Command, args []string) error {
			options.existingSaid = command.Flags().Changed("existing")
			if (options.to != "") == options.inPlace {
				return usage("say where to: --to DIR, or --in-place for where it was")
			}
			if !slices.Contains(restore.Modes, restore.Existing(options.existing)) {
				return usage("--existing is one of refuse, skip, rename, overwrite%s", didYouMean(options.existing, modeNames()))
			}
			return restoreFiles(command.Context(), env, args[0], args[1:], options)
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.archive, "archive", "latest", "restore from this `ARCHIVE`")
	flags.StringVar(&options.to, "to", "", "write below this `DIR`; it is made if it is not there")
	flags.BoolVar(&options.inPlace, "in-place", false, "write to where it was")
	flags.StringVar(&options.existing, "existing", string(restore.Refuse), "what becomes of what is there already (`HOW`): refuse, skip, rename or overwrite")
	flags.BoolVar(&options.yes, "yes", false, "do not ask")
	flags.BoolVar(&options.dryRun, "dry-run", false, "list what would be written, and write nothing")
	_ = command.MarkFlagDirname("to")
	_ = command.RegisterFlagCompletionFunc("archive", env.completeArchives)
	_ = command.RegisterFlagCompletionFunc("existing", cobra.FixedCompletions(modeNames(), cobra.ShellCompDirectiveNoFileComp))
	env.addReadingFlags(command, &options.from)
	return command
}

func modeNames() []string {
	var names []string
	for _, mode := range restore.Modes {
		names = append(names, string(mode))
	}
	return names
}

// fileRestore is one call of restore.
type fileRestore struct {
	env      *environment
	parts    *parts
	options  restoreOptions
	existing restore.Existing
	request  restore.Request
	journals *restore.Journals
	journal  *restore.Journal // of a restore that is continued; nil: this is a new one
	call     backup.Call
	archive  backup.Archive
	roots    []string // what is to be restored, as it is stored; nil: all
	plan     restore.Plan
	unlisted bool // the plan is by the history: all of the archive, into an empty folder
}

func restoreFiles(ctx context.Context, env *environment, name string, paths []string, options restoreOptions) error {
	dir, err := restoreTarget(options)
	if err != nil {
		return err
	}
	job, parts, err := env.openJob(ctx, name)
	if err != nil {
		return err
	}
	defer parts.close()
	if job.OnlyDumps() {
		return usage("job %s has archives of dumps only; see: borgcron restore-database %s --list", name, name)
	}
	r := &fileRestore{
		env: env, parts: parts, options: options, existing: restore.Existing(options.existing),
		request:  restore.Request{Job: name, Dir: dir, Archive: options.archive, Paths: paths},
		journals: &restore.Journals{Dir: filepath.Join(parts.state, "restores"), Now: env.Now},
	}
	if err := r.recall(job); err != nil {
		return err
	}
	held, err := env.read(ctx, parts, job, r.options.from, r.lookUp)
	if err != nil {
		return err
	}
	defer held.Close()
	if err := r.decide(ctx); err != nil {
		return err
	}
	if options.dryRun {
		_, err := fmt.Fprintf(env.Stdout, "would restore %s to %s; nothing was written\n", r.amount(), r.where())
		return err
	}
	return r.write(ctx)
}

// restoreTarget is the folder that is written to: absolute, and without symbolic links, which are none of ours above it.
func restoreTarget(options restoreOptions) (string, error) {
	if options.inPlace {
		return "/", nil
	}
	dir, err := filepath.Abs(options.to)
	if err != nil {
		return "", exitError{exitFailed, err}
	}
	there, missing := dir, ""
	for {
		real, err := filepath.EvalSymlinks(there)
		if err == nil {
			dir = filepath.Join(real, missing)
			break
		}
		if _, dangling := os.Lstat(there); !errors.Is(err, os.ErrNotExist) || dangling == nil {
			return "", exitError{exitFailed, fmt.Errorf("the folder to restore to: %w", err)}
		}
		missing, there = filepath.Join(filepath.Base(there), missing), filepath.Dir(there)
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return "", exitError{exitFailed, fmt.Errorf("%s is no folder", dir)}
	}
	return dir, nil
}

// recall looks whether this goes on with a restore that was interrupted: then it is the same archive, and what was there before
// stays protected as it was said at first.
func (r *fileRestore) recall(job *backup.Job) (err error) {
	if r.journal, err = r.journals.Open(r.request); err != nil || r.journal == nil {
		return err
	}
	if r.options.existingSaid && r.existing != r.journal.Existing {
		return usage("this goes on with a restore that was interrupted, which was begun with --existing %s: say the same", r.journal.Existing)
	}
	r.existing = r.journal.Existing
	for _, repository := range job.Repositories {
		if repository.Key() == r.journal.Repository {
			name := job.RepositoryName(repository)
			if r.options.from.repository != "" && r.options.from.repository != name {
				return usage("this goes on with a restore that was interrupted, which was from the repository %s", name)
			}
			r.options.from.repository = name
			return nil
		}
	}
	return exitError{exitFailed, fmt.Errorf("a restore to %s was interrupted, and its repository is no longer configured: restore elsewhere", r.where())}
}

// where is where it is restored to, for people.
func (r *fileRestore) where() string {
	if r.options.inPlace {
		return "where it was"
	}
	return backup.Clean(r.request.Dir)
}

// lookUp finds the archive.
func (r *fileRestore) lookUp(ctx context.Context, call backup.Call) error {
	r.call = call
	archives, err := r.env.archives(ctx, r.parts, call, series(call.Job, false))
	if err != nil {
		return err
	}
	if r.journal == nil {
		if r.archive, err = backup.WhichArchive(archives, r.options.archive, r.env.Now()); err != nil {
			return exitError{exitFailed, fmt.Errorf("archives of job %s: %w", call.Job.Name, err)}
		}
		return nil
	}
	for _, archive := range archives {
		if archive.ID == r.journal.Archive.ID {
			r.archive = archive
			r.env.Log.Info("going on with the restore that was interrupted", "archive", backup.Clean(archive.Name), "begun", moment(r.journal.Began))
			return nil
		}
	}
	return exitError{exitFailed, fmt.Errorf("the archive %s, of which the restore to %s was interrupted, is gone: restore elsewhere, or name another one with --archive",
		r.journal.Archive.Name, r.where())}
}

// decide makes the plan and has it agreed to, or says why nothing can be done.
func (r *fileRestore) decide(ctx context.Context) error {
	if err := r.makePlan(ctx); err != nil {
		return err
	}
	if err := r.refused(); err != nil {
		return err
	}
	if err := r.room(ctx); err != nil || r.options.dryRun || !r.options.inPlace {
		return err
	}
	fmt.Fprintf(r.env.Stderr, "%s from the archive %s of %s will be written to where it was.%s\n",
		r.amount(), backup.Clean(r.archive.Name), moment(r.archive.Time), r.conflictText())
	return r.env.confirm(ctx, "Go on?", r.options.yes)
}

func (r *fileRestore) amount() string {
	return fmt.Sprintf("%s, %s", counted(int(r.plan.Files), "file"), size(r.plan.Bytes))
}

// conflictText says what becomes of what is there.
func (r *fileRestore) conflictText() string {
	n := len(r.plan.Conflicts)
	if n == 0 {
		return ""
	}
	how := map[restore.Existing]string{
		restore.Skip: "left as it is", restore.Overwrite: "overwritten", restore.Rename: "kept as NAME.before-restore-" + r.stamp(),
	}
	return fmt.Sprintf(" Of what is there already, %s: %s.", counted(n, "path"), how[r.existing])
}

// refused names what stands against it.
func (r *fileRestore) refused() error {
	const shown = 5
	var lines []string
	n, certain := 0, false
	for _, conflict := range r.plan.Conflicts {
		if conflict.Action != restore.Refuse {
			continue
		}
		certain = certain || conflict.Why != ""
		if n++; n <= shown {
			line := backup.Clean(filepath.Join(r.request.Dir, conflict.Path))
			if conflict.Why != "" {
				line += " (" + conflict.Why + ")"
			}
			lines = append(lines, line)
		}
	}
	if n == 0 {
		return nil
	}
	text := fmt.Sprintf("nothing was restored, as %s in the way: %s", counted(n, "path")+are(n), strings.Join(lines, "; "))
	if n > shown {
		text += "; ..."
	}
	hint := "say what shall become of it with --existing skip, rename or overwrite; or restore into a new folder with --to"
	if certain {
		hint = "move it away, or restore into a new folder with --to"
	}
	return exitError{exitFailed, fmt.Errorf("%s\n  hint: %s", text, hint)}
}

func are(n int) string {
	if n == 1 {
		return " is"
	}
	return " are"
}
