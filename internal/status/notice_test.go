package status

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"borgcron/internal/backup"
	"borgcron/internal/notice"
)

func day(t time.Time) string { return t.Local().Format(noticeDate) }

func TestRowLines(t *testing.T) {
	ended := ago(time.Hour)
	staleAt := ended.Add(30 * time.Hour)
	stale := staleAt.Unix() + 1
	old := notice.Line{From: stale, Text: "borgcron: home: stale since " + day(staleAt) + ": the last success is more than 1d6h old; try: borgcron run home"}
	always := func(text string) []notice.Line { return []notice.Line{{Text: "borgcron: " + text}} }
	run := func(outcome backup.Outcome, problem string) func(*Record) {
		return func(r *Record) { r.LastRun.Outcome, r.LastRun.Problem = outcome, problem }
	}
	for _, test := range []struct {
		name   string
		change func(*Record)
		want   []notice.Line
	}{
		{"good", func(*Record) {}, []notice.Line{old}},
		{"failed", run(backup.Failed, "create failed (Repository.DoesNotExist)"),
			always("home: failed since " + day(ended) + ": create failed (Repository.DoesNotExist); try: borgcron history home")},
		{"failed again", func(r *Record) { run(backup.Failed, "create failed")(r); r.FailedSince = ago(48 * time.Hour) },
			always("home: failed since " + day(ago(48*time.Hour)) + ": create failed; try: borgcron history home")},
		{"failed on another repository", func(r *Record) { run(backup.Failed, "create failed")(r); r.Repository = "nas" },
			always("home on nas: failed since " + day(ended) + ": create failed; try: borgcron history home")},
		{"failed, with a hint of its own", run(backup.Failed, "a source is missing or not mounted; see: borgcron history"),
			always("home: failed since " + day(ended) + ": a source is missing or not mounted; try: borgcron history home")},
		{"cut off", run(backup.Interrupted, "cut off during create"),
			always("home: failed since " + day(ended) + ": cut off during create; try: borgcron run home")},
		{"wrong configuration", run(backup.Failed, wrongConfiguration),
			always("home: failed since " + day(ended) + ": its configuration is wrong; try: borgcron config check")},
		{"wrong configuration, in public words", run(backup.Failed, "configuration: every wants a duration"),
			always("home: failed since " + day(ended) + ": configuration: every wants a duration; try: borgcron config check")},
		{"failed before", func(r *Record) { r.Failures, r.FailedEnded = 3, ago(2*time.Hour) },
			always("home: failed since " + day(ended) + ": no archive could be made, 3 times in a row; try: borgcron history home")},
		{"alarm", func(r *Record) {
			run(backup.Failed, "x")(r)
			r.Alarm = &Alarm{ago(time.Hour), "check: an index is wrong"}
		},
			always("home: alarm since " + day(ended) + ": check: an index is wrong; try: borgcron ack home")},
		{"warned", run(backup.Warned, "create: warnings: 2 unreadable"), []notice.Line{
			{Until: ended.Add(24*time.Hour).Unix() + 1, Text: "borgcron: home: warning since " + day(ended) + ": create: warnings: 2 unreadable; try: borgcron history home"}, old}},
		{"warned by a clock that was ahead", func(r *Record) {
			run(backup.Warned, "create: warnings: 2 unreadable")(r)
			r.LastRun.Ended = ago(-1000 * time.Hour)
		}, []notice.Line{
			{Until: now.Add(24*time.Hour).Unix() + 1, Text: "borgcron: home: warning since " + day(ago(-1000*time.Hour)) + ": create: warnings: 2 unreadable; try: borgcron history home"}, old}},
		{"soon stale and warned", func(r *Record) {
			run(backup.Warned, "create: warnings: 2 unreadable")(r)
			r.SuccessEnded = ago(29 * time.Hour)
		}, []notice.Line{
			{Until: now.Add(time.Hour).Unix() + 1, Text: "borgcron: home: warning since " + day(ended) + ": create: warnings: 2 unreadable; try: borgcron history home"},
			{From: now.Add(time.Hour).Unix() + 1, Text: "borgcron: home: stale since " + day(now.Add(time.Hour)) + ": the last success is more than 1d6h old; try: borgcron run home"}}},
		{"held back", func(r *Record) { r.Held = "guard: too few files; if that is right: borgcron ack home" }, []notice.Line{
			{Until: stale, Text: "borgcron: home: warning since " + day(ended) + ": guard: too few files; try: borgcron ack home"}, old}},
		{"stale", func(r *Record) { r.SuccessEnded = ago(31 * time.Hour) }, []notice.Line{
			{From: ago(time.Hour).Unix() + 1, Text: "borgcron: home: stale since " + day(ago(time.Hour)) + ": the last success is more than 1d6h old; try: borgcron run home"}}},
		{"stale as it was skipped", func(r *Record) { r.Waiting = &Waiting{Outcome: backup.Skipped, Reason: "on battery", Count: 12} }, []notice.Line{
			{From: stale, Text: "borgcron: home: stale since " + day(staleAt) + ": the last success is more than 1d6h old; skipped 12 times: on battery; try: borgcron run home"}}},
		{"stale as it was locked", func(r *Record) {
			r.Waiting = &Waiting{Outcome: backup.Locked, Reason: "another run holds the lock", Count: 1}
		}, []notice.Line{
			{From: stale, Text: "borgcron: home: stale since " + day(staleAt) + ": the last success is more than 1d6h old; locked once: another run holds the lock; try: borgcron unlock home"}}},
		{"never", func(r *Record) { *r = Record{Repository: "home", FirstSeen: ago(time.Hour), StaleAfter: r.StaleAfter} }, []notice.Line{
			{Until: stale, Text: "borgcron: home: never since " + day(ended) + ": no backup has succeeded yet; try: borgcron run home"},
			{From: stale, Text: "borgcron: home: stale since " + day(staleAt) + ": no backup has succeeded within 1d6h; try: borgcron run home"}}},
		{"no time that can be believed", func(r *Record) { r.SuccessEnded, r.FirstSeen = ago(-1000*time.Hour), ago(-1000*time.Hour) },
			[]notice.Line{{Text: "borgcron: home: stale: no backup has succeeded within 1d6h; try: borgcron run home", From: 0}}},
		{"gone", func(r *Record) { r.Gone, r.LastRun.Outcome = true, backup.Failed }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			record := Record{Repository: "home", FirstSeen: ago(1000 * time.Hour), StaleAfter: 30 * 3600, SuccessEnded: ended,
				LastRun: &LastRun{Outcome: backup.Succeeded, Ended: ended}}
			test.change(&record)
			got := rowLines(judge("home", record, now, true), record, now)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("- want, + got:\n%s", diff)
			}
		})
	}
}

