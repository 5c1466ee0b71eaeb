package status

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

func TestJudge(t *testing.T) {
	run := func(outcome backup.Outcome) *LastRun {
		return &LastRun{ID: "1", Outcome: outcome, Problem: "the run's problem"}
	}
	good := Record{FirstSeen: ago(1000 * time.Hour), StaleAfter: 30 * 3600, SuccessEnded: ago(time.Hour), LastRun: run(backup.Succeeded)}
	for _, test := range []struct {
		name    string
		change  func(*Record)
		state   State
		stale   bool
		problem string
		age     any // seconds, nil for none
		notes   int
	}{
		{"good", func(*Record) {}, OK, false, "", 3600, 0},
		{"with tolerated warnings", func(r *Record) { r.LastRun.Problem = "" }, OK, false, "", 3600, 0},
		{"warned", func(r *Record) { r.LastRun = run(backup.Warned) }, Warning, false, "the run's problem", 3600, 0},
		{"failed", func(r *Record) { r.LastRun = run(backup.Failed) }, Failed, false, "the run's problem", 3600, 0},
		{"cut off", func(r *Record) { r.LastRun = run(backup.Interrupted) }, Failed, false, "the run's problem", 3600, 0},
		{"alarm", func(r *Record) { r.Alarm = &Alarm{ago(time.Hour), "damaged"} }, Failed, false, "alarm since 2026-03-01 11:00: damaged", 3600, 0},
		{"alarm before a failure", func(r *Record) { r.LastRun, r.Alarm = run(backup.Failed), &Alarm{ago(time.Hour), "damaged"} },
			Failed, false, "alarm since 2026-03-01 11:00: damaged", 3600, 0},
		{"not stale yet", func(r *Record) { r.SuccessEnded = ago(30 * time.Hour) }, OK, false, "", 108000, 0},
		{"stale", func(r *Record) { r.SuccessEnded = ago(30*time.Hour + time.Second) }, Stale, true, "the last success is more than 1d6h old", 108001, 0},
		{"stale before a warning", func(r *Record) { r.SuccessEnded, r.LastRun = ago(31*time.Hour), run(backup.Warned) },
			Stale, true, "the last success is more than 1d6h old", 111600, 0},
		{"failed before stale", func(r *Record) { r.SuccessEnded, r.LastRun = ago(31*time.Hour), run(backup.Failed) },
			Failed, true, "the run's problem", 111600, 0},
		{"never", func(r *Record) { r.SuccessEnded, r.FirstSeen, r.LastRun = time.Time{}, ago(29*time.Hour), nil },
			Never, false, "no backup has succeeded yet", nil, 0},
		{"never before a warning", func(r *Record) {
			r.SuccessEnded, r.FirstSeen, r.LastRun = time.Time{}, ago(29*time.Hour), run(backup.Warned)
		}, Never, false, "no backup has succeeded yet", nil, 0},
		{"never for too long", func(r *Record) { r.SuccessEnded, r.FirstSeen, r.LastRun = time.Time{}, ago(31*time.Hour), nil },
			Stale, true, "no backup has succeeded within 1d6h", nil, 0},
		{"a first run that failed", func(r *Record) { r.SuccessEnded, r.LastRun = time.Time{}, run(backup.Failed) },
			Failed, true, "the run's problem", nil, 0},
		{"a little in the future", func(r *Record) { r.SuccessEnded = ago(-23 * time.Hour) }, OK, false, "", 0, 0},
		{"far in the future", func(r *Record) { r.SuccessEnded = ago(-25 * time.Hour) }, Stale, true, "no backup has succeeded within 1d6h", nil, 1},
		{"far in the future, new", func(r *Record) { r.SuccessEnded, r.FirstSeen = ago(-25*time.Hour), ago(time.Hour) },
			Never, false, "no backup has succeeded yet", nil, 1},
		{"first seen far in the future", func(r *Record) { r.SuccessEnded, r.FirstSeen = time.Time{}, ago(-48*time.Hour) },
			Stale, true, "no backup has succeeded within 1d6h", nil, 1},
		{"waiting", func(r *Record) { r.Waiting = &Waiting{Outcome: backup.Skipped, Count: 3} }, OK, false, "", 3600, 0},
		{"repository gone", func(r *Record) { r.Gone, r.LastRun = true, run(backup.Failed) }, Gone, false, "", 3600, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			record := good
			success := *good.LastRun
			record.LastRun = &success
			test.change(&record)
			rows := Judge(File{Job: "home", Repositories: []Record{record}}, now, true)
			if len(rows) != 1 {
				t.Fatalf("%d rows", len(rows))
			}
			row := rows[0]
			if row.State != test.state || row.Stale != test.stale || row.Problem != test.problem || len(row.Notes) != test.notes {
				t.Errorf("got %s, stale %t, problem %q, notes %q", row.State, row.Stale, row.Problem, row.Notes)
			}
			switch {
			case test.age == nil && (row.Age != nil || row.LastSuccess != nil):
				t.Errorf("a success %v ago at %v", *row.Age, *row.LastSuccess)
			case test.age != nil && (row.Age == nil || *row.Age != int64(test.age.(int)) || row.LastSuccess == nil):
				t.Errorf("age %v, want %v", row.Age, test.age)
			}
			if gone := Judge(File{Job: "home", Repositories: []Record{record}}, now, false)[0]; gone.State != Gone || gone.Problem != "" {
				t.Errorf("not configured: %s, %q", gone.State, gone.Problem)
			}
		})
	}
}

