package history

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"borgcron/internal/machine"
)

// To look through the whole file takes seconds if it is large: it is done once a day, and once after the machine came
// up again if a run has not ended; not for a run that is merely at work.
func TestWhenTheFileIsLookedThrough(t *testing.T) {
	boot := " " + machine.BootID()
	for _, test := range []struct {
		name string
		open bool
		fact string // after the time
		age  time.Duration
		want bool
	}{
		{"a moment later", false, boot, time.Minute, false},
		{"a day later", false, boot, checkEvery, true},
		{"the clock was set back", false, boot, -time.Minute, true},
		{"while a run is at work", true, boot, time.Minute, false},
		{"while a run is at work, a day later", true, boot, checkEvery, true},
		{"the machine was cut off in a run", true, " another-boot", time.Minute, true},
		{"the machine was started anew", false, " another-boot", time.Minute, false},
		{"by an older version", true, "", time.Minute, true},
		{"by an older version, no run", false, "", time.Minute, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "history.db")
			c := &clock{start}
			store := openStore(t, path, c.now)
			if test.open {
				newScript(t, store, c, target("home", "/repo"), "run-1").begin()
			}
			before := fmt.Sprint(start.UnixMicro()) + test.fact
			if _, err := store.db.Exec("INSERT OR REPLACE INTO facts VALUES ('checked', ?)", before); err != nil {
				t.Fatal(err)
			}
			store.Close()
			c.t = start.Add(test.age)
			var after string
			err := openStore(t, path, c.now).read(t.Context(), func(tx *sql.Tx) error {
				return tx.QueryRow("SELECT value FROM facts WHERE name = 'checked'").Scan(&after)
			})
			if err != nil || (after != before) != test.want {
				t.Errorf("%v: %q became %q", err, before, after)
			}
		})
	}
}

// The first run of a day lets what is too old fall away; those after it do not look.
func TestOldRunsFallAwayOnceADay(t *testing.T) {
	c := &clock{start}
	store := openStore(t, filepath.Join(t.TempDir(), "history.db"), c.now)
	home := target("home", "/repo")
	for i := range leastRuns {
		c.t = start.Add(time.Duration(i) * time.Minute)
		succeed(t, store, c, home, fmt.Sprint("old-", i))
	}
	count := func() int {
		t.Helper()
		runs, err := store.Runs(t.Context(), Query{})
		if err != nil {
			t.Fatal(err)
		}
		return len(runs)
	}
	c.t = start.Add(keepRuns + 30*24*time.Hour)
	for i, want := range []int{leastRuns, leastRuns + 1, leastRuns + 2} {
		succeed(t, store, c, home, fmt.Sprint("new-", i))
		c.t = c.t.Add(time.Minute)
		if got := count(); got != want {
			t.Errorf("after run %d: %d runs", i, got)
		}
	}
	c.t = c.t.Add(24 * time.Hour)
	succeed(t, store, c, home, "next-day")
	if got := count(); got != leastRuns {
		t.Errorf("the next day: %d runs", got)
	}
}
