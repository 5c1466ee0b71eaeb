package runner

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"borgcron/internal/backup"
	"borgcron/internal/retry"
)

// dump makes the archive of the databases' dumps, before that of the files: if a database is not in, that is known as
// early as can be. Each repository gets dumps of its own.
func (r *row) dump(ctx context.Context) {
	if !r.job.Streamed() {
		return
	}
	due := backup.PlanStep(backup.Dump, r.job, &r.last, r.options.Choice, r.Now())
	if !r.mayGoOn(ctx, due) {
		return
	}
	if reason := r.noRoom(ctx); reason != "" {
		r.cramped = true
		r.refuse(ctx, backup.Dump, due.Reason, backup.Failed, reason)
		return
	}
	began := r.Now()
	archive := r.archiveName(backup.DumpsName, r.moment(ctx))
	left := map[string]string{}
	lost := false
	var made []backup.DatabaseDump
	result := r.step(ctx, backup.Dump, due.Reason, r.job.Retry.Retries,
		func(ctx context.Context, call backup.Call, result *backup.StepResult) error {
			report, err := r.stream(ctx, call, archive, left)
			if len(report.Dumps) > 0 {
				made = report.Dumps
			}
			if err != nil && lost && backup.AsFailure("dump", err).ID == alreadyExists {
				report, err = r.committed(ctx, call, archive, began, err)
				report.Dumps = made
			}
			if err != nil {
				failure := backup.AsFailure("dump", err)
				lost = lost || failure.Lost && len(made) > 0
				return err
			}
			result.Report = report
			r.judgeDumps(call, result)
			return nil
		})
	r.dumped = result.Report.Archive != nil && result.Outcome <= backup.Warned && !result.Breached
}

// stream lets borg read the dumps while they are made. A dump that may fail (on_error: warn) and does is left out, and all
// is begun anew. The report names the dumps as soon as all were written, also if borg then failed.
func (r *row) stream(ctx context.Context, call backup.Call, archive string, left map[string]string) (backup.Report, error) {
	for {
		stream, err := r.Databases.Stream(ctx, r.job, left)
		if err != nil {
			return backup.Report{}, err
		}
		if len(stream.Paths) == 0 { // nothing is left: no archive
			dumps, err := stream.Feed(ctx)
			return backup.Report{Dumps: dumps}, err
		}
		report, err := r.pour(ctx, call, archive, stream)
		if soft := stream.Soft(); err != nil && soft != "" && ctx.Err() == nil {
			left[soft] = backup.AsFailure("dump", err).Sentence()
			call.Warn(backup.Warning{Kind: backup.Other, Message: "left out of the dumps: " + left[soft]})
			continue
		}
		return report, err
	}
}

// pour runs both sides. If a dump fails borg is ended while it still waits for more of it; if borg ends first, so does
// whatever is still being dumped.
func (r *row) pour(ctx context.Context, call backup.Call, archive string, stream backup.DumpStream) (backup.Report, error) {
	defer stream.Close()
	both, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var dumps []backup.DatabaseDump
	var failed error
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		if dumps, failed = stream.Feed(both); failed != nil {
			cancel(failed)
		}
	}()
	report, err := r.Borg.CreateDumps(both, call, archive, stream)
	ours := context.Cause(both) // the dump's failure, if that came first
	cancel(errBorgEnded)
	<-fed
	switch {
	case ctx.Err() != nil && err != nil:
		return report, err
	case failed != nil && (err == nil || errors.Is(ours, failed)):
		return report, failed
	case err != nil:
		report.Dumps = dumps
		return report, err
	}
	report.Dumps = dumps
	return report, whole(report)
}

var errBorgEnded = errors.New("borg has ended")

// whole compares what went in with what borg says it has: a file for each dump and one for the contents, with no fewer
// bytes, and without a word of complaint.
func whole(report backup.Report) error {
	files, size := int64(1), int64(0)
	for _, dump := range report.Dumps {
		if dump.Left == "" {
			files++
			size += dump.Size
		}
	}
	if report.Files == files && report.OriginalSize >= size && len(report.Warnings) == 0 {
		return nil
	}
	return &backup.Failure{
		Op: "dump", Code: -1, Class: backup.Permanent, Tail: report.Tail,
		Message: fmt.Sprintf("borg's archive of the dumps is not what was written: %d files and %d bytes went in, it has %d and %d",
			files, size, report.Files, report.OriginalSize),
		Hint: "do not trust this archive",
	}
}

// judgeDumps makes the outcome of dumps that were made: something was left out, or one shrank.
func (r *row) judgeDumps(call backup.Call, result *backup.StepResult) {
	if breaches := r.job.Guard.JudgeDumps(r.job.Databases, result.Report.Dumps, r.last.Dumps.Sizes); len(breaches) > 0 {
		result.Breached, result.Outcome = true, backup.Warned
		result.Problem = "guard: " + strings.Join(breaches, "; ") + "; if that is right: borgcron ack " + r.job.Name
		call.Warn(backup.Warning{Kind: backup.Guarded, Message: strings.Join(breaches, "; ")})
		return
	}
	judgeLeft(result)
}

func judgeLeft(result *backup.StepResult) {
	for _, dump := range result.Report.Dumps {
		if dump.Left != "" {
			result.Outcome = backup.Warned
			result.Problem = fmt.Sprintf("dump: %s is not in the dumps: %s", dump.Name, dump.Left)
			return
		}
	}
}

// spool makes the dumps as files once for the job. They go into each archive of files. One that fails leaves its former
// file, and fails the run, but not the backup of the files.
func (s *session) spool(ctx context.Context) {
	rows := s.active()
	if !s.job.Spooled() || len(rows) == 0 {
		return
	}
	due := backup.PlanStep(backup.Dump, s.job, &rows[0].last, s.options.Choice, s.Now())
	if !due.Now || ctx.Err() != nil {
		return
	}
	result := backup.StepResult{Step: backup.Dump, Started: s.Now(), Attempts: 1, Reason: due.Reason}
	for _, row := range rows {
		row.tell(ctx, backup.Event{Kind: backup.StepStarted, Step: &result})
	}
	policy := retry.Policy{Retries: s.job.Retry.Retries, Wait: s.job.Retry.Wait, Backoff: s.job.Retry.Backoff, MaxWait: s.job.Retry.MaxWait}
	err := retry.Do(ctx, policy, func(ctx context.Context, attempt int) (err error) {
		result.Attempts = attempt
		result.Report.Dumps, err = s.Databases.Spool(ctx, s.job)
		return err
	}, func(attempt int, err error, wait time.Duration) {
		for _, row := range rows {
			one := result
			row.attemptFailed(ctx, &one, attempt, err, wait)
		}
	})
	for i, row := range rows {
		one := result
		if row.judge(ctx, &one, err); err == nil {
			row.judgeDumps(row.call(ctx, &one), &one)
		}
		rows[i].stepEnded(ctx, one)
	}
}
