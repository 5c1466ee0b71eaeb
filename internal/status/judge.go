package status

import (
	"fmt"
	"slices"
	"time"

	"borgcron/internal/backup"
)

// State is how a job on a repository stands.
type State string

// The states, the gravest first as monitors see it.
const (
	Failed  State = "failed"  // an alarm, or the last run failed or was cut off
	Stale   State = "stale"   // the last success is too old
	Never   State = "never"   // there was no success yet, and it is not too late for one
	Warning State = "warning" // the last run had warnings
	OK      State = "ok"
	Gone    State = "gone" // the configuration no longer has it: no problem
)

var gravity = []State{Failed, Stale, Never, Warning, OK, Gone}

// Worst returns the gravest of the states of some rows; without any row nothing was ever backed up.
func Worst(rows []Row) State {
	worst := Gone
	for _, row := range rows {
		if slices.Index(gravity, row.State) < slices.Index(gravity, worst) {
			worst = row.State
		}
	}
	switch {
	case len(rows) == 0:
		return Never
	case worst == Gone:
		return OK
	}
	return worst
}

// Row is a job on one of its repositories in the stable form of `status --json`. Age is in seconds.
type Row struct {
	Job         string     `json:"job"`
	Repository  string     `json:"repository"`
	State       State      `json:"state"`
	Problem     string     `json:"problem"`
	Alarm       *Alarm     `json:"alarm"`
	Running     bool       `json:"running"`
	Stale       bool       `json:"stale"`
	LastSuccess *time.Time `json:"last_success"`
	Age         *int64     `json:"age"`
	NextDue     *time.Time `json:"next_due"` // null: at once
	Waiting     *Waiting   `json:"waiting"`
	LastRun     *LastRun   `json:"last_run"`
	Figures
	Notes []string      `json:"notes"`
	Drill *Drill        `json:"drill"` // the last restore drill that went well; null: none
	Trend *backup.Trend `json:"trend"` // null: too few runs to say anything

	ID         string                    `json:"-"` // tells apart what may have one name; "": nothing is on record
	StaleAfter time.Duration             `json:"-"`
	Steps      map[backup.Step]time.Time `json:"-"` // start of each step's last success
}

// Judge says how a job stands now. Configured tells whether the configuration still has the job.
func Judge(f File, now time.Time, configured bool) []Row {
	rows := make([]Row, 0, len(f.Repositories))
	for _, record := range f.Repositories {
		row := judge(f.Job, record, now, configured)
		if row.Drill = record.Drill; record.Drill != nil && row.State != Gone {
			row.Notes = append(row.Notes, record.Drill.words())
		}
		if record.KeyUnkept && row.State != Gone {
			row.Notes = append(row.Notes, "the repository's key was never exported; try: borgcron key export "+f.rowWords(record))
		}
		rows = append(rows, row)
	}
	return rows
}

// JudgeUnseen says how a configured job stands of which nothing is on record.
func JudgeUnseen(job *backup.Job) []Row {
	var rows []Row
	for _, repository := range job.Repositories {
		rows = append(rows, Row{
			Job: job.Name, Repository: job.RepositoryName(repository), State: Never,
			Problem: "no run recorded yet; try: borgcron run " + job.Name, Notes: []string{},
		})
	}
	return rows
}

func judge(job string, record Record, now time.Time, configured bool) Row {
	row := Row{
		Job: job, Repository: record.Repository, Alarm: record.Alarm, Running: record.Running != nil,
		Waiting: record.Waiting, LastRun: record.LastRun, Figures: record.Figures, Notes: append([]string{}, record.Notes...),
		Trend: record.Trend, ID: record.ID, Steps: record.Steps,
	}
	if !record.NextDue.IsZero() {
		row.NextDue = &record.NextDue
	}
	success, since, clock := believe(record, now)
	if clock {
		row.Notes = append(row.Notes, "clock: a recorded time lies more than a day in the future")
	}
	if success {
		age := max(0, int64(now.Sub(record.SuccessEnded)/time.Second))
		row.LastSuccess, row.Age = &record.SuccessEnded, &age
	}
	staleAfter := time.Duration(record.StaleAfter) * time.Second
	row.StaleAfter, row.Stale = staleAfter, now.Sub(since) > staleAfter
	row.State, row.Problem = state(record, row, success, staleAfter)
	if record.Gone || !configured {
		row.State, row.Problem, row.Stale = Gone, "", false
	}
	return row
}

// rowWords name one of the job's repositories to a command.
func (f *File) rowWords(record Record) string {
	for _, other := range f.Repositories {
		if other.ID != record.ID && !other.Gone {
			return f.Job + " --repository " + record.Repository
		}
	}
	return f.Job
}

// believe tells whether there was a success, and from when its age counts: without one, from when the job was
// first seen. A time that lies a little in the future counts as now; one that lies far in it is not
// known, as the clock was wrong then or is now.
func believe(record Record, now time.Time) (success bool, since time.Time, clock bool) {
	ahead := func(t time.Time) bool { return t.Sub(now) > backup.ClockTolerance }
	switch {
	case !record.SuccessEnded.IsZero() && !ahead(record.SuccessEnded):
		return true, record.SuccessEnded, false
	case ahead(record.FirstSeen):
		return false, time.Time{}, true
	}
	return false, record.FirstSeen, !record.SuccessEnded.IsZero()
}

// state is the first that applies, and the one line that says why.
func state(record Record, row Row, success bool, staleAfter time.Duration) (State, string) {
	run := record.LastRun
	switch {
	case record.Alarm != nil:
		return Failed, fmt.Sprintf("alarm since %s: %s", record.Alarm.Since.Format("2006-01-02 15:04"), record.Alarm.Problem)
	case run != nil && (run.Outcome == backup.Failed || run.Outcome == backup.Interrupted):
		return Failed, run.Problem
	case record.Failures > 0:
		return Failed, fmt.Sprintf("no archive could be made, %d times in a row", record.Failures)
	case row.Stale:
		return Stale, tooOld(success, staleAfter)
	case !success:
		return Never, "no backup has succeeded yet"
	case run != nil && run.Outcome == backup.Warned:
		return Warning, run.Problem
	case record.Held != "":
		return Warning, record.Held
	}
	return OK, ""
}

// tooOld says why a row is stale.
func tooOld(success bool, staleAfter time.Duration) string {
	if success {
		return fmt.Sprintf("the last success is more than %s old", span(staleAfter))
	}
	return fmt.Sprintf("no backup has succeeded within %s", span(staleAfter))
}

// span is a duration in the words of the configuration.
func span(d time.Duration) string {
	text := ""
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if n := d / unit.length; n > 0 {
			text += fmt.Sprintf("%d%s", n, unit.name)
			d -= n * unit.length
		}
	}
	if text == "" {
		return "0s"
	}
	return text
}
