package cli

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"borgcron/internal/backup"
	"borgcron/internal/history"
	"borgcron/internal/status"
)

// recorded is a machine with a configuration and what is recorded on it.
type recorded struct {
	t              *testing.T
	env            *environment
	stdout, stderr bytes.Buffer
	config, state  string
	now            time.Time
}

func newRecords(t *testing.T, jobs string) *recorded {
	t.Helper()
	r := &recorded{t: t, state: filepath.Join(t.TempDir(), "state"), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)}
	r.config = filepath.Join(t.TempDir(), "config.yaml")
	text := "paths: {state: " + r.state + ", runtime: " + t.TempDir() + "}\njobs:\n" + jobs
	if err := os.WriteFile(r.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r.env = &environment{
		Stdout: &r.stdout, Stderr: &r.stderr, Getenv: func(string) string { return "" }, Now: func() time.Time { return r.now },
		Log: slog.New(slog.DiscardHandler),
	}
	return r
}

const twoJobs = `
  home: {repository: /srv/borg, sources: [/home], retention: {last: 1}}
  work: {repository: /srv/borg, sources: [/work], retention: {last: 1}, archive_name: "w-{now}"}
`

// say runs the program and returns its exit code.
func (r *recorded) say(args ...string) int {
	r.t.Helper()
	r.stdout.Reset()
	r.stderr.Reset()
	root := newRootCommand(r.env)
	root.SetArgs(append([]string{"--config", r.config}, args...))
	err := root.ExecuteContext(r.t.Context())
	if err != nil {
		r.stderr.WriteString(err.Error())
	}
	return exitCode(err)
}

// ended records a run that ended an hour before now.
func (r *recorded) ended(job, id string, outcome backup.Outcome, change func(*backup.StepResult)) {
	r.t.Helper()
	began := r.now.Add(-time.Hour)
	create := backup.StepResult{
		Step: backup.Create, Outcome: outcome, Started: began, Ended: began.Add(time.Minute), Attempts: 1, Reason: "every run makes an archive",
	}
	if outcome == backup.Succeeded {
		create.Report = backup.Report{Archive: &backup.Archive{Name: job + "-1", ID: "x", Time: began}, Files: 3, OriginalSize: 5_000_000}
	}
	if change != nil {
		change(&create)
	}
	run := backup.Run{
		ID: id, Job: job, Repository: job, Outcome: outcome, Started: began, Ended: create.Ended, Problem: create.Problem,
		Steps: []backup.StepResult{create},
	}
	event := backup.Event{Kind: backup.RunEnded, Time: create.Ended, Run: run, Target: backup.Target{
		Job: &backup.Job{Name: job, Every: 24 * time.Hour, StaleAfter: 30 * time.Hour}, Repository: backup.Repository{Location: "/srv/borg"},
	}}
	store, err := history.Open(r.t.Context(), filepath.Join(r.state, "history.db"), r.env.Now)
	if err != nil {
		r.t.Fatal(err)
	}
	defer store.Close()
	if err := store.Observe(r.t.Context(), event); err != nil {
		r.t.Fatal(err)
	}
	writer := status.Writer{State: r.state, Now: r.env.Now}
	if err := writer.Observe(r.t.Context(), event); err != nil {
		r.t.Fatal(err)
	}
}

func (r *recorded) expect(stream *bytes.Buffer, want ...string) {
	r.t.Helper()
	for _, text := range want {
		if !strings.Contains(stream.String(), text) {
			r.t.Errorf("%q is not in:\n%s", text, stream)
		}
	}
}

