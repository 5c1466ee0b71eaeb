package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
	"borgcron/internal/machine"
)

var start = time.Date(2026, 3, 1, 2, 30, 0, 0, time.UTC)

// clock is a time that stands still until it is moved.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func target(job, location string) backup.Target {
	return backup.Target{Job: &backup.Job{Name: job, Sources: []string{"/home"}}, Repository: backup.Repository{Name: "nas", Location: location}}
}

func openStore(t *testing.T, path string, now func() time.Time) *Store {
	t.Helper()
	store, err := Open(t.Context(), path, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// script tells a store of one run.
type script struct {
	t      *testing.T
	store  *Store
	target backup.Target
	clock  *clock
	run    backup.Run
}

func newScript(t *testing.T, store *Store, c *clock, target backup.Target, id string) *script {
	return &script{t, store, target, c, backup.Run{ID: id, Job: target.Job.Name, Repository: "nas", Started: c.t}}
}

func (s *script) tell(e backup.Event) {
	s.t.Helper()
	e.Time, e.Run, e.Target = s.clock.t, s.run, s.target
	if err := s.store.Observe(s.t.Context(), e); err != nil {
		s.t.Fatal(err)
	}
}

func (s *script) begin() { s.t.Helper(); s.tell(backup.Event{Kind: backup.RunStarted}) }

func (s *script) beginStep(step backup.Step) *backup.StepResult {
	s.t.Helper()
	result := &backup.StepResult{Step: step, Started: s.clock.t, Reason: "due"}
	s.tell(backup.Event{Kind: backup.StepStarted, Step: result})
	return result
}

func (s *script) endStep(result *backup.StepResult) {
	s.t.Helper()
	s.clock.t = s.clock.t.Add(time.Minute)
	result.Ended, result.Attempts = s.clock.t, max(1, result.Attempts)
	s.run.Steps = append(s.run.Steps, *result)
	s.run.Outcome = backup.Worst(s.run.Outcome, result.Outcome)
	s.tell(backup.Event{Kind: backup.StepEnded, Step: result})
}

func (s *script) end() {
	s.t.Helper()
	s.run.Ended = s.clock.t
	s.tell(backup.Event{Kind: backup.RunEnded})
}

func archive(name string, t time.Time) *backup.Archive {
	return &backup.Archive{Name: name, ID: "id-" + name, Time: t.Truncate(time.Second)}
}

// succeed tells of a whole run with one archive.
func succeed(t *testing.T, store *Store, c *clock, target backup.Target, id string) backup.Run {
	t.Helper()
	s := newScript(t, store, c, target, id)
	s.begin()
	create := s.beginStep(backup.Create)
	create.Report = backup.Report{
		Archive: archive("a-"+id, c.t), RepositoryID: "abc", Files: 10, OriginalSize: 2000, DeduplicatedSize: 300, RepositorySize: 40000,
		Tail: []string{"first line", "", "last line"},
	}
	s.endStep(create)
	s.end()
	return s.run
}

func TestRunIsKeptWhole(t *testing.T) {
	c := &clock{start}
	store := openStore(t, filepath.Join(t.TempDir(), "history.db"), c.now)
	s := newScript(t, store, c, target("home", "/repo"), "run-1")
	s.begin()
	before := s.beginStep(backup.Before)
	before.Report.Tail = []string{"hook says"}
	s.endStep(before)
	create := s.beginStep(backup.Create)
	attempt := backup.Attempt{Number: 1, ID: "ConnectionClosed", Message: "gone", Temporary: true, Wait: 5 * time.Minute, Tail: []string{"x", "y"}}
	create.Failures = append(create.Failures, attempt)
	s.tell(backup.Event{Kind: backup.AttemptFailed, Step: create, Attempt: &attempt})
	warning := backup.Warning{Kind: backup.Changed, Message: "file changed", Path: "/home/\x1b[31m\ta"}
	s.tell(backup.Event{Kind: backup.WarningSeen, Step: create, Warning: &warning})
	s.tell(backup.Event{Kind: backup.Progressed, Step: create, Progress: &backup.Progress{Files: 1}})
	create.Attempts, create.Outcome, create.Problem = 2, backup.Warned, "create: 3 changed"
	create.Breached, create.Notes = true, []string{"a note"}
	create.Report = backup.Report{
		Archive: archive("a1", c.t), RepositoryID: "abc", Files: 1, OriginalSize: 2, DeduplicatedSize: 3, RepositorySize: 4,
		Warnings: []backup.Warning{warning}, Counts: map[backup.WarningKind]int{backup.Changed: 3}, Tail: []string{"one", "", "three"},
	}
	s.endStep(create)
	s.tell(backup.Event{Kind: backup.LockBroken, Holder: "pid 7"})
	check := s.beginStep(backup.Check)
	check.Report.CheckedRepository = true
	check.Outcome, check.Problem, check.Alarm = backup.Failed, "check: damaged", true
	s.endStep(check)
	s.run.Steps = append(s.run.Steps, backup.StepResult{
		Step: backup.Prune, Outcome: backup.Skipped, Started: c.t, Ended: c.t, Reason: "waits",
	})
	s.run.Problem, s.run.Notes = "check: damaged", []string{"measure anew"}
	s.end()

	detail, err := store.Run(t.Context(), "run")
	if err != nil {
		t.Fatal(err)
	}
	want := s.run
	want.Notes = []string{"broke the lock of pid 7", "measure anew"}
	if diff := cmp.Diff(want, detail.Run, normal); diff != "" {
		t.Errorf("the run that was read differs (-told +read):\n%s", diff)
	}
	if detail.Open {
		t.Error("a run that ended is open")
	}
}

// normal makes what was told comparable with what was read: times as moments, no lists as empty ones.
var normal = cmp.Options{
	cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }),
	cmp.FilterValues(func(a, b []string) bool { return len(a)+len(b) == 0 }, cmp.Ignore()),
	cmp.FilterValues(func(a, b []backup.Archive) bool { return len(a)+len(b) == 0 }, cmp.Ignore()),
}

