package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/config"
	"borgcron/internal/history"
	"borgcron/internal/status"
)

type forgetOptions struct {
	repository string
	yes        bool
	wait       time.Duration
}

func newForgetCommand(env *environment) *cobra.Command {
	var options forgetOptions
	command := &cobra.Command{
		Use:   "forget JOB",
		Short: "Drop the records of a job that the configuration no longer has; no archive",
		Long: `forget drops what is on record of a job that the configuration no longer has, after showing it: its row in
'borgcron status', its runs in 'borgcron history', what was learned from them, and its messages that could not
be delivered yet. With --repository it drops only what is on record on that one, which may also be one that a
configured job no longer has.

No archive is touched, no repository, no key and no passphrase. An alarm belongs to its repository and stays:
see 'borgcron ack'.`,
		Example: `  borgcron forget old-laptop
  borgcron forget home --repository usb --yes`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("forget takes one job")
			}
			return nil
		},
		ValidArgsFunction: env.completeGoneJobs,
		RunE: func(command *cobra.Command, args []string) error {
			return forget(command.Context(), env, args[0], options)
		},
	}
	flags := command.Flags()
	flags.BoolVar(&options.yes, "yes", false, "do not ask")
	flags.Var(newDurationValue(waitAtHand, &options.wait), "wait", "how long to wait for the local lock (`DURATION`)")
	flags.StringVar(&options.repository, "repository", "", "only what is on record on the repository `NAME`")
	return command
}

func forget(ctx context.Context, env *environment, job string, options forgetOptions) error {
	loaded, err := env.loadConfig()
	if err != nil {
		return err
	}
	if len(loaded.Errors) > 0 {
		return exitError{exitConfig, fmt.Errorf("a part of the configuration cannot be read, and the job may be there: nothing was dropped\n  hint: borgcron config check")}
	}
	parts, err := env.newParts(ctx, loaded)
	if err != nil {
		return err
	}
	defer parts.close()
	if parts.history == nil { // why is said
		return exitError{exitFailed, errors.New("without the history nothing was dropped")}
	}
	past, err := newForgotten(ctx, parts, loaded, job, options.repository)
	if err != nil {
		return err
	}
	past.show(env)
	if err := env.confirm(ctx, "Drop these records?", options.yes); err != nil { // nobody's run waits for the answer
		return err
	}
	unlock, err := acquireAll(ctx, parts, past.targets(), options.wait)
	if err != nil {
		return err
	}
	defer unlock()
	if err := past.drop(ctx, parts); err != nil {
		return err
	}
	env.noteConfiguration(loaded) // which writes the notice
	if err := env.writeMetrics(loaded); err != nil {
		env.Log.Warn("writing the metrics", "error", err)
	}
	fmt.Fprintln(env.Stdout, "dropped; every archive is where it was")
	return nil
}

// forgotten is what is to be dropped of a job.
type forgotten struct {
	job, repository string // no repository: all
	places          []history.Place
	records         []status.Record
	configured      bool // the job still is; what is dropped is of repositories that it no longer has
}

// newForgotten chooses what is to be dropped. An error says why there is nothing, or that it must not be.
func newForgotten(ctx context.Context, p *parts, loaded *config.Config, job, repository string) (*forgotten, error) {
	past := &forgotten{job: job, repository: repository}
	var keys []string
	if i := slices.Index(jobNames(loaded), job); i >= 0 {
		past.configured = true
		for _, r := range loaded.Jobs[i].Repositories {
			keys = append(keys, r.Key())
		}
	}
	if past.configured && repository == "" {
		return nil, usage("job %s is configured, and its records would only come back\n  hint: take it out of the configuration first", job)
	}
	known, err := recordedJobs(ctx, p)
	if err != nil {
		return nil, exitError{exitFailed, err}
	}
	if !slices.Contains(known, job) {
		return nil, usage("nothing is on record of a job %q%s", job, didYouMean(job, known))
	}
	return past, past.choose(ctx, p, keys)
}

