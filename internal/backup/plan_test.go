package backup_test

import (
	"testing"
	"time"

	"borgcron/internal/backup"
)

func TestPlanStep(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	job := backup.Job{
		Retention: backup.Retention{Last: 2},
		Prune:     backup.PruneRule{Every: backup.Every{Always: true}},
		Compact:   backup.CompactRule{Every: backup.Every{Always: true}},
		Check:     backup.CheckRule{Every: backup.Every{Interval: 30 * day}, Repository: true, Archives: true},
	}
	archives := func(n int) []backup.Archive {
		var list []backup.Archive
		for i := range n {
			list = append(list, backup.Archive{Name: string(rune('a' + i)), Time: ago(time.Duration(i) * day)})
		}
		return list
	}
	listing := func(n int, learned time.Time) *backup.Listing {
		return &backup.Listing{Learned: learned, Archives: archives(n)}
	}
	old := backup.Last{FirstSuccess: ago(100 * day)}
	weekly := func(j *backup.Job) { j.Verify.Every = backup.Every{Interval: 7 * day} }
	tests := []struct {
		name   string
		step   backup.Step
		change func(*backup.Job)
		last   backup.Last
		choice backup.Choice
		now    bool
		reason string
	}{
		{name: "create, always", step: backup.Create, now: true, reason: "every run makes an archive"},
		{name: "left out", step: backup.Create, choice: backup.Choice{Skip: []backup.Step{backup.Create}}, reason: "left out by --skip"},
		{name: "not named", step: backup.Create, choice: backup.Choice{Only: []backup.Step{backup.Check}}, reason: "not named by --only"},

		{name: "check counts from the first backup", step: backup.Check, reason: "counts from the first backup"},
		{name: "check named", step: backup.Check, choice: backup.Choice{Only: []backup.Step{backup.Check}}, now: true, reason: "named by --only"},
		{name: "check not yet", step: backup.Check, last: backup.Last{FirstSuccess: ago(20 * day)}, reason: "check.every: last 20d ago, every 30d"},
		{name: "check due", step: backup.Check, last: old, now: true, reason: "check.every: last 100d ago, every 30d"},
		{name: "check never", step: backup.Check, change: func(j *backup.Job) { j.Check.Every = backup.Every{Never: true} }, last: old, reason: "check.every: never"},
		{
			name: "check at once where prune waits for it", step: backup.Check,
			change: func(j *backup.Job) { j.Check.Every = backup.Every{Never: true} },
			last:   backup.Last{Shared: backup.Shared{Suspect: "the history was lost"}}, now: true, reason: "prune waits for it: the history was lost",
		},

		{name: "no retention", step: backup.Prune, change: func(j *backup.Job) { j.Retention = backup.Retention{} }, reason: "no retention is configured: nothing is ever deleted"},
		{name: "nothing falls out", step: backup.Prune, last: backup.Last{Listing: listing(2, ago(day))}, reason: "nothing falls out of the retention"},
		{name: "something falls out", step: backup.Prune, last: backup.Last{Listing: listing(3, ago(day))}, now: true, reason: "archives fall out of the retention"},
		{name: "the list is old", step: backup.Prune, last: backup.Last{Listing: listing(2, ago(8*day))}, now: true, reason: "the list of archives is not known"},
		{name: "a step was cut off", step: backup.Prune, last: backup.Last{Listing: listing(2, ago(day)), Open: backup.Prune}, now: true, reason: "the list of archives is not known"},
		{name: "only prune always runs", step: backup.Prune, last: backup.Last{Listing: listing(2, ago(day))}, choice: backup.Choice{Only: []backup.Step{backup.Prune}}, now: true, reason: "named by --only"},
		{name: "prune held by a guard", step: backup.Prune, last: backup.Last{Held: "it shrank"}, choice: backup.Choice{Only: []backup.Step{backup.Prune}}, reason: "waits until a guard passes: it shrank"},
		{name: "which --yes settles", step: backup.Prune, last: backup.Last{Held: "it shrank"}, choice: backup.Choice{Only: []backup.Step{backup.Prune}, Yes: true}, now: true, reason: "the list of archives is not known"},
		{name: "prune waits for a check", step: backup.Prune, last: backup.Last{Shared: backup.Shared{Suspect: "damage"}}, choice: backup.Choice{Only: []backup.Step{backup.Prune}, Yes: true}, reason: "waits for a clean check of the repository: damage"},
		{
			name: "prune waits for the end of an alarm", step: backup.Prune, choice: backup.Choice{Only: []backup.Step{backup.Prune}, Yes: true},
			last:   backup.Last{Shared: backup.Shared{Alarm: &backup.Alarm{Since: ago(day), Problem: "damage"}}},
			reason: "waits for the end of an alarm since " + ago(day).Format("2006-01-02 15:04") + ": damage",
		},
		{
			name: "prune.every not yet", step: backup.Prune, change: func(j *backup.Job) { j.Prune.Every = backup.Every{Interval: 7 * day} },
			last: backup.Last{Done: map[backup.Step]time.Time{backup.Prune: ago(day)}}, reason: "prune.every: last 1d ago, every 7d",
		},

		{name: "no drills", step: backup.Verify, change: func(j *backup.Job) { j.Verify.Every = backup.Every{Never: true} }, last: backup.Last{FirstSuccess: ago(9 * day)}, reason: "verify.every: never"},
		{
			name: "unless named", step: backup.Verify, change: func(j *backup.Job) { j.Verify.Every = backup.Every{Never: true} },
			choice: backup.Choice{Only: []backup.Step{backup.Verify}}, now: true, reason: "named by --only",
		},
		{name: "drills count from the first backup", step: backup.Verify, change: weekly, reason: "counts from the first backup"},
		{name: "drill not yet", step: backup.Verify, change: weekly, last: backup.Last{FirstSuccess: ago(3 * day)}, reason: "verify.every: last 3d ago, every 7d"},
		{name: "drill due", step: backup.Verify, change: weekly, last: backup.Last{FirstSuccess: ago(8 * day)}, now: true, reason: "verify.every: last 8d ago, every 7d"},
		{
			name: "drill done", step: backup.Verify, change: weekly,
			last: backup.Last{FirstSuccess: ago(80 * day), Done: map[backup.Step]time.Time{backup.Verify: ago(day)}}, reason: "verify.every: last 1d ago, every 7d",
		},

		{name: "nothing deleted", step: backup.Compact, reason: "nothing was deleted since the last one"},
		{name: "deleted", step: backup.Compact, last: backup.Last{Shared: backup.Shared{Deleted: true}}, now: true, reason: "archives were deleted"},
		{name: "compact held", step: backup.Compact, last: backup.Last{Held: "it shrank", Shared: backup.Shared{Deleted: true}}, reason: "waits until a guard passes: it shrank"},
		{name: "compact waits for a check", step: backup.Compact, last: backup.Last{Shared: backup.Shared{Deleted: true, Suspect: "damage"}}, reason: "waits for a clean check of the repository: damage"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			job := job
			if test.change != nil {
				test.change(&job)
			}
			due := backup.PlanStep(test.step, &job, &test.last, test.choice, now)
			if due.Now != test.now || due.Reason != test.reason {
				t.Errorf("PlanStep = %v, %q; want %v, %q", due.Now, due.Reason, test.now, test.reason)
			}
		})
	}
}

