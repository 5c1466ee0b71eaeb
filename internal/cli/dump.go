package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/dump"
	"borgcron/internal/hook"
	"borgcron/internal/process"
	"borgcron/internal/secret"
)

type dumpOptions struct {
	to, owner string
	keep      int
}

func newDumpCommand(env *environment) *cobra.Command {
	var options dumpOptions
	command := &cobra.Command{
		Use:   "dump [JOB]",
		Short: "Dump databases into files, without a backup",
		Long: `dump writes each database of the job (of all jobs) into a file of its own, without a backup and without borg. A dump is
written under a temporary name and takes the place of the former one when it is complete: one that fails leaves that as
it is, and the exit code is 2.

A folder that is made gets the mode 0700, the files 0600. As root they belong to --owner, or else to the owner of the folder, from
before the first byte: a privileged user can dump what only the backup's user may read afterwards. The folder is --to, else
SQL_BACKUP_DESTINATION, else the job's spool.

Without a job, and with the variables of the old scripts, no configuration is needed: SQL_BACKUP_DATABASES names databases of
MySQL or MariaDB, separated by blanks ("all" for every one), SQL_BACKUP_USER who logs in, and SQL_BACKUP_PASSPHRASE, or the
command SQL_BACKUP_PASSCOMMAND, the password.`,
		Example: `  borgcron dump server --to /var/backups/databases --owner backup --keep 3
  SQL_BACKUP_DATABASES="shop wiki" SQL_BACKUP_USER=backup borgcron dump --to /var/backups/databases`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("dump takes one job; without one it dumps the databases of all")
			}
			return nil
		},
		ValidArgsFunction: env.completeJobs,
		RunE: func(command *cobra.Command, args []string) error {
			if options.keep < 0 {
				return usage("--keep %d: give the number of former dumps to keep", options.keep)
			}
			return dumpToFiles(command.Context(), env, args, options)
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.to, "to", "", "dump into the folder `DIR`")
	flags.StringVar(&options.owner, "owner", "", "let the files belong to `USER` (only root can)")
	flags.IntVar(&options.keep, "keep", 0, "keep so many former dumps of each database, as NAME.1, NAME.2, ...")
	_ = command.MarkFlagDirname("to")
	return command
}

func dumpToFiles(ctx context.Context, env *environment, args []string, options dumpOptions) error {
	owner, err := userNamed(options.owner)
	if err != nil {
		return err
	}
	if options.to == "" {
		options.to = env.Getenv("SQL_BACKUP_DESTINATION")
	}
	folder := dump.Folder{Dir: options.to, Owner: owner, Keep: options.keep, Now: env.Now}
	if len(args) == 0 && (env.Getenv("SQL_BACKUP_DATABASES") != "" || env.Getenv("SQL_BACKUP_USER") != "") {
		maker, database := env.oldScript()
		return env.dumpInto(ctx, maker, []backup.Database{database}, folder)
	}
	loaded, err := env.loadConfig()
	if err != nil {
		return err
	}
	jobs := loaded.Jobs
	if len(args) == 1 {
		job, err := oneJob(loaded.Jobs, args[0])
		if err != nil {
			return err
		}
		jobs = []backup.Job{*job}
	}
	makers := env.newDatabases(loaded)
	worst, dumped := error(nil), false
	for _, job := range jobs {
		if len(job.Databases) == 0 {
			continue
		}
		dumped = true
		here := folder
		if here.Dir == "" {
			here.Dir = job.Spool
		}
		if err := env.dumpInto(ctx, makers.of(&job), job.Databases, here); err != nil {
			worst = err
		}
	}
	if !dumped {
		return usage("there is no job with databases to dump: add `databases` to a job, or set SQL_BACKUP_DATABASES")
	}
	return worst
}

// oldScript is what the variables of the old script ask for. None of them reaches the programs of the database.
func (env *environment) oldScript() (*dump.Maker, backup.Database) {
	database := backup.Database{
		Type: "mysql", User: env.Getenv("SQL_BACKUP_USER"), Names: strings.Fields(env.Getenv("SQL_BACKUP_DATABASES")),
		Password: backup.Secret{Text: env.Getenv("SQL_BACKUP_PASSPHRASE")},
	}
	if len(database.Names) == 0 {
		database.Names = []string{backup.AllDatabases}
	}
	if command := env.Getenv("SQL_BACKUP_PASSCOMMAND"); command != "" {
		database.Password = backup.Secret{Command: command}
	}
	environ := slices.DeleteFunc(hook.Environ(env.Environ, nil), func(assignment string) bool {
		return strings.HasPrefix(assignment, "SQL_BACKUP_")
	})
	read := func(ctx context.Context, s backup.Secret) ([]byte, error) { return secret.Read(ctx, s, environ) }
	return &dump.Maker{Environ: environ, Secret: read, Log: env.Log}, database
}

// dumpInto dumps databases into a folder, and says what became of each.
func (env *environment) dumpInto(ctx context.Context, maker *dump.Maker, databases []backup.Database, folder dump.Folder) error {
	if folder.Dir == "" {
		return usage("say where to: --to DIR")
	}
	parts, err := maker.EachParts(ctx, databases)
	if err != nil {
		return failed(err)
	}
	written, err := maker.WriteFiles(ctx, parts, folder)
	if err != nil {
		return failed(err)
	}
	code, bad := 0, 0
	for _, one := range written {
		if one.Failure == nil {
			fmt.Fprintf(env.Stdout, "%s\t%s\n", backup.Clean(filepath.Join(folder.Dir, one.Path())), size(one.Size))
			continue
		}
		env.Log.Error("not dumped", "problem", one.Failure.Sentence())
		bad++
		if one.Database.Warn {
			code = max(code, exitWarning)
		} else {
			code = exitFailed
		}
	}
	if ctx.Err() != nil {
		return exitError{exitFailed, context.Cause(ctx)}
	}
	if bad > 0 {
		return exitError{code, fmt.Errorf("%d of %d dumps failed; their former files are as they were", bad, len(written))}
	}
	return nil
}

// userNamed finds a user of this machine; nil for no name.
func userNamed(name string) (*process.User, error) {
	if name == "" {
		return nil, nil
	}
	if os.Getuid() != 0 {
		return nil, usage("--owner: only root can give files to another user")
	}
	found, err := user.Lookup(name)
	if err != nil {
		return nil, usage("--owner: %v", err)
	}
	uid, errUID := strconv.ParseUint(found.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(found.Gid, 10, 32)
	if err := errors.Join(errUID, errGID); err != nil {
		return nil, usage("--owner: %v", err)
	}
	return &process.User{UID: uint32(uid), GID: uint32(gid)}, nil
}