// What the notice says at any later moment is what `status` would: the same states, without a gap and never two
// at a time. Only warnings end sooner, as nobody wants to read them for ever.
func TestNoticeAgreesWithStatus(t *testing.T) {
	hours := rapid.Int64Range(0, 100)
	rapid.Check(t, func(t *rapid.T) {
		before := func(name string) time.Time { // to the nanosecond
			return ago(time.Duration(hours.Draw(t, name))*time.Hour + time.Duration(rapid.Int64Range(0, 2e9).Draw(t, name+"+")))
		}
		record := Record{Repository: "home", FirstSeen: before("first seen"), StaleAfter: hours.Draw(t, "stale after") * 3600}
		if rapid.Bool().Draw(t, "succeeded once") {
			record.SuccessEnded = before("success")
		}
		if rapid.Bool().Draw(t, "ran") {
			record.LastRun = &LastRun{Outcome: rapid.SampledFrom([]backup.Outcome{backup.Succeeded, backup.Warned, backup.Failed, backup.Interrupted}).Draw(t, "outcome"),
				Ended: before("ended"), Problem: "a problem"}
		}
		if rapid.Bool().Draw(t, "alarm") {
			record.Alarm = &Alarm{before("alarm"), "damage"}
		}
		record.Held = rapid.SampledFrom([]string{"", "a guard"}).Draw(t, "held")
		lines := rowLines(judge("home", record, now, true), record, now)
		for range 20 {
			then := now.Add(time.Duration(hours.Draw(t, "later"))*time.Hour + time.Duration(rapid.IntRange(0, 3).Draw(t, "seconds"))*time.Second)
			row := judge("home", record, then, true)
			want := []string{string(row.State)}
			switch {
			case row.State == OK:
				want = nil
			case row.Alarm != nil:
				want = []string{"alarm"}
			case row.State == Warning && record.Held == "" && then.Sub(record.LastRun.Ended) > 24*time.Hour:
				want = nil
			}
			var got []string
			for _, line := range lines {
				if line.Shown(then.Unix()) {
					got = append(got, strings.TrimSuffix(strings.Fields(line.Text)[2], ":"))
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s later, %d lines, - want, + got:\n%s", then.Sub(now), len(lines), diff)
			}
		}
	})
}

// shown is what a login shows of a state folder.
func shown(t *testing.T, state string, when time.Time) []string {
	t.Helper()
	file, _, found, readable := notice.Load(notice.Path(state))
	lines, whole := notice.Parse(file)
	if !found || !readable || !whole {
		t.Fatalf("found %t, readable %t, whole %t:\n%s", found, readable, whole, file)
	}
	var texts []string
	for _, line := range lines {
		if line.Shown(when.Unix()) {
			texts = append(texts, line.Text)
		}
	}
	return texts
}

func expect(t *testing.T, state string, when time.Time, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, shown(t, state, when)); diff != "" {
		t.Errorf("- want, + got:\n%s", diff)
	}
}

