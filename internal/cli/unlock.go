package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/lock"
)

type unlockOptions struct {
	repository string
	force, yes bool
	wait       time.Duration
}

func newUnlockCommand(env *environment) *cobra.Command {
	var options unlockOptions
	command := &cobra.Command{
		Use:   "unlock JOB",
		Short: "Show who holds a repository's locks, and break borg's if its holder is dead",
		Long: `unlock shows who holds borgcron's own lock of the repository (one run at a time on this machine) and borg's
locks: of the repository, as far as it lies on this machine, and of borg's cache; with host, process, age and
whether that process lives.

borgcron's own lock needs no breaking: the kernel lets go of it when its holder ends. borg's lock is broken
if every process that holds it is proven dead; a run does that by itself where 'clients: single' is set.
After that prune and compact wait until a check of the repository has passed.

--force breaks borg's lock whoever holds it. If a borg is still at work there, on whatever machine, two write
to one repository at the same time, and it may be damaged beyond repair.`,
		Example: `  borgcron unlock home
  borgcron unlock home --force      only if you are sure that no borg works on it anywhere`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("unlock takes one job")
			}
			return nil
		},
		ValidArgsFunction: env.completeJobs,
		RunE: func(command *cobra.Command, args []string) error {
			return unlockRepository(command.Context(), env, args[0], options)
		},
	}
	flags := command.Flags()
	flags.BoolVar(&options.force, "force", false, "break borg's lock whoever holds it")
	flags.BoolVar(&options.yes, "yes", false, "with --force: do not ask")
	flags.Var(newDurationValue(0, &options.wait), "wait", "how long to wait for the local lock (`DURATION`)")
	env.addRepositoryFlag(command, &options.repository)
	return command
}

func unlockRepository(ctx context.Context, env *environment, name string, options unlockOptions) error {
	loaded, err := env.loadConfig()
	if err != nil {
		return err
	}
	target, err := oneTarget(loaded.Jobs, name, options.repository)
	if err != nil {
		return err
	}
	parts, err := env.newParts(ctx, loaded)
	if err != nil {
		return err
	}
	defer parts.close()
	u := &unlocking{env: env, parts: parts, target: target}
	if err := u.recall(ctx); err != nil {
		env.Log.Warn("reading the history", "error", err)
	}
	if err := u.show(); err != nil {
		return err
	}
	if options.force {
		fmt.Fprintln(env.Stdout, "If a borg is still at work on this repository, on whatever machine, breaking its lock may destroy the repository.")
		if isTerminal(env.Stdin) { // nobody's run waits for the answer
			if err := env.confirm(ctx, "Break it?", options.yes); err != nil {
				return err
			}
		}
	}
	held, err := acquire(ctx, parts, target, options.wait)
	if err != nil { // whoever is at work there has a lock of borg's by right
		return err
	}
	defer held.Close()
	if err := u.recall(ctx); err != nil { // again: a run may have gone on meanwhile
		return exitError{exitFailed, fmt.Errorf("the lock is not broken, as that cannot be put on record: %w", err)}
	}
	return u.unlock(ctx, held, options)
}

// unlocking is one call of unlock.
type unlocking struct {
	env    *environment
	parts  *parts
	target backup.Target
	last   backup.Last
}

func (u *unlocking) recall(ctx context.Context) (err error) {
	u.last, err = u.parts.records.Recall(ctx, u.target)
	return err
}

// evidence is what is known of borg's locks at this moment.
func (u *unlocking) evidence() backup.Evidence {
	evidence := u.parts.client.Evidence(u.target.Repository, u.last.Shared.ID)
	evidence.Cut, evidence.Wait = u.last.Shared.Cut, u.target.Job.Retry.Wait
	return evidence
}

// show prints who holds what.
func (u *unlocking) show() error {
	holder, held, err := u.parts.locks.Holder(u.target.Repository.Key())
	if err != nil {
		return exitError{exitFailed, err}
	}
	evidence := u.evidence()
	lines := newTable(u.env.Stdout)
	lines.AppendHeader(table.Row{"LOCK", "HOST", "PID", "SINCE", "HOLDER"})
	if held {
		lines.AppendRow(table.Row{"borgcron", "this one", pidCell(holder.PID), u.since(holder.Since), localHolder(holder)})
	} else {
		lines.AppendRow(table.Row{"borgcron", "", "", "", "free"})
	}
	for _, h := range evidence.Holders {
		lines.AppendRow(table.Row{"borg, " + h.Place, backup.Clean(h.HostID), pidCell(h.PID), u.since(h.Since), h.Life.String() + ": " + backup.Clean(h.Why)})
	}
	switch {
	case evidence.Unread != "":
		lines.AppendRow(table.Row{"borg", "", "", "", backup.Clean(evidence.Unread)})
	case !evidence.Local:
		lines.AppendRow(table.Row{"borg, repository", "", "", "", "lies on a server: cannot be read from here"})
	case len(evidence.Holders) == 0:
		lines.AppendRow(table.Row{"borg", "", "", "", "free"})
	}
	lines.Render()
	return nil
}

