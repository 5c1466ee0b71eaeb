package runner

import (
	"context"
	"slices"

	"borgcron/internal/backup"
)

// prune deletes what falls out of the retention. Where the list of archives is known, borg is started only
// if something does; where it is not, borg is asked first, and its answer is judged by the same guard.
func (r *row) prune(ctx context.Context) {
	now := r.Now()
	job := r.tended()
	if r.cramped && job.Retention.IsZero() {
		r.skip(backup.Prune, "the retention has no rule that counts: nothing can be deleted to make room")
		return
	}
	due := backup.PlanStep(backup.Prune, job, &r.last, r.options.Choice, now)
	if due.Now {
		if reason := r.noPrune(); reason != "" {
			due.Now, due.Reason = false, reason
		}
	}
	if !r.mayGoOn(ctx, due) {
		return
	}
	known := r.last.Known(now)
	if known {
		listed := r.last.Listing.Archives
		_, remove := job.Retention.Apply(listed, now, now.Location())
		if reason := r.tooMuch(listed, remove); reason != "" {
			r.refuse(ctx, backup.Prune, due.Reason, backup.Warned, reason)
			return
		}
	}
	r.step(ctx, backup.Prune, due.Reason, r.job.Prune.Retries,
		func(ctx context.Context, call backup.Call, result *backup.StepResult) error {
			call.Job = job
			if !known {
				if done, err := r.askFirst(ctx, call, result); done || err != nil {
					return err
				}
			}
			report, err := r.Borg.Prune(ctx, call, false)
			result.Report = report
			return err
		})
}

// askFirst lets borg say what it would delete. It is done with that if nothing would be, or too much.
func (r *row) askFirst(ctx context.Context, call backup.Call, result *backup.StepResult) (done bool, err error) {
	would, err := r.Borg.Prune(ctx, call, true)
	if err != nil {
		return false, err
	}
	listed := slices.Concat(would.Kept, would.Deleted)
	slices.SortStableFunc(listed, func(a, b backup.Archive) int { return b.Time.Compare(a.Time) })
	reason := r.tooMuch(listed, would.Deleted)
	if len(would.Deleted) > 0 && reason == "" {
		return false, nil
	}
	if reason != "" {
		result.Outcome, result.Problem, result.Refused = backup.Warned, "prune: "+reason, true
	}
	result.Report = would
	result.Report.Kept, result.Report.Deleted = listed, nil
	return true, nil
}

// tooMuch says why a prune is not started, "" if nothing speaks against it.
func (r *row) tooMuch(listed, remove []backup.Archive) string {
	allowed := r.last.Allowed || r.options.Choice.Yes && slices.Contains(r.options.Choice.Only, backup.Prune)
	reason := backup.PruneGuard(listed, remove, allowed)
	if reason == "" {
		return ""
	}
	return reason + "; if that is right: borgcron ack " + r.job.Name
}

// noPrune says what in this run speaks against pruning. It comes after an archive that passed; alone only
// when it was named.
func (r *row) noPrune() string {
	choice := r.options.Choice
	alone := slices.Contains(choice.Only, backup.Prune) && !slices.Contains(choice.Only, backup.Create)
	switch {
	case alone && r.blind != "":
		return r.blind
	case alone && !choice.Yes && r.last.Stale(r.job.StaleAfter, r.Now()):
		reason := "the last success is stale: what is kept may be all there is; to prune all the same add --yes"
		r.worsen(backup.Failed, "prune: "+reason)
		return reason
	case alone:
		return ""
	case r.blind != "":
		return r.blind
	case r.cramped:
		return ""
	case !r.made:
		return "no archive of this run passed"
	case r.unmeasured:
		return "there is nothing to compare this archive with, and borg could not be asked"
	}
	return ""
}

// refuse puts a step on record that was due and not begun because something speaks against it.
func (r *row) refuse(ctx context.Context, step backup.Step, due string, outcome backup.Outcome, problem string) {
	r.stepEnded(ctx, backup.StepResult{
		Step: step, Outcome: outcome, Started: r.Now(), Reason: due, Problem: string(step) + ": " + problem, Refused: true,
	})
}
