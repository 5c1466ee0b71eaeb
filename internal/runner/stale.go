package runner

import (
	"context"

	"borgcron/internal/backup"
)

// lockTimeout is borg's message id for a lock of its own that another borg kept.
const lockTimeout = "LockTimeout"

// attempt does the deed. If borg finds the repository locked by a process that certainly is no more, that lock is
// broken and the deed done again at once.
func (r *row) attempt(ctx context.Context, call backup.Call, result *backup.StepResult, do deed) error {
	err := do(ctx, call, result)
	if err == nil || ctx.Err() != nil {
		return err
	}
	failure := backup.AsFailure(string(result.Step), err)
	if failure.ID != lockTimeout {
		return err
	}
	evidence := r.Borg.Evidence(call.Repository, r.last.Shared.ID)
	evidence.Cut, evidence.Wait = r.last.Shared.Cut, r.job.Retry.Wait
	verdict := evidence.Judge(r.Now())
	switch {
	case verdict.Stale && r.broke:
		verdict.Reason = "a lock was broken in this run already"
	case verdict.Stale && deletes(result.Step): // an archive and a check come first
		verdict.Reason += "; a whole run breaks it: borgcron run " + r.job.Name
	}
	if !verdict.Stale || r.broke || deletes(result.Step) {
		return lockedBy(r.job.Name, failure, verdict)
	}
	if err := r.breakLock(ctx, call, verdict); err != nil {
		return err
	}
	return do(ctx, call, result)
}

// breakLock breaks borg's lock, once a run. That it does is on record before: from then on nothing is deleted
// until a check of the repository has passed.
func (r *row) breakLock(ctx context.Context, call backup.Call, verdict backup.Verdict) error {
	r.broke = true
	noted := r.last
	noted.Shared.Suspect = backup.BrokenLock(verdict.Holder, r.Now())
	if err := r.Records.Save(context.WithoutCancel(ctx), r.target, noted); err != nil {
		return &backup.Failure{
			Op: "break-lock", Code: -1, Class: backup.Permanent, Err: err,
			Message: "borg's lock was left behind by " + verdict.Holder + ", and is not broken as that cannot be put on record: " + err.Error(),
			Hint:    "see that the state folder can be written",
		}
	}
	r.last = noted
	if err := r.Borg.BreakLock(ctx, call); err != nil {
		return err
	}
	r.last.Shared.Cut = nil // what it had left behind is gone: any other lock is somebody else's
	if err := r.Records.Save(context.WithoutCancel(ctx), r.target, r.last); err != nil {
		r.Log.Warn("noting that the lock is broken", "job", r.job.Name, "error", err)
	}
	r.run.Notes = append(r.run.Notes, backup.BrokeLock(verdict.Holder))
	r.tell(ctx, backup.Event{Kind: backup.LockBroken, Holder: verdict.Holder})
	return nil
}

// lockedBy says who is in the way, and why that lock is left alone.
func lockedBy(job string, failure *backup.Failure, verdict backup.Verdict) error {
	named := *failure
	named.Message = "the repository is locked by another borg"
	if verdict.Holder != "" {
		named.Message = "locked by " + verdict.Holder
	}
	if verdict.Reason != "" {
		named.Message += " (" + verdict.Reason + ")"
	}
	named.Hint = "to see who holds it: borgcron unlock " + job
	return &named
}
