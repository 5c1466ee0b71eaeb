package runner_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
	"borgcron/internal/lock"
	"borgcron/internal/runner"
)

// fake answers for everything that a runner needs, and notes what it was asked.
type fake struct {
	create func(ctx context.Context, attempt int) error
	calls  []string
	events []backup.EventKind
	began  time.Time
	when   []time.Duration // of each create, from the start

	last     backup.Last // what the records know
	saveErr  error
	evidence backup.Evidence
	alarm    *backup.Alarm
	noRoom   string
	deleted  []backup.Archive // by prune
	pruneErr error

	recent    []backup.Figures
	recentErr error
	ended     backup.Event
}

var (
	_ runner.Borg      = (*fake)(nil)
	_ runner.Preflight = (*fake)(nil)
	_ runner.Hooks     = (*hooks)(nil)
	_ runner.Records   = (*fake)(nil)
	_ runner.Observer  = (*fake)(nil)
	_ runner.Alarms    = (*fake)(nil)
)

func (f *fake) Create(ctx context.Context, _ backup.Call, archive string) (backup.Report, error) {
	f.when = append(f.when, time.Since(f.began))
	f.calls = append(f.calls, "create")
	if err := f.create(ctx, len(f.when)); err != nil {
		return backup.Report{}, err
	}
	return backup.Report{Archive: &backup.Archive{Name: archive, Time: time.Now()}, Files: 5, OriginalSize: 50}, nil
}

func (f *fake) CreateDumps(context.Context, backup.Call, string, backup.DumpStream) (backup.Report, error) {
	f.calls = append(f.calls, "dumps")
	return backup.Report{}, nil
}

func (f *fake) Info(context.Context, backup.Call, string) (backup.Report, error) {
	f.calls = append(f.calls, "info")
	return backup.Report{}, nil
}

func (f *fake) Newest(context.Context, backup.Call, string, string) (*backup.Report, error) {
	f.calls = append(f.calls, "newest")
	return nil, nil
}

func (f *fake) Check(context.Context, backup.Call) (backup.Report, error) {
	f.calls = append(f.calls, "check")
	return backup.Report{}, nil
}

func (f *fake) Prune(context.Context, backup.Call, bool) (backup.Report, error) {
	f.calls = append(f.calls, "prune")
	return backup.Report{Deleted: f.deleted}, f.pruneErr
}

func (f *fake) Compact(context.Context, backup.Call) (backup.Report, error) {
	f.calls = append(f.calls, "compact")
	return backup.Report{}, nil
}

func (f *fake) Evidence(backup.Repository, string) backup.Evidence { return f.evidence }

func (f *fake) BreakLock(context.Context, backup.Call) error {
	f.calls = append(f.calls, "break-lock")
	return nil
}

func (f *fake) Room(context.Context, backup.Repository) (string, error) { return f.noRoom, nil }

func (f *fake) Standing(string) (*backup.Alarm, error) { return f.alarm, nil }

func (f *fake) Raise(_ string, alarm backup.Alarm) error {
	f.calls = append(f.calls, "raise "+alarm.Problem)
	f.alarm = &alarm
	return nil
}

func (f *fake) Settle(string) error {
	f.calls = append(f.calls, "settle")
	f.alarm = nil
	return nil
}

func (f *fake) Holds(context.Context, *backup.Job) (string, error) { return "", nil }
func (f *fake) Ready(context.Context, *backup.Job) (string, error) { return "", nil }
func (f *fake) Reachable(context.Context, *backup.Job, backup.Repository) (string, error) {
	return "", nil
}
func (f *fake) Present(_ context.Context, paths []string) []string { return paths }

// hooks are the fake as far as it runs hooks.
type hooks fake

func (h *hooks) Run(_ context.Context, hook backup.Hook, variables map[string]string) ([]string, error) {
	h.calls = append(h.calls, string(hook.When)+" "+variables["BORGCRON_OUTCOME"])
	return nil, nil
}

func (f *fake) Recall(context.Context, backup.Target) (backup.Last, error) { return f.last, nil }

func (f *fake) Save(_ context.Context, _ backup.Target, last backup.Last) error {
	if f.saveErr == nil {
		f.calls, f.last = append(f.calls, "save"), last
	}
	return f.saveErr
}

func (f *fake) Reap(context.Context, backup.Target) ([]backup.Run, error) { return nil, nil }
func (f *fake) Dangling(context.Context, backup.Target) (bool, error)     { return false, nil }

