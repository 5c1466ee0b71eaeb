package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"borgcron/internal/backup"
	"borgcron/internal/lock"
	"borgcron/internal/retry"
)

// row is the job on one of its repositories.
type row struct {
	*session
	target  backup.Target
	run     backup.Run
	last    backup.Last
	held    *lock.Held
	settled bool // its outcome stands: nothing more is done
	made    bool // this run's archive of files is in and passed the guards
	dumped  bool // the same of its archive of dumps

	cramped bool // `min_free` spoke against an archive
	broke   bool // a lock of borg's was broken

	recalled   bool   // under the lock the records said what is known
	blind      string // why it is not known what speaks against prune and compact: they wait
	unmeasured bool   // there was nothing to compare the archive with, and borg could not be asked
}

func (s *session) newRow(repository backup.Repository) *row {
	now := s.Now()
	return &row{
		session: s,
		target:  backup.Target{Job: s.job, Repository: repository},
		run: backup.Run{
			ID: NewRunID(now), Job: s.job.Name, Repository: s.job.RepositoryName(repository), Started: now,
		},
	}
}

// begin tells that the lock is held and work begins.
func (r *row) begin(ctx context.Context) {
	r.run.Started = r.Now()
	r.tell(ctx, backup.Event{Kind: backup.RunStarted, Run: r.run})
}

// end tells how the run went; the lock is gone by then.
func (r *row) end(ctx context.Context) {
	r.run.Ended = r.Now()
	trend := r.lookBack(ctx)
	event := backup.Event{Kind: backup.RunEnded, Run: r.run, Trend: trend}
	if r.recalled {
		event.Shared, event.Done = &r.last.Shared, r.last.Done
	}
	r.tell(ctx, event)
}

// lookBack notes what of the run is out of the ordinary, which changes nothing else, and returns the trend with this
// run in it. Where the records cannot be read nothing is said.
func (r *row) lookBack(ctx context.Context) *backup.Trend {
	figures, made := backup.FiguresOf(r.run)
	if !made {
		return nil
	}
	recent, err := r.Records.Recent(context.WithoutCancel(ctx), r.target, backup.TrendRuns)
	if err != nil {
		r.Log.Debug("reading the figures of former runs", "job", r.job.Name, "error", err)
		return nil
	}
	r.run.Notes = append(r.run.Notes, backup.Unusual(recent, figures)...)
	return backup.NewTrend(append([]backup.Figures{figures}, recent...))
}

// settle fixes the outcome of a row for which nothing (more) is done.
func (r *row) settle(outcome backup.Outcome, problem string) {
	r.settled = true
	r.worsen(outcome, problem)
}

// worsen takes over an outcome if it is graver than what the run had; the first problem of that gravity stays.
func (r *row) worsen(outcome backup.Outcome, problem string) {
	if outcome > r.run.Outcome || r.run.Problem == "" {
		r.run.Problem = backup.CleanLine(problem, 500)
	}
	r.run.Outcome = backup.Worst(r.run.Outcome, outcome)
}

// tell lets everybody hear of an event.
func (r *row) tell(ctx context.Context, event backup.Event) { _ = r.announce(ctx, event) }

// announce is tell for those who must know whether it is on record; the error says that it is not. Records come
// first: a printer whose reader has gone must not cost the record. What must reach the disk does so also while
// we are being stopped.
func (r *row) announce(ctx context.Context, event backup.Event) error {
	event.Time = r.Now()
	event.Target = r.target
	if event.Run.ID == "" {
		event.Run = r.run
	}
	ctx = context.WithoutCancel(ctx)
	var lost []error
	for _, keeper := range r.Keepers {
		if err := keeper.Observe(ctx, event); err != nil {
			lost = append(lost, err)
			r.Log.Warn("keeping the record", "event", string(event.Kind), "job", r.job.Name, "error", err)
		}
	}
	if len(lost) > 0 && event.Run.ID == r.run.ID && r.run.Outcome.Ran() {
		r.worsen(backup.Warned, fmt.Sprintf("this run is not, or not wholly, on record: %v", lost[0]))
		event.Run.Outcome, event.Run.Problem = r.run.Outcome, r.run.Problem
	}
	for _, observer := range r.Observers {
		if err := observer.Observe(ctx, event); err != nil {
			r.Log.Warn("telling of it", "event", string(event.Kind), "job", r.job.Name, "error", err)
		}
	}
	return errors.Join(lost...)
}

// skip puts a step that is not begun on record, with the reason.
func (r *row) skip(step backup.Step, reason string) {
	now := r.Now()
	r.run.Steps = append(r.run.Steps, backup.StepResult{
		Step: step, Outcome: backup.Skipped, Started: now, Ended: now, Reason: reason,
	})
}

// deed is one attempt at a step. It fills in the result's report and whatever else it found out.
type deed func(ctx context.Context, call backup.Call, result *backup.StepResult) error

