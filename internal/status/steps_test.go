package status

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

// When each step last succeeded is what the runner knows of it; without its records, what was known and this run.
func TestStepsOfARow(t *testing.T) {
	type times = map[backup.Step]time.Time
	o := newObserver(t, filepath.Join(t.TempDir(), "state"), job("home", "/srv/nas"))
	first := o.clock
	end := func(outcome backup.Outcome, shared *backup.Shared, done times) {
		t.Helper()
		run := o.run("1", outcome)
		event := backup.Event{Kind: backup.RunEnded, Time: o.clock, Run: run, Target: o.target, Shared: shared, Done: done}
		if err := o.Observe(t.Context(), event); err != nil {
			t.Fatal(err)
		}
	}
	check := func(when string, want times) {
		t.Helper()
		if diff := cmp.Diff(want, o.row().Steps); diff != "" {
			t.Errorf("%s: -want +got:\n%s", when, diff)
		}
	}
	end(backup.Failed, nil, nil)
	check("a failure", nil)
	second := o.clock
	end(backup.Succeeded, nil, nil)
	check("a success", times{backup.Create: second})
	end(backup.Failed, nil, nil)
	check("a failure after it", times{backup.Create: second})
	known := times{backup.Create: second, backup.Check: first}
	end(backup.Failed, &backup.Shared{}, known)
	check("of the records", known)
	third := o.clock
	end(backup.Succeeded, nil, nil)
	check("a success without records", times{backup.Create: third, backup.Check: first})
	if last, found := Remembered(o.State, o.target.Job, o.target.Repository); !found || !last.Done[backup.Check].Equal(first) {
		t.Errorf("a lost history remembers %v", last.Done)
	}
	end(backup.Succeeded, &backup.Shared{}, nil)
	check("another disk in its place", nil)
}