// The keeper writes the notice at the end of each run, for everybody to read.
func TestNoticeOfRuns(t *testing.T) {
	state := t.TempDir()
	o := newObserver(t, state, job("home", "/repo/home"))
	run := backup.Run{ID: "1", Started: now, Ended: now, Outcome: backup.Failed, Problem: "sources are not as they should be: /x"}
	o.tell(backup.RunStarted, run)
	if _, _, found, _ := notice.Load(notice.Path(state)); found {
		t.Error("a run that has just begun is no news")
	}
	o.tell(backup.RunEnded, run)
	expect(t, state, now, "borgcron: home: failed since "+day(now)+": a source is missing or not mounted; try: borgcron history home")
	if info, err := os.Stat(notice.Path(state)); err != nil || info.Mode() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	first := now
	o.clock = now.Add(24 * time.Hour)
	run.ID, run.Ended = "2", o.clock
	o.tell(backup.RunEnded, run)
	expect(t, state, o.clock, "borgcron: home: failed since "+day(first)+": a source is missing or not mounted; try: borgcron history home")
	run.ID, run.Outcome, run.Problem = "3", backup.Succeeded, ""
	run.Steps = []backup.StepResult{{Step: backup.Create, Outcome: backup.Succeeded, Started: o.clock, Ended: o.clock, Attempts: 1,
		Report: backup.Report{Archive: &backup.Archive{Name: "a"}, Files: 1, OriginalSize: 1}}}
	o.tell(backup.RunEnded, run)
	expect(t, state, o.clock)
	expect(t, state, o.clock.Add(31*time.Hour),
		"borgcron: home: stale since "+day(o.clock.Add(30*time.Hour))+": the last success is more than 1d6h old; try: borgcron run home")
}

// A notice that cannot be written is said: a login would show what was.
func TestNoticeNotWritten(t *testing.T) {
	state := t.TempDir()
	if err := os.MkdirAll(notice.Path(state)+"/full", 0o755); err != nil {
		t.Fatal(err)
	}
	err := NoteConfiguration(state, nil, Configuration{}, now)
	if err == nil || !strings.Contains(err.Error(), "notice") {
		t.Errorf("%v", err)
	}
}

