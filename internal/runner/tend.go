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
	due := backup.PlanStep(backup.Compact, r.job, &r.last, r.options.Choice, r.Now())
	if due.Now && r.unread {
		due.Now, due.Reason = false, "the history cannot be read"
	}
	if result := r.run.Result(backup.Prune); due.Now && result != nil && result.Outcome >= backup.Failed {
		due.Now, due.Reason = false, "prune failed"
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
func (r *row) waited() bool { return r.last.Shared.Suspect != "" || r.last.Shared.Alarm != "" }

// alarm makes every run on a repository with an alarm a failed one, until it is settled.
func (r *row) alarm() {
	if alarm := r.last.Shared.Alarm; alarm != "" {
		r.worsen(backup.Failed, "alarm: "+alarm+"; a clean check of repository, archives and data ends it: borgcron run "+r.job.Name+" --only check")
	}
}

// mayGoOn tells whether a step after create is begun; if not, the reason goes on record. After a create
// that failed only the check that everything waits for is worth a try.
func (r *row) mayGoOn(ctx context.Context, due backup.Due) bool {
	create := r.run.Result(backup.Create)
	switch {
	case due.Now && ctx.Err() != nil:
		due.Now, due.Reason = false, "the run was ended before"
		r.worsen(r.ended(ctx))
	case due.Now && create != nil && create.Outcome >= backup.Failed && (due.Step != backup.Check || !r.waited()):
		due.Now, due.Reason = false, "create failed"
	}
	if !due.Now {
		r.skip(due.Step, due.Reason)
	}
	return due.Now
}
