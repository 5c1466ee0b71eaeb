package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/config"
)

func newInitCommand(env *environment) *cobra.Command {
	var repository string
	var wait time.Duration
	command := &cobra.Command{
		Use:   "init [JOB]",
		Short: "Create the repositories of a job, or of all jobs",
		Long: `init creates each repository of the job with the encryption that the configuration names. The passphrase
is tried before: a repository whose passphrase nobody knows is never made. One that is there already is an
error and is left alone.

Keep a copy of the key: without it and the passphrase nobody can read the backup. 'borgcron key export JOB'
makes one, --paper one to print.`,
		ValidArgsFunction: env.completeJobs,
		RunE: func(command *cobra.Command, names []string) error {
			loaded, err := env.loadConfig()
			if err != nil {
				return err
			}
			chosen, err := selectJobs(loaded, names, repository)
			if err != nil {
				return err
			}
			if len(chosen.unknown) > 0 {
				return usage("%s", chosen.unknown[0])
			}
			return initJobs(command.Context(), env, loaded, chosen.jobs, wait)
		},
	}
	command.Flags().Var(newDurationValue(waitAtHand, &wait), "wait", "how long to wait for the local lock (`DURATION`)")
	env.addRepositoryFlag(command, &repository)
	return command
}

func initJobs(ctx context.Context, env *environment, loaded *config.Config, jobs []backup.Job, wait time.Duration) error {
	parts, err := env.newParts(ctx, loaded)
	if err != nil {
		return err
	}
	defer parts.close()
	made := map[string]error{}
	var failures []error
	for i := range jobs {
		job := &jobs[i]
		if job.Problem != "" {
			return exitError{exitConfig, fmt.Errorf("job %s: %s", job.Name, job.Problem)}
		}
		for _, repository := range job.Repositories {
			target := backup.Target{Job: job, Repository: repository}
			err, tried := made[repository.Key()]
			if !tried {
				if err = initRepository(ctx, env, parts, target, wait); err != nil {
					failures = append(failures, err)
				}
				made[repository.Key()] = err
			}
			if err != nil {
				continue
			}
			err = errors.Join(noteEmpty(ctx, parts, target), parts.alarms.Settle(repository.Key())) // of what was there before
			if err != nil {
				env.Log.Warn("noting that the repository is empty", "job", job.Name, "error", err)
			}
		}
	}
	return errors.Join(failures...)
}

func initRepository(ctx context.Context, env *environment, p *parts, target backup.Target, wait time.Duration) error {
	held, err := acquire(ctx, p, target, wait)
	if err != nil {
		return err
	}
	defer held.Close()
	name := target.Job.RepositoryName(target.Repository)
	call := backup.Call{Job: target.Job, Repository: target.Repository, Lock: held.File()}
	if err := p.client.Init(ctx, call); err != nil {
		return failed(fmt.Errorf("repository %s: %w", name, err))
	}
	fmt.Fprintf(env.Stdout, "repository %s is made (%s)\n", name, target.Repository.Encryption)
	if target.Repository.Encryption != "none" {
		fmt.Fprintf(env.Stdout, "keep a copy of its key elsewhere: borgcron key export %s --paper\n", nameOf(target))
	}
	return nil
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
