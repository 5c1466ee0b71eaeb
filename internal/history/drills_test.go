package history

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

// What was read back is known by job, repository and path, and for two years.
func TestReadBack(t *testing.T) {
	c := &clock{start}
	store := openStore(t, filepath.Join(t.TempDir(), "history.db"), c.now)
	home, etc, elsewhere := target("home", "/mnt/nas"), target("etc", "/mnt/nas"), target("home", "/mnt/usb")
	note := func(of backup.Target, at time.Time, paths ...string) {
		t.Helper()
		if err := store.NoteReadBack(t.Context(), of, paths, at); err != nil {
			t.Fatal(err)
		}
	}
	read := func(of backup.Target, path string) time.Time {
		t.Helper()
		known, err := store.ReadBack(t.Context(), of)
		if err != nil {
			t.Fatal(err)
		}
		return known(path)
	}
	odd := "home/n\xffot UTF-8\n"
	note(home, start, "home/a", odd)
	note(home, start.Add(time.Hour), "home/a")
	note(etc, start, "home/b")
	for _, test := range []struct {
		of   backup.Target
		path string
		want time.Time
	}{
		{home, "home/a", start.Add(time.Hour)},
		{home, odd, start},
		{home, "home/n\xfeot UTF-8\n", time.Time{}},
		{home, "home/b", time.Time{}},
		{etc, "home/b", start},
		{elsewhere, "home/a", time.Time{}},
	} {
		if got := read(test.of, test.path); !got.Equal(test.want) {
			t.Errorf("%s of %s at %s: %v, want %v", test.path, test.of.Job.Name, test.of.Repository.Location, got, test.want)
		}
	}
	note(home, start.Add(keepReadBack+time.Minute), "home/c") // what other jobs have read goes as well: they may be no more
	if got := read(etc, "home/b"); !got.IsZero() {
		t.Errorf("after two years: %v", got)
	}
	if got := read(home, "home/a"); got.IsZero() {
		t.Error("what is younger is gone too")
	}
}

// A full drill of many files is noted whole.
func TestReadBackMany(t *testing.T) {
	c := &clock{start}
	store := openStore(t, filepath.Join(t.TempDir(), "history.db"), c.now)
	paths := make([]string, 10_001) // more than are written at a time
	for i := range paths {
		paths[i] = fmt.Sprint(i)
	}
	if err := store.NoteReadBack(t.Context(), target("home", "/mnt/nas"), paths, start); err != nil {
		t.Fatal(err)
	}
	known, err := store.ReadBack(t.Context(), target("home", "/mnt/nas"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if known(path).IsZero() {
			t.Fatalf("%s is not known", path)
		}
	}
}

// The figures of a drill come back as they were, with the step they belong to; other steps have none.
func TestDrillOnRecord(t *testing.T) {
	c := &clock{start}
	store := openStore(t, filepath.Join(t.TempDir(), "history.db"), c.now)
	s := newScript(t, store, c, target("home", "/mnt/nas"), "r1")
	s.begin()
	check := s.beginStep(backup.Check)
	s.endStep(check)
	want := &backup.Drill{
		Archive: "vm-home-1", Full: true, Seed: 1<<52 - 1, Of: 9, Files: 8, Size: 1 << 40, Compared: 7, Differ: 1, Dumps: 2, Recent: 8,
		Took: backup.Seconds(1500 * time.Millisecond),
	}
	verify := s.beginStep(backup.Verify)
	verify.Report.Drill = want
	s.endStep(verify)
	s.end()
	run, err := store.Run(t.Context(), "r1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, run.Result(backup.Verify).Report.Drill); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := run.Result(backup.Check).Report.Drill; got != nil {
		t.Errorf("a check with a drill: %+v", got)
	}
}