func (f *fake) Recent(context.Context, backup.Target, int) ([]backup.Figures, error) {
	return f.recent, f.recentErr
}

func (f *fake) Observe(_ context.Context, e backup.Event) error {
	f.events = append(f.events, e.Kind)
	if e.Kind == backup.RunEnded {
		f.ended = e
	}
	return nil
}

func (f *fake) run(ctx context.Context, t *testing.T, job backup.Job) backup.Run {
	t.Helper()
	f.began = time.Now()
	job.Name, job.ArchiveName = "home", "{job}-{now}"
	job.Verify.Every.Never = true
	job.Repositories = []backup.Repository{{Location: "/repo"}}
	job.Hooks = []backup.Hook{{When: backup.After, Run: "true"}}
	r := &runner.Runner{
		Borg: f, Locks: &lock.Locker{Dir: filepath.Join(t.TempDir(), "locks"), Now: time.Now}, Preflight: f,
		Hooks: (*hooks)(f), Records: f, Alarms: f, Observers: []runner.Observer{f}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	runs := r.Run(ctx, &job, runner.Options{})
	if len(runs) != 1 {
		t.Fatalf("%d runs", len(runs))
	}
	return runs[0]
}

var lost = &backup.Failure{Op: "create", ID: "ConnectionClosed", Class: backup.Transient, Message: "the connection was lost", Lost: true}

func TestWaitsBetweenAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{create: func(_ context.Context, attempt int) error {
			if attempt < 4 {
				return lost
			}
			return nil
		}}
		run := f.run(t.Context(), t, backup.Job{Retry: backup.Retry{Retries: 3, Wait: 5 * time.Minute, Backoff: 2, MaxWait: 12 * time.Minute}})
		want := []time.Duration{0, 5 * time.Minute, 15 * time.Minute, 27 * time.Minute}
		if diff := cmp.Diff(want, f.when); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		if run.Outcome != backup.Succeeded || run.Attempts() != 4 {
			t.Errorf("%s after %d attempts: %s", run.Outcome, run.Attempts(), run.Problem)
		}
	})
}

// A signal while the run waits for its next attempt ends it at once; hooks after it still run.
func TestInterruptedWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(7*time.Minute, cancel)
		f := &fake{create: func(context.Context, int) error { return lost }}
		run := f.run(ctx, t, backup.Job{Retry: backup.Retry{Retries: 9, Wait: 5 * time.Minute, Backoff: 1}})
		if run.Outcome != backup.Interrupted || time.Since(f.began) != 7*time.Minute {
			t.Errorf("%s after %v: %s", run.Outcome, time.Since(f.began), run.Problem)
		}
		if diff := cmp.Diff([]string{"create", "create", "after interrupted"}, f.calls); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

// timeout.run ends the work and fails the run; hooks after it are not bound by it.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{create: func(ctx context.Context, _ int) error {
			<-ctx.Done()
			return errors.Join(lost, context.Cause(ctx))
		}}
		run := f.run(t.Context(), t, backup.Job{Timeout: backup.Timeout{Run: time.Hour}, Retry: backup.Retry{Retries: 3, Wait: time.Minute}})
		if run.Outcome != backup.Failed || run.Problem != "create: timeout.run of 1h0m0s is over" || time.Since(f.began) != time.Hour {
			t.Errorf("%s after %v: %s", run.Outcome, time.Since(f.began), run.Problem)
		}
		if diff := cmp.Diff([]string{"create", "after failed"}, f.calls); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

// A failed create is followed by no prune, and the last event comes when everything else is over.
func TestFailedCreate(t *testing.T) {
	f := &fake{create: func(context.Context, int) error {
		return &backup.Failure{Op: "create", Class: backup.Permanent, Message: "no", Hint: "do something"}
	}}
	run := f.run(t.Context(), t, backup.Job{Retention: backup.Retention{Last: 1}, Prune: backup.PruneRule{Every: backup.Every{Always: true}}})
	if run.Outcome != backup.Failed || run.Problem != "create: no (do something)" {
		t.Errorf("%s: %s", run.Outcome, run.Problem)
	}
	want := []backup.EventKind{
		backup.RunStarted, backup.StepStarted, backup.AttemptFailed, backup.StepEnded, backup.StepStarted, backup.StepEnded, backup.RunEnded,
	}
	if diff := cmp.Diff(want, f.events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"create", "after failed"}, f.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}
