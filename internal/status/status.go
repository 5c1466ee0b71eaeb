// Package status keeps a small file for each job that everybody may read, and judges from it how the job stands.
//
// The file holds words of ours, names and counts only: never a location, a path or a secret. It is all that
// is needed to tell a user at login, or a monitor, whether the backups are well.
package status

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"borgcron/internal/backup"
)

// version is that of the file's form.
const version = 1

// File is what is on record of one job.
type File struct {
	Version      int       `json:"version"`
	Job          string    `json:"job"`
	FirstSeen    time.Time `json:"first_seen"`
	Repositories []Record  `json:"repositories"`
}

// Record is what is on record of a job on one of its repositories. Zero times are not known.
type Record struct {
	ID           string    `json:"id"` // tells apart what may have one name, without saying where it is
	Repository   string    `json:"repository"`
	Gone         bool      `json:"gone,omitzero"` // the job no longer has it
	FirstSeen    time.Time `json:"first_seen"`
	StaleAfter   int64     `json:"stale_after"` // seconds from the end of the last success
	SuccessBegan time.Time `json:"success_began,omitzero"`
	SuccessEnded time.Time `json:"success_ended,omitzero"`
	NextDue      time.Time `json:"next_due,omitzero"` // zero: at once
	Failures     int       `json:"failures,omitzero"` // runs in a row that failed
	FailedEnded  time.Time `json:"failed_ended,omitzero"`
	FailedSince  time.Time `json:"failed_since,omitzero"` // when the first of the runs in a row that failed ended
	Held         string    `json:"held,omitzero"`         // why prune and compact wait
	Alarm        *Alarm    `json:"alarm,omitzero"`
	LastRun      *LastRun  `json:"last_run,omitzero"` // the last one that was not skipped or locked
	Waiting      *Waiting  `json:"waiting,omitzero"`
	Running      *Running  `json:"running,omitzero"`
	Figures
	Drill     *Drill                    `json:"drill,omitzero"`
	KeyUnkept bool                      `json:"key_unkept,omitzero"` // the repository's key was never exported
	Steps     map[backup.Step]time.Time `json:"steps,omitzero"`      // start of each step's last success
	Notes     []string                  `json:"notes,omitzero"`
	Trend     *backup.Trend             `json:"trend,omitzero"`
}

// Drill is the last restore drill that went well.
type Drill struct {
	At     time.Time `json:"at"`
	Of     int64     `json:"of"`     // files in the archive
	Recent int64     `json:"recent"` // of them, read back within 90 days before At
}

// words say how much was proven.
func (d *Drill) words() string {
	text := "last restore drill " + d.At.Local().Format("2006-01-02")
	if d.Of > 0 {
		share := backup.Drill{Of: d.Of, Recent: d.Recent}
		text += fmt.Sprintf(": %s of the files read back within 90 days", percent(share.Share()))
	}
	return text
}

func percent(share float64) string {
	switch {
	case share > 0 && share < 0.01:
		return "less than 1 %"
	case share < 1:
		return fmt.Sprintf("%d %%", int(share*100))
	}
	return "100 %"
}

// Figures are those of the last success; sizes are bytes. Without one they are empty.
type Figures struct {
	Archive          string `json:"archive"`
	Files            int64  `json:"files"`
	OriginalSize     int64  `json:"original_size"`
	DeduplicatedSize int64  `json:"deduplicated_size"`
	RepositorySize   int64  `json:"repository_size"`
}

// Alarm says that the repository is damaged or not what it was, until a check finds it clean.
type Alarm struct {
	Since   time.Time `json:"since"`
	Problem string    `json:"problem"`
}

// LastRun is the last run that says something of the backup itself.
type LastRun struct {
	ID       string         `json:"id"`
	Outcome  backup.Outcome `json:"outcome"`
	Started  time.Time      `json:"started"`
	Ended    time.Time      `json:"ended"`
	Attempts int            `json:"attempts"`
	Problem  string         `json:"problem"`
}

// Waiting says that since the last run it was only skipped or locked: how it was the last time, and how often.
type Waiting struct {
	Outcome backup.Outcome `json:"outcome"`
	Reason  string         `json:"reason"`
	Since   time.Time      `json:"since"`
	Count   int            `json:"count"`
}

// Remembered returns what the status files know of a job on a repository, for when the history is lost: its
// last success, what it measured, and what was held back.
func Remembered(state string, job *backup.Job, repository backup.Repository) (backup.Last, bool) {
	file, err := read(state, job.Name)
	if err != nil {
		return backup.Last{}, false
	}
	id := recordID(job, repository)
	i := slices.IndexFunc(file.Repositories, func(r Record) bool { return r.ID == id })
	if i < 0 {
		return backup.Last{}, false
	}
	record := &file.Repositories[i]
	last := record.last()
	if !last.SuccessEnded.IsZero() {
		last.FirstSuccess = last.SuccessBegan
	}
	if record.Archive != "" {
		last.Measure = &backup.Measure{Files: record.Files, Size: record.OriginalSize, Fingerprint: job.Fingerprint()}
	}
	return last, true
}

