package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"borgcron/internal/backup"
)

type restoreDatabaseOptions struct {
	from                readFrom
	archive             string
	list, json, replace bool
	to, as              string
}

func newRestoreDatabaseCommand(env *environment) *cobra.Command {
	var options restoreDatabaseOptions
	command := &cobra.Command{
		Use:   "restore-database JOB [NAME...]",
		Short: "Bring databases back from an archive of dumps",
		Long: `restore-database brings databases back from an archive of dumps: the named ones, or all of it, into the server that
they came from. A database that exists and is not empty is left alone, unless --replace is given.
PostgreSQL and SQLite are restored beside what is there, which is replaced only when all has arrived; MySQL and MariaDB
know no such thing: a restore that breaks off there leaves an incomplete database, and says so.

What belongs to a server and to no database (globals: PostgreSQL's roles, grants: MySQL's users and rights) comes back only
if it is named, before all else, as it changes passwords and rights of the server.

An archive is named by latest, latest~2 (the second before it), its name or the beginning of it, or a time such as
yesterday, 2026-11-20 or '3 days ago'. The dumps of a job with a spool are in its archives of files.`,
		Example: `  borgcron restore-database server --list
  borgcron restore-database server shop --replace
  borgcron restore-database server shop --archive yesterday --as shop_yesterday
  borgcron restore-database server globals shop --to db2.example:5433`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("restore-database takes a job, and the names of databases")
			}
			return nil
		},
		ValidArgsFunction: func(command *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return env.databaseNames(args), cobra.ShellCompDirectiveNoFileComp
			}
			return env.completeJobs(command, args, start)
		},
		RunE: func(command *cobra.Command, args []string) error {
			if options.json && !options.list {
				return usage("--json belongs to --list")
			}
			return restoreDatabase(command.Context(), env, args[0], args[1:], options)
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.archive, "archive", "latest", "restore from this `ARCHIVE`")
	flags.BoolVar(&options.list, "list", false, "list what the archive holds, and restore nothing")
	flags.BoolVar(&options.json, "json", false, "with --list: print JSON")
	flags.BoolVar(&options.replace, "replace", false, "replace databases that exist and are not empty")
	flags.StringVar(&options.to, "to", "", "restore into another server (`HOST[:PORT]` or the path of a socket), for SQLite into another file")
	flags.StringVar(&options.as, "as", "", "restore the one database under another `NAME`")
	env.addReadingFlags(command, &options.from)
	return command
}

// restoring is one call of restore-database: the archive of dumps that was found, and its contents.
type restoring struct {
	env      *environment
	parts    *parts
	call     backup.Call
	archive  backup.Archive
	base     string // the folder of the dumps in the archive: that of a spool, with a slash behind it, or ""
	listed   string // the file there that says which dumps there are
	contents backup.Contents
	maker    databases
	options  restoreDatabaseOptions
}

func restoreDatabase(ctx context.Context, env *environment, name string, names []string, options restoreDatabaseOptions) error {
	loaded, err := env.loadConfig()
	if err != nil {
		return err
	}
	job, err := oneJob(loaded.Jobs, name)
	if err != nil {
		return err
	}
	parts, err := env.newParts(ctx, loaded)
	if err != nil {
		return err
	}
	defer parts.close()
	r := &restoring{env: env, parts: parts, maker: env.newDatabases(loaded), options: options}
	held, err := env.read(ctx, parts, job, options.from, r.lookUp)
	if err != nil {
		return err
	}
	defer held.Close()
	if options.list {
		return r.list()
	}
	pieces, err := r.choose(names)
	if err != nil {
		return err
	}
	if err := r.mayOverwrite(ctx, pieces); err != nil {
		return err
	}
	return r.restore(ctx, pieces)
}