// step does one step with its retries and puts it on record. The step's start is told, and so on disk,
// before borg starts.
func (r *row) step(ctx context.Context, step backup.Step, reason string, retries int, do deed) backup.StepResult {
	result := backup.StepResult{Step: step, Started: r.Now(), Reason: reason}
	r.last.Begin(step)
	unrecorded := r.announce(ctx, backup.Event{Kind: backup.StepStarted, Step: &result})
	call := r.call(ctx, &result)
	policy := retry.Policy{
		Retries: retries, Wait: r.job.Retry.Wait, Backoff: r.job.Retry.Backoff, MaxWait: r.job.Retry.MaxWait,
	}
	if unrecorded != nil && deletes(step) {
		return r.notBegun(ctx, result, unrecorded)
	}
	err := retry.Do(ctx, policy, func(ctx context.Context, attempt int) error {
		result.Attempts = attempt
		if err := r.record(step); err != nil {
			return err
		}
		return r.attempt(ctx, call, &result, do)
	}, func(attempt int, err error, wait time.Duration) {
		r.attemptFailed(ctx, &result, attempt, err, wait)
	})
	r.judge(ctx, &result, err)
	return r.stepEnded(ctx, result)
}

// deletes tells whether a step takes something away: if it were cut off, nobody would know that the list of archives
// is not known, so it is not begun where that cannot be put on record.
func deletes(step backup.Step) bool {
	return step == backup.Prune || step == backup.PruneDumps || step == backup.Compact
}

// notBegun ends a step whose start could not be put on record.
func (r *row) notBegun(ctx context.Context, result backup.StepResult, why error) backup.StepResult {
	result.Outcome, result.Refused = backup.Warned, true
	result.Problem = backup.CleanLine(fmt.Sprintf("%s: not begun, as that cannot be put on record: %v", result.Step, why), 500)
	return r.stepEnded(ctx, result)
}

// stepEnded puts the result of a step on record.
func (r *row) stepEnded(ctx context.Context, result backup.StepResult) backup.StepResult {
	result.Ended = r.Now()
	alarm := r.last.Shared.Alarm
	r.last.End(r.job, result)
	r.keepAlarm(alarm, result)
	r.run.Steps = append(r.run.Steps, result)
	r.worsen(result.Outcome, result.Problem)
	r.tell(ctx, backup.Event{Kind: backup.StepEnded, Step: &result})
	return result
}

// call is what each borg of the step is told. Warnings and progress go to the observers as they come.
func (r *row) call(ctx context.Context, result *backup.StepResult) backup.Call {
	call := backup.Call{Job: r.job, Repository: r.target.Repository, Lock: r.lockFile()}
	call.Warn = func(warning backup.Warning) {
		r.tell(ctx, backup.Event{Kind: backup.WarningSeen, Step: result, Warning: &warning})
	}
	if r.options.Progress {
		call.Progress = func(progress backup.Progress) {
			r.tell(ctx, backup.Event{Kind: backup.Progressed, Step: result, Progress: &progress})
		}
	}
	return call
}

func (r *row) attemptFailed(ctx context.Context, result *backup.StepResult, number int, err error, wait time.Duration) {
	failure := backup.AsFailure(string(result.Step), err)
	attempt := backup.Attempt{
		Number: number, ID: failure.ID, Message: failure.Message, Temporary: failure.Temporary(), Wait: wait, Tail: failure.Tail,
	}
	result.Failures = append(result.Failures, attempt)
	if failure.CutOff() {
		result.Cut = r.Now()
		r.last.Shared.Cut = r.last.Shared.Cut.Again(result.Step, result.Cut)
	}
	r.tell(ctx, backup.Event{Kind: backup.AttemptFailed, Step: result, Attempt: &attempt})
}

// judge makes the step's outcome from how its last attempt ended.
func (r *row) judge(ctx context.Context, result *backup.StepResult, err error) {
	result.Alarm = err != nil && backup.AsFailure(string(result.Step), err).Class == backup.Alarming // also if the end came with it
	switch {
	case err == nil:
		r.judgeWarnings(result)
	case ctx.Err() != nil && !result.Alarm:
		outcome, why := r.ended(ctx)
		result.Outcome, result.Problem = outcome, fmt.Sprintf("%s: %s", result.Step, why)
	default:
		failure := backup.AsFailure(string(result.Step), err)
		result.Outcome, result.Problem = backup.Failed, string(result.Step)+": "+failure.Sentence()
		if len(failure.Tail) > 0 {
			result.Report.Tail = failure.Tail
		}
	}
}

// ended says what the end of the run's context makes of it: the owner's or the system's signal, or the deadline.
func (r *row) ended(ctx context.Context) (backup.Outcome, string) {
	if errors.Is(context.Cause(ctx), errDeadline) {
		return backup.Failed, fmt.Sprintf("timeout.run of %s is over", r.job.Timeout.Run)
	}
	return backup.Interrupted, "interrupted"
}

// judgeWarnings keeps an outcome that the deed itself has set (a guard), and counts the warnings that are not tolerated.
func (r *row) judgeWarnings(result *backup.StepResult) {
	if message := intolerable(result.Report, r.job.Tolerate); message != "" && result.Outcome == backup.Succeeded {
		result.Outcome, result.Problem = backup.Warned, fmt.Sprintf("%s: %s", result.Step, message)
	}
}

// record notes the step in the lock file, for whoever waits. If somebody removed that file we no longer hold
// what others would wait for: nothing more may be started.
func (r *row) record(step backup.Step) error {
	err := r.held.Record(string(step))
	if errors.Is(err, lock.ErrLost) {
		return &backup.Failure{
			Op: string(step), Code: -1, Class: backup.Permanent, Err: err,
			Message: err.Error(),
		}
	}
	if err != nil {
		r.Log.Debug("noting the step in the lock file", "error", err)
	}
	return nil
}
