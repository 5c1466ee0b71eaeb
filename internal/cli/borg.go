package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/lock"
)

func newBorgCommand(env *environment) *cobra.Command {
	var repository string
	var wait time.Duration
	command := &cobra.Command{
		Use:   "borg JOB -- ARGS",
		Short: "Run any borg command with the job's environment, under its lock",
		Long: `borg runs borg itself: with the job's repository as BORG_REPO, its passphrase, its ssh and its cache, and
with the repository's local lock held for as long as that borg lives. Standard input, output and the
terminal are borg's; so is the exit code (the old scheme unless BORG_EXIT_CODES is set).

What borg changes this way borgcron does not see: the next prune asks borg for the list of archives first.`,
		Example: `  borgcron borg home -- list
  borgcron borg home -- info ::laptop-home-2026-11-22T02:30:00`,
		ValidArgsFunction: env.completeJobs,
		RunE: func(command *cobra.Command, args []string) error {
			dash := command.ArgsLenAtDash()
			if dash != 1 || len(args) < 2 {
				return usage("borg wants a job, two dashes and borg's own words: borgcron borg JOB -- list")
			}
			return runBorg(command.Context(), env, args[0], repository, wait, args[1:])
		},
	}
	command.Flags().Var(newDurationValue(waitAtHand, &wait), "wait", "how long to wait for the local lock (`DURATION`)")
	env.addRepositoryFlag(command, &repository)
	return command
}

func runBorg(ctx context.Context, env *environment, name, repository string, wait time.Duration, args []string) error {
	loaded, err := env.loadConfig()
	if err != nil {
		return err
	}
	target, err := oneTarget(loaded.Jobs, name, repository)
	if err != nil {
		return err
	}
	parts, err := env.newParts(ctx, loaded)
	if err != nil {
		return err
	}
	defer parts.close()
	held, err := acquire(ctx, parts, target, wait)
	if err != nil {
		return err
	}
	defer held.Close()
	if err := noteUnseen(ctx, parts, loaded.Jobs, target.Repository.Key(), args, env.Now()); err != nil {
		env.Log.Warn("noting that borg may have changed the repository", "error", err)
	}
	parts.close()
	call := backup.Call{Job: target.Job, Repository: target.Repository, Lock: held.File()}
	return failed(parts.client.Exec(ctx, call, args))
}

// deleting are borg's commands after which compact has something to do.
var deleting = []string{"delete", "prune", "recreate"}

// oneTarget is the job's one repository: with two, what writes must be told which.
func oneTarget(jobs []backup.Job, name, repository string) (backup.Target, error) {
	job, err := oneJob(jobs, name)
	if err != nil {
		return backup.Target{}, err
	}
	return repositoryOf(job, repository)
}

// oneJob is the job of that name, if it can be used.
func oneJob(jobs []backup.Job, name string) (*backup.Job, error) {
	names := make([]string, len(jobs))
	for i := range jobs {
		job := &jobs[i]
		names[i] = job.Name
		if job.Name != name {
			continue
		}
		if job.Problem != "" {
			return nil, exitError{exitConfig, fmt.Errorf("job %s: %s", name, job.Problem)}
		}
		return job, nil
	}
	return nil, usage("there is no job %q%s", name, didYouMean(name, names))
}

func repositoryOf(job *backup.Job, name string) (backup.Target, error) {
	if name == "" && len(job.Repositories) == 1 {
		return backup.Target{Job: job, Repository: job.Repositories[0]}, nil
	}
	known := make([]string, len(job.Repositories))
	for i, repository := range job.Repositories {
		known[i] = job.RepositoryName(repository)
		if name != "" && known[i] == name {
			return backup.Target{Job: job, Repository: repository}, nil
		}
	}
	if name == "" {
		return backup.Target{}, usage("job %s has several repositories: say --repository with one of %v", job.Name, known)
	}
	return backup.Target{}, usage("job %s has no repository %q%s", job.Name, name, didYouMean(name, known))
}

// acquire takes the repository's local lock for a verb; a lock that stays held is exit 75.
func acquire(ctx context.Context, p *parts, target backup.Target, wait time.Duration) (*lock.Held, error) {
	held, err := p.locks.Acquire(ctx, target.Repository.Key(), target.Job.Name, wait)
	var other *lock.HeldError
	switch {
	case errors.As(err, &other):
		return nil, exitError{exitLocked, err}
	case err != nil:
		return nil, exitError{exitFailed, fmt.Errorf("local lock: %w", err)}
	}
	return held, nil
}

// noteUnseen notes for every job on a repository what a borg command that we do not see may change: the list of
// archives, the space to free, the repository's integrity, its locks.
func noteUnseen(ctx context.Context, p *parts, jobs []backup.Job, key string, args []string, now time.Time) error {
	repairs := slices.ContainsFunc(args, func(arg string) bool { // borg takes shortened options
		return len(arg) >= len("--rep") && strings.HasPrefix("--repair", arg)
	})
	if repairs {
		if err := p.alarms.Repaired(key); err != nil {
			return err
		}
	}
	deletes := slices.ContainsFunc(args, func(arg string) bool { return slices.Contains(deleting, arg) })
	for i := range jobs {
		for _, repository := range jobs[i].Repositories {
			if repository.Key() != key {
				continue
			}
			target := backup.Target{Job: &jobs[i], Repository: repository}
			last, err := p.records.Recall(ctx, target)
			if err != nil {
				return err
			}
			last.Unlist()
			last.Shared.Deleted = last.Shared.Deleted || deletes
			last.Shared.Cut = nil // when this borg ends, and how, nobody will know
			if repairs && last.Shared.Alarm != nil {
				last.Shared.Alarm.Repaired = true
			}
			if slices.Contains(args, "break-lock") {
				last.Shared.Suspect = backup.BrokenLock("somebody", now)
			}
			if err := p.records.Save(ctx, target, last); err != nil {
				return err
			}
		}
	}
	return nil
}

// failed makes an exit code of a failure, and adds its hint.
func failed(err error) error {
	var failure *backup.Failure
	if !errors.As(err, &failure) {
		return err
	}
	if failure.Hint == "" {
		return exitError{exitFailed, err}
	}
	return exitError{exitFailed, fmt.Errorf("%w\n  hint: %s", err, failure.Hint)}
}
