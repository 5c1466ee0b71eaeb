package backup_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

// archiveNames are those of the listing, nil if it is not known.
func archiveNames(last backup.Last) []string {
	if last.Listing == nil {
		return nil
	}
	names := []string{}
	for _, archive := range last.Listing.Archives {
		names = append(names, archive.Name)
	}
	return names
}

func TestLastEnd(t *testing.T) {
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	archive := &backup.Archive{Name: "new", Time: start}
	made := backup.StepResult{
		Step: backup.Create, Started: start, Ended: start.Add(time.Minute), Attempts: 1,
		Report: backup.Report{Archive: archive, Files: 7, OriginalSize: 70, RepositoryID: "id"},
	}
	with := func(change func(*backup.StepResult)) backup.StepResult {
		result := made
		change(&result)
		return result
	}
	known := backup.Last{Listing: &backup.Listing{Learned: start, Archives: []backup.Archive{{Name: "old"}}}, Open: backup.Create}
	tests := []struct {
		name    string
		last    backup.Last
		result  backup.StepResult
		listing []string
		deleted bool
		held    string
		suspect string
		alarm   string
		success bool
	}{
		{name: "create puts its archive in front", last: known, result: made, listing: []string{"new", "old"}, success: true},
		{name: "without a list there is none", result: made, success: true},
		{name: "an empty repository's list is known", last: backup.Last{Empty: true}, result: made, listing: []string{"new"}, success: true},
		{name: "an attempt before may have left a checkpoint", last: known, result: with(func(r *backup.StepResult) { r.Attempts = 2 }), success: true},
		{name: "a failed create", last: known, result: backup.StepResult{Step: backup.Create, Outcome: backup.Failed, Attempts: 1}},
		{name: "a create not begun", last: known, result: backup.StepResult{Step: backup.Create, Outcome: backup.Skipped}, listing: []string{"old"}},
		{
			name: "a breached guard", last: known, listing: []string{"new", "old"}, held: "guard: too small",
			result: with(func(r *backup.StepResult) {
				r.Outcome, r.Breached, r.Problem = backup.Warned, true, "guard: too small"
			}),
		},
		{name: "one that passes lets go", last: backup.Last{Held: "guard: too small"}, result: made, success: true},
		{
			name: "prune knows best", last: known, deleted: true, listing: []string{"kept"},
			result: backup.StepResult{
				Step: backup.Prune, Attempts: 1,
				Report: backup.Report{Kept: []backup.Archive{{Name: "kept"}}, Deleted: []backup.Archive{{Name: "old"}}},
			},
		},
		{name: "a failed prune may have deleted", last: known, deleted: true, result: backup.StepResult{Step: backup.Prune, Outcome: backup.Failed, Attempts: 1}},
		{name: "compact", last: backup.Last{Shared: backup.Shared{Deleted: true}}, result: backup.StepResult{Step: backup.Compact, Attempts: 1}},
		{
			name: "a clean check", last: backup.Last{Shared: backup.Shared{Suspect: "damage"}},
			result: backup.StepResult{Step: backup.Check, Attempts: 1, Report: backup.Report{CheckedRepository: true}},
		},
		{
			name: "a check of a part clears nothing", last: backup.Last{Shared: backup.Shared{Suspect: "damage"}}, suspect: "damage",
			result: backup.StepResult{Step: backup.Check, Attempts: 1},
		},
		{
			name: "a check of the repository alone ends no alarm", last: backup.Last{Shared: backup.Shared{Alarm: damage}}, alarm: "damage",
			result: backup.StepResult{Step: backup.Check, Attempts: 1, Report: backup.Report{CheckedRepository: true}},
		},
		{
			name: "one of everything does", last: backup.Last{Shared: backup.Shared{Alarm: damage}},
			result: backup.StepResult{Step: backup.Check, Attempts: 1, Report: backup.Report{CheckedRepository: true, CheckedAll: true}},
		},
		{
			name: "but not after a repair", alarm: "damage", last: backup.Last{Shared: backup.Shared{Alarm: &backup.Alarm{Problem: "damage", Repaired: true}}},
			result: backup.StepResult{Step: backup.Check, Attempts: 1, Report: backup.Report{CheckedRepository: true, CheckedAll: true}},
		},
		{
			name: "nor what a verify found", alarm: "damage", last: backup.Last{Shared: backup.Shared{Alarm: &backup.Alarm{Problem: "damage", Step: backup.Verify}}},
			result: backup.StepResult{Step: backup.Check, Attempts: 1, Report: backup.Report{CheckedRepository: true, CheckedAll: true}},
		},
		{
			name: "damage", alarm: "check: damage",
			result: backup.StepResult{Step: backup.Check, Attempts: 1, Outcome: backup.Failed, Alarm: true, Problem: "check: damage"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			job := backup.Job{Sources: []string{"/home"}}
			last := test.last
			last.End(&job, test.result)
			if diff := cmp.Diff(test.listing, archiveNames(last)); diff != "" {
				t.Errorf("listing (-want +got):\n%s", diff)
			}
			if last.Open != "" || last.Shared.Deleted != test.deleted || last.Held != test.held || last.Shared.Suspect != test.suspect || problem(last.Shared.Alarm) != test.alarm {
				t.Errorf("open %q, held %q, shared %+v", last.Open, last.Held, last.Shared)
			}
			if got := !last.SuccessBegan.IsZero(); got != test.success {
				t.Errorf("a success: %v", got)
			}
			if test.success && (last.Measure == nil || last.Measure.Files != 7 || last.Measure.Fingerprint != job.Fingerprint()) {
				t.Errorf("measure %+v", last.Measure)
			}
		})
	}
}

