package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/status"
)

type ackOptions struct {
	note, repository string
	yes              bool
	wait             time.Duration
}

func newAckCommand(env *environment) *cobra.Command {
	var options ackOptions
	command := &cobra.Command{
		Use:   "ack JOB|REPOSITORY",
		Short: "Settle an alarm, or what a guard holds back, after showing it",
		Long: `ack shows what holds prune and compact back, and settles it if you say so:

- an alarm: borg found a repository damaged, older than it was, or its lock broken by somebody. Until it is
  settled every run there is failed. Look into it first: 'borgcron history --run ID' has borg's own words.
  The next finding raises it anew.
- a guard: an archive was much smaller than the one before. From now on that archive is what the next one is
  compared with.
- a prune that would delete more than half of the archives: the next run does it.

With the name of a job it settles the alarms of its repositories and the job's own guards; with the name of a
repository, the alarm and the guards of all jobs on it. Without a terminal it needs --yes.`,
		Example: `  borgcron ack home
  borgcron ack nas --note "a disk was replaced, checked by hand" --yes`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("ack takes one job or repository")
			}
			return nil
		},
		ValidArgsFunction: env.completeJobsAndRepositories,
		RunE: func(command *cobra.Command, args []string) error {
			return acknowledge(command.Context(), env, args[0], options)
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.note, "note", "", "keep this `TEXT` with the last run")
	flags.BoolVar(&options.yes, "yes", false, "do not ask")
	flags.Var(newDurationValue(waitAtHand, &options.wait), "wait", "how long to wait for the local lock (`DURATION`)")
	env.addRepositoryFlag(command, &options.repository)
	return command
}

// held is what is held back of one job on one repository, or by an alarm of the repository.
type held struct {
	target backup.Target
	last   backup.Last
	alarm  *backup.Alarm
}

func acknowledge(ctx context.Context, env *environment, name string, options ackOptions) error {
	loaded, err := env.loadConfig()
	if err != nil {
		return err
	}
	targets, err := namedTargets(loaded.Jobs, name, options.repository)
	if err != nil {
		return err
	}
	parts, err := env.newParts(ctx, loaded)
	if err != nil {
		return err
	}
	defer parts.close()
	shown, err := allThatIsHeld(ctx, parts, targets)
	if err != nil {
		return err
	}
	if len(shown) == 0 {
		fmt.Fprintf(env.Stdout, "%s: there is nothing to acknowledge\n", name)
		return nil
	}
	for _, here := range shown {
		fmt.Fprintf(env.Stdout, "%s", here.text())
	}
	if err := env.confirm(ctx, "Settle this?", options.yes); err != nil { // nobody's run waits for the answer
		return err
	}
	unlock, err := acquireAll(ctx, parts, targets, options.wait)
	if err != nil {
		return err
	}
	defer unlock()
	found, err := allThatIsHeld(ctx, parts, targets)
	if err != nil {
		return err
	}
	if !slices.EqualFunc(shown, found, func(a, b held) bool { return a.text() == b.text() }) {
		return exitError{exitFailed, errors.New("it has changed meanwhile, nothing was settled: look at it again")}
	}
	var failures []error
	for _, here := range found {
		failures = append(failures, here.settle(ctx, env, parts, loaded.Jobs, options.note))
	}
	if err := errors.Join(failures...); err != nil {
		return exitError{exitFailed, err}
	}
	if err := env.writeMetrics(loaded); err != nil {
		env.Log.Warn("writing the metrics", "error", err)
	}
	fmt.Fprintf(env.Stdout, "settled; the next run shows how it is now: borgcron run %s\n", found[0].target.Job.Name)
	return nil
}

// allThatIsHeld is what is held back of the targets; those of which nothing is are left out.
func allThatIsHeld(ctx context.Context, p *parts, targets []backup.Target) ([]held, error) {
	var found []held
	for _, target := range targets {
		here, err := whatIsHeld(ctx, p, target)
		if err != nil {
			return nil, exitError{exitFailed, err}
		}
		if here.text() != "" {
			found = append(found, here)
		}
	}
	return found, nil
}

func whatIsHeld(ctx context.Context, p *parts, target backup.Target) (held, error) {
	last, err := p.records.Recall(ctx, target)
	if err != nil {
		return held{}, err
	}
	alarm, err := p.alarms.Standing(target.Repository.Key())
	if err != nil {
		return held{}, err
	}
	if alarm == nil {
		alarm = last.Shared.Alarm
	}
	return held{target, last, alarm}, nil
}