func TestRunsNewestFirst(t *testing.T) {
	c := &clock{start}
	store := openStore(t, filepath.Join(t.TempDir(), "history.db"), c.now)
	const runs = 1000
	for i := range runs {
		// Recorded in another order than they began.
		c.t = start.Add(time.Duration((i*7)%runs) * time.Hour)
		job := []string{"home", "work"}[(i*7)%runs%2]
		s := newScript(t, store, c, target(job, "/repo"), fmt.Sprintf("run-%04d", (i*7)%runs))
		s.run.Outcome = backup.Skipped
		s.end()
	}
	for _, test := range []struct {
		query Query
		want  []string
	}{
		{Query{Limit: 3}, []string{"run-0999", "run-0998", "run-0997"}},
		{Query{Limit: 2, Job: "home"}, []string{"run-0998", "run-0996"}},
		{Query{Limit: 2, Repository: "nas"}, []string{"run-0999", "run-0998"}},
		{Query{Limit: 2, Repository: "usb"}, nil},
		{Query{Job: "hom"}, nil},
	} {
		got, err := store.Runs(t.Context(), test.query)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, run := range got {
			ids = append(ids, run.ID)
		}
		if diff := cmp.Diff(test.want, ids); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", test.query, diff)
		}
	}
	if jobs, err := store.Jobs(t.Context()); err != nil || !slices.Equal(jobs, []string{"home", "work"}) {
		t.Errorf("jobs: %q, %v", jobs, err)
	}
	all, err := store.Runs(t.Context(), Query{})
	if err != nil || len(all) != runs {
		t.Fatalf("all runs: %d, %v", len(all), err)
	}
	for i, run := range all {
		if want := fmt.Sprintf("run-%04d", runs-1-i); run.ID != want {
			t.Fatalf("place %d: %s, want %s", i, run.ID, want)
		}
	}
}

