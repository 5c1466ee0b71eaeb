package status

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"borgcron/internal/backup"
	"borgcron/internal/notice"
)

// The notice is what a login shell shows, written ahead of time: nothing runs between two runs that could see a
// backup become stale, and whoever reads it has no time to judge.

const (
	// mostProblem bounds, in characters, what a line says of the problem itself.
	mostProblem = 250
	// tellWarning is how long the warnings of a run are shown.
	tellWarning = 24 * time.Hour
	// noticeDate is of local time: a line is read later than it is written, so an age would be wrong.
	noticeDate = "2006-01-02 15:04"

	configurationLine = "borgcron: configuration: failed since "
)

// Configuration is how much is wrong with the configuration; the zero value is nothing.
type Configuration struct {
	Mistakes int
	All      bool // no job runs
	Jobs     bool // some jobs do not run
}

// NoteConfiguration writes the notice anew, with what is wrong with the configuration. Jobs that are not among the
// configured ones are gone; nil is when it is not known which there are.
func NoteConfiguration(state string, configured []string, wrong Configuration, now time.Time) error {
	return writeNotice(state, now, func(before string) (string, []string) {
		return wrong.line(before, now), configured
	})
}

// notice writes the notice anew. What is wrong with the configuration was written when the run was started.
func (w *Writer) notice() error {
	return writeNotice(w.State, w.Now(), func(before string) (string, []string) {
		if before != "" {
			return before, nil // jobs may be missing by mistake
		}
		var configured []string
		for _, job := range w.Jobs {
			configured = append(configured, job.Name)
		}
		return "", configured
	})
}

// writeNotice judges all records and replaces the notice. Change gets the line on the configuration that stands in it,
// "" for none, and returns the new one and which jobs there are, nil for all.
func writeNotice(state string, now time.Time, change func(before string) (line string, configured []string)) error {
	failed := func(err error) error { return fmt.Errorf("write the notice for login shells: %w", err) }
	unlock, err := lockFolder(state) // from reading to writing, so that of two writers the later knows all
	if err != nil {
		return failed(err)
	}
	defer unlock()
	old, written, _, _ := notice.Load(notice.Path(state))
	lines, configured := []notice.Line{}, []string(nil)
	before, _ := notice.Parse(old)
	i := slices.IndexFunc(before, func(line notice.Line) bool { return strings.HasPrefix(line.Text, configurationLine) })
	text := ""
	if i >= 0 {
		text = before[i].Text
	}
	if text, configured = change(text); text != "" {
		lines = append(lines, notice.Line{Text: text})
	}
	lines = append(lines, noticeOf(state, configured, now)...)
	file := notice.Format(fit(lines))
	if bytes.Equal(file, old) && !written.After(now) {
		return nil
	}
	if err := renameio.WriteFile(notice.Path(state), file, 0o644, renameio.WithStaticPermissions(0o644), renameio.WithTempDir(state)); err != nil {
		return failed(err)
	}
	return nil
}

// line is what the notice says of the configuration, "" if nothing is wrong; before is what it said.
func (c Configuration) line(before string, now time.Time) string {
	if c.Mistakes == 0 {
		return ""
	}
	since, _, _ := strings.Cut(strings.TrimPrefix(before, configurationLine), ": ")
	if _, err := time.Parse(noticeDate, since); err != nil {
		since = now.Local().Format(noticeDate)
	}
	mistakes, effect := "1 mistake", "a part of it is left out"
	if c.Mistakes != 1 {
		mistakes = fmt.Sprintf("%d mistakes", c.Mistakes)
	}
	switch {
	case c.All:
		effect = "no job runs"
	case c.Jobs:
		effect = "some jobs do not run"
	}
	return fmt.Sprintf("%s%s: %s, %s; try: borgcron config check", configurationLine, since, mistakes, effect)
}

// noticeOf are the lines of all that is on record.
func noticeOf(state string, configured []string, now time.Time) []notice.Line {
	var lines []notice.Line
	files, wrong := Read(state)
	if len(wrong) == 1 {
		lines = append(lines, notice.Line{Text: "borgcron: the records of a job cannot be read; try: borgcron status"})
	} else if len(wrong) > 1 {
		lines = append(lines, notice.Line{Text: fmt.Sprintf("borgcron: the records of %d jobs cannot be read; try: borgcron status", len(wrong))})
	}
	for _, file := range files {
		for _, record := range file.Repositories {
			row := judge(file.Job, record, now, configured == nil || slices.Contains(configured, file.Job))
			lines = append(lines, rowLines(row, record, now)...)
		}
	}
	return lines
}

