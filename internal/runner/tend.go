package runner

import (
	"context"

	"borgcron/internal/backup"
)

// check, prune and compact tend what is in the repository already. Each is left out as soon as the run was
// interrupted or its deadline is over.

func (r *row) check(ctx context.Context) {
	due := backup.PlanStep(backup.Check, r.job, &r.last, r.options.Choice, r.Now())
	if !r.mayGoOn(ctx, due) {
		return
	}
	job := *r.job
	job.Check = due.Check
	r.step(ctx, backup.Check, due.Reason, r.job.Retry.Retries,
		func(ctx context.Context, call backup.Call, result *backup.StepResult) (err error) {
			call.Job = &job
			result.Report, err = r.Borg.Check(ctx, call)
			result.Report.CheckedRepository = err == nil && due.Check.Repository && due.Check.MaxDuration == 0
			result.Report.CheckedAll = result.Report.CheckedRepository && due.Check.Archives && due.Check.Data && due.Check.Last == 0
			return err
		})
}

// compact frees the space of what was deleted.
func (r *row) compact(ctx context.Context) {
	due := backup.PlanStep(backup.Compact, r.tended(), &r.last, r.options.Choice, r.Now())
	if due.Now && r.blind != "" {
		due.Now, due.Reason = false, r.blind
	}
	for _, step := range []backup.Step{backup.Prune, backup.PruneDumps} {
		if result := r.run.Result(step); due.Now && result != nil && result.Outcome >= backup.Failed {
			due.Now, due.Reason = false, string(step)+" failed"
		}
	}
	if !r.mayGoOn(ctx, due) {
		return
	}
	r.step(ctx, backup.Compact, due.Reason, r.job.Retry.Retries,
		func(ctx context.Context, call backup.Call, result *backup.StepResult) (err error) {
			result.Report, err = r.Borg.Compact(ctx, call)
			return err
		})
}

// waited tells whether prune waits for a check.
func (r *row) waited() bool { return r.last.Shared.Suspect != "" || r.last.Shared.Alarm != nil }

// mayGoOn tells whether a step after create is begun; if not, the reason goes on record. After a create
// that failed only the check that everything waits for is worth a try, and what makes room if that was missing.
func (r *row) mayGoOn(ctx context.Context, due backup.Due) bool {
	create := r.run.Result(backup.Create)
	if dump := r.run.Result(backup.Dump); dump != nil && (create == nil || r.job.OnlyDumps()) && due.Step != backup.Create {
		create = dump
	}
	switch {
	case due.Now && ctx.Err() != nil:
		due.Now, due.Reason = false, "the run was ended before"
		r.worsen(r.ended(ctx))
	case due.Now && create != nil && create.Outcome >= backup.Failed && !r.helps(due.Step):
		due.Now, due.Reason = false, string(create.Step)+" failed"
	}
	if !due.Now {
		r.skip(due.Step, due.Reason)
	}
	return due.Now
}

// helps tells whether a step is worth a try although there is no archive of this run.
func (r *row) helps(step backup.Step) bool {
	if step == backup.Check {
		return r.waited()
	}
	return r.cramped
}

// tended is the job as prune and compact see it. Where there was no room for an archive they come whenever
// they can free some, and by the rules that count alone: an interval would go on deleting although nothing
// new comes.
func (r *row) tended() *backup.Job {
	if !r.cramped {
		return r.job
	}
	job := *r.job
	job.Retention.Within = ""
	job.Prune.Every, job.Compact.Every = backup.Every{Always: true}, backup.Every{Always: true}
	return &job
}