// choose finds the records that are to be dropped: not those on repositories with the keys, which the job still has.
func (f *forgotten) choose(ctx context.Context, p *parts, keys []string) error {
	places, err := p.history.Places(ctx, f.job)
	if err != nil {
		return exitError{exitFailed, err}
	}
	var names []string
	for _, place := range places {
		if names = append(names, place.Name); (f.repository == "" || place.Name == f.repository) && !slices.Contains(keys, place.Key) {
			f.places = append(f.places, place)
		}
	}
	for _, record := range status.Records(p.state, f.job) {
		if names = append(names, record.Repository); f.chosen(record) {
			f.records = append(f.records, record)
		}
	}
	switch {
	case f.repository == "" || len(f.places)+len(f.records) > 0:
		return nil
	case slices.Contains(names, f.repository):
		return usage("job %s still has the repository %s, and its records would only come back\n  hint: take it out of the configuration first", f.job, f.repository)
	}
	return usage("nothing is on record of job %s on %q%s", f.job, f.repository, didYouMean(f.repository, names))
}

func (f *forgotten) chosen(record status.Record) bool {
	return (f.repository == "" || record.Repository == f.repository) && (record.Gone || !f.configured)
}

// show says what is to be dropped.
func (f *forgotten) show(env *environment) {
	for _, record := range f.records {
		success := "no success on record"
		if !record.SuccessEnded.IsZero() {
			success = "last success " + record.SuccessEnded.Local().Format("2006-01-02 15:04")
		}
		fmt.Fprintf(env.Stdout, "%s: %s\n", backup.Clean(rowName(f.job, record.Repository)), success)
	}
	runs := 0
	for _, place := range f.places {
		runs += place.Runs
	}
	fmt.Fprintf(env.Stdout, "%s: runs in the history: %d; no archive is touched\n", backup.Clean(f.job), runs)
}

// targets name the job's repositories to what keeps records and locks: by their keys, as their locations are forgotten.
func (f *forgotten) targets() (targets []backup.Target) {
	for _, place := range f.places {
		targets = append(targets, backup.Target{Job: &backup.Job{Name: f.job}, Repository: backup.Repository{Name: place.Name, Location: place.Key}})
	}
	return targets
}

// drop drops it. The locks are held.
func (f *forgotten) drop(ctx context.Context, p *parts) error {
	for _, record := range status.Records(p.state, f.job) { // anew: the question may have waited
		if f.chosen(record) && record.Running != nil {
			return exitError{exitLocked, fmt.Errorf("a run of job %s is going (pid %d): nothing was dropped", f.job, record.Running.PID)}
		}
	}
	targets := f.targets()
	for _, target := range targets {
		if err := f.settle(ctx, p, target); err != nil {
			return err
		}
	}
	for _, target := range targets {
		if err := p.history.Forget(ctx, target); err != nil {
			return exitError{exitFailed, err}
		}
	}
	if err := status.Forget(p.state, f.job, f.chosen); err != nil {
		return exitError{exitFailed, err}
	}
	return nil
}

// settle sees that no run on the repository is left that has not ended: one is about to, or was cut off. What that has taught of
// the repository is learned before it is forgotten that there was such a run.
func (f *forgotten) settle(ctx context.Context, p *parts, target backup.Target) error {
	if _, err := p.history.Reap(ctx, target); err != nil {
		return exitError{exitFailed, err}
	}
	job, err := p.history.Unsettled(ctx, target.Repository.Key())
	switch {
	case err != nil:
		return exitError{exitFailed, err}
	case job == f.job:
		return exitError{exitLocked, fmt.Errorf("a run of job %s is just ending: nothing was dropped", job)}
	case job != "":
		return exitError{exitLocked, fmt.Errorf("a run of job %s on the same repository was cut off, and these records tell what it may have left behind: nothing was dropped"+
			"\n  hint: borgcron run %s, or borgcron forget %s if it is gone as well", job, job, job)}
	}
	return nil
}

// recordedJobs are the names of all jobs of which something is on record.
func recordedJobs(ctx context.Context, p *parts) ([]string, error) {
	names, err := status.Jobs(p.state)
	if err != nil {
		return nil, err
	}
	more, err := p.history.Jobs(ctx)
	names = append(names, more...)
	slices.Sort(names)
	return slices.Compact(names), err
}

// completeGoneJobs offers the names of the jobs that are on record and no longer configured.
func (env *environment) completeGoneJobs(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	loaded, err := env.readConfig()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, _ := status.Jobs(loaded.State) // none if the folder cannot be read
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(jobNames(loaded), name) }), cobra.ShellCompDirectiveNoFileComp
}
