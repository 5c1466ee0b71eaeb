package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"borgcron/internal/backup"
	"borgcron/internal/borg"
	"borgcron/internal/config"
	"borgcron/internal/setup"
)

type initOptions struct {
	repository string
	wait       time.Duration
	yes        bool

	// of a new job
	sources                                []string
	location, passphrase, keep             string
	at, every                              string
	schedule, noSchedule                   bool
	identity, hostKey, remotePath, program string
	given                                  func(flag string) bool
}

// newJobFlags are the flags that only a job which is not configured yet can have.
var newJobFlags = []string{
	"source", "location", "passphrase", "keep", "at", "every", "schedule", "no-schedule", "ssh-identity", "accept-host-key", "remote-path", "borg",
}

func newInitCommand(env *environment) *cobra.Command {
	var options initOptions
	command := &cobra.Command{
		Use:   "init [JOB]",
		Short: "Set a backup up: repository, passphrase, configuration, schedule",
		Long: `init of a job that the configuration does not have yet, or without any configuration, asks what is to be backed up, where to,
how the passphrase is kept, how long archives are, and when. Each answer is tried at once and asked for again if it does not hold;
'?' explains a question, Enter takes what stands in brackets. Each question is a flag as well; without a terminal one that is missing
is an error, unless --yes takes what would stand in the brackets. The key of an unknown server is taken only if
--accept-host-key names its fingerprint.

Only at the end something is made: the repository, or an existing one is adopted, then the configuration, and a copy of the key.
Whatever ends init before leaves nothing; one that was killed in the midst of that goes on when it is called again.

A new repository gets 'clients: single', which promises that ` + backup.SinglePromise + `.

init of a job that is configured creates its repositories, with the encryption that the configuration names; one that is
there already and opens with the passphrase is adopted. Without JOB it does so for all jobs.`,
		Example: `  borgcron init                  asks, and sets a first backup up
  borgcron init home --source /home --location /mnt/usb/borg --yes
  borgcron init etc --source /etc --location ssh://borg@nas.example/./etc --accept-host-key SHA256:... \
    --passphrase file:/etc/borgcron/etc.key --keep "14d 8w" --at 02:30 --schedule`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: env.completeJobs,
		RunE: func(command *cobra.Command, names []string) error {
			options.given = command.Flags().Changed
			return initialise(command.Context(), env, names, &options)
		},
	}
	flags := command.Flags()
	flags.Var(newDurationValue(waitAtHand, &options.wait), "wait", "how long to wait for the local lock (`DURATION`)")
	env.addRepositoryFlag(command, &options.repository)
	addNewJobFlags(flags, &options)
	for name, words := range map[string][]string{
		"passphrase": {"new\trandom, in a file", "ask\ttyped, in a file", "file:", "command:", "none\tno encryption"},
		"keep":       {"7d 4w 6m", "all"}, "at": {"02:30"}, "every": {"24h", "12h", "1h"},
	} {
		_ = command.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
	_ = command.MarkFlagDirname("source")
	_ = command.MarkFlagDirname("location")
	return command
}

func addNewJobFlags(flags *pflag.FlagSet, options *initOptions) {
	flags.StringArrayVar(&options.sources, "source", nil, "new job: back up this `FOLDER`; may be repeated")
	flags.StringVar(&options.location, "location", "", "new job: the `REPOSITORY`: a folder, ssh://USER@HOST:PORT/PATH or USER@HOST:PATH")
	flags.StringVar(&options.passphrase, "passphrase", "", "new job: `HOW` it is kept: new (random), ask (typed), file:FILE, command:COMMAND, none (not encrypted)")
	flags.StringVar(&options.keep, "keep", "", "new job: how many archives are kept, as \"7d 4w 6m\" (`RULES` with h, d, w, m, y), or all")
	flags.StringVar(&options.at, "at", "", "new job: back up at this `TIME`: 02:30, or as systemd's OnCalendar")
	flags.StringVar(&options.every, "every", "", "new job: back up when so much time (`DURATION`) has passed")
	flags.BoolVar(&options.schedule, "schedule", false, "new job: install the schedule")
	flags.BoolVar(&options.noSchedule, "no-schedule", false, "new job: leave the schedule for later")
	flags.StringVar(&options.identity, "ssh-identity", "", "new job: log in with the key in this `FILE`")
	flags.StringVar(&options.hostKey, "accept-host-key", "", "new job: take the server's key if this is its `FINGERPRINT` (SHA256:...)")
	flags.StringVar(&options.remotePath, "remote-path", "", "new job: the `PROGRAM` borg on the server")
	flags.StringVar(&options.program, "borg", "", "new job: the `PROGRAM` borg here, if not the one on PATH")
	flags.BoolVarP(&options.yes, "yes", "y", false, "new job: take what would be proposed for all that no flag says")
}

// initialise sets up a job that is not configured yet, or creates the repositories of those that are.
func initialise(ctx context.Context, env *environment, names []string, options *initOptions) error {
	path, err := config.Find(env.ConfigFile, env.where())
	if err != nil { // none yet
		return setUpJob(ctx, env, nil, names, options)
	}
	loaded, err := env.loadConfig()
	if err != nil {
		return err
	}
	drafts, err := setup.Left(filepath.Dir(path), "")
	if err != nil {
		return exitError{exitFailed, err}
	}
	if len(names) == 1 && !slices.Contains(jobNames(loaded), names[0]) {
		begun := slices.ContainsFunc(drafts, func(d *setup.Draft) bool { return d.Answers.Job == names[0] })
		if begun || isTerminal(env.Stdin) || slices.ContainsFunc(newJobFlags, options.given) {
			return setUpJob(ctx, env, loaded, names, options)
		}
	}
	for _, draft := range drafts {
		if err := env.tidy(draft, loaded); err != nil {
			return exitError{exitFailed, fmt.Errorf("remove what an init that was cut off has left: %w", err)}
		}
	}
	for _, flag := range newJobFlags {
		if options.given(flag) && len(names) == 1 {
			return usage("--%s is for a new job, and %s has the job %s", flag, path, names[0])
		}
		if options.given(flag) {
			return usage("--%s is for a new job: name one that %s does not have yet", flag, path)
		}
	}
	chosen, err := selectJobs(loaded, names, options.repository)
	if len(names) == 1 && len(chosen.unknown) > 0 {
		return usage("%s; a new one wants --source and --location, or a terminal to ask at", chosen.unknown[0])
	}
	if err != nil {
		return err
	}
	if len(chosen.unknown) > 0 {
		return usage("%s", chosen.unknown[0])
	}
	return initJobs(ctx, env, loaded, chosen.jobs, options.wait)
}

// tidy removes the draft of an init that was cut off when everything was in its place already.
func (env *environment) tidy(draft *setup.Draft, loaded *config.Config) error {
	if !slices.Contains(jobNames(loaded), draft.Answers.Job) {
		return nil
	}
	if kept := draft.Answers.Passphrase; kept.Ours() {
		prepared, err := os.ReadFile(draft.Passphrase())
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		inPlace, err := os.ReadFile(kept.File)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if !bytes.Equal(prepared, inPlace) {
			env.Log.Warn("an init that was cut off has left another passphrase than the one that is in use; it is kept", "folder", draft.Dir)
			return nil
		}
	}
	return draft.Remove()
}

func initJobs(ctx context.Context, env *environment, loaded *config.Config, jobs []backup.Job, wait time.Duration) error {
	parts, err := env.newParts(ctx, loaded)
	if err != nil {
		return err
	}
	defer parts.close()
	type result struct {
		seen *borg.Seen
		err  error
	}
	done := map[string]result{}
	var failures []error
	for i := range jobs {
		job := &jobs[i]
		if job.Problem != "" {
			return exitError{exitConfig, fmt.Errorf("job %s: %s", job.Name, job.Problem)}
		}
		for _, repository := range job.Repositories {
			target := backup.Target{Job: job, Repository: repository}
			r, tried := done[repository.Key()]
			if !tried {
				if r.seen, r.err = initRepository(ctx, env, parts, target, wait); r.err != nil {
					failures = append(failures, r.err)
				}
				done[repository.Key()] = r
			}
			if r.err == nil {
				env.noteInit(ctx, parts, target, r.seen)
			}
		}
	}
	return errors.Join(failures...)
}

// initRepository makes the repository, or adopts the one that is there: that is then returned.
func initRepository(ctx context.Context, env *environment, p *parts, target backup.Target, wait time.Duration) (*borg.Seen, error) {
	held, err := acquire(ctx, p, target, wait)
	if err != nil {
		return nil, err
	}
	defer held.Close()
	name := target.Job.RepositoryName(target.Repository)
	call := backup.Call{Job: target.Job, Repository: target.Repository, Lock: held.File()}
	err = p.client.Init(ctx, call)
	if borg.Present(err) {
		seen, err := p.client.Look(ctx, call)
		if err != nil {
			return nil, failed(fmt.Errorf("repository %s is there already, and cannot be adopted: %w", name, err))
		}
		fmt.Fprintf(env.Stdout, "repository %s was there already, and is adopted (%s, %s)\n", name, seen.Report.Encryption, archivesIn(&seen))
		return &seen, nil
	}
	if err != nil {
		return nil, failed(fmt.Errorf("repository %s: %w", name, err))
	}
	fmt.Fprintf(env.Stdout, "repository %s is made (%s)\n", name, target.Repository.Encryption)
	if target.Repository.Encryption != "none" {
		fmt.Fprintf(env.Stdout, "keep a copy of its key elsewhere: borgcron key export %s --paper\n", nameOf(target))
	}
	return nil, nil
}

func archivesIn(seen *borg.Seen) string {
	if seen.Archives == 0 {
		return "no archives yet"
	}
	return counted(seen.Archives, "archive")
}

// noteInit puts on record what is known of a repository now: of a new one all, of an adopted one what it is.
func (env *environment) noteInit(ctx context.Context, p *parts, target backup.Target, adopted *borg.Seen) {
	var err error
	if adopted != nil {
		err = noteAdopted(ctx, p, target, adopted)
	} else {
		err = errors.Join(noteEmpty(ctx, p, target), p.alarms.Settle(target.Repository.Key())) // of what was there before
	}
	if err != nil {
		env.Log.Warn("noting what is in the repository", "job", target.Job.Name, "error", err)
	}
}

// noteEmpty records that there is no archive in the repository yet, so that nobody has to ask.
func noteEmpty(ctx context.Context, p *parts, target backup.Target) error {
	last, err := p.records.Recall(ctx, target)
	if err != nil {
		return err
	}
	last.Unlist()
	last.Empty, last.Shared = true, backup.Shared{}
	return p.records.Save(ctx, target, last)
}

// noteAdopted records which repository it is. An alarm stays: what raised it is still there.
func noteAdopted(ctx context.Context, p *parts, target backup.Target, seen *borg.Seen) error {
	last, err := p.records.Recall(ctx, target)
	if err != nil {
		return err
	}
	last.Meet(seen.Report)
	return p.records.Save(ctx, target, last)
}
