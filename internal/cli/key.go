package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/borg"
	"borgcron/internal/status"
)

type keyOptions struct {
	from        readFrom
	paper, html bool
	to          string
}

func newKeyCommand(env *environment) *cobra.Command {
	command := &cobra.Command{
		Use:   "key export",
		Short: "Export the key of a repository, also on paper",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("unknown command \"key %s\"%s; see borgcron key --help", args[0], didYouMean(args[0], []string{"export"}))
			}
			return nil
		},
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(newKeyExportCommand(env))
	return command
}

func newKeyExportCommand(env *environment) *cobra.Command {
	var options keyOptions
	command := &cobra.Command{
		Use:   "export JOB",
		Short: "Export the key of a job's repository, for a safe place elsewhere",
		Long: `export prints the key of the job's repository, or writes it to a file that only you can read (--to). A file
that is there already is left alone.

The backup can be read with the key and the passphrase together, and with neither of them alone. With 'repokey' the key
lies in the repository: your copy helps when that is damaged. With 'keyfile' it lies on this machine alone: without a
copy the backup is lost with the machine. Keep it, and the passphrase, where a fire here does not reach them.

'borgcron status' reminds of a key that was never exported.`,
		Example: `  borgcron key export home --paper > key.txt        to print
  borgcron key export home --qr-html --to key.html    to print, with QR codes
  borgcron key export home --to /mnt/usb/home.key     as 'borg key import' and 'borgcron recover --key' take it`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("key export takes one job")
			}
			return nil
		},
		ValidArgsFunction: env.completeJobs,
		RunE: func(command *cobra.Command, args []string) error {
			if options.paper && options.html {
				return usage("--paper and --qr-html are two forms: choose one")
			}
			return exportKey(command.Context(), env, args[0], options)
		},
	}
	flags := command.Flags()
	flags.BoolVar(&options.paper, "paper", false, "as lines with checksums, to be printed and typed in again")
	flags.BoolVar(&options.html, "qr-html", false, "as a page for printing, with QR codes")
	flags.StringVar(&options.to, "to", "", "write it to this new `FILE`, which only you can read")
	env.addReadingFlags(command, &options.from)
	return command
}

func exportKey(ctx context.Context, env *environment, name string, options keyOptions) error {
	loaded, err := env.loadConfig()
	if err != nil {
		return err
	}
	target, err := oneTarget(loaded.Jobs, name, options.from.repository) // each repository has a key of its own
	if err != nil {
		return err
	}
	if _, err := os.Lstat(options.to); options.to != "" && err == nil {
		return exists(options.to)
	}
	parts, err := env.newParts(ctx, loaded)
	if err != nil {
		return err
	}
	defer parts.close()
	held, err := acquire(ctx, parts, target, options.from.wait)
	if err != nil {
		return err
	}
	defer held.Close()
	form := borg.KeyFile
	switch {
	case options.paper:
		form = borg.KeyPaper
	case options.html:
		form = borg.KeyHTML
	}
	called := target.Job.RepositoryName(target.Repository)
	key, err := parts.client.ExportKey(ctx, backup.Call{Job: target.Job, Repository: target.Repository, Lock: held.File()}, form)
	var failure *backup.Failure
	switch {
	case errors.As(err, &failure) && failure.ID == "UnencryptedRepo":
		return exitError{exitFailed, fmt.Errorf("repository %s has no key: it is not encrypted, whoever has it can read it", called)}
	case err != nil:
		return failed(err)
	}
	if err := env.writeKey(options.to, key); err != nil {
		return exitError{exitFailed, fmt.Errorf("write the key: %w", err)}
	}
	env.adviseOnKey(ctx, parts, target, options.to)
	if err := noteExported(ctx, parts, target, env, loaded.Jobs); err != nil {
		env.Log.Warn("noting that the key is exported; status goes on to remind of it", "error", err)
	}
	return nil
}

func exists(path string) error {
	return exitError{exitFailed, fmt.Errorf("%s is there already and is left alone: name another file", path)}
}

// writeKey writes the key to a new file, or prints it.
func (env *environment) writeKey(to string, key []byte) error {
	if to == "" {
		_, err := env.Stdout.Write(key)
		return err
	}
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(key)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(to)) // half a key is none
	}
	_, err = fmt.Fprintf(env.Stdout, "the key is in %s; keep it, and the passphrase, elsewhere\n", to)
	return err
}

// adviseOnKey says what is special about a key that lies on this machine alone.
func (env *environment) adviseOnKey(ctx context.Context, p *parts, target backup.Target, to string) {
	mode := target.Repository.Encryption
	if last, err := p.records.Recall(ctx, target); err == nil && last.Shared.Encryption != "" {
		mode = last.Shared.Encryption
	}
	if strings.HasPrefix(mode, "keyfile") {
		env.Log.Warn("this key lies on this machine alone, not in the repository: without this copy the backup is lost with the machine", "copy", to)
	}
}

// noteExported puts on record that somebody has a copy of the key.
func noteExported(ctx context.Context, p *parts, target backup.Target, env *environment, jobs []backup.Job) error {
	last, err := p.records.Recall(ctx, target)
	if err != nil {
		return err
	}
	last.Shared.KeyExported = env.Now()
	if err := p.records.Save(ctx, target, last); err != nil {
		return err
	}
	writer := &status.Writer{State: p.state, Now: env.Now, Jobs: jobs}
	return writer.KeyExported(target.Repository.Key())
}

// nameOf are the words that name a job's repository to a command.
func nameOf(target backup.Target) string {
	if len(target.Job.Repositories) == 1 {
		return target.Job.Name
	}
	return target.Job.Name + " --repository " + target.Job.RepositoryName(target.Repository)
}
