package status

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

func job(name string, repositories ...string) *backup.Job {
	j := &backup.Job{Name: name, Every: 24 * time.Hour, StaleAfter: 30 * time.Hour, Sources: []string{"/secret-source"}}
	for _, location := range repositories {
		j.Repositories = append(j.Repositories, backup.Repository{Name: filepath.Base(location), Location: location})
	}
	return j
}

// observer tells a Writer of runs.
type observer struct {
	t *testing.T
	Writer
	target backup.Target
	clock  time.Time
}

func newObserver(t *testing.T, state string, j *backup.Job) *observer {
	o := &observer{t: t, target: backup.Target{Job: j, Repository: j.Repositories[0]}, clock: now}
	o.Writer = Writer{State: state, Now: func() time.Time { return o.clock }}
	return o
}

func (o *observer) tell(kind backup.EventKind, run backup.Run) {
	o.t.Helper()
	err := o.Observe(o.t.Context(), backup.Event{Kind: kind, Time: o.clock, Run: run, Target: o.target})
	if err != nil {
		o.t.Fatal(err)
	}
}

// row is the only row of the only job.
func (o *observer) row() Row {
	o.t.Helper()
	files, errs := Read(o.State)
	if len(errs) > 0 || len(files) != 1 {
		o.t.Fatalf("%d files, %v", len(files), errs)
	}
	rows := Judge(files[0], o.clock, true)
	if len(rows) != 1 {
		o.t.Fatalf("%d rows", len(rows))
	}
	return rows[0]
}

func (o *observer) run(id string, outcome backup.Outcome) backup.Run {
	began := o.clock
	o.clock = o.clock.Add(10 * time.Minute)
	create := backup.StepResult{Step: backup.Create, Outcome: outcome, Started: began, Ended: o.clock, Attempts: 1}
	if outcome == backup.Succeeded {
		create.Report = backup.Report{
			Archive: &backup.Archive{Name: "home-" + id, ID: "x", Time: began}, Files: 1, OriginalSize: 2, DeduplicatedSize: 3, RepositorySize: 4,
		}
	}
	return backup.Run{ID: id, Job: o.target.Job.Name, Outcome: outcome, Started: began, Ended: o.clock, Steps: []backup.StepResult{create}}
}