func TestLastEndRun(t *testing.T) {
	end := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	create := func(outcome backup.Outcome) []backup.StepResult {
		return []backup.StepResult{{Step: backup.Create, Outcome: outcome}}
	}
	last := backup.Last{}
	for i, step := range []struct {
		run      backup.Run
		failures int
	}{
		{backup.Run{Outcome: backup.Failed, Steps: create(backup.Failed)}, 1},
		{backup.Run{Outcome: backup.Failed}, 2}, // before borg was started
		{backup.Run{Outcome: backup.Skipped}, 2},
		{backup.Run{Outcome: backup.Interrupted, Steps: create(backup.Interrupted)}, 2}, // still due
		{backup.Run{Outcome: backup.Failed, Steps: append(create(backup.Skipped), backup.StepResult{Step: backup.Verify, Outcome: backup.Failed})}, 2},  // by itself
		{backup.Run{Outcome: backup.Failed, Steps: append(create(backup.Skipped), backup.StepResult{Step: backup.Verify, Outcome: backup.Skipped})}, 3}, // ended before
		{backup.Run{Outcome: backup.Failed, Steps: create(backup.Succeeded)}, 0},                                                                        // a later step failed
	} {
		step.run.Ended = end
		last.EndRun(step.run)
		if last.Failures != step.failures {
			t.Errorf("after run %d: %d failures, want %d", i, last.Failures, step.failures)
		}
	}
}

// Another repository at the same place: what was known of the first one's archives is not true of it.
func TestAnotherRepository(t *testing.T) {
	last := backup.Last{
		Listing: &backup.Listing{Archives: []backup.Archive{{Name: "old"}}},
		Shared:  backup.Shared{ID: "first", Checked: time.Now(), Deleted: true, Alarm: damage},
	}
	last.End(&backup.Job{}, backup.StepResult{
		Step: backup.Create, Attempts: 1, Report: backup.Report{RepositoryID: "second", Archive: &backup.Archive{Name: "new"}},
	})
	want := backup.Shared{ID: "second", Alarm: damage}
	if diff := cmp.Diff(want, last.Shared); diff != "" || last.Listing != nil {
		t.Errorf("shared (-want +got):\n%s, listing %v", diff, last.Listing)
	}
}

var damage = &backup.Alarm{Problem: "damage", Step: backup.Check}

// problem is what is wrong, "" if there is no alarm.
func problem(alarm *backup.Alarm) string {
	if alarm == nil {
		return ""
	}
	return alarm.Problem
}

// An alarm stands from its first finding on, and the graver way to end it stays.
func TestEndWithAlarm(t *testing.T) {
	first := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	last := backup.Last{Shared: backup.Shared{Alarm: &backup.Alarm{Since: first, Problem: "a file differs", Step: backup.Verify, Repaired: true, Findings: 1}}}
	last.End(&backup.Job{Name: "home"}, backup.StepResult{
		Step: backup.Check, Outcome: backup.Failed, Attempts: 1, Alarm: true, Problem: "check: damage", Ended: first.Add(time.Hour),
	})
	want := &backup.Alarm{Since: first, Problem: "check: damage", Job: "home", Step: backup.Verify, Repaired: true, Findings: 2, Mixed: true}
	if diff := cmp.Diff(want, last.Shared.Alarm); diff != "" {
		t.Errorf("alarm (-want +got):\n%s", diff)
	}
}

