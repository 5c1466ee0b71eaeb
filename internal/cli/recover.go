package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/borg"
	"borgcron/internal/config"
	"borgcron/internal/lock"
	"borgcron/internal/machine"
)

type recoverOptions struct {
	to, archive                       string
	passphraseFile, passphraseCommand string
	key, borg, remotePath, rsh        string
	wait                              time.Duration
}

func newRecoverCommand(env *environment) *cobra.Command {
	var options recoverOptions
	command := &cobra.Command{
		Use:   "recover REPOSITORY",
		Short: "On a bare machine: bring the configuration back from a repository, then the files",
		Long: `recover needs a repository and its passphrase, and nothing else: no configuration and no state. It finds the newest
archive that holds a configuration of borgcron's, brings that back into a new folder, says which jobs and archives there
are and what is still missing, and names the commands that bring the files back; on a terminal it offers to run them.

REPOSITORY is a folder, ssh://USER@HOST:PORT/PATH or USER@HOST:PATH. The passphrase is asked for on a terminal, unless
--passphrase-file, --passphrase-command, $BORG_PASSPHRASE or $BORG_PASSCOMMAND give it. ssh must know the server: log
in there once by hand. For a repository whose key is not in it ('keyfile') name your copy of the key with --key.`,
		Example: `  borgcron recover /mnt/usb/borg
  borgcron recover ssh://borg@nas.example/./laptop --rsh 'ssh -i /mnt/usb/id_ed25519'
  borgcron recover borg@nas.example:laptop --key /mnt/usb/laptop.key --to /root/recovered`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("recover takes the repository")
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(command *cobra.Command, args []string) error {
			if options.passphraseFile != "" && options.passphraseCommand != "" {
				return usage("--passphrase-file and --passphrase-command: choose one")
			}
			return recoverConfiguration(command.Context(), env, args[0], options)
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.to, "to", "borgcron-recovered", "bring the configuration back into this new or empty `DIR`")
	flags.StringVar(&options.archive, "archive", "latest", "from this `ARCHIVE` of those with a configuration")
	flags.StringVar(&options.passphraseFile, "passphrase-file", "", "the passphrase is in this `FILE`")
	flags.StringVar(&options.passphraseCommand, "passphrase-command", "", "this `COMMAND` prints the passphrase")
	flags.StringVar(&options.key, "key", "", "the key is in this `FILE`, as key export wrote it (keyfile repositories)")
	flags.StringVar(&options.borg, "borg", "", "the `PROGRAM` borg, if not the one on PATH")
	flags.StringVar(&options.remotePath, "remote-path", "", "the `PROGRAM` borg on the server")
	flags.StringVar(&options.rsh, "rsh", "", "the `COMMAND` for ssh, with its options")
	flags.Var(newDurationValue(waitAtHand, &options.wait), "wait", "how long to wait for the local lock (`DURATION`)")
	_ = command.MarkFlagDirname("to")
	return command
}

// recovery is one call of recover.
type recovery struct {
	env     *environment
	options recoverOptions
	dir     string   // absolute
	files   *os.Root // the same
	client  *borg.Client
	call    backup.Call
	secret  []byte // the passphrase; nil: none was given

	archives []backup.Archive // all, as borg lists them
	found    backup.Bootstrap
}

// theRepository is what it is called: its location is known to whoever typed it.
const theRepository = "the repository"

func recoverConfiguration(ctx context.Context, env *environment, location string, options recoverOptions) error {
	r := &recovery{env: env, options: options}
	repository, err := r.repository(location)
	if err != nil {
		return err
	}
	if r.dir, err = emptyFolder(options.to); err != nil {
		return err
	}
	state, err := env.bareState()
	if err != nil {
		return exitError{exitFailed, err}
	}
	if err := r.askPassphrase(ctx, &repository); err != nil {
		return err
	}
	hostID, err := machine.HostID(state)
	if err != nil {
		env.Log.Warn("borg's locks may not be told from those of other machines", "error", err)
	}
	r.client = &borg.Client{Environ: env.Environ, Secret: env.secretReader(&config.Config{}), State: state, HostID: hostID}
	job := &backup.Job{Name: "recover", Repositories: []backup.Repository{repository}}
	locks := &lock.Locker{Dir: filepath.Join(state, "locks"), Now: env.Now}
	held, err := acquire(ctx, &parts{locks: locks}, backup.Target{Job: job, Repository: repository}, options.wait)
	if err != nil {
		return err
	}
	r.call = backup.Call{Job: job, Repository: repository, Lock: held.File()}
	if err := errors.Join(r.bringBack(ctx), held.Close()); err != nil { // what follows takes the lock itself
		return r.explain(err)
	}
	defer func() { _ = r.files.Close() }()
	return r.goOn(ctx)
}

// bareState is the state folder where there is perhaps no configuration. If there is one it says where: two state folders
// would be two locks.
func (env *environment) bareState() (string, error) {
	loaded, err := env.readConfig()
	if err != nil {
		loaded, err = config.Default(env.where())
	}
	if err != nil {
		return "", err
	}
	return loaded.State, loaded.MakeState()
}

// repository is the one that the command line describes.
func (r *recovery) repository(location string) (backup.Repository, error) {
	head, _, _ := strings.Cut(location, "/")
	if !strings.Contains(head, ":") { // a folder
		absolute, err := filepath.Abs(location)
		if err != nil {
			return backup.Repository{}, exitError{exitFailed, err}
		}
		location = absolute
	}
	var checked config.Location
	if err := checked.UnmarshalText([]byte(location)); err != nil {
		return backup.Repository{}, usage("REPOSITORY %v", err)
	}
	repository := backup.Repository{
		Name: theRepository, Location: location, Borg: r.options.borg, RemotePath: r.options.remotePath, LockWait: 20 * time.Second,
		SSH: backup.SSH{Command: cmp.Or(r.options.rsh, r.env.Getenv("BORG_RSH"))},
		// On a bare machine every repository is unknown to borg, and this one was named by who is there.
		Env: map[string]string{"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes", "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"},
	}
	if r.options.key != "" {
		key, err := filepath.Abs(r.options.key)
		if err == nil {
			_, err = os.Stat(key)
		}
		if err != nil {
			return repository, exitError{exitFailed, fmt.Errorf("the key: %w", err)}
		}
		repository.Env["BORG_KEY_FILE"] = key
	}
	switch {
	case r.options.passphraseFile != "":
		repository.Passphrase.File = r.options.passphraseFile
	case r.options.passphraseCommand != "":
		repository.Passphrase.Command = r.options.passphraseCommand
	case r.env.Getenv("BORG_PASSPHRASE") != "":
		repository.Passphrase.Env = "BORG_PASSPHRASE"
	case r.env.Getenv("BORG_PASSCOMMAND") != "":
		repository.Passphrase.Command = r.env.Getenv("BORG_PASSCOMMAND")
	}
	return repository, nil
}

// askPassphrase asks on a terminal for a passphrase that nothing else gives. What was given is kept for the restore.
func (r *recovery) askPassphrase(ctx context.Context, repository *backup.Repository) error {
	if repository.Passphrase.IsZero() && isTerminal(r.env.Stdin) {
		text, err := r.env.askSecret(ctx, "Passphrase of "+theRepository+" (empty if it has none): ")
		if err != nil {
			return exitError{exitFailed, fmt.Errorf("read the passphrase: %w", err)}
		}
		repository.Passphrase.Text = text
	}
	if repository.Passphrase.IsZero() {
		return nil
	}
	secret, err := r.env.secretReader(&config.Config{})(ctx, repository.Passphrase)
	if err != nil {
		return exitError{exitFailed, fmt.Errorf("no passphrase: %w", err)}
	}
	r.secret = secret
	r.env.secrets = map[backup.Secret][]byte{repository.Passphrase: secret}
	return nil
}

// emptyFolder is the absolute path of a folder that is empty or not there yet.
func emptyFolder(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", exitError{exitFailed, err}
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return dir, nil
	case err != nil:
		return "", exitError{exitFailed, fmt.Errorf("the folder for the configuration: %w", err)}
	case len(entries) > 0:
		return "", exitError{exitFailed, fmt.Errorf("%s is not empty, and nothing there is overwritten: name another folder with --to", dir)}
	}
	return dir, nil
}

// explain puts hints into the words of somebody who has no configuration.
func (r *recovery) explain(err error) error {
	var failure *backup.Failure
	if !errors.As(err, &failure) {
		return err
	}
	switch failure.ID {
	case "PassphraseWrong", "NoPassphraseFailure":
		failure.Hint = "is it the passphrase of this repository? It is asked for on a terminal, or given by --passphrase-file or $BORG_PASSPHRASE"
	case "KeyfileNotFoundError", "KeyfileMismatchError", "KeyfileInvalidError", "RepoKeyNotFoundError":
		failure.Hint = "its key is not in the repository: name your copy with --key FILE; one on paper becomes a file by: borg key import --paper REPOSITORY"
	case "ConnectionClosedWithHint", "ConnectionClosed":
		failure.Hint = "does ssh know the server and reach it without asking? Log in by hand once; see --rsh and --remote-path"
	case "LockTimeout", "LockError", "LockErrorT":
		failure.Hint = "another borg is at work there, or one that died left its lock behind. If you are sure that none is: borg break-lock REPOSITORY"
	}
	return failed(err)
}
