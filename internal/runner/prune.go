package runner

import (
	"context"
	"slices"
	"time"

	"borgcron/internal/backup"
)

// series is one of the job's series of archives, and what is known of it.
type series struct {
	step    backup.Step // that prunes it
	job     *backup.Job // whose match is the pattern of the series
	listing *backup.Listing
	allowed bool
	made    bool // this run made an archive of it that passed
}

func (r *row) files() series {
	return series{backup.Prune, r.tended(), r.last.Listing, r.last.Allowed, r.made}
}

func (r *row) dumps() series {
	job := *r.tended()
	job.Prune.Match = job.DumpsMatch()
	return series{backup.PruneDumps, &job, r.last.Dumps.Listing, r.last.Dumps.Allowed, r.dumped}
}

func (s series) known(r *row, now time.Time) bool {
	if s.step == backup.PruneDumps {
		return r.last.KnownDumps(now)
	}
	return r.last.Known(now)
}

// prune deletes what falls out of the retention. Where the list of archives is known, borg is started only
// if something does; where it is not, borg is asked first, and its answer is judged by the same guard.
func (r *row) prune(ctx context.Context, of series) {
	if of.step == backup.PruneDumps && !r.job.Streamed() {
		return
	}
	now := r.Now()
	job := of.job
	if r.cramped && job.Retention.IsZero() {
		r.skip(of.step, "the retention has no rule that counts: nothing can be deleted to make room")
		return
	}
	due := backup.PlanStep(of.step, job, &r.last, r.options.Choice, now)
	if due.Now {
		if reason := r.noPrune(of); reason != "" {
			due.Now, due.Reason = false, reason
		}
	}
	if !r.mayGoOn(ctx, due) {
		return
	}
	known := of.known(r, now)
	if known {
		listed := of.listing.Archives
		_, remove := job.Retention.Apply(listed, now, now.Location())
		if reason := r.tooMuch(of, listed, remove); reason != "" {
			r.refuse(ctx, of.step, due.Reason, backup.Warned, reason)
			return
		}
	}
	r.step(ctx, of.step, due.Reason, r.job.Prune.Retries,
		func(ctx context.Context, call backup.Call, result *backup.StepResult) error {
			call.Job = job
			if !known {
				if done, err := r.askFirst(ctx, of, call, result); done || err != nil {
					return err
				}
			}
			report, err := r.Borg.Prune(ctx, call, false)
			result.Report = report
			return err
		})
}

// askFirst lets borg say what it would delete. It is done with that if nothing would be, or too much.
func (r *row) askFirst(ctx context.Context, of series, call backup.Call, result *backup.StepResult) (done bool, err error) {
	would, err := r.Borg.Prune(ctx, call, true)
	if err != nil {
		return false, err
	}
	listed := slices.Concat(would.Kept, would.Deleted)
	slices.SortStableFunc(listed, func(a, b backup.Archive) int { return b.Time.Compare(a.Time) })
	reason := r.tooMuch(of, listed, would.Deleted)
	if len(would.Deleted) > 0 && reason == "" {
		return false, nil
	}
	if reason != "" {
		result.Outcome, result.Problem, result.Refused = backup.Warned, string(of.step)+": "+reason, true
	}
	result.Report = would
	result.Report.Kept, result.Report.Deleted = listed, nil
	return true, nil
}

// tooMuch says why a prune is not started, "" if nothing speaks against it.
func (r *row) tooMuch(of series, listed, remove []backup.Archive) string {
	allowed := of.allowed || r.options.Choice.Yes && slices.Contains(r.options.Choice.Only, backup.Prune)
	reason := backup.PruneGuard(listed, remove, allowed)
	if reason == "" {
		return ""
	}
	return reason + "; if that is right: borgcron ack " + r.job.Name
}

// noPrune says what in this run speaks against pruning. It comes after an archive that passed; alone only
// when it was named.
func (r *row) noPrune(of series) string {
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
	case !of.made:
		return "no archive of this run passed"
	case r.unmeasured && of.step == backup.Prune:
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