func TestLifeOfAJob(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	o := newObserver(t, state, job("home", "/srv/nas"))
	if err := FirstSeen(state, *o.target.Job, now); err != nil {
		t.Fatal(err)
	}
	if row := o.row(); row.State != Never || row.Job != "home" || row.Repository != "nas" || row.NextDue != nil {
		t.Errorf("first seen: %+v", row)
	}

	first := o.run("1", backup.Succeeded)
	o.tell(backup.RunStarted, first)
	if row := o.row(); !row.Running || row.State != Never {
		t.Errorf("running: %+v", row)
	}
	o.tell(backup.RunEnded, first)
	ended := o.clock
	due, age := now.Add(24*time.Hour-2*time.Hour), int64(0)
	want := Row{
		Job: "home", Repository: "nas", State: OK, LastSuccess: &ended, Age: &age, NextDue: &due, Notes: []string{},
		LastRun: &LastRun{ID: "1", Outcome: backup.Succeeded, Started: now, Ended: ended, Attempts: 1},
		Figures: Figures{Archive: "home-1", Files: 1, OriginalSize: 2, DeduplicatedSize: 3, RepositorySize: 4},
		ID:      recordID(o.target.Job, o.target.Repository), StaleAfter: 30 * time.Hour, Steps: map[backup.Step]time.Time{backup.Create: now},
	}
	if diff := cmp.Diff(want, o.row()); diff != "" {
		t.Errorf("after a success (-want +got):\n%s", diff)
	}

	for i, outcome := range []backup.Outcome{backup.Skipped, backup.Locked} {
		o.clock = now.Add(time.Duration(i+1) * time.Hour)
		run := backup.Run{ID: fmt.Sprint("w", i), Outcome: outcome, Started: o.clock, Ended: o.clock, Problem: "on battery"}
		o.tell(backup.RunEnded, run)
	}
	row := o.row()
	waiting := &Waiting{Outcome: backup.Locked, Reason: "on battery", Since: now.Add(time.Hour), Count: 2}
	if diff := cmp.Diff(waiting, row.Waiting); diff != "" || row.State != OK || row.LastRun.ID != "1" {
		t.Errorf("waiting (-want +got):\n%s%+v", diff, row)
	}

	o.clock = now.Add(24 * time.Hour)
	failed := o.run("2", backup.Failed)
	failed.Problem = "create: /secret-source"
	failed.Steps[0].Problem = failed.Problem
	o.tell(backup.RunEnded, failed)
	row = o.row()
	if row.State != Failed || row.Problem != "create failed" || row.Waiting != nil || !row.LastSuccess.Equal(ended) || row.Archive != "home-1" {
		t.Errorf("after a failure: %+v", row)
	}

	o.clock = now.Add(48 * time.Hour)
	o.tell(backup.RunEnded, o.run("3", backup.Succeeded))
	if row := o.row(); row.State != OK || row.Archive != "home-3" {
		t.Errorf("after it was mended: %+v", row)
	}
	if err := FirstSeen(state, *o.target.Job, o.clock); err != nil {
		t.Fatal(err)
	}
	if row := o.row(); row.Archive != "home-3" {
		t.Errorf("seen again, it began anew: %+v", row)
	}
	text, err := os.ReadFile(path(state, "home"))
	if err != nil || strings.Contains(string(text), "secret-source") || strings.Contains(string(text), "/srv") {
		t.Errorf("%v, the file says where things are:\n%s", err, text)
	}
	info, err := os.Stat(path(state, "home"))
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestGuardAndAlarm(t *testing.T) {
	o := newObserver(t, t.TempDir(), job("home", "/srv/nas"))
	o.tell(backup.RunEnded, o.run("1", backup.Succeeded))
	good := *o.row().LastSuccess

	o.clock = now.Add(24 * time.Hour)
	breached := o.run("2", backup.Succeeded)
	breached.Outcome, breached.Steps[0].Outcome, breached.Steps[0].Breached = backup.Warned, backup.Warned, true
	breached.Steps[0].Problem = "guard: 0 files are fewer than 1"
	o.tell(backup.RunEnded, breached)
	if row := o.row(); row.State != Warning || row.Problem != "guard: 0 files are fewer than 1" || !row.LastSuccess.Equal(good) || row.Archive != "home-1" {
		t.Errorf("a breached guard: %+v", row)
	}

	check := func(id string, outcome backup.Outcome, alarm, whole bool) {
		o.clock = o.clock.Add(time.Hour)
		run := o.run(id, backup.Succeeded)
		run.Outcome = outcome
		run.Steps = append(run.Steps, backup.StepResult{
			Step: backup.Check, Outcome: outcome, Attempts: 1, Alarm: alarm, Problem: "check: the repository is damaged",
			Report: backup.Report{CheckedRepository: true, CheckedAll: whole}, Started: o.clock, Ended: o.clock,
		})
		o.tell(backup.RunEnded, run)
	}
	check("3", backup.Failed, true, false)
	since := o.clock
	o.clock = o.clock.Add(time.Hour)
	o.tell(backup.RunEnded, o.run("4", backup.Succeeded))
	row := o.row()
	want := &Alarm{Since: since, Problem: "check: the repository is damaged"}
	if diff := cmp.Diff(want, row.Alarm); diff != "" || row.State != Failed || row.Archive != "home-4" {
		t.Errorf("alarm (-want +got):\n%s%+v", diff, row)
	}
	check("5", backup.Succeeded, false, false)
	if o.row().Alarm == nil {
		t.Error("a check of a part ended the alarm")
	}
	check("6", backup.Succeeded, false, true)
	if row := o.row(); row.Alarm != nil || row.State != OK {
		t.Errorf("after a clean check: %+v", row)
	}
}

func TestRunningIsNotBelievedOfTheDead(t *testing.T) {
	o := newObserver(t, t.TempDir(), job("home", "/srv/nas"))
	run := o.run("1", backup.Succeeded)
	o.tell(backup.RunStarted, run)
	text, err := os.ReadFile(path(o.State, "home"))
	if err != nil {
		t.Fatal(err)
	}
	me := thisProcess()
	for name, other := range map[string]Running{
		"the same":       *me,
		"another boot":   {PID: me.PID, Boot: "another", Start: me.Start},
		"number reused":  {PID: me.PID, Boot: me.Boot, Start: me.Start + 1},
		"no such number": {PID: 1 << 30, Boot: me.Boot, Start: me.Start},
		"no number":      {Boot: me.Boot},
	} {
		var file File
		if err := json.Unmarshal(text, &file); err != nil {
			t.Fatal(err)
		}
		file.Repositories[0].Running = &other
		changed, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path(o.State, "home"), changed, 0o644); err != nil {
			t.Fatal(err)
		}
		if got := o.row().Running; got != (name == "the same") {
			t.Errorf("%s: running is %t", name, got)
		}
	}
	// Another run that found the lock held does not end the one that is on.
	if err := os.WriteFile(path(o.State, "home"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	o.tell(backup.RunEnded, backup.Run{ID: "2", Outcome: backup.Locked})
	if !o.row().Running {
		t.Error("the run that is on is not running")
	}
	o.tell(backup.RunEnded, run)
	if o.row().Running {
		t.Error("a run that ended is running")
	}
}

func TestRepositoriesThatGoAndCome(t *testing.T) {
	state := t.TempDir()
	states := func() (states []State) {
		files, errs := Read(state)
		if len(files) != 1 || len(errs) > 0 {
			t.Fatal(files, errs)
		}
		for _, row := range Judge(files[0], now, true) {
			states = append(states, row.State)
		}
		return states
	}
	see := func(j *backup.Job, want ...State) {
		t.Helper()
		if err := FirstSeen(state, *j, now); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, states()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	both := job("home", "/srv/nas", "/mnt/usb")
	both.Repositories[0].Name, both.Repositories[1].Name = "", "" // both are called by the job
	see(both, Never, Never)
	one := *both
	one.Repositories = both.Repositories[1:]
	see(&one, Gone, Never)
	see(job("home"), Gone, Never) // nothing known: its configuration is wrong
	// A run on the one that is named with --repository says nothing of the other.
	o := newObserver(t, state, both)
	o.tell(backup.RunEnded, o.run("1", backup.Succeeded))
	if diff := cmp.Diff([]State{OK, Never}, states()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDamagedFileIsSetAside(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"garbage":     func(path string) error { return os.WriteFile(path, []byte("garbage"), 0o644) },
		"empty":       func(path string) error { return os.WriteFile(path, nil, 0o644) },
		"truncated":   func(path string) error { return os.Truncate(path, 100) },
		"another job": func(path string) error { return os.WriteFile(path, []byte(`{"version":1,"job":"work"}`), 0o644) },
		"newer":       func(path string) error { return os.WriteFile(path, []byte(`{"version":2,"job":"home"}`), 0o644) },
		"a folder":    func(path string) error { return os.Rename(filepath.Dir(path)+"/folder", path) },
		"a link":      func(path string) error { return os.Symlink("/etc/passwd", path) },
		"too big":     func(path string) error { return os.Truncate(path, 2<<20) },
	} {
		t.Run(name, func(t *testing.T) {
			o := newObserver(t, t.TempDir(), job("home", "/srv/nas"))
			o.tell(backup.RunEnded, o.run("1", backup.Succeeded))
			if err := os.Mkdir(filepath.Join(folder(o.State), "folder"), 0o755); err != nil {
				t.Fatal(err)
			}
			if name == "a link" || name == "a folder" {
				if err := os.Remove(path(o.State, "home")); err != nil {
					t.Fatal(err)
				}
			}
			if err := damage(path(o.State, "home")); err != nil {
				t.Fatal(err)
			}
			if _, errs := Read(o.State); len(errs) != 1 {
				t.Errorf("read: %v", errs)
			}
			run := o.run("2", backup.Succeeded)
			err := o.Observe(t.Context(), backup.Event{Kind: backup.RunEnded, Run: run, Target: o.target})
			if err == nil || !strings.Contains(err.Error(), "set aside as "+path(o.State, "home")+".damaged-2026") {
				t.Errorf("said: %v", err)
			}
			if row := o.row(); row.State != OK || row.LastRun.ID != "2" {
				t.Errorf("begun anew: %+v", row)
			}
			aside, err := filepath.Glob(path(o.State, "home") + ".damaged-*")
			if err != nil || len(aside) != 1 {
				t.Errorf("set aside: %q, %v", aside, err)
			}
			o.tell(backup.RunEnded, o.run("3", backup.Succeeded))
		})
	}
}

func TestManyWriters(t *testing.T) {
	state := t.TempDir()
	j := job("home", "/srv/nas", "/mnt/usb", "/mnt/other", "/mnt/fourth")
	w := Writer{State: state, Now: func() time.Time { return now }}
	var group sync.WaitGroup
	const each = 10
	for _, repository := range j.Repositories {
		group.Go(func() {
			for range each {
				e := backup.Event{Kind: backup.RunEnded, Target: backup.Target{Job: j, Repository: repository},
					Run: backup.Run{Outcome: backup.Skipped, Started: now, Ended: now}}
				if err := w.Observe(t.Context(), e); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	files, errs := Read(state)
	if len(files) != 1 || len(errs) > 0 || len(files[0].Repositories) != len(j.Repositories) {
		t.Fatal(files, errs)
	}
	for _, row := range Judge(files[0], now, true) {
		if row.Waiting.Count != each {
			t.Errorf("%s: %d of %d are noted", row.Repository, row.Waiting.Count, each)
		}
	}
}

func TestRead(t *testing.T) {
	state := t.TempDir()
	if files, errs := Read(state); len(files)+len(errs) > 0 {
		t.Errorf("no folder: %v, %v", files, errs)
	}
	for _, name := range []string{"work", "home"} {
		if err := FirstSeen(state, *job(name, "/srv/nas"), now); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"x.json.damaged-20260301T120000Z", ".home.json123", "README", "-x.json"} {
		if err := os.WriteFile(filepath.Join(folder(state), name), []byte("{"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, errs := Read(state)
	if len(files) != 2 || len(errs) > 0 || files[0].Job != "home" || files[1].Job != "work" {
		t.Errorf("%+v, %v", files, errs)
	}
	if err := os.RemoveAll(folder(state)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(folder(state), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, errs := Read(state); len(errs) != 1 {
		t.Errorf("the folder is a file: %v", errs)
	}
	if err := FirstSeen(state, *job("home", "/srv/nas"), now); err == nil {
		t.Error("the folder is a file: no error")
	}
}

func FuzzParse(f *testing.F) {
	whole := File{Version: version, Job: "home", FirstSeen: now, Repositories: []Record{{
		ID: "abc", Repository: "nas", FirstSeen: now, StaleAfter: 3600, SuccessBegan: now, SuccessEnded: now, NextDue: now, Failures: 1,
		FailedEnded: now, Held: "x", Alarm: &Alarm{now, "x"}, LastRun: &LastRun{ID: "1", Outcome: backup.Failed, Started: now, Ended: now},
		Waiting: &Waiting{Outcome: backup.Locked, Since: now, Count: 1}, Running: thisProcess(), Figures: Figures{Archive: "a"}, Notes: []string{"n"},
	}}}
	seed, err := json.Marshal(whole)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(`{"version":1,"job":"home","repositories":[{"stale_after":-1}]}`))
	f.Add([]byte(`{"version":1,"job":"home","repositories":[{"success_ended":"9999-12-31T23:59:59Z","stale_after":9223372036854775807}]}`))
	f.Add([]byte(`{"version":1,"job":"home","repositories":[{"last_run":{"outcome":"none"}}]}`))
	f.Add([]byte(`{"version":1,"job":"home","repositories":[null,{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := parse(data, "home")
		if err != nil {
			return
		}
		for _, row := range Judge(file, now, true) {
			if row.Age != nil && *row.Age < 0 {
				t.Errorf("a negative age: %+v", row)
			}
			if row.State == OK && (row.LastSuccess == nil || row.Stale || row.Alarm != nil) {
				t.Errorf("green without a reason: %+v", row)
			}
			if _, err := json.Marshal(row); err != nil {
				t.Errorf("cannot be shown: %v", err)
			}
		}
		written, err := json.Marshal(file)
		if err != nil {
			t.Fatalf("cannot be written again: %v", err)
		}
		if _, err := parse(written, "home"); err != nil {
			t.Errorf("cannot be read again: %v", err)
		}
	})
}
