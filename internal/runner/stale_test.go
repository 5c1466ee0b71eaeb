package runner_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

var taken = &backup.Failure{Op: "create", ID: "LockTimeout", Class: backup.Transient, Message: "Failed to create/acquire the lock"}

// A lock that our own cut connection left behind is broken once that is long enough ago; it is on record before,
// and nothing is deleted until a check has passed.
func TestBreaksWhatItsOwnCutLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{evidence: backup.Evidence{Single: true, Up: time.Hour}}
		f.create = func(_ context.Context, attempt int) error {
			switch {
			case attempt == 1:
				return lost
			case f.last.Shared.Suspect == "": // the lock is there until it is broken
				return taken
			}
			return nil
		}
		run := f.run(t.Context(), t, backup.Job{
			Retry: backup.Retry{Retries: 3, Wait: 2 * time.Minute, Backoff: 1}, Retention: backup.Retention{Last: 1},
			Prune: backup.PruneRule{Every: backup.Every{Always: true}}, Check: backup.CheckRule{Every: backup.Every{Never: true}},
		})
		want := []string{"create", "create", "create", "create", "save", "break-lock", "save", "create", "check", "prune", "after succeeded"}
		if diff := cmp.Diff(want, f.calls); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		if last := f.when[len(f.when)-1]; last != 6*time.Minute {
			t.Errorf("broken %v after the cut: at 2m and 4m the server may not have noticed yet", last)
		}
		if run.Outcome != backup.Succeeded || len(run.Notes) != 1 || !strings.Contains(run.Notes[0], "broke the lock") {
			t.Errorf("%s: %s; notes %q", run.Outcome, run.Problem, run.Notes)
		}
	})
}