func TestRunByPrefix(t *testing.T) {
	c := &clock{start}
	store := openStore(t, filepath.Join(t.TempDir(), "history.db"), c.now)
	for _, id := range []string{"20260301T023000-aaaa", "20260301T023000-aabb", "20260302", "20260302T-x", "50%_"} {
		newScript(t, store, c, target("home", "/repo"), id).end()
	}
	for _, test := range []struct{ ask, want, wrong string }{
		{"20260301T023000-aaaa", "20260301T023000-aaaa", ""},
		{"20260301T023000-aaa", "20260301T023000-aaaa", ""},
		{"20260302", "20260302", ""}, // the whole of one, the beginning of another
		{"20260301", "", "20260301T023000-aabb"},
		{"5", "50%_", ""},
		{"5%", "", ErrNoRun.Error()},
		{"", "", ErrNoRun.Error()},
	} {
		detail, err := store.Run(t.Context(), test.ask)
		if detail.ID != test.want || (err == nil) != (test.wrong == "") {
			t.Errorf("%q: %q, %v", test.ask, detail.ID, err)
		}
		if err != nil && !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("%q: %v does not say %q", test.ask, err, test.wrong)
		}
	}
}

func TestKnowledgeSurvivesReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	c := &clock{start}
	home := target("home", "/repo/")
	var want backup.Last
	store := openStore(t, path, c.now)
	run := succeed(t, store, c, home, "run-1")
	want.End(home.Job, run.Steps[0])
	want.EndRun(run)

	s := newScript(t, store, c, home, "run-2")
	s.begin()
	s.beginStep(backup.Prune)
	want.Begin(backup.Prune)
	store.Close()

	store = openStore(t, path, c.now)
	got, err := store.Recall(t.Context(), target("home", "/repo"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, normal); diff != "" {
		t.Errorf("knowledge (-want +got):\n%s", diff)
	}
	if got.Shared.ID != "abc" {
		t.Error("the repository's id is not known")
	}
	other, err := store.Recall(t.Context(), target("work", "/repo"))
	if err != nil || other.Shared.ID != "abc" || !other.SuccessBegan.IsZero() {
		t.Errorf("another job on the repository knows %+v, %v", other, err)
	}
	elsewhere, err := store.Recall(t.Context(), target("home", "/other"))
	if diff := cmp.Diff(backup.Last{}, elsewhere); err != nil || diff != "" {
		t.Errorf("the job on another repository knows %s, %v", diff, err)
	}
}

func TestSave(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	c := &clock{start}
	store := openStore(t, path, c.now)
	want := backup.Last{Empty: true, Held: "why", Done: map[backup.Step]time.Time{backup.Check: start}, Shared: backup.Shared{Suspect: "s"},
		Listing: &backup.Listing{Learned: start, Archives: []backup.Archive{*archive("x", start)}}}
	if err := store.Save(t.Context(), target("home", "/repo"), want); err != nil {
		t.Fatal(err)
	}
	store.Close()
	got, err := openStore(t, path, c.now).Recall(t.Context(), target("home", "/repo"))
	if diff := cmp.Diff(want, got, normal); err != nil || diff != "" {
		t.Errorf("%v, (-want +got):\n%s", err, diff)
	}
}

// A step that was not done teaches nothing, also not that the list of archives is unknown.
func TestSkippedStepsAndRunsTeachNothing(t *testing.T) {
	c := &clock{start}
	store := openStore(t, filepath.Join(t.TempDir(), "history.db"), c.now)
	home := target("home", "/repo")
	before := backup.Last{Listing: &backup.Listing{Learned: start}}
	if err := store.Save(t.Context(), home, before); err != nil {
		t.Fatal(err)
	}
	for i, outcome := range []backup.Outcome{backup.Skipped, backup.Locked} {
		s := newScript(t, store, c, home, fmt.Sprintf("run-%d", i))
		s.run.Outcome = outcome
		s.run.Steps = []backup.StepResult{
			{Step: backup.Create, Outcome: backup.Skipped, Started: c.t, Ended: c.t},
			{Step: backup.Before, Outcome: backup.Succeeded, Started: c.t, Ended: c.t, Attempts: 1},
		}
		s.end()
	}
	after, err := store.Recall(t.Context(), home)
	if diff := cmp.Diff(before, after, normal); err != nil || diff != "" {
		t.Errorf("%v, knowledge changed:\n%s", err, diff)
	}
}