// record returns the record of a repository of the job, a new one if there is none.
func (f *File) record(job *backup.Job, repository backup.Repository, now time.Time) *Record {
	id := recordID(job, repository)
	i := slices.IndexFunc(f.Repositories, func(r Record) bool { return r.ID == id })
	if i < 0 {
		i = len(f.Repositories)
		f.Repositories = append(f.Repositories, Record{ID: id, FirstSeen: now})
	}
	record := &f.Repositories[i]
	record.Gone = false
	record.Repository = job.RepositoryName(repository)
	record.StaleAfter = int64(job.StaleAfter / time.Second)
	return record
}

// recordID is too short to find out from it where the repository is.
func recordID(job *backup.Job, repository backup.Repository) string {
	sum := sha256.Sum256([]byte(job.Name + "\x00" + repository.Key()))
	return hex.EncodeToString(sum[:3])
}

// begin notes that a run works on it.
func (r *Record) begin(run backup.Run) {
	r.Running = thisProcess()
	r.Running.Run = run.ID
}

// end takes over how a run went.
func (r *Record) end(e backup.Event, now time.Time) {
	t, run := e.Target, e.Run
	if r.Running != nil && r.Running.Run == run.ID {
		r.Running = nil
	}
	if !run.Outcome.Ran() {
		r.wait(run, t)
		return
	}
	r.Waiting = nil
	if run.Outcome != backup.Succeeded || run.Attempts() > 0 { // one that had nothing to do says nothing new
		r.LastRun = &LastRun{
			ID: run.ID, Outcome: run.Outcome, Started: run.Started, Ended: run.Ended, Attempts: run.Attempts(), Problem: problemOf(run, t),
		}
		r.Notes = notesOf(run, t)
		if run.Outcome != backup.Failed && run.Outcome != backup.Interrupted {
			r.FailedSince = time.Time{}
		} else if r.FailedSince.IsZero() {
			r.FailedSince = run.Ended
		}
	}
	if _, made := backup.FiguresOf(run); made {
		r.Trend = e.Trend
	}
	last := r.last()
	if verify := run.Result(backup.Verify); verify != nil && verify.Report.Drill != nil && verify.Outcome <= backup.Warned {
		r.Drill = &Drill{At: verify.Started, Of: verify.Report.Drill.Of, Recent: verify.Report.Drill.Recent}
	}
	for _, step := range run.Steps {
		if step.Step == backup.Before || step.Step == backup.After || !step.Outcome.Ran() {
			continue
		}
		last.End(t.Job, step)
	}
	last.EndRun(run)
	if e.Shared != nil { // other jobs may have raised or ended an alarm of the repository
		last.Shared, last.Done = *e.Shared, e.Done
		r.KeyUnkept = e.Shared.KeyUnkept()
	}
	r.learn(last, t, run)
	r.NextDue = backup.NextDue(t.Job, &last, now)
}

func (r *Record) wait(run backup.Run, t backup.Target) {
	if r.Waiting == nil {
		r.Waiting = &Waiting{Since: run.Started}
	}
	r.Waiting.Outcome = run.Outcome
	r.Waiting.Reason = reasonOf(run, t)
	r.Waiting.Count++
}

// last is the part of the knowledge of a job that the record holds.
func (r *Record) last() backup.Last {
	last := backup.Last{
		FirstSeen: r.FirstSeen, SuccessBegan: r.SuccessBegan, SuccessEnded: r.SuccessEnded,
		Failures: r.Failures, FailedEnded: r.FailedEnded, Held: r.Held, Done: maps.Clone(r.Steps),
	}
	if r.Alarm != nil {
		last.Shared.Alarm = &backup.Alarm{Since: r.Alarm.Since, Problem: r.Alarm.Problem}
	}
	return last
}

// learn takes over what the run has taught.
func (r *Record) learn(last backup.Last, t backup.Target, run backup.Run) {
	if create := run.Archived(); create != nil && !last.SuccessEnded.Equal(r.SuccessEnded) {
		report := create.Report
		r.Figures = Figures{
			Files: report.Files, OriginalSize: report.OriginalSize,
			DeduplicatedSize: report.DeduplicatedSize, RepositorySize: report.RepositorySize,
		}
		if report.Archive != nil {
			r.Archive = report.Archive.Name
		}
	}
	r.SuccessBegan, r.SuccessEnded = last.SuccessBegan, last.SuccessEnded
	r.Failures, r.FailedEnded = last.Failures, last.FailedEnded
	r.Steps = last.Done
	r.Held = ""
	if held := last.Holding(); held != "" {
		r.Held = public(held, "a guard was breached", t)
	}
	r.alarm(last.Shared.Alarm, t)
}

// alarm takes over the repository's alarm, nil for none; it tells whether that is news.
func (r *Record) alarm(standing *backup.Alarm, t backup.Target) bool {
	if standing == nil {
		news := r.Alarm != nil
		r.Alarm = nil
		return news
	}
	alarm := Alarm{Since: standing.Since, Problem: public(standing.Problem, "the repository is damaged or not what it was", t)}
	news := r.Alarm == nil || *r.Alarm != alarm
	r.Alarm = &alarm
	return news
}

// valid tells whether the file can be what we wrote.
func (f *File) valid(job string) error {
	switch {
	case f.Version != version:
		return fmt.Errorf("its form has version %d, known is %d", f.Version, version)
	case f.Job != job:
		return fmt.Errorf("it is not of this job")
	}
	const most = 100 * 365 * 24 * 3600 // seconds
	for _, record := range f.Repositories {
		if record.StaleAfter < 0 || record.StaleAfter > most {
			return fmt.Errorf("stale_after makes no sense")
		}
	}
	return nil
}
