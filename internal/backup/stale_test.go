package backup_test

import (
	"strings"
	"testing"
	"time"

	"borgcron/internal/backup"
)

// A lock of borg's is broken only on evidence. Each row takes one thing away from a case in which it may be.
func TestJudgeLock(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	holder := func(place string, life backup.Life) backup.LockHolder {
		return backup.LockHolder{Place: place, HostID: "laptop@1", PID: 4711, Life: life, Why: "because"}
	}
	dead, living, unknown := holder("repository", backup.Dead), holder("repository", backup.Living), holder("repository", backup.Unjudged)
	local := func(holders ...backup.LockHolder) backup.Evidence {
		return backup.Evidence{Single: true, Local: true, Holders: holders}
	}
	remote := func(step backup.Step, ago time.Duration) backup.Evidence {
		return backup.Evidence{Single: true, Cut: &backup.Cut{Step: step, At: now.Add(-ago)}, Wait: time.Minute, Up: 24 * time.Hour}
	}
	but := func(e backup.Evidence, change func(*backup.Evidence)) backup.Evidence {
		change(&e)
		return e
	}
	tests := []struct {
		name     string
		evidence backup.Evidence
		stale    bool
		reason   string
	}{
		{"local, dead", local(dead), true, "because"},
		{"two dead ones", local(dead, holder("cache", backup.Dead)), true, "because"},
		{"living", local(living), false, "because"},
		{"of another host", local(unknown), false, "because"},
		{"dead, and one that lives in the roster", local(dead, living), false, "because"},
		{"dead, but the cache is held", local(dead, holder("cache", backup.Living)), false, "because"},
		{"let go meanwhile", local(), false, "let go"},
		{"unreadable", but(local(dead), func(e *backup.Evidence) { e.Unread = "who holds it cannot be read" }), false, "cannot be read"},
		{"shared", but(local(dead), func(e *backup.Evidence) { e.Single = false }), false, "clients: single"},
		{"local needs no run of ours, and other borgs do not matter", but(local(dead), func(e *backup.Evidence) { e.Others, e.Hidden = []int{1}, "x" }), true, ""},

		{"remote, cut off", remote(backup.Create, 6*time.Minute), true, ""},
		{"not long enough ago", remote(backup.Create, 4*time.Minute), false, "5m"},
		{"a longer retry.wait", but(remote(backup.Create, 6*time.Minute), func(e *backup.Evidence) { e.Wait = time.Hour }), false, "1h"},
		{"the clock was set back since", remote(backup.Create, -time.Minute), false, "0s ago"},
		{"compact goes on by itself", remote(backup.Compact, 5*time.Hour), false, "6h"},
		{"compact, long ago", remote(backup.Compact, 7*time.Hour), true, ""},
		{"check", remote(backup.Check, 5*time.Hour), false, "6h"},
		{"prune", remote(backup.Prune, 5*time.Hour), false, "6h"},
		{"a step that is not known", remote("", 5*time.Hour), false, "6h"},
		{"no run of ours was cut off", but(remote(backup.Create, time.Hour), func(e *backup.Evidence) { e.Cut = nil }), false, "no run of ours"},
		{"remote and shared", but(remote(backup.Create, time.Hour), func(e *backup.Evidence) { e.Single = false }), false, "clients: single"},
		{"the machine was just started", but(remote(backup.Create, time.Hour), func(e *backup.Evidence) { e.Up = time.Minute }), false, "was started 1m ago"},
		{"how long it runs is not known", but(remote(backup.Create, time.Hour), func(e *backup.Evidence) { e.Up = 0 }), false, "was started"},
		{"another borg here", but(remote(backup.Create, time.Hour), func(e *backup.Evidence) { e.Others = []int{99} }), false, "pid 99"},
		{"processes hidden", but(remote(backup.Create, time.Hour), func(e *backup.Evidence) { e.Hidden = "hidepid" }), false, "hidepid"},
		{"the cache is held", but(remote(backup.Create, time.Hour), func(e *backup.Evidence) {
			e.Holders = []backup.LockHolder{holder("cache", backup.Living)}
		}), false, "because"},
		{"the cache's holder is dead too", but(remote(backup.Create, time.Hour), func(e *backup.Evidence) {
			e.Holders = []backup.LockHolder{holder("cache", backup.Dead)}
		}), true, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			verdict := test.evidence.Judge(now)
			if verdict.Stale != test.stale || !strings.Contains(verdict.Reason, test.reason) {
				t.Errorf("stale %v (%s), want %v because of %q", verdict.Stale, verdict.Reason, test.stale, test.reason)
			}
			if verdict.Stale && verdict.Holder == "" {
				t.Error("it is not said whose it was")
			}
		})
	}
}

// By hand a lock may also be broken where others write: if all of its holders are seen to be dead.
func TestDeadHolders(t *testing.T) {
	dead := backup.LockHolder{HostID: "laptop@1", PID: 4711, Life: backup.Dead}
	for _, test := range []struct {
		name     string
		evidence backup.Evidence
		stale    bool
	}{
		{"shared, local, dead", backup.Evidence{Local: true, Holders: []backup.LockHolder{dead}}, true},
		{"remote: only the cache's can be seen", backup.Evidence{Holders: []backup.LockHolder{dead}}, false},
		{"nobody", backup.Evidence{Local: true}, false},
		{"one lives", backup.Evidence{Local: true, Holders: []backup.LockHolder{dead, {Life: backup.Living}}}, false},
	} {
		if verdict := test.evidence.Dead(); verdict.Stale != test.stale {
			t.Errorf("%s: stale %v (%s)", test.name, verdict.Stale, verdict.Reason)
		}
	}
}