// lookUp finds the archive and reads its contents.
func (r *restoring) lookUp(ctx context.Context, call backup.Call) error {
	r.call = call
	match := r.call.Job.DumpsMatch()
	r.listed = backup.ContentsPath
	if r.call.Job.Spooled() {
		r.listed = backup.SpoolContents(r.call.Job.Name)
		match, r.base = r.call.Job.Prune.Match, strings.TrimPrefix(r.call.Job.Spool, "/")+"/"
	}
	archives, err := r.parts.client.Archives(ctx, r.call, match)
	if err != nil {
		return failed(err)
	}
	if r.archive, err = backup.WhichArchive(archives, r.options.archive, r.env.Now()); err != nil {
		return exitError{exitFailed, fmt.Errorf("archives with dumps of job %s: %w", r.call.Job.Name, err)}
	}
	r.contents, err = r.readContents(ctx)
	return failed(err)
}

// choose returns the dumps that are named, what is server-wide first; without names all databases.
func (r *restoring) choose(names []string) ([]piece, error) {
	var pieces []piece
	found := map[string]int{}
	for _, dump := range r.contents.Dumps {
		wanted := len(names) == 0 && dump.Kind == backup.OneDatabase && dump.Left == ""
		for _, name := range names {
			if name == dump.Name || name == dump.Path() || name == dump.Server+"/"+dump.Name {
				if dump.Left != "" {
					return nil, exitError{exitFailed, fmt.Errorf("%s is not in the archive %s: %s", dump.Name, r.archive.Name, dump.Left)}
				}
				if found[name]++; found[name] > 1 {
					return nil, usage("there are several %s in this archive: say which, such as %s", name, dump.Path())
				}
				wanted = true
			}
		}
		if !wanted {
			continue
		}
		target, err := r.target(dump)
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, piece{dump, target})
	}
	for _, name := range names {
		if found[name] == 0 {
			return nil, usage("there is no dump of %q in the archive %s; see: borgcron restore-database %s --list", name, r.archive.Name, r.call.Job.Name)
		}
	}
	switch {
	case len(pieces) == 0:
		return nil, exitError{exitFailed, fmt.Errorf("the archive %s holds no database", r.archive.Name)}
	case r.options.as != "" && len(pieces) > 1:
		return nil, usage("--as gives one database another name: name the one")
	case r.options.to != "" && slices.ContainsFunc(pieces, func(p piece) bool {
		return p.dump.Type != pieces[0].dump.Type || p.dump.Type == "sqlite" && len(pieces) > 1
	}):
		return nil, usage("--to is one server, or one file of SQLite: name the databases that go there")
	}
	slices.SortStableFunc(pieces, func(a, b piece) int { return a.order() - b.order() })
	return pieces, nil
}

// mayOverwrite asks all targets before anything is restored.
func (r *restoring) mayOverwrite(ctx context.Context, pieces []piece) error {
	var filled []string
	for _, p := range pieces {
		what, err := r.maker.maker.Holds(ctx, p.dump, p.target)
		if err != nil {
			return failed(err)
		}
		if what != "" {
			filled = append(filled, what)
		}
	}
	if len(filled) == 0 || r.options.replace {
		return nil
	}
	return exitError{exitFailed, fmt.Errorf("nothing was restored, as this is there already: %s; to replace it add --replace, to keep it restore elsewhere by --to or --as",
		backup.Clean(strings.Join(filled, ", ")))}
}

// restore brings the pieces back, one after another. One that fails does not stop the others.
func (r *restoring) restore(ctx context.Context, pieces []piece) error {
	var failures []string
	for _, p := range pieces {
		began := time.Now()
		err := r.restoreOne(ctx, p)
		if ctx.Err() != nil {
			return failed(err)
		}
		if err != nil {
			failures = append(failures, p.dump.Name)
			r.env.Log.Error("not restored: "+backup.Clean(p.dump.Name), "problem", backup.AsFailure("restore", err).Sentence())
			continue
		}
		fmt.Fprintf(r.env.Stdout, "%s: restored to %s, %s in %s\n", backup.Clean(p.dump.Name), backup.Clean(p.place()), size(p.dump.Size), took(time.Since(began)))
	}
	if len(failures) > 0 {
		return exitError{exitFailed, fmt.Errorf("%d of %d could not be restored: %s", len(failures), len(pieces), backup.Clean(strings.Join(failures, ", ")))}
	}
	return nil
}