// Whoever holds the lock, it is left alone without evidence, and he is named.
func TestLeavesALockAlone(t *testing.T) {
	living := backup.LockHolder{Place: "repository", HostID: "laptop@1", PID: 4711, Life: backup.Living, Why: "process 4711 is running"}
	dead := living
	dead.Life, dead.Why = backup.Dead, "no such process"
	tests := map[string]struct {
		fake fake
		says string
	}{
		"it lives":                   {fake{evidence: backup.Evidence{Single: true, Local: true, Holders: []backup.LockHolder{living}}}, "pid 4711"},
		"others may write there":     {fake{evidence: backup.Evidence{Local: true, Holders: []backup.LockHolder{dead}}}, "clients: single"},
		"it cannot be put on record": {fake{saveErr: errors.New("the disk is full"), evidence: backup.Evidence{Single: true, Local: true, Holders: []backup.LockHolder{dead}}}, "the disk is full"},
		"no run of ours was cut":     {fake{evidence: backup.Evidence{Single: true}}, "no run of ours"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := test.fake
			f.create = func(context.Context, int) error { return taken }
			run := f.run(t.Context(), t, backup.Job{})
			if run.Outcome != backup.Failed || !strings.Contains(run.Problem, test.says) {
				t.Errorf("%s: %s", run.Outcome, run.Problem)
			}
			if diff := cmp.Diff([]string{"create", "after failed"}, f.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

// One that is broken and at once taken again is somebody's who lives: it is not broken twice.
func TestBreaksALockOnce(t *testing.T) {
	dead := backup.LockHolder{Place: "repository", HostID: "laptop@1", PID: 4711, Life: backup.Dead, Why: "no such process"}
	f := &fake{evidence: backup.Evidence{Single: true, Local: true, Holders: []backup.LockHolder{dead}}}
	f.create = func(context.Context, int) error { return taken }
	run := f.run(t.Context(), t, backup.Job{Retry: backup.Retry{Retries: 2}})
	if got := strings.Count(strings.Join(f.calls, " "), "break-lock"); got != 1 || run.Outcome != backup.Failed {
		t.Errorf("broken %d times, then %s", got, run.Outcome)
	}
}

// Without room there is no archive; what can be deleted by rules that count is, and never by an interval.
func TestNoRoom(t *testing.T) {
	now := time.Now()
	listing := &backup.Listing{Learned: now}
	for i := range 4 {
		listing.Archives = append(listing.Archives, backup.Archive{Name: string(rune('a' + i)), ID: string(rune('a' + i)), Time: now.Add(-time.Duration(i+50) * time.Hour)})
	}
	always := backup.Every{Always: true}
	tests := map[string]struct {
		retention backup.Retention
		calls     []string
	}{
		"rules that count":  {backup.Retention{Last: 3}, []string{"prune", "compact", "after failed"}},
		"an interval only":  {backup.Retention{Within: "1d"}, []string{"after failed"}},
		"nothing falls out": {backup.Retention{Within: "1d", Last: 4}, []string{"after failed"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := &fake{noRoom: "2 GiB must be free", last: backup.Last{Listing: listing}, deleted: listing.Archives[3:]}
			run := f.run(t.Context(), t, backup.Job{
				Retention: test.retention, Prune: backup.PruneRule{Every: backup.Every{Never: true}}, Compact: backup.CompactRule{Every: always},
			})
			if run.Outcome != backup.Failed || !strings.HasPrefix(run.Problem, "create: 2 GiB must be free") {
				t.Errorf("%s: %s", run.Outcome, run.Problem)
			}
			if diff := cmp.Diff(test.calls, f.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s\nsteps %+v", diff, run.Steps)
			}
		})
	}
}

// What the alarm's own file says counts, whatever the history knows.
func TestAlarmOfTheFile(t *testing.T) {
	always := backup.Every{Always: true}
	job := backup.Job{Retention: backup.Retention{Last: 1}, Prune: backup.PruneRule{Every: always}, Compact: backup.CompactRule{Every: always}}
	f := &fake{alarm: &backup.Alarm{Since: time.Now(), Problem: "damage"}, create: func(context.Context, int) error { return nil }}
	run := f.run(t.Context(), t, job)
	if run.Outcome != backup.Failed || !strings.HasPrefix(run.Problem, "alarm since ") || run.Result(backup.Create).Outcome != backup.Succeeded {
		t.Errorf("%s: %s", run.Outcome, run.Problem)
	}
	if calls := strings.Join(f.calls, " "); strings.Contains(calls, "prune") || strings.Contains(calls, "compact") {
		t.Errorf("calls: %s", calls)
	}
	f = &fake{last: backup.Last{Shared: backup.Shared{Alarm: &backup.Alarm{Problem: "damage"}}}, create: func(context.Context, int) error { return nil }}
	if f.run(t.Context(), t, job); f.alarm == nil {
		t.Error("an alarm of which only the history knows gets its file again")
	}
}

// A step that deletes breaks no lock: an archive and a check come first.
func TestPruneBreaksNoLock(t *testing.T) {
	dead := backup.LockHolder{Place: "repository", HostID: "laptop@1", PID: 4711, Life: backup.Dead, Why: "no such process"}
	f := &fake{evidence: backup.Evidence{Single: true, Local: true, Holders: []backup.LockHolder{dead}}, pruneErr: taken}
	f.create = func(context.Context, int) error { return nil }
	run := f.run(t.Context(), t, backup.Job{Retention: backup.Retention{Last: 1}, Prune: backup.PruneRule{Every: backup.Every{Always: true}}})
	if calls := strings.Join(f.calls, " "); strings.Contains(calls, "break-lock") || run.Outcome != backup.Failed || !strings.Contains(run.Problem, "borgcron run home") {
		t.Errorf("%s: %s; calls: %s", run.Outcome, run.Problem, calls)
	}
}

// An alarm is one also if the end of the run comes with it.
func TestAlarmWithTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &fake{}
	f.create = func(context.Context, int) error {
		cancel()
		return &backup.Failure{Op: "create", ID: "IntegrityError", Class: backup.Alarming, Message: "damage"}
	}
	if run := f.run(ctx, t, backup.Job{}); f.alarm == nil || run.Outcome < backup.Failed {
		t.Errorf("%s: %s; no alarm", run.Outcome, run.Problem)
	}
}