// A full drill that finds nothing ends what its like has found; a smaller one, a warning, or another step does not.
func TestEndOfAlarmByDrill(t *testing.T) {
	drill := func(full bool) backup.Report { return backup.Report{Drill: &backup.Drill{Full: full}} }
	for name, test := range map[string]struct {
		result backup.StepResult
		ends   bool
	}{
		"full":           {backup.StepResult{Step: backup.Verify, Attempts: 1, Report: drill(true)}, true},
		"not full":       {backup.StepResult{Step: backup.Verify, Attempts: 1, Report: drill(false)}, false},
		"source differs": {backup.StepResult{Step: backup.Verify, Attempts: 1, Report: drill(true), Outcome: backup.Warned}, false},
		"failed":         {backup.StepResult{Step: backup.Verify, Attempts: 1, Report: drill(true), Outcome: backup.Failed}, false},
		"not begun":      {backup.StepResult{Step: backup.Verify, Outcome: backup.Skipped}, false},
	} {
		last := backup.Last{Shared: backup.Shared{Alarm: &backup.Alarm{Job: "home", Step: backup.Verify, Problem: "lost"}}}
		last.End(&backup.Job{Name: "home"}, test.result)
		if (last.Shared.Alarm == nil) != test.ends {
			t.Errorf("%s: %+v", name, last.Shared.Alarm)
		}
	}
}

// A borg that was cut off may have left a lock behind until one of ours succeeds on the repository.
func TestCut(t *testing.T) {
	when := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	last, job := backup.Last{}, &backup.Job{}
	last.End(job, backup.StepResult{Step: backup.Compact, Outcome: backup.Failed, Attempts: 2, Cut: when})
	if diff := cmp.Diff(&backup.Cut{Step: backup.Compact, At: when}, last.Shared.Cut); diff != "" {
		t.Fatalf("cut (-want +got):\n%s", diff)
	}
	last.End(job, backup.StepResult{Step: backup.Create, Outcome: backup.Failed, Attempts: 1})
	last.End(job, backup.StepResult{Step: backup.Prune, Outcome: backup.Skipped})
	if last.Shared.Cut == nil {
		t.Fatal("what failed, and what was not begun, shows nothing")
	}
	last.End(job, backup.StepResult{Step: backup.Create, Outcome: backup.Succeeded, Attempts: 3, Cut: when, Report: backup.Report{Archive: &backup.Archive{}}})
	if last.Shared.Cut != nil {
		t.Error("a success shows that nothing is locked")
	}
}

// What the owner has acknowledged holds nothing back any more, and is the measure of the next archive.
func TestAcknowledge(t *testing.T) {
	job := &backup.Job{Sources: []string{"/home"}}
	last := backup.Last{Measure: &backup.Measure{Files: 1000}}
	last.End(job, backup.StepResult{
		Step: backup.Create, Outcome: backup.Warned, Attempts: 1, Breached: true, Problem: "guard: it shrank",
		Report: backup.Report{Archive: &backup.Archive{Name: "small"}, Files: 7},
	})
	last.End(job, backup.StepResult{Step: backup.Prune, Outcome: backup.Warned, Refused: true, Problem: "prune: too much"})
	if last.Held == "" || last.Refused == "" || last.Allowed || last.Measure.Files != 1000 {
		t.Fatalf("nothing is held back: %+v", last)
	}
	if !last.Acknowledge() || last.Held != "" || last.Refused != "" || !last.Allowed || last.Measure.Files != 7 {
		t.Fatalf("acknowledged, and still: %+v", last)
	}
	if last.Acknowledge() {
		t.Error("there is nothing left to settle")
	}
	last.End(job, backup.StepResult{Step: backup.Prune, Outcome: backup.Succeeded, Attempts: 1})
	if last.Allowed {
		t.Error("it allows one prune, not all to come")
	}
}

// What a compact began on the server may go on although a milder step was cut off since.
func TestGraverCutStays(t *testing.T) {
	when := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	last, job := backup.Last{}, &backup.Job{}
	last.End(job, backup.StepResult{Step: backup.Compact, Outcome: backup.Failed, Attempts: 1, Cut: when})
	last.End(job, backup.StepResult{Step: backup.Create, Outcome: backup.Failed, Attempts: 1, Cut: when.Add(time.Hour)})
	if diff := cmp.Diff(&backup.Cut{Step: backup.Compact, At: when.Add(time.Hour)}, last.Shared.Cut); diff != "" {
		t.Errorf("cut (-want +got):\n%s", diff)
	}
}

// A prune that was refused on borg's own list was not done.
func TestRefusedIsNotDone(t *testing.T) {
	last := backup.Last{}
	last.End(&backup.Job{}, backup.StepResult{Step: backup.Prune, Outcome: backup.Warned, Attempts: 1, Refused: true, Problem: "too much", Started: time.Now()})
	if _, done := last.Done[backup.Prune]; done || last.Refused == "" {
		t.Errorf("done %v, refused %q", last.Done, last.Refused)
	}
}
