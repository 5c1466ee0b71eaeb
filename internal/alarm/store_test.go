package alarm

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

const repository = "ssh://borg@nas.example/./laptop"

var (
	now     = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	finding = backup.Alarm{Since: now, Problem: "a chunk is missing", Job: "home", Repository: "nas", Run: "r1", Step: backup.Check}
)

func newStore(t *testing.T) *Store {
	return &Store{Dir: filepath.Join(t.TempDir(), "state", "alarms"), Now: func() time.Time { return now }}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func standing(t *testing.T, s *Store) *backup.Alarm {
	t.Helper()
	alarm, err := s.Standing(repository)
	must(t, err)
	return alarm
}

// files are the paths in the folder that match.
func files(t *testing.T, s *Store, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(s.Dir, pattern))
	must(t, err)
	return names
}

func TestLifeOfAnAlarm(t *testing.T) {
	s := newStore(t)
	if got := standing(t, s); got != nil {
		t.Fatalf("an alarm out of nothing: %+v", got)
	}
	if _, err := os.Lstat(filepath.Dir(s.Dir)); !os.IsNotExist(err) {
		t.Errorf("looking made a folder: %v", err)
	}
	must(t, s.Raise(repository, finding))
	want := finding
	want.Findings = 1
	if diff := cmp.Diff(&want, standing(t, s)); diff != "" {
		t.Errorf("raised, -want +got:\n%s", diff)
	}
	must(t, s.Repaired(repository))
	must(t, s.Raise(repository, backup.Alarm{Since: now.Add(time.Hour), Problem: "an index\nis wrong", Job: "etc", Repository: "nas", Run: "r2", Step: backup.Create}))
	want = backup.Alarm{Since: now, Problem: "an index is wrong", Job: "etc", Repository: "nas", Run: "r2", Step: backup.Create, Repaired: true, Findings: 2, Mixed: true}
	if diff := cmp.Diff(&want, standing(t, s)); diff != "" {
		t.Errorf("raised again, -want +got:\n%s", diff)
	}
	if other, err := s.Standing(repository + "2"); other != nil || err != nil {
		t.Errorf("another repository: %+v, %v", other, err)
	}
	must(t, s.Settle(repository))
	if got := standing(t, s); got != nil {
		t.Errorf("settled: %+v", got)
	}
	kept := files(t, s, "laptop-*.settled-20260301T020000.000Z.json")
	if len(kept) != 1 {
		t.Fatalf("kept: %v", kept)
	}
	if old, err := read(kept[0]); err != nil || cmp.Diff(&want, old) != "" {
		t.Errorf("kept: %+v, %v", old, err)
	}
	must(t, s.Raise(repository, backup.Alarm{Problem: "again"}))
	want = backup.Alarm{Since: now, Problem: "again", Findings: 1}
	if diff := cmp.Diff(&want, standing(t, s)); diff != "" {
		t.Errorf("raised after it was settled, -want +got:\n%s", diff)
	}
}

func TestNothingToSettleOrRepair(t *testing.T) {
	s := newStore(t)
	must(t, s.Settle(repository))
	must(t, s.Repaired(repository))
	if got := standing(t, s); got != nil || len(files(t, s, "*.json")) != 0 {
		t.Errorf("%+v, %v", got, files(t, s, "*"))
	}
}

func TestOnlyTheOwnerReads(t *testing.T) {
	s := newStore(t)
	must(t, s.Raise(repository, finding))
	for path, want := range map[string]os.FileMode{s.Dir: 0o700, s.path(repository): 0o600, filepath.Join(s.Dir, ".lock"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
	if text, err := os.ReadFile(s.path(repository)); err != nil || !strings.Contains(string(text), repository) {
		t.Errorf("the file does not tell its repository: %s, %v", text, err)
	}
}

func TestOldOnesGo(t *testing.T) {
	s := newStore(t)
	clock := now
	s.Now = func() time.Time { return clock }
	for i := range mostKept + 3 {
		f := finding
		f.Run = fmt.Sprint(i)
		must(t, s.Raise(repository, f))
		must(t, s.Settle(repository))
		clock = clock.Add(time.Duration(i%2) * time.Hour) // two at each moment
	}
	kept := files(t, s, "*.settled-*.json")
	if len(kept) != mostKept {
		t.Fatalf("%d are kept", len(kept))
	}
	for i, name := range kept {
		if old, err := read(name); err != nil || old.Run != fmt.Sprint(i+3) {
			t.Errorf("%s: %+v, %v", name, old, err)
		}
	}
	clock = now.Add(-time.Hour) // set back: the newest has the oldest name
	must(t, s.Raise(repository, finding))
	must(t, s.Settle(repository))
	if kept := files(t, s, "*.settled-20260301T010000.000Z.json"); len(kept) != 1 {
		t.Errorf("the newest was not kept: %v", files(t, s, "*"))
	}
}

func TestLostFolder(t *testing.T) {
	s := newStore(t)
	must(t, s.Raise(repository, finding))
	must(t, os.RemoveAll(filepath.Dir(s.Dir)))
	if got := standing(t, s); got != nil {
		t.Errorf("Standing = %+v", got)
	}
	must(t, s.Raise(repository, finding))
	if got := standing(t, s); got == nil || got.Findings != 1 {
		t.Errorf("Standing = %+v", got)
	}
}

// Findings of several processes, and of several parts of each, are all counted, and a reader never finds
// half a file or none.
func TestRaisedByManyAtOnce(t *testing.T) {
	const processes, parts, times = 3, 3, 4
	dir := os.Getenv("ALARM_TEST_DIR")
	if child := dir != ""; !child {
		dir = newStore(t).Dir
		must(t, (&Store{Dir: dir}).Raise(repository, finding))
		var children sync.WaitGroup
		defer func() {
			children.Wait()
			got := standing(t, &Store{Dir: dir})
			if want := 1 + (processes+1)*parts*times; got == nil || got.Findings != want || !got.Since.Equal(now) {
				t.Errorf("Standing = %+v, want %d findings", got, want)
			}
			if left := files(t, &Store{Dir: dir}, "*"); len(left) != 2 {
				t.Errorf("left: %v", left)
			}
		}()
		for range processes {
			children.Go(func() {
				command := exec.Command(os.Args[0], "-test.run=^TestRaisedByManyAtOnce$", "-test.count=1")
				command.Env = append(os.Environ(), "ALARM_TEST_DIR="+dir)
				if output, err := command.CombinedOutput(); err != nil {
					t.Errorf("%v\n%s", err, output)
				}
			})
		}
	}
	var raisers sync.WaitGroup
	for range parts {
		raisers.Go(func() {
			s := &Store{Dir: dir}
			for range times {
				if err := s.Raise(repository, backup.Alarm{Problem: "found again"}); err != nil {
					t.Error(err)
				}
				if got, err := s.Standing(repository); err != nil || got == nil || got.Repaired {
					t.Errorf("Standing = %+v, %v", got, err)
				}
			}
		})
	}
	raisers.Wait()
}
