package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"borgcron/internal/backup"
)

// alreadyExists is borg's message id for an archive of that name that is there already.
const alreadyExists = "Archive.AlreadyExists"

// create makes the archive, and judges it by the guards.
func (r *row) create(ctx context.Context) {
	due := backup.PlanStep(backup.Create, r.job, &r.last, r.options.Choice, r.Now())
	if !r.mayGoOn(ctx, due) {
		return
	}
	if reason := r.noRoom(ctx); reason != "" {
		r.cramped = true
		r.refuse(ctx, backup.Create, due.Reason, backup.Failed, reason)
		return
	}
	began := r.Now()
	archive := r.archiveName(r.job.ArchiveName, r.moment(ctx))
	lost := false
	result := r.step(ctx, backup.Create, due.Reason, r.job.Retry.Retries,
		func(ctx context.Context, call backup.Call, result *backup.StepResult) error {
			call.Job = r.withPresent(ctx)
			report, err := r.Borg.Create(ctx, call, archive)
			if err != nil && lost && backup.AsFailure("create", err).ID == alreadyExists {
				report, err = r.committed(ctx, call, archive, began, err)
			}
			if err != nil {
				lost = lost || backup.AsFailure("create", err).Lost
				return err
			}
			result.Report = report
			return r.believe(ctx, call, result)
		})
	r.made = result.Outcome == backup.Succeeded || result.Outcome == backup.Warned && !result.Breached
}

// noRoom says why no archive is begun, "" if there is room for one, or that cannot be known.
func (r *row) noRoom(ctx context.Context) string {
	reason, err := r.Preflight.Room(ctx, r.target.Repository)
	if err != nil {
		r.Log.Warn("looking how much space is free", "job", r.job.Name, "repository", r.run.Repository, "error", err)
	}
	return reason
}

// awaitNextSecond waits until the second is over in which the job's last archive was begun: borg 1.x takes a name once
// only, and most names have seconds and nothing finer.
func (r *row) awaitNextSecond(ctx context.Context) {
	now := r.Now()
	made := r.last.Done[backup.Create]
	if dumped := r.last.Done[backup.Dump]; dumped.After(made) {
		made = dumped
	}
	wait := made.Truncate(time.Second).Add(time.Second).Sub(now)
	if wait <= 0 || wait > time.Second { // more: the clock was set back
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done(): // the step itself finds that
	}
}

// moment is the time that stands in the names of this run's archives, the same in all repositories.
func (r *row) moment(ctx context.Context) time.Time {
	if r.named.IsZero() {
		r.awaitNextSecond(ctx)
		r.named = r.Now()
	}
	return r.named
}

func (r *row) archiveName(template string, moment time.Time) string {
	names := r.Names
	names.Hostname, names.Job = r.job.Host, r.job.Name
	return backup.ExpandArchiveName(template, names, moment)
}

// withPresent returns the job with the optional sources that exist now.
func (r *row) withPresent(ctx context.Context) *backup.Job {
	job := *r.job
	job.OptionalSources = r.Preflight.Present(ctx, job.OptionalSources)
	return &job
}

// committed asks for the archive of an attempt whose connection was lost. If it is of this run, that
// attempt did commit, and nothing else has to be done; if it is older, its name is simply taken.
func (r *row) committed(ctx context.Context, call backup.Call, archive string, began time.Time, taken error) (backup.Report, error) {
	report, err := r.Borg.Info(ctx, call, archive)
	if err != nil {
		return report, err
	}
	if report.Archive == nil || report.Archive.Time.Before(began.Truncate(time.Second)) {
		return report, taken
	}
	return report, nil
}

// believe asks whether what borg calls a success is one: the sources are still there, the archive is plausible.
func (r *row) believe(ctx context.Context, call backup.Call, result *backup.StepResult) error {
	reason, err := r.Preflight.Ready(ctx, r.job)
	if err == nil && reason != "" {
		err = errors.New(reason)
	}
	if err != nil {
		failure := *backup.AsFailure("create", err)
		failure.Message = "after the archive was made: " + failure.Message
		return &failure
	}
	measure := r.last.Measure
	if measure == nil && r.job.Guard.MaxShrink > 0 && !r.last.Empty {
		known, err := r.askMeasure(ctx, call, result)
		if err != nil {
			return err
		}
		measure = known
	}
	if measure == nil && r.last.Held != "" { // it cannot be told whether this one is better
		result.Breached, result.Outcome, result.Problem = true, backup.Warned, r.last.Held
		return nil
	}
	breaches, note := r.job.Guard.Judge(result.Report, measure, r.job.Fingerprint())
	if note != "" {
		result.Notes = append(result.Notes, note)
		r.run.Notes = append(r.run.Notes, note)
	}
	if len(breaches) > 0 {
		result.Breached = true
		result.Outcome = backup.Warned
		result.Problem = "guard: " + strings.Join(breaches, "; ") + "; if that is right: borgcron ack " + r.job.Name
		warning := backup.Warning{Kind: backup.Guarded, Message: strings.Join(breaches, "; ")}
		call.Warn(warning)
	}
	return nil
}

// askMeasure asks borg for the archive before ours where the records know none. Without an answer nothing
// is pruned in this run. An error is an alarm.
func (r *row) askMeasure(ctx context.Context, call backup.Call, result *backup.StepResult) (*backup.Measure, error) {
	name := ""
	if result.Report.Archive != nil {
		name = result.Report.Archive.Name
	}
	newest, err := r.Borg.Newest(ctx, call, r.job.Prune.Match, name)
	switch {
	case err != nil && backup.AsFailure("info", err).Class == backup.Alarming:
		return nil, err
	case err != nil:
		r.unmeasured = true
		r.Log.Warn("asking for the archive before", "job", r.job.Name, "error", err)
		return nil, nil
	case newest == nil:
		return nil, nil
	}
	return &backup.Measure{Files: newest.Files, Size: newest.OriginalSize, Fingerprint: r.job.Fingerprint()}, nil
}

// intolerable says which warnings of a report are not tolerated, "" if none.
func intolerable(report backup.Report, tolerate []backup.WarningKind) string {
	var parts []string
	for _, kind := range []backup.WarningKind{backup.Changed, backup.Vanished, backup.Unreadable, backup.Other} {
		count := report.Counts[kind]
		if count == 0 || slices.Contains(tolerate, kind) {
			continue
		}
		text := fmt.Sprintf("%d %s", count, kind)
		if kind == backup.Other {
			text = fmt.Sprintf("%d other warnings", count)
		}
		if i := slices.IndexFunc(report.Warnings, func(w backup.Warning) bool { return w.Kind == kind }); i >= 0 {
			text += " (first: " + backup.CleanLine(report.Warnings[i].Message, 200) + ")"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}
