// Package cli is the command line: a verb a file with its help, flags and deed; wiring, printing and exit codes.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"borgcron/internal/backup"
	"borgcron/internal/config"
	"borgcron/internal/process"
)

// The exit codes beside 0: those of sysexits.h where it has one, a shell's 128+N for a signal.
const (
	exitWarning = 1
	exitFailed  = 2
	exitUsage   = 64 // EX_USAGE
	exitLocked  = 75 // EX_TEMPFAIL
	exitConfig  = 78 // EX_CONFIG
)

// exitError ends the program with a code; what is to be said has been said, or is in err.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e exitError) Unwrap() error { return e.err }

// wholeError is in the chain of an exitError of work that was done to its end: a signal that came meanwhile has cut
// nothing short.
type wholeError struct{}

func (wholeError) Error() string { return "" }

// usage is a mistake in the command line.
func usage(format string, arguments ...any) error {
	return exitError{exitUsage, fmt.Errorf(format, arguments...)}
}

// environment is all that a verb may know of the world outside.
type environment struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Environ        []string
	Getenv         func(string) string
	Now            func() time.Time
	Colour         bool // stdout is a terminal and colour is wanted
	Terminal       bool // stderr is a terminal
	Log            *slog.Logger

	secrets map[backup.Secret][]byte // that are known already, and not to be looked for where the configuration says

	ConfigFile, ConfigOwner string
	Quiet, Verbose          bool
	LogFormat               string
	logFile                 bool // the log goes into a file too
}

// Main runs the program and returns its exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	env := &environment{
		Stdin: stdin, Stdout: stdout, Stderr: stderr,
		Environ: os.Environ(), Getenv: os.Getenv, Now: now,
		Colour:   isTerminal(stdout) && os.Getenv("NO_COLOR") == "",
		Terminal: isTerminal(stderr),
		Log:      slog.New(slog.DiscardHandler),
	}
	if err := process.NoCore(); err != nil { // before anything secret is read; it stops no backup
		fmt.Fprintf(stderr, "borgcron: %v\n", err)
	}
	signals := watchSignals()
	defer signals.stop()
	root := newRootCommand(env)
	root.SetArgs(args)
	err := root.ExecuteContext(signals.context())
	code := exitCode(err)
	if err != nil && err.Error() != "" {
		env.complain(err)
	}
	if number := signals.received(); number != 0 && code != 0 && !errors.As(err, &wholeError{}) {
		return 128 + number
	}
	return code
}

// complain says why the program ends with an error: in one line of the log where programs read that, else as
// people expect it of a command.
func (env *environment) complain(err error) {
	if env.LogFormat == "json" || env.LogFormat == "journal" || env.logFile {
		env.Log.Error(backup.Clean(err.Error()))
		return
	}
	message, hint, hinted := strings.Cut(err.Error(), "\n  hint: ")
	fmt.Fprintf(env.Stderr, "borgcron: %s\n", backup.Clean(message))
	if hinted {
		fmt.Fprintf(env.Stderr, "  hint: %s\n", backup.Clean(hint))
	}
}

func exitCode(err error) int {
	var exit exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.code
	default:
		return exitFailed
	}
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

func newRootCommand(env *environment) *cobra.Command {
	root := &cobra.Command{
		Use:   "borgcron",
		Short: "Run BorgBackup unattended, and know how your backups are",
		Long: `borgcron runs BorgBackup unattended: it backs up, checks, prunes and compacts what its
configuration says, tries again where that helps, and tells the truth about how it went.

Start with 'borgcron init', or with a file of four lines; see 'borgcron config schema' for all keys.`,
		SilenceErrors: true, SilenceUsage: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("unknown command %q%s; see borgcron --help", args[0], didYouMean(args[0], verbs))
			}
			return nil
		},
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return env.openLog(env.Stderr)
		},
	}
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.SetFlagErrorFunc(func(command *cobra.Command, err error) error {
		return usage("%v; see %s --help", err, command.CommandPath())
	})
	root.DisableSuggestions = true
	flags := root.PersistentFlags()
	flags.StringVar(&env.ConfigFile, "config", "", "read this configuration `FILE`")
	flags.StringVar(&env.ConfigOwner, "config-owner", "", "as root: `USER` who may own the configuration beside root (containers)")
	flags.BoolVarP(&env.Quiet, "quiet", "q", false, "a good run prints nothing")
	flags.BoolVarP(&env.Verbose, "verbose", "v", false, "say more of what is done and why")
	flags.StringVar(&env.LogFormat, "log-format", "", "`FORMAT` of the log on stderr: text, json or journal (default: what stderr is)")
	_ = root.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions([]string{"text", "json", "journal"}, cobra.ShellCompDirectiveNoFileComp))
	_ = root.RegisterFlagCompletionFunc("config", completeYAML)
	root.AddCommand(
		newRunCommand(env),
		newStatusCommand(env),
		newHistoryCommand(env),
		newNotifyCommand(env),
		newNotifyHelperCommand(env),
		newAckCommand(env), newForgetCommand(env),
		newSizesCommand(env),
		newDumpCommand(env), newRestoreCommand(env), newRestoreDatabaseCommand(env), newUnlockCommand(env),
		newInitCommand(env),
		newBorgCommand(env),
		newArchivesCommand(env), newFindCommand(env), newDiffCommand(env),
		newMountCommand(env), newUmountCommand(env), newKeyCommand(env), newRecoverCommand(env), newVerifyCommand(env),
		newConfigCommand(env),
		newDoctorCommand(env),
		newScheduleCommand(env),
		newImportCommand(env),
		newManCommand(env), newVersionCommand(env),
	)
	root.AddCommand(laterCommands()...)
	return root
}

func completeYAML(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}

// loadConfig finds and reads the configuration and prints what is wrong with it. An error means that
// nothing may run.
func (env *environment) loadConfig() (*config.Config, error) {
	loaded, err := env.readConfig()
	if err != nil {
		return nil, exitError{exitConfig, err}
	}
	env.logMistakes(loaded)
	if loaded.Fatal() {
		env.noteConfiguration(loaded)
		return nil, exitError{exitConfig, errors.New("the configuration is wrong: nothing was done")}
	}
	return loaded, nil
}

// interruption is the cause of a context that a signal has ended.
type interruption struct{}

func (interruption) Error() string { return "ended by a signal" }

// Is makes it the cancellation that everybody knows.
func (interruption) Is(target error) bool { return target == context.Canceled }