// text shows what is held back, "" if nothing is.
func (h *held) text() string {
	var text strings.Builder
	row := rowName(h.target.Job.Name, h.target.Job.RepositoryName(h.target.Repository))
	if h.alarm != nil {
		fmt.Fprintf(&text, "%s: %s\n", row, backup.Clean(h.alarm.Sentence()))
		if h.alarm.Run != "" {
			fmt.Fprintf(&text, "  last found by job %s, found %s; see: borgcron history --run %s\n",
				backup.Clean(h.alarm.Job), times(h.alarm.Findings), backup.Clean(h.alarm.Run))
		}
	}
	for _, reason := range []string{h.last.Held, h.last.Dumps.Held, h.last.Refused, h.last.Dumps.Refused} {
		if reason != "" {
			fmt.Fprintf(&text, "%s: %s\n", row, backup.Clean(reason))
		}
	}
	return text.String()
}

// times says how often.
func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// settle puts on record that the owner has seen it. The alarm is of the repository, so all jobs on it hear.
func (h *held) settle(ctx context.Context, env *environment, p *parts, jobs []backup.Job, note string) error {
	key := h.target.Repository.Key()
	last, err := p.records.Recall(ctx, h.target)
	if err != nil {
		return err
	}
	last.Acknowledge()
	last.Shared.Alarm = nil
	if err := p.records.Save(ctx, h.target, last); err != nil {
		return err
	}
	if h.alarm != nil {
		if err := p.alarms.Settle(key); err != nil {
			return err
		}
	}
	text := "acknowledged on " + env.Now().Format("2006-01-02 15:04")
	if note != "" {
		text += ": " + backup.CleanLine(note, 500)
	}
	writer := &status.Writer{State: p.state, Now: env.Now, Jobs: jobs}
	return errors.Join(p.note(ctx, h.target, text), writer.Settled(h.target))
}

// namedTargets are the rows of a job, else those of all jobs on a repository of that name.
func namedTargets(jobs []backup.Job, name, repository string) ([]backup.Target, error) {
	var ofJob, ofRepository []backup.Target
	var known []string
	for i := range jobs {
		job := &jobs[i]
		known = append(known, job.Name)
		for _, r := range job.Repositories {
			called := job.RepositoryName(r)
			known = append(known, called)
			if job.Name == name && (repository == "" || repository == called) {
				ofJob = append(ofJob, backup.Target{Job: job, Repository: r})
			}
			if called == name {
				ofRepository = append(ofRepository, backup.Target{Job: job, Repository: r})
			}
		}
	}
	switch {
	case len(ofJob) > 0:
		return ofJob, nil
	case len(ofRepository) > 0 && repository == "":
		return ofRepository, nil
	case repository != "" && slices.Contains(known, name):
		return nil, usage("%s has no repository %q%s", name, repository, didYouMean(repository, known))
	}
	return nil, usage("there is no job and no repository %q%s", name, didYouMean(name, known))
}

// acquireAll takes the local locks of all the targets' repositories, in the order of their keys.
func acquireAll(ctx context.Context, p *parts, targets []backup.Target, wait time.Duration) (unlock func(), err error) {
	sorted := slices.SortedFunc(slices.Values(targets), func(a, b backup.Target) int {
		return strings.Compare(a.Repository.Key(), b.Repository.Key())
	})
	sorted = slices.CompactFunc(sorted, func(a, b backup.Target) bool { return a.Repository.Key() == b.Repository.Key() })
	var closers []func() error
	unlock = func() {
		for _, closer := range closers {
			_ = closer() // closing lets go in any case
		}
	}
	for _, target := range sorted {
		held, err := acquire(ctx, p, target, wait)
		if err != nil {
			unlock()
			return nil, err
		}
		closers = append(closers, held.Close)
	}
	return unlock, nil
}

// confirm asks the person at the terminal; without one only yes will do. A signal ends the question.
func (env *environment) confirm(ctx context.Context, question string, yes bool) error {
	if yes {
		return nil
	}
	if !isTerminal(env.Stdin) {
		return usage("there is no terminal to ask at; if it is right, say --yes")
	}
	answer, err := env.ask(ctx, question+" [y/N] ")
	if err != nil && !errors.Is(err, io.EOF) { // the end of input is a no
		return err
	}
	switch strings.ToLower(answer) {
	case "y", "yes":
		return nil
	}
	return exitError{exitFailed, errors.New("nothing was changed")}
}
