package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"borgcron/internal/backup"
)

// before runs the `before` hooks, once for the job; it tells whether the run goes on.
func (s *session) before(ctx context.Context) bool {
	for _, hook := range s.hooks(backup.Before) {
		if !s.hook(ctx, hook) && !hook.Warn {
			for _, row := range s.active() {
				for _, step := range backup.Steps {
					row.skip(step, "a hook before it failed")
				}
			}
			return false
		}
	}
	return true
}

// afterGrace is how long hooks after a run may take once we are being ended.
const afterGrace = 30 * time.Second

// after runs the `after` hooks that the outcome calls for, whatever happened before. They are not bound by the
// run's deadline, and when the program is being ended they get a little time.
func (s *session) after(signalled context.Context) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(signalled))
	defer cancel(nil)
	stop := context.AfterFunc(signalled, func() {
		timer := time.AfterFunc(afterGrace, func() { cancel(context.Cause(signalled)) })
		context.AfterFunc(ctx, func() { timer.Stop() })
	})
	defer stop()
	for _, hook := range s.hooks(backup.After) {
		if outcome := s.outcome(); len(hook.States) == 0 || slices.Contains(hook.States, outcome) {
			s.hook(ctx, hook)
		}
	}
}

// ran are the rows of which the run says something: those that were not skipped or locked.
func (s *session) ran() []*row {
	return slices.DeleteFunc(slices.Clone(s.rows), func(row *row) bool { return !row.run.Outcome.Ran() })
}

func (s *session) hooks(when backup.Step) []backup.Hook {
	return slices.DeleteFunc(slices.Clone(s.job.Hooks), func(hook backup.Hook) bool { return hook.When != when })
}

// hook runs one hook and puts it on record in every row. It tells whether it went well.
func (s *session) hook(ctx context.Context, hook backup.Hook) bool {
	rows := s.ran()
	result := backup.StepResult{Step: hook.When, Started: s.Now(), Attempts: 1, Reason: "configured", Command: hook.Run}
	for _, row := range rows {
		if !row.settled { // of one that never began only the end is told
			row.tell(ctx, backup.Event{Kind: backup.StepStarted, Step: &result})
		}
	}
	tail, err := s.Hooks.Run(ctx, hook, s.variables(rows))
	result.Ended = s.Now()
	result.Report.Tail = tail
	switch {
	case err == nil:
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), errDeadline):
		result.Outcome, result.Problem = backup.Interrupted, fmt.Sprintf("interrupted during a hook (%s)", hook.When)
	case hook.Warn:
		result.Outcome, result.Problem = backup.Warned, err.Error()
	default:
		result.Outcome, result.Problem = backup.Failed, err.Error()
	}
	result.Problem = backup.CleanLine(result.Problem, 500)
	for _, row := range rows {
		row.run.Steps = append(row.run.Steps, result)
		row.worsen(result.Outcome, result.Problem)
		if !row.settled {
			row.tell(ctx, backup.Event{Kind: backup.StepEnded, Step: &result})
		}
	}
	return err == nil
}

// outcome is the worst of the rows that ran.
func (s *session) outcome() backup.Outcome {
	worst := backup.Succeeded
	for _, row := range s.ran() {
		worst = backup.Worst(worst, row.run.Outcome)
	}
	return worst
}

// variables tell a hook about the run. With several repositories the names and archives are separated by
// spaces; what is not known yet is empty.
func (s *session) variables(rows []*row) map[string]string {
	outcome := s.outcome()
	var repositories, archives, runs []string
	problem := ""
	for _, row := range rows {
		repositories = append(repositories, row.run.Repository)
		runs = append(runs, row.run.ID)
		if create := row.run.Archived(); create != nil && create.Report.Archive != nil {
			archives = append(archives, create.Report.Archive.Name)
		}
		if row.run.Outcome == outcome && problem == "" {
			problem = row.run.Problem
		}
	}
	return map[string]string{
		"BORGCRON_JOB":        s.job.Name,
		"BORGCRON_REPOSITORY": strings.Join(repositories, " "),
		"BORGCRON_RUN":        strings.Join(runs, " "),
		"BORGCRON_OUTCOME":    outcome.String(),
		"BORGCRON_STATE":      state(outcome),
		"BORGCRON_ARCHIVE":    strings.Join(archives, " "),
		"BORGCRON_PROBLEM":    problem,
		"BORGCRON_EXIT":       strconv.Itoa(ExitCode(outcome)),
	}
}

// state is the state that a row with this outcome will be in.
func state(outcome backup.Outcome) string {
	switch outcome {
	case backup.Warned:
		return "warning"
	case backup.Failed, backup.Interrupted:
		return "failed"
	}
	return "ok"
}

// ExitCode is the exit code that an outcome asks for: 0 well or skipped, 1 a warning, 2 failed, 75 locked
// (EX_TEMPFAIL of sysexits.h).
func ExitCode(outcome backup.Outcome) int {
	switch outcome {
	case backup.Warned:
		return 1
	case backup.Failed, backup.Interrupted:
		return 2
	case backup.Locked:
		return 75
	}
	return 0
}
