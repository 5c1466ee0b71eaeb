package backup_test

import (
	"slices"
	"testing"
	"time"

	"borgcron/internal/backup"
)

// TestTold plays days of a job and compares what is told on each occasion.
func TestTold(t *testing.T) {
	failed := func(id string) backup.Run {
		return backup.Run{Outcome: backup.Failed, Steps: []backup.StepResult{
			{Step: backup.Create, Outcome: backup.Failed, Failures: []backup.Attempt{{ID: id}}},
		}}
	}
	hooked := func(problem string) backup.Run {
		return backup.Run{Outcome: backup.Failed, Steps: []backup.StepResult{
			{Step: backup.Before, Outcome: backup.Failed, Command: "mount x", Problem: problem, Failures: []backup.Attempt{{}}},
		}}
	}
	warned := backup.Run{Outcome: backup.Warned, Steps: []backup.StepResult{{
		Step: backup.Create, Outcome: backup.Warned, Report: backup.Report{Counts: map[backup.WarningKind]int{backup.Unreadable: 3}},
	}}}
	skipped := backup.Run{Outcome: backup.Skipped, Problem: "on battery, 12 %"}
	fine, bad := backup.Standing{State: "ok", Well: true}, backup.Standing{State: "failed", Failed: true}
	stale := backup.Standing{State: "stale", Stale: true}
	badAndStale := backup.Standing{State: "failed", Failed: true, Stale: true}
	alarm := backup.Standing{State: "failed", Failed: true, Alarm: true}
	type occasion struct {
		hours    float64 // since the one before
		run      *backup.Run
		standing backup.Standing
		want     []backup.News
	}
	ended := func(run backup.Run) *backup.Run { return &run }
	succeeded := ended(backup.Run{Outcome: backup.Succeeded})
	for name, occasions := range map[string][]occasion{
		"all is well": {{0, succeeded, fine, []backup.News{"succeeded"}}, {24, succeeded, fine, []backup.News{"succeeded"}}},
		"the same failure is told once a day": {
			{0, ended(failed("LockTimeout")), bad, []backup.News{"failed"}},
			{1, ended(failed("LockTimeout")), bad, nil},
			{22.9, ended(failed("LockTimeout")), bad, []backup.News{"failed"}},
			{1, succeeded, fine, []backup.News{"recovered", "succeeded"}},
			{1, succeeded, fine, []backup.News{"succeeded"}},
			{1, ended(failed("LockTimeout")), bad, []backup.News{"failed"}},
		},
		"two failures that take turns are two": {
			{0, ended(failed("LockTimeout")), bad, []backup.News{"failed"}},
			{1, ended(failed("ConnectionClosed")), bad, []backup.News{"failed"}},
			{1, ended(failed("LockTimeout")), bad, nil},
			{1, ended(failed("ConnectionClosed")), bad, nil},
		},
		"an alarm is another thing than a failure": {
			{0, ended(failed("LockTimeout")), bad, []backup.News{"failed"}},
			{1, ended(failed("LockTimeout")), alarm, []backup.News{"alarm"}},
			{1, ended(failed("Integrity")), alarm, nil},
			{1, succeeded, fine, []backup.News{"recovered", "succeeded"}},
		},
		"a success that does not end the failure": {
			{0, ended(failed("LockTimeout")), bad, []backup.News{"failed"}},
			{1, succeeded, bad, []backup.News{"succeeded"}},
			{1, succeeded, fine, []backup.News{"recovered", "succeeded"}},
		},
		"stale is told once, and its end": {
			{0, nil, fine, nil},
			{0, nil, stale, []backup.News{"stale"}},
			{100, nil, stale, nil},
			{1, nil, fine, []backup.News{"recovered"}},
			{1, nil, fine, nil},
			{1, nil, stale, []backup.News{"stale"}},
		},
		"skipped for too long": {
			{0, ended(skipped), fine, []backup.News{"skipped"}},
			{1, ended(skipped), fine, nil},
			{1, ended(skipped), stale, []backup.News{"stale"}},
			{1, succeeded, fine, []backup.News{"recovered", "succeeded"}},
			{1, ended(skipped), fine, []backup.News{"skipped"}},
		},
		"failed until it is stale": {
			{0, ended(failed("LockTimeout")), bad, []backup.News{"failed"}},
			{1, ended(failed("LockTimeout")), badAndStale, []backup.News{"stale"}},
			{1, ended(warned), fine, []backup.News{"warning", "recovered"}},
		},
		"failed and nobody was told": {
			{0, nil, bad, []backup.News{"failed"}},
			{1, nil, bad, nil},
			{1, ended(skipped), bad, []backup.News{"skipped"}},
			{1, ended(skipped), alarm, nil},
			{1, succeeded, fine, []backup.News{"recovered", "succeeded"}},
			{1, nil, alarm, []backup.News{"alarm"}},
		},
		"a hook that prints something else each time": {
			{0, ended(hooked("1")), bad, []backup.News{"failed"}},
			{1, ended(hooked("two")), bad, nil},
		},
		"warnings": {
			{0, ended(warned), fine, []backup.News{"warning"}},
			{1, ended(warned), fine, nil},
			{1, succeeded, fine, []backup.News{"succeeded"}},
			{1, ended(warned), fine, []backup.News{"warning"}},
		},
		"records that could not be written": {
			{0, ended(failed("LockTimeout")), fine, []backup.News{"failed"}},
			{1, ended(failed("LockTimeout")), fine, nil},
			{1, nil, backup.Standing{State: "never"}, nil},
			{1, succeeded, fine, []backup.News{"recovered", "succeeded"}},
		},
		"a clock that was far ahead does not silence": {
			{1000, ended(failed("LockTimeout")), bad, []backup.News{"failed"}},
			{-1000, ended(failed("LockTimeout")), bad, []backup.News{"failed"}},
			{1, ended(failed("LockTimeout")), bad, nil},
		},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
			var told backup.Told
			for i, o := range occasions {
				now = now.Add(time.Duration(o.hours * float64(time.Hour)))
				var got []backup.News
				if o.run == nil {
					got = told.Look(o.standing, now)
				} else {
					got = told.Run(*o.run, o.standing, now)
				}
				if !slices.Equal(got, o.want) {
					t.Errorf("occasion %d: told %q, want %q", i, got, o.want)
				}
			}
		})
	}
}

// TestToldWithoutNumbers: figures in words do not make another failure of the same.
func TestToldWithoutNumbers(t *testing.T) {
	var told backup.Told
	now := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	bad := backup.Standing{State: "failed", Failed: true}
	for i, problem := range []string{"exit 12 after 3 s", "exit 13 after 400 s"} {
		run := backup.Run{Outcome: backup.Failed, Problem: problem}
		if got := told.Run(run, bad, now.Add(time.Duration(i)*time.Minute)); len(got) != 1-i {
			t.Errorf("%q: told %q", problem, got)
		}
	}
}
