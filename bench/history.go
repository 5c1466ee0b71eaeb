package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"borgcron/internal/backup"
	"borgcron/internal/history"
	"borgcron/internal/status"
)

const (
	manyRuns  = 1_000_000
	runsApart = time.Minute // so that none is older than two years
	inMemory  = "in memory"
)

// fillRuns puts many runs into a history, more than it keeps of a job if there are few jobs. The jobs take turns, and
// so do their repositories; one run in 20,000 is of the last job, which has a repository of its own.
const fillRuns = `
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1),
made(i, job, disk, began) AS (SELECT i, iif(i % 20000 = 777, 'rare', printf('job-%02d', i % ?2)),
	iif(i % 20000 = 777, 'usb', 'disk-' || i / ?2 % ?3), ?4 + i * ?5 FROM n)
INSERT INTO runs (id, job, repository, repository_key, outcome, started, ended, heard)
SELECT printf('%s-%04x', strftime('%Y%m%dT%H%M%S', began / 1000000, 'unixepoch'), i % 65536), job,
	disk, '/srv/' || disk, iif(i % 40 < 20, 'succeeded', 'warning'),
	began, began + 24000000, began + 24000000 FROM made`

// fillSteps gives each of them three steps, and those of the last 90 days the end of borg's log.
const fillSteps = `
INSERT INTO steps (run, step, outcome, started, ended, attempts, reason, archive, archive_id, archive_time, repository_id, files,
	original_size, deduplicated_size, repository_size, selection, tail)
SELECT id, step, 'succeeded', started, ended, 1, 'every run makes an archive', iif(step = 'create', 'host-' || job || '-' || id, ''),
	iif(step = 'create', printf('%064x', runs.rowid), ''), started, 'cdcd', 250000, 118000000000 + runs.rowid, 1200000000, 98000000000, ?1,
	iif(step = 'create' AND started > ?2, ?3, '')
FROM runs, (SELECT 'create' AS step UNION ALL SELECT 'prune' UNION ALL SELECT 'compact') WHERE problem = ''`