// rowLines say what is wrong with a job on a repository now, and from when on it will be stale if nothing happens.
// What is wrong now holds whatever the clock says later: it may be wrong.
func rowLines(row Row, record Record, now time.Time) (lines []notice.Line) {
	success, since, _ := believe(record, now)
	staleAfter := time.Duration(record.StaleAfter) * time.Second
	staleAt := since.Add(staleAfter)
	if since.IsZero() { // no time on record can be believed
		staleAt = since
	}
	stale := max(after(staleAt), 0)
	say := func(from, until int64, what string, since time.Time, problem, try string) {
		lines = append(lines, notice.Line{From: from, Until: until, Text: sentence(row, what, since, problem, try)})
	}
	job := row.Job
	switch row.State {
	case Gone:
		return nil
	case Failed: // which it stays, however old it gets
		if row.Alarm != nil {
			say(0, 0, "alarm", row.Alarm.Since, row.Alarm.Problem, "ack "+job)
		} else {
			say(0, 0, "failed", failedSince(record), row.Problem, helpsFailed(row))
		}
		return lines
	case Never:
		say(0, stale, "never", record.FirstSeen, row.Problem+waitingFor(row), helpsOld(row))
	case Warning:
		ended, until, try := time.Time{}, stale, "ack "+job // what is held back is so until it is settled
		if row.LastRun != nil {
			ended = row.LastRun.Ended
		}
		if record.Held == "" {
			until, try = min(stale, after(earlier(ended, now).Add(tellWarning))), "history "+job
		}
		say(0, until, "warning", ended, row.Problem, try)
	}
	say(stale, 0, "stale", staleAt, tooOld(success, staleAfter)+waitingFor(row), helpsOld(row))
	return lines
}

// after is the first whole second after a time: what is stale is *more* than so old.
func after(t time.Time) int64 { return t.Unix() + 1 }

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// sentence is the text of a line.
func sentence(row Row, what string, since time.Time, problem, try string) string {
	name := row.Job
	if row.Repository != row.Job {
		name += " on " + row.Repository
	}
	if !since.IsZero() {
		what += " since " + since.Local().Format(noticeDate)
	}
	problem = strings.ReplaceAll(backup.CleanLine(withoutHint(problem), mostProblem), "…", "...")
	return fmt.Sprintf("borgcron: %s: %s: %s; try: borgcron %s", name, what, problem, try)
}

// withoutHint leaves away the command that the words of a problem may end in: a line has one of its own.
func withoutHint(problem string) string {
	if i := strings.LastIndex(problem, ": borgcron "); i >= 0 {
		if end := strings.LastIndex(problem[:i], "; "); end >= 0 {
			return problem[:end]
		}
	}
	return problem
}

// failedSince is when the first of the runs in a row that failed ended, as far as that is known.
func failedSince(record Record) time.Time {
	switch {
	case !record.FailedSince.IsZero():
		return record.FailedSince
	case record.LastRun != nil && !record.LastRun.Ended.IsZero():
		return record.LastRun.Ended
	}
	return record.FailedEnded
}

// helpsFailed is the command that is of use after a failure.
func helpsFailed(row Row) string {
	switch {
	case row.Problem == wrongConfiguration, strings.HasPrefix(row.Problem, configurationProblem):
		return "config check"
	case row.LastRun != nil && row.LastRun.Outcome == backup.Interrupted:
		return "run " + row.Job
	}
	return "history " + row.Job
}

// helpsOld is the command that is of use where a success is missing.
func helpsOld(row Row) string {
	if row.Waiting != nil && row.Waiting.Outcome == backup.Locked {
		return "unlock " + row.Job // which shows who holds the lock
	}
	return "run " + row.Job
}

// waitingFor says that the runs since were skipped or locked, and why.
func waitingFor(row Row) string {
	switch {
	case row.Waiting == nil:
		return ""
	case row.Waiting.Count == 1:
		return fmt.Sprintf("; %s once: %s", row.Waiting.Outcome, row.Waiting.Reason)
	}
	return fmt.Sprintf("; %s %d times: %s", row.Waiting.Outcome, row.Waiting.Count, row.Waiting.Reason)
}

// fit leaves out the latest lines if there is no room for all, and says from then on that there is more.
func fit(lines []notice.Line) []notice.Line {
	more := notice.Line{Text: "borgcron: and more than can be listed; try: borgcron status"}
	const reserve = 200 // for the head and that line
	size := 0
	for _, line := range lines {
		size += line.Size()
	}
	if size <= notice.MostBytes-reserve {
		return lines
	}
	sorted := slices.SortedStableFunc(slices.Values(lines), func(a, b notice.Line) int { return cmp.Compare(a.From, b.From) })
	size = 0
	for i, line := range sorted {
		if size += line.Size(); size > notice.MostBytes-reserve {
			more.From = line.From
			return append(sorted[:i:i], more)
		}
	}
	return sorted
}