func TestStatus(t *testing.T) {
	r := newRecords(t, twoJobs)
	if code := r.say("status"); code != exitWarning {
		t.Errorf("nothing recorded: %d, %s", code, &r.stderr)
	}
	r.expect(&r.stdout, "home  never", "try: borgcron run home")
	if _, err := os.Stat(r.state); err == nil {
		t.Error("looking made the state folder")
	}

	r.ended("home", "r1", backup.Succeeded, nil)
	if code := r.say("status", "home"); code != 0 {
		t.Errorf("good: %d, %s%s", code, &r.stdout, &r.stderr)
	}
	r.expect(&r.stdout, "home  ok", "2026-03-01 11:01  59 minutes ago", "in 21 hours  5.0 MB")
	if strings.Contains(r.stdout.String(), "\x1b") || strings.Contains(r.stdout.String(), "work") {
		t.Errorf("colour, or a job that was not asked for:\n%s", &r.stdout)
	}

	r.ended("work", "r2", backup.Failed, func(create *backup.StepResult) { create.Problem = "create: /x is full" })
	if code := r.say("status"); code != exitFailed {
		t.Errorf("one failed: %d", code)
	}
	r.expect(&r.stdout, "work  failed", "create failed")
	if code := r.say("status", "home", "wrk"); code != exitFailed {
		t.Errorf("one name is wrong: %d", code)
	}
	r.expect(&r.stderr, `there is no job "wrk", did you mean work?`)
	r.expect(&r.stdout, "home  ok")
	if code := r.say("status", "wrk"); code != exitUsage || r.stdout.Len() > 0 {
		t.Errorf("the only name is wrong: %d, %s", code, &r.stdout)
	}
	if code := r.say("status", "--repository", "nas"); code != exitUsage {
		t.Errorf("no such repository: %d", code)
	}
	if code := r.say("status", "--login"); code != 0 {
		t.Errorf("--login: %d, %s", code, &r.stderr)
	}
	r.expect(&r.stdout, "borgcron: work: failed since 2026-03-01 ")

	r.env.Colour = true
	r.say("status", "work")
	if !strings.Contains(r.stdout.String(), "\x1b[") {
		t.Errorf("no colour on a terminal: %q", &r.stdout)
	}
	r.env.Colour = false

	if err := os.WriteFile(filepath.Join(r.state, "status", "home.json"), []byte("garbage"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code := r.say("status", "home"); code != exitUnreadable {
		t.Errorf("the file of the job is damaged: %d, %s", code, &r.stderr)
	}
	if code := r.say("status"); code != exitFailed {
		t.Errorf("damaged, and another job failed: %d", code)
	}
}

func TestStatusOfAJobThatIsGone(t *testing.T) {
	r := newRecords(t, strings.SplitAfter(twoJobs, "\n")[1])
	r.ended("home", "r1", backup.Succeeded, nil)
	r.ended("work", "r2", backup.Failed, nil)
	if code := r.say("status"); code != 0 {
		t.Errorf("a job that is gone is a problem: %d", code)
	}
	r.expect(&r.stdout, "work  gone")
}

func TestStatusJSON(t *testing.T) {
	r := newRecords(t, twoJobs)
	r.ended("home", "r1", backup.Succeeded, func(create *backup.StepResult) {
		create.Report.Archive.Name = "strange\u009b31m\u202e\U000e0001\x7f"
	})
	r.say("status", "--json")
	if strings.ContainsAny(r.stdout.String(), "\u009b\u202e\U000e0001\x7f") {
		t.Errorf("characters that disturb a terminal: %q", &r.stdout)
	}
	var answer struct {
		State     string
		Generated time.Time
		Jobs      []map[string]any
	}
	if err := json.Unmarshal(r.stdout.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if answer.State != "never" || !answer.Generated.Equal(r.now) || len(answer.Jobs) != 2 {
		t.Fatalf("%+v", answer)
	}
	keys := []string{"job", "repository", "state", "problem", "alarm", "running", "stale", "last_success", "age", "next_due", "waiting",
		"last_run", "archive", "files", "original_size", "deduplicated_size", "repository_size", "notes", "trend", "drill"}
	for _, row := range answer.Jobs {
		for _, key := range keys {
			if _, ok := row[key]; !ok {
				t.Errorf("%v has no %s", row["job"], key)
			}
		}
		if len(row) != len(keys) || row["notes"] == nil {
			t.Errorf("keys that are not in the manual, or a list that is null: %v", row)
		}
	}
	if name := answer.Jobs[0]["archive"]; name != "strange\u009b31m\u202e\U000e0001\x7f" {
		t.Errorf("the name reads as %q", name)
	}
	if age := answer.Jobs[0]["age"]; age != 3540.0 {
		t.Errorf("age %v", age)
	}
}

func TestConfigThatWasNamedMustBeThere(t *testing.T) {
	r := newRecords(t, twoJobs)
	r.config = filepath.Join(t.TempDir(), "none.yaml")
	for _, verb := range []string{"status", "history"} {
		if code := r.say(verb); code != exitConfig {
			t.Errorf("%s: %d, %s", verb, code, &r.stderr)
		}
	}
}

func TestHistory(t *testing.T) {
	r := newRecords(t, twoJobs)
	if code := r.say("history"); code != 0 {
		t.Errorf("nothing recorded: %d, %s", code, &r.stderr)
	}
	r.expect(&r.stdout, "No run recorded yet; try: borgcron run")
	r.ended("home", "run-1", backup.Succeeded, nil)
	r.now = r.now.Add(time.Hour)
	r.ended("work", "run-2", backup.Failed, func(create *backup.StepResult) {
		create.Problem, create.Attempts = "create: no space on \x1b[31m/srv", 2
		create.Failures = []backup.Attempt{
			{Number: 1, ID: "ConnectionClosed", Message: "gone", Temporary: true, Wait: 5 * time.Minute}, {Number: 2, Message: "no space"},
		}
		create.Report.Counts = map[backup.WarningKind]int{backup.Changed: 1200}
		create.Report.Warnings = []backup.Warning{{Kind: backup.Changed, Message: "home/a\nb: file changed", Path: "home/a\nb"}}
		create.Report.Tail = []string{"the end", "of the log"}
	})
	if code := r.say("history"); code != 0 {
		t.Errorf("exit code %d", code)
	}
	text := r.stdout.String()
	r.expect(&r.stdout, "work  2026-03-01 12:00  1m0s  failed            2  -", "home  2026-03-01 11:00  1m0s  succeeded         1  5.0 MB", "run-1", "no space on")
	if strings.Index(text, "run-2") > strings.Index(text, "run-1") || strings.Contains(text, "\x1b") {
		t.Errorf("not the newest first, or control characters: %q", text)
	}
	if r.say("history", "--limit", "1"); strings.Contains(r.stdout.String(), "run-1") {
		t.Errorf("more than one: %s", &r.stdout)
	}
	if r.say("history", "home"); strings.Contains(r.stdout.String(), "run-2") {
		t.Errorf("another job: %s", &r.stdout)
	}
	for args, want := range map[string]int{"hom": exitUsage, "--limit=-1": exitUsage, "--run=run": exitUsage, "--run=x": exitFailed, "--run=run-1": 0} {
		if code := r.say("history", args); code != want {
			t.Errorf("history %s: %d, want %d; %s", args, code, want, &r.stderr)
		}
	}

	if code := r.say("history", "--run", "run-2"); code != 0 {
		t.Errorf("exit code %d", code)
	}
	r.expect(&r.stdout, "work  run run-2", "create: failed in 1m0s", "why        every run makes an archive",
		"attempt 1  gone (ConnectionClosed); tried again after 5m0s", "warnings   1,200 changed", "changed    home/a b: file changed",
		"log        of the log")
	if strings.Contains(r.stdout.String(), "\x1b") {
		t.Errorf("control characters: %q", &r.stdout)
	}
}

func TestHistoryJSON(t *testing.T) {
	r := newRecords(t, twoJobs)
	r.say("history", "--json")
	if got := strings.Join(strings.Fields(r.stdout.String()), ""); got != `{"runs":[],"trends":[]}` {
		t.Errorf("nothing recorded: %s", got)
	}
	r.ended("home", "run-1", backup.Succeeded, func(create *backup.StepResult) { create.Report.Tail = []string{"the end"} })
	for _, args := range [][]string{{"history", "--json"}, {"history", "--json", "--run", "run"}} {
		if code := r.say(args...); code != 0 {
			t.Fatalf("%v: %d, %s", args, code, &r.stderr)
		}
		var answer struct{ Runs []map[string]any }
		if err := json.Unmarshal(r.stdout.Bytes(), &answer); err != nil || len(answer.Runs) != 1 {
			t.Fatalf("%v, %s", err, &r.stdout)
		}
		run := answer.Runs[0]
		for _, key := range []string{"id", "job", "repository", "outcome", "started", "ended", "attempts", "archive", "files",
			"original_size", "deduplicated_size", "problem", "steps"} {
			if _, ok := run[key]; !ok {
				t.Errorf("%v: no %s", args, key)
			}
		}
		step := run["steps"].([]any)[0].(map[string]any)
		for _, key := range []string{"step", "outcome", "started", "ended", "attempts", "reason", "problem"} {
			if _, ok := step[key]; !ok {
				t.Errorf("%v: a step has no %s", args, key)
			}
		}
		if _, tail := step["tail"]; tail != (len(args) > 2) {
			t.Errorf("%v: the log's end is there: %t", args, tail)
		}
		if began, err := time.Parse(time.RFC3339, run["started"].(string)); err != nil || !began.Equal(r.now.Add(-time.Hour)) {
			t.Errorf("started %v, %v", run["started"], err)
		}
	}
}

func TestDamagedHistoryIsOnlyLookedAt(t *testing.T) {
	r := newRecords(t, twoJobs)
	r.ended("home", "run-1", backup.Succeeded, nil)
	path := filepath.Join(r.state, "history.db")
	if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := r.say("history"); code != exitUnreadable {
		t.Errorf("exit code %d, %s", code, &r.stderr)
	}
	if aside, _ := filepath.Glob(path + ".damaged*"); len(aside) > 0 {
		t.Errorf("looking set it aside: %q", aside)
	}
}