func TestNoteConfiguration(t *testing.T) {
	state := t.TempDir()
	note := func(when time.Time, configured []string, wrong Configuration) {
		t.Helper()
		if err := NoteConfiguration(state, configured, wrong, when); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"home", "old"} {
		if err := FirstSeen(state, *job(name, "/repo/"+name), now); err != nil {
			t.Fatal(err)
		}
	}
	never := func(name string) string {
		return "borgcron: " + name + ": never since " + day(now) + ": no backup has succeeded yet; try: borgcron run " + name
	}
	note(now, nil, Configuration{})
	expect(t, state, now, never("home"), never("old"))
	note(now, []string{"home"}, Configuration{})
	expect(t, state, now, never("home"))

	// While the configuration is wrong it is not known which jobs it has.
	later := now.Add(time.Hour)
	note(now, nil, Configuration{Mistakes: 1, Jobs: true})
	note(later, nil, Configuration{Mistakes: 3, All: true})
	expect(t, state, now, "borgcron: configuration: failed since "+day(now)+": 3 mistakes, no job runs; try: borgcron config check", never("home"), never("old"))
	note(later, nil, Configuration{Mistakes: 1, Jobs: true})
	wrong := "borgcron: configuration: failed since " + day(now) + ": 1 mistake, some jobs do not run; try: borgcron config check"
	expect(t, state, now, wrong, never("home"), never("old"))

	// A run leaves that as it is.
	o := newObserver(t, state, job("home", "/repo/home"))
	o.Jobs = []backup.Job{*o.target.Job}
	if err := o.Settled(o.target); err != nil {
		t.Fatal(err)
	}
	expect(t, state, now, wrong, never("home"), never("old"))

	note(later, []string{"home"}, Configuration{})
	if err := o.Settled(o.target); err != nil {
		t.Fatal(err)
	}
	expect(t, state, now, never("home"))
	note(later, []string{"home"}, Configuration{Mistakes: 2})
	expect(t, state, now, "borgcron: configuration: failed since "+day(later)+": 2 mistakes, a part of it is left out; try: borgcron config check", never("home"))
}

func TestNoticeOfDamage(t *testing.T) {
	state := t.TempDir()
	if err := FirstSeen(state, *job("home", "/repo/home"), now); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"borgcron: the records of a job cannot be read; try: borgcron status",
		"borgcron: the records of 2 jobs cannot be read; try: borgcron status",
	} {
		if err := os.WriteFile(path(state, fmt.Sprintf("job%d", i)), []byte("{"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := NoteConfiguration(state, nil, Configuration{}, now); err != nil {
			t.Fatal(err)
		}
		expect(t, state, now, want, "borgcron: home: never since "+day(now)+": no backup has succeeded yet; try: borgcron run home")
	}
}

// The same is not written again, unless the file is from a time that has not come.
func TestNoticeUnchanged(t *testing.T) {
	state := t.TempDir()
	written := func() time.Time {
		t.Helper()
		if err := NoteConfiguration(state, nil, Configuration{}, time.Now()); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(notice.Path(state))
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime()
	}
	written()
	for _, test := range []struct {
		age time.Duration
		new bool
	}{{time.Hour, false}, {-48 * time.Hour, true}} {
		when := time.Now().Add(-test.age).Truncate(time.Second)
		if err := os.Chtimes(notice.Path(state), when, when); err != nil {
			t.Fatal(err)
		}
		if got := written(); got.Equal(when) == test.new {
			t.Errorf("%s old: now it is from %s", test.age, got)
		}
	}
}

// However many jobs there are, the file is one that a login reads, and what is wrong now is in it.
func TestNoticeOfManyJobs(t *testing.T) {
	var lines []notice.Line
	for i := range 4000 {
		lines = append(lines, notice.Line{From: int64(1000 - i%1000), Text: fmt.Sprintf("borgcron: job%d: stale", i)})
	}
	lines = append(lines, notice.Line{Text: "borgcron: last: failed"})
	if short := lines[:100]; cmp.Diff(short, fit(short)) != "" {
		t.Error("there was room for 100")
	}
	fitted := fit(append([]notice.Line{}, lines...))
	if size := len(notice.Format(fitted)); size > notice.MostBytes || size < notice.MostBytes-500 {
		t.Errorf("%d bytes", size)
	}
	end := fitted[len(fitted)-1]
	if fitted[0].Text != "borgcron: last: failed" || end.From != fitted[len(fitted)-2].From && end.From != fitted[len(fitted)-2].From+1 || !strings.Contains(end.Text, "more") {
		t.Errorf("from %v to %v", fitted[0], end)
	}
	for _, line := range lines {
		if line.From < end.From && !slices.Contains(fitted, line) {
			t.Errorf("%v is missing", line)
		}
	}
}