func TestCutOffRunIsReaped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	c := &clock{start}
	home := target("home", "/repo")
	store := openStore(t, path, c.now)
	succeed(t, store, c, home, "run-0")
	if err := store.Save(t.Context(), home, backup.Last{Listing: &backup.Listing{Learned: start}}); err != nil {
		t.Fatal(err)
	}
	s := newScript(t, store, c, home, "run-1")
	s.begin()
	create := s.beginStep(backup.Create)
	c.t = c.t.Add(10 * time.Minute)
	s.tell(backup.Event{Kind: backup.Progressed, Step: create, Progress: &backup.Progress{Files: 1}})
	heard := c.t
	c.t = c.t.Add(time.Second)
	s.tell(backup.Event{Kind: backup.Progressed, Step: create, Progress: &backup.Progress{Files: 2}})
	// Another job's run and another repository's are none of this target.
	newScript(t, store, c, target("work", "/repo"), "run-2").begin()
	newScript(t, store, c, target("home", "/other"), "run-3").begin()
	store.Close() // as if killed: nothing more is told

	c.t = c.t.Add(time.Hour)
	store = openStore(t, path, c.now)
	runs, err := store.Reap(t.Context(), home)
	if err != nil || len(runs) != 1 {
		t.Fatalf("reaped %d runs, %v", len(runs), err)
	}
	run := runs[0]
	if run.ID != "run-1" || run.Outcome != backup.Interrupted || run.Problem != "cut off during create" || !run.Ended.Equal(heard) {
		t.Errorf("reaped: %+v", run)
	}
	if len(run.Steps) != 1 || run.Steps[0].Outcome != backup.Interrupted || run.Steps[0].Attempts != 1 {
		t.Errorf("its steps: %+v", run.Steps)
	}
	last, err := store.Recall(t.Context(), home)
	if err != nil || last.Open != "" || last.Listing != nil {
		t.Errorf("after a create that was cut off the list of archives is known: %+v, %v", last, err)
	}
	if again, err := store.Reap(t.Context(), home); err != nil || len(again) != 0 {
		t.Errorf("reaped twice: %+v, %v", again, err)
	}
	// The runner tells every observer of the run's end.
	if err := store.Observe(t.Context(), backup.Event{Kind: backup.RunEnded, Time: c.t, Run: run, Target: home}); err != nil {
		t.Fatal(err)
	}
	told, err := store.Run(t.Context(), "run-1")
	if diff := cmp.Diff(run, told.Run, normal); err != nil || diff != "" {
		t.Errorf("%v; after it was told once more:\n%s", err, diff)
	}
}

// A run lets go of the lock before it says that it ended: the next one must not take it for dead.
func TestReapLeavesARunItsLastWords(t *testing.T) {
	c := &clock{start}
	store := openStore(t, filepath.Join(t.TempDir(), "history.db"), c.now)
	home := target("home", "/repo")
	s := newScript(t, store, c, home, "run-1")
	s.begin()
	s.endStep(s.beginStep(backup.Create))
	c.t = c.t.Add(30 * time.Second)
	if runs, err := store.Reap(t.Context(), home); err != nil || len(runs) != 0 {
		t.Fatalf("reaped %+v, %v", runs, err)
	}
	c.t = c.t.Add(2 * time.Minute)
	if runs, err := store.Reap(t.Context(), home); err != nil || len(runs) != 1 || runs[0].Problem != "cut off between two steps" {
		t.Fatalf("reaped %+v, %v", runs, err)
	}
	s.end() // slow, but not dead
	detail, err := store.Run(t.Context(), "run-1")
	if err != nil || detail.Outcome != backup.Succeeded || detail.Problem != "" {
		t.Errorf("the last word of the run does not count: %+v, %v", detail.Run, err)
	}
	dead := newScript(t, store, c, home, "run-dead")
	dead.begin()
	if _, err := store.db.ExecContext(t.Context(), "UPDATE facts SET value = '2147483646 5 x' WHERE name = ?", processOf+"run-dead"); err != nil {
		t.Fatal(err)
	}
	if runs, err := store.Reap(t.Context(), home); err != nil || len(runs) != 1 || runs[0].ID != "run-dead" {
		t.Errorf("its process is gone: %v, %v", runs, err)
	}
	if err := store.db.QueryRowContext(t.Context(), "SELECT value FROM facts WHERE name = ?", processOf+"run-dead").Scan(new(string)); !errors.Is(err, sql.ErrNoRows) {
		t.Errorf("whose it was is still on record: %v", err)
	}
}