func pidCell(pid int) string {
	if pid <= 0 {
		return "-"
	}
	return fmt.Sprint(pid)
}

// localHolder says what the holder of the local lock does, and whether it lives.
func localHolder(holder lock.Holder) string {
	switch {
	case holder.PID == 0:
		return "unknown"
	case holder.Mounted != "":
		return "mounted at " + holder.Mounted + "; to let go: borgcron umount " + holder.Mounted
	case holder.Gone():
		return "its borgcron is gone, a borg of job " + holder.Job + " still runs"
	case holder.Step == "":
		return "living: job " + holder.Job
	}
	return "living: job " + holder.Job + ", " + holder.Step
}

func (u *unlocking) since(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05") + " (" + humanize.RelTime(t, u.env.Now(), "ago", "ahead") + ")"
}

// unlock breaks borg's lock if there is one and that is safe, or wanted all the same. The local lock is held.
func (u *unlocking) unlock(ctx context.Context, held *lock.Held, options unlockOptions) error {
	evidence := u.evidence() // again: by now nobody else of ours can be at work
	verdict := evidence.Judge(u.env.Now())
	if dead := evidence.Dead(); dead.Stale { // seen with our own eyes; who else may write there does not matter
		verdict = dead
	}
	if options.force {
		return u.breakLock(ctx, held, verdict.Holder)
	}
	free, err := u.free(ctx, held, evidence)
	switch {
	case err != nil:
		return failed(err)
	case free:
		fmt.Fprintln(u.env.Stdout, "nothing is locked")
		return nil
	case !verdict.Stale:
		return exitError{exitLocked, fmt.Errorf("borg's lock is not broken: %s\n  hint: %s", verdict.Reason, u.hint(evidence))}
	}
	return u.breakLock(ctx, held, verdict.Holder)
}

// free tells whether nobody holds borg's locks. On a server only a borg that tries can tell.
func (u *unlocking) free(ctx context.Context, held *lock.Held, evidence backup.Evidence) (bool, error) {
	if evidence.Local {
		return evidence.Unread == "" && len(evidence.Holders) == 0, nil
	}
	call := backup.Call{Job: u.target.Job, Repository: u.target.Repository, Lock: held.File()}
	_, err := u.parts.client.Newest(ctx, call, u.target.Job.Prune.Match, "")
	if err != nil && backup.AsFailure("info", err).ID == "LockTimeout" {
		return false, nil
	}
	return err == nil, err
}

func (u *unlocking) hint(evidence backup.Evidence) string {
	if evidence.Local {
		return "wait until it ends, or end it; --force breaks the lock whoever holds it"
	}
	return "look on the server and on every machine that writes there whether a borg runs (ps -C borg); if none does: --force"
}

// breakLock breaks the lock, on record before: what waits for a check from then on is to wait also if we are cut off.
func (u *unlocking) breakLock(ctx context.Context, held *lock.Held, holder string) error {
	if holder == "" {
		holder = "an unknown holder"
	}
	u.last.Shared.Suspect = backup.BrokenLock(holder, u.env.Now())
	if err := u.parts.records.Save(ctx, u.target, u.last); err != nil {
		return exitError{exitFailed, fmt.Errorf("the lock is not broken, as that cannot be put on record: %w", err)}
	}
	call := backup.Call{Job: u.target.Job, Repository: u.target.Repository, Lock: held.File()}
	if err := u.parts.client.BreakLock(ctx, call); err != nil {
		return failed(err)
	}
	u.last.Shared.Cut = nil // what it had left behind is gone
	if err := u.parts.records.Save(ctx, u.target, u.last); err != nil {
		u.env.Log.Warn("noting that the lock is broken", "error", err)
	}
	note := backup.BrokeLock(holder) + " by hand"
	if err := u.parts.note(ctx, u.target, note); err != nil {
		u.env.Log.Warn("noting it in the history", "error", err)
	}
	_, err := fmt.Fprintf(u.env.Stdout, "broke borg's lock (%s); prune and compact wait until a check of the repository has passed\n", backup.Clean(strings.TrimSpace(holder)))
	return errors.Join(err)
}