// The repository part of a check counts for the repository, the archives for the job.
func TestPlanCheckParts(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	job := backup.Job{Check: backup.CheckRule{Every: backup.Every{Interval: 30 * 24 * time.Hour}, Repository: true, Archives: true}}
	last := backup.Last{FirstSuccess: now.AddDate(0, 0, -100), Shared: backup.Shared{Checked: now.AddDate(0, 0, -1)}}
	due := backup.PlanStep(backup.Check, &job, &last, backup.Choice{}, now)
	if !due.Now || due.Check.Repository || !due.Check.Archives {
		t.Errorf("another job had the repository checked yesterday, so only the archives are due: %+v", due)
	}
	last.Done = map[backup.Step]time.Time{backup.Check: now.AddDate(0, 0, -2)}
	if due := backup.PlanStep(backup.Check, &job, &last, backup.Choice{}, now); due.Now {
		t.Errorf("nothing is due: %+v", due)
	}
	last.Shared.Suspect = "a lock was broken"
	job.Check.MaxDuration = time.Hour
	due = backup.PlanStep(backup.Check, &job, &last, backup.Choice{}, now)
	if !due.Now || !due.Check.Repository || due.Check.MaxDuration != 0 {
		t.Errorf("what waits for a check needs the repository whole: %+v", due)
	}
}

func TestOnlyReads(t *testing.T) {
	for want, all := range map[bool][][]backup.Step{
		true:  {{backup.Check}, {backup.Verify}, {backup.Verify, backup.Check}},
		false: {nil, {backup.Create}, {backup.Verify, backup.Create}, {backup.Prune}, {backup.Check, backup.Compact}},
	} {
		for _, only := range all {
			if got := (backup.Choice{Only: only}).OnlyReads(); got != want {
				t.Errorf("%v: %v", only, got)
			}
		}
	}
}