func TestWorst(t *testing.T) {
	for _, test := range []struct {
		states []State
		want   State
	}{
		{nil, Never},
		{[]State{Gone}, OK},
		{[]State{OK, Gone}, OK},
		{[]State{OK, Warning}, Warning},
		{[]State{Warning, Never, OK}, Never},
		{[]State{Never, Stale}, Stale},
		{[]State{OK, Failed, Stale}, Failed},
	} {
		var rows []Row
		for _, state := range test.states {
			rows = append(rows, Row{State: state})
		}
		if got := Worst(rows); got != test.want {
			t.Errorf("%v: %s, want %s", test.states, got, test.want)
		}
	}
}

// In a file that everybody can read nothing may tell where something is, or what it is called.
func TestOnlyWordsOfOursArePublic(t *testing.T) {
	nas := backup.Target{Job: &backup.Job{Name: "home"}, Repository: backup.Repository{Name: "nas", Location: "ssh://anna@Vault:22/./x"}}
	for text, public_ := range map[string]bool{
		"": false,
		"create: the repository does not exist (try borgcron init home)":       true,
		"locked by job home (pid 12) since 2026-11-22 10:00:00":                true,
		"guard: 3 files are fewer than min_files (10)":                         false, // in doubt it is not
		"guard: the archive has 3 files, guard.min_files asks for at least 10": true,
		"guard: 1.5GiB is less than 50% of 4GiB":                               true,
		"on battery, at 15%":                                                   true,
		"/home/anna is missing":                                                false,
		"home/anna is missing":                                                 false,
		"~/.ssh is missing":                                                    false,
		"connection to nas.example lost":                                       false,
		"connection to 10.0.0.1 lost":                                          false,
		"connection to fe80::1 lost":                                           false,
		"connection to 1::1 lost":                                              false,
		"connection to vault lost":                                             false,
		"connection of ANNA lost":                                              false,
		"connection to nas lost":                                               true,
		"user@nas said no":                                                     false,
		`file "diary" changed`:                                                 false,
		"diary.txt changed":                                                    false,
		"C:\\x changed":                                                        false,
		"two\nlines":                                                           false,
		"\x1b[31mred":                                                          false,
		"Grüße":                                                                false,
	} {
		got := public(text, "ours", nas)
		if want := map[bool]string{true: text, false: "ours"}[public_]; got != want {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestProblemOf(t *testing.T) {
	step := func(step backup.StepResult) backup.Run {
		return backup.Run{Outcome: step.Outcome, Problem: step.Problem, Steps: []backup.StepResult{{Step: backup.Check}, step}}
	}
	failures := func(id string) []backup.Attempt { return []backup.Attempt{{}, {ID: id}} }
	for _, test := range []struct {
		name string
		run  backup.Run
		want string
	}{
		{"good", backup.Run{Outcome: backup.Succeeded, Problem: "x"}, ""},
		{"known failure", step(backup.StepResult{Step: backup.Create, Outcome: backup.Failed, Attempts: 2, Failures: failures("LockTimeout"),
			Problem: "create: the repository is locked"}), "create: the repository is locked"},
		{"known failure with a path", step(backup.StepResult{Step: backup.Create, Outcome: backup.Failed, Attempts: 2,
			Failures: failures("Repository.DoesNotExist"), Problem: "create: /repo does not exist"}), "create failed (Repository.DoesNotExist), 2 attempts"},
		{"words of borg's", step(backup.StepResult{Step: backup.Prune, Outcome: backup.Failed, Attempts: 1, Failures: failures(""),
			Problem: "prune: secret"}), "prune failed"},
		{"strange id", step(backup.StepResult{Step: backup.Prune, Outcome: backup.Failed, Attempts: 1, Failures: failures("/x y"),
			Problem: "prune: /x y"}), "prune failed"},
		{"hook", step(backup.StepResult{Step: backup.Before, Outcome: backup.Failed, Attempts: 1, Problem: "my words"}), "a hook before the backup failed"},
		{"dump", step(backup.StepResult{Step: backup.Dump, Outcome: backup.Failed, Attempts: 1, Problem: "my words"}), "a database dump failed"},
		{"warnings", step(backup.StepResult{Step: backup.Create, Outcome: backup.Warned, Attempts: 1, Problem: "create: 3 unreadable (first: diary)",
			Report: backup.Report{Counts: map[backup.WarningKind]int{backup.Unreadable: 3, backup.Changed: 1}}}), "create: warnings: 1 changed, 3 unreadable"},
		{"guard", step(backup.StepResult{Step: backup.Create, Outcome: backup.Warned, Attempts: 1, Breached: true, Problem: "guard: 3 files are fewer than 10",
			Report: backup.Report{Counts: map[backup.WarningKind]int{backup.Changed: 1}}}), "guard: 3 files are fewer than 10"},
		{"cut off", step(backup.StepResult{Step: backup.Create, Outcome: backup.Interrupted, Problem: "/"}), "cut off during create"},
		{"configuration", backup.Run{Outcome: backup.Failed, Problem: "configuration: unknown key /x"}, "its configuration is wrong"},
		{"source missing", backup.Run{Outcome: backup.Failed, Problem: "source /home is missing"}, "it failed before its first step"},
		{"nothing said", backup.Run{Outcome: backup.Interrupted}, "it was cut off"},
	} {
		if got := problemOf(test.run, backup.Target{Job: &backup.Job{Name: "home"}}); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 90 * time.Second: "1m30s", 24 * time.Hour: "1d", 30 * time.Hour: "1d6h",
	} {
		if diff := cmp.Diff(want, span(d)); diff != "" {
			t.Error(diff)
		}
	}
}

// A key that was never exported is worth a note, and no problem; the note names what to type.
func TestUnkeptKey(t *testing.T) {
	now := time.Date(2026, 3, 1, 2, 30, 0, 0, time.UTC)
	fine := func(id, repository string, unkept, gone bool) Record {
		return Record{ID: id, Repository: repository, FirstSeen: now, StaleAfter: 3600, SuccessBegan: now, SuccessEnded: now, KeyUnkept: unkept, Gone: gone}
	}
	rows := Judge(File{Job: "home", Repositories: []Record{
		fine("a", "nas", true, false), fine("b", "usb", true, false), fine("c", "kept", false, false), fine("d", "former", true, true),
	}}, now, true)
	rows = append(rows, Judge(File{Job: "one", Repositories: []Record{fine("a", "nas", true, false)}}, now, true)...)
	var got []string
	for _, row := range rows {
		if row.Problem != "" || row.State != OK && row.State != Gone {
			t.Errorf("%s: %s %s", row.Repository, row.State, row.Problem)
		}
		got = append(got, strings.Join(row.Notes, "; "))
	}
	note := "the repository's key was never exported; try: borgcron key export "
	if want := []string{note + "home --repository nas", note + "home --repository usb", "", "", note + "one"}; !slices.Equal(got, want) {
		t.Errorf("notes: %q", got)
	}
}