// fill makes a history with so many runs, by its own tables but past its limits.
func fill(ctx context.Context, state string, jobs []backup.Job, runs int) {
	say("filling a history with %s runs", thousands(runs))
	now := time.Now()
	path := filepath.Join(state, "history.db")
	store := must(history.Open(ctx, path, time.Now))
	for i := range jobs {
		for repository := range jobs[i].Repositories {
			keep(ctx, state, store, jobs, i, repository)
		}
	}
	check(store.Close())
	if runs == 0 {
		return
	}
	db := must(sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(OFF)&_pragma=cache_size(-200000)"))
	defer func() { check(db.Close()) }()
	first := now.Add(-time.Duration(runs+1) * runsApart).UnixMicro()
	must(db.ExecContext(ctx, fillRuns, runs, len(jobs)-1, len(jobs[0].Repositories), first, runsApart.Microseconds()))
	must(db.ExecContext(ctx, fillSteps, jobs[0].Fingerprint(), now.AddDate(0, 0, -90).UnixMicro(), fmt.Sprintf("%400s", "the end")))
	must(db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"))
}

// historyJobs are so many jobs, each with so many repositories, and one with few runs.
func historyJobs(n, repositories int) (jobs []backup.Job) {
	job := backup.Job{Sources: []string{"/home"}, StaleAfter: 30 * time.Hour, Every: 24 * time.Hour}
	disk := func(name string) backup.Repository { return backup.Repository{Name: name, Location: "/srv/" + name} }
	for i := range repositories {
		job.Repositories = append(job.Repositories, disk(fmt.Sprintf("disk-%d", i)))
	}
	for i := range n {
		job.Name = fmt.Sprintf("job-%02d", i)
		jobs = append(jobs, job)
	}
	job.Name, job.Repositories = "rare", []backup.Repository{disk("usb")}
	return append(jobs, job)
}

// keep tells the records of a whole run of four steps, as a run does, and returns how long that took.
func keep(ctx context.Context, state string, store *history.Store, jobs []backup.Job, job, repository int) time.Duration {
	keepers := []interface {
		Observe(ctx context.Context, e backup.Event) error
	}{&status.Writer{State: state, Now: time.Now, Jobs: jobs}, store}
	target := backup.Target{Job: &jobs[job], Repository: jobs[job].Repositories[repository]}
	now := time.Now()
	run := backup.Run{ID: fmt.Sprintf("%s-%04x", now.UTC().Format("20060102T150405"), now.UnixNano()%65536), Job: target.Job.Name, Repository: target.Repository.Name, Started: now}
	event := func(e backup.Event) {
		e.Time, e.Run, e.Target = time.Now(), run, target
		for _, keeper := range keepers {
			check(keeper.Observe(ctx, e))
		}
	}
	began := time.Now()
	event(backup.Event{Kind: backup.RunStarted})
	for _, step := range []backup.Step{backup.Create, backup.Check, backup.Prune, backup.Compact} {
		result := backup.StepResult{Step: step, Started: time.Now(), Reason: "every run makes an archive"}
		event(backup.Event{Kind: backup.StepStarted, Step: &result})
		result.Ended, result.Attempts, result.Report = time.Now(), 1, reportOf(step, run.ID)
		run.Steps = append(run.Steps, result)
		event(backup.Event{Kind: backup.StepEnded, Step: &result})
	}
	run.Ended = time.Now()
	figures, _ := backup.FiguresOf(run)
	recent := must(store.Recent(ctx, target, backup.TrendRuns))
	run.Notes = backup.Unusual(recent, figures)
	event(backup.Event{Kind: backup.RunEnded, Trend: backup.NewTrend(append([]backup.Figures{figures}, recent...))})
	return time.Since(began)
}

// reportOf is what borg says of a step: 40 archives are kept.
func reportOf(step backup.Step, run string) backup.Report {
	report := backup.Report{Tail: slices.Repeat([]string{"a line of borg's log, of about the usual length"}, 8)}
	archive := func(i int) backup.Archive {
		return backup.Archive{Name: fmt.Sprintf("host-job-%s-%d", run, i), ID: fmt.Sprintf("%064x", i), Time: time.Now().Add(-time.Duration(i) * 24 * time.Hour)}
	}
	switch step {
	case backup.Create:
		made := archive(0)
		report.Archive, report.RepositoryID, report.Files = &made, "cdcd", 250_000
		report.OriginalSize, report.DeduplicatedSize, report.RepositorySize = 118e9, 1.2e9, 98e9
	case backup.Prune:
		for i := range 40 {
			report.Kept = append(report.Kept, archive(i))
		}
		report.Deleted = []backup.Archive{archive(41)}
	}
	return report
}

// asking is part h: what is read of a history of a million runs, by the program.
func (b *bench) asking() {
	state, config := filepath.Join(b.temp, "h"), filepath.Join(b.temp, "h.yaml")
	jobs := historyJobs(20, 1)
	fill(b, state, jobs, manyRuns)
	text := fmt.Sprintf("paths: {state: %s}\ndefaults: {sources: [/home], retention: {last: 9}}\nrepositories:\n", state)
	text += "  disk-0: {location: /srv/disk-0}\n  usb: {location: /srv/usb}\njobs:\n"
	for _, job := range jobs {
		text += fmt.Sprintf("  %s: {repository: %s}\n", job.Name, job.Repositories[0].Name)
	}
	check(os.WriteFile(config, []byte(text), 0o600))
	store := must(history.OpenReader(b, filepath.Join(state, "history.db"), time.Now))
	runs := must(store.Runs(b, history.Query{Job: "job-07", Limit: 1}))
	check(store.Close())
	s := &series{name: "h", unit: "ms", note: machine(), columns: []string{
		"status", "status --json", "history", "history --json", "history job-07", "history rare", "history rare --json", "history --repository disk-0",
		"history --repository usb", "history job-07 --repository usb", "history --run ID",
	}}
	s.measure(b.docs, b.rounds, func(round int, row []float64) {
		for i := range s.columns {
			at := (round + i) % len(s.columns)
			words := strings.Fields(strings.Replace(s.columns[at], "ID", runs[0].ID, 1))
			began := time.Now()
			check(exec.CommandContext(b, b.program, append([]string{"--config", config}, words...)...).Run())
			row[at] = time.Since(began).Seconds() * 1000
		}
	})
}

// recording is part k: what it takes to keep one run on record, on a disk and in memory, where nothing is waited for,
// with an empty history and with a full one: of 25 jobs on two repositories each as many runs as are kept.
func (b *bench) recording() {
	memory := must(os.MkdirTemp("/dev/shm", "borgcron-bench-"))
	defer func() { check(os.RemoveAll(memory)) }()
	jobs := historyJobs(25, 2)
	s := &series{name: "k", unit: "ms", note: machine()}
	var states []string
	for _, place := range []struct{ name, folder string }{{inMemory, memory}, {"on a disk", b.temp}} {
		for _, runs := range []int{0, manyRuns} {
			state := filepath.Join(place.folder, fmt.Sprint("k-", runs))
			fill(b, state, jobs, runs)
			states = append(states, state)
			s.columns = append(s.columns, fmt.Sprintf("%s runs on record, %s", thousands(runs), place.name))
		}
	}
	s.measure(b.docs, 10*b.rounds, func(round int, row []float64) {
		for i := range states {
			at := (round + i) % len(states)
			store := must(history.Open(b, filepath.Join(states[at], "history.db"), time.Now)) // as each run does
			row[at] = keep(b, states[at], store, jobs, round%25, round/25%2).Seconds() * 1000
			check(store.Close())
		}
	})
}