func TestStartOfAStepIsSynced(t *testing.T) {
	c := &clock{start}
	store := openStore(t, filepath.Join(t.TempDir(), "history.db"), c.now)
	for _, test := range []struct {
		synced bool
		want   int
	}{{true, 2}, {false, 1}, {true, 2}, {true, 2}, {false, 1}, {false, 1}, {true, 2}} { // 2 is FULL, 1 NORMAL
		err := store.write(t.Context(), test.synced, func(tx *sql.Tx) error {
			var got int
			err := tx.QueryRow("PRAGMA synchronous").Scan(&got)
			if got != test.want {
				t.Errorf("synced %t: synchronous is %d", test.synced, got)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A connection that was given up, here because the context ended, is replaced by one that syncs as well.
func TestNewConnectionSyncs(t *testing.T) {
	c := &clock{start}
	store := openStore(t, filepath.Join(t.TempDir(), "history.db"), c.now)
	for _, synced := range []bool{true, false} {
		ctx, cancel := context.WithCancel(t.Context())
		if err := store.write(ctx, synced, func(*sql.Tx) error { cancel(); return ctx.Err() }); err == nil {
			t.Fatal("no error")
		}
		err := store.write(t.Context(), true, func(tx *sql.Tx) error {
			var got int
			err := tx.QueryRow("PRAGMA synchronous").Scan(&got)
			if got != 2 {
				t.Errorf("synchronous is %d", got)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestManyWarningsAreBounded(t *testing.T) {
	c := &clock{start}
	store := openStore(t, filepath.Join(t.TempDir(), "history.db"), c.now)
	s := newScript(t, store, c, target("home", "/repo"), "run-1")
	s.begin()
	create := s.beginStep(backup.Create)
	for i := range 100 {
		s.tell(backup.Event{Kind: backup.WarningSeen, Step: create, Warning: &backup.Warning{Kind: backup.Changed, Message: fmt.Sprint(i)}})
	}
	s.tell(backup.Event{Kind: backup.WarningSeen, Step: create, Warning: &backup.Warning{Kind: backup.Other, Message: "other"}})
	create.Outcome = backup.Failed
	s.endStep(create)
	s.end()
	detail, err := store.Run(t.Context(), "run-1")
	if err != nil {
		t.Fatal(err)
	}
	warnings := detail.Steps[0].Report.Warnings
	if len(warnings) != mostWarnings+1 || warnings[0].Message != "0" || warnings[mostWarnings].Message != "other" {
		t.Errorf("kept: %+v", warnings)
	}
}

func TestOldRunsFallAway(t *testing.T) {
	c := &clock{start}
	store := openStore(t, filepath.Join(t.TempDir(), "history.db"), c.now)
	home, other := target("home", "/repo"), target("other", "/repo")
	succeed(t, store, c, other, "other")
	for i := range leastRuns + 20 {
		c.t = start.Add(time.Duration(i) * time.Hour)
		succeed(t, store, c, home, fmt.Sprintf("run-%04d", i))
	}
	c.t = start.Add(keepRuns + 30*24*time.Hour)
	succeed(t, store, c, home, "run-new")
	runs, err := store.Runs(t.Context(), Query{Job: "home"})
	if err != nil || len(runs) != leastRuns || runs[0].ID != "run-new" || runs[leastRuns-1].ID != "run-0021" {
		t.Fatalf("%d runs stayed, %v", len(runs), err)
	}
	if runs, err := store.Runs(t.Context(), Query{Job: "other"}); err != nil || len(runs) != 1 {
		t.Errorf("the other job has %d runs, %v", len(runs), err)
	}
	if len(runs[0].Steps[0].Report.Tail) == 0 || len(runs[1].Steps[0].Report.Tail) != 0 {
		t.Error("the ends of old logs stay, or those of new ones do not")
	}
	last, err := store.Recall(t.Context(), home)
	if err != nil || last.SuccessBegan.Unix() != start.Add(keepRuns+30*24*time.Hour).Unix() {
		t.Errorf("knowledge: %+v, %v", last, err)
	}
	var orphans int
	if err := store.db.QueryRow("SELECT count(*) FROM steps WHERE run NOT IN (SELECT id FROM runs)").Scan(&orphans); err != nil || orphans != 0 {
		t.Errorf("%d steps without a run, %v", orphans, err)
	}
}

func TestTwoStoresWriteAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	now := func() time.Time { return start }
	const writers, each = 4, 25
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			store, err := Open(context.Background(), path, now)
			if err != nil {
				t.Error(err)
				return
			}
			defer store.Close()
			me := target(fmt.Sprintf("job-%d", w), "/repo")
			for i := range each {
				run := backup.Run{ID: fmt.Sprintf("%d-%d", w, i), Job: me.Job.Name, Started: start, Ended: start}
				step := backup.StepResult{Step: backup.Create, Started: start, Ended: start, Attempts: 1}
				for _, e := range []backup.Event{
					{Kind: backup.RunStarted}, {Kind: backup.StepStarted, Step: &step}, {Kind: backup.StepEnded, Step: &step}, {Kind: backup.RunEnded},
				} {
					e.Run, e.Target, e.Time = run, me, start
					if err := store.Observe(context.Background(), e); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	group.Wait()
	store := openStore(t, path, now)
	runs, err := store.Runs(t.Context(), Query{})
	if err != nil || len(runs) != writers*each || store.SetAside() != "" {
		t.Fatalf("%d runs, %v, set aside %q", len(runs), err, store.SetAside())
	}
	for _, run := range runs {
		if len(run.Steps) != 1 {
			t.Errorf("run %s has %d steps", run.ID, len(run.Steps))
		}
	}
}

func TestReaderBesideAWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "odd ?#%41&name", "history.db")
	c := &clock{start}
	if _, err := OpenReader(t.Context(), path, c.now); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("no history yet: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal("reading made a folder")
	}
	writer := openStore(t, path, c.now)
	count := func(want int) {
		t.Helper()
		reader, err := OpenReader(t.Context(), path, c.now)
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
		runs, err := reader.Runs(t.Context(), Query{})
		if err != nil || len(runs) != want {
			t.Errorf("%d runs, %v, want %d", len(runs), err, want)
		}
		if err := reader.Save(t.Context(), target("home", "/repo"), backup.Last{}); err == nil {
			t.Error("a reader wrote")
		}
	}
	count(0)
	succeed(t, writer, c, target("home", "/repo"), "run-1")
	err := writer.write(t.Context(), false, func(tx *sql.Tx) error { // in the middle of a transaction
		_, err := tx.Exec("DELETE FROM runs")
		count(1)
		return errors.Join(err, errors.New("not after all"))
	})
	if err == nil {
		t.Error("the error of the deed is lost")
	}
	writer.Close()
	count(1)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// A run that was killed between two steps is dead at once if its process is gone; if that lives, it may be about to
// say that it ended.
func TestProcessOfARun(t *testing.T) {
	for name, test := range map[string]struct {
		process string
		gone    bool
	}{
		"it lives":                 {thisProcess(), false},
		"gone":                     {"2147483646 5 " + machine.BootID(), true},
		"its number is another's":  {fmt.Sprintf("%d 1 %s", os.Getpid(), machine.BootID()), true},
		"before this boot":         {fmt.Sprintf("%d 1 another", os.Getpid()), true},
		"nothing is known of it":   {"", false},
		"what is known is rubbish": {"x", false},
	} {
		if got := gone(test.process); got != test.gone {
			t.Errorf("%s: gone %v", name, got)
		}
	}
}
