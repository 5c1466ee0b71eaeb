package notify

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"borgcron/internal/backup"
)

const (
	mostTitle = 150 // characters
	mostLine  = 500 // characters of a line of the text
	mostTail  = 200 // lines of the log
)

// ofRun is what is said after a run. Again tells that it also is the first one after failures, or after none for
// too long.
func (d *Dispatcher) ofRun(e backup.Event, event backup.News, again bool, standing backup.Standing) Message {
	run := e.Run
	m := d.message(e.Target, event, standing)
	m.Time, m.RunID, m.Outcome, m.Exit = run.Ended, run.ID, run.Outcome.String(), d.Exit(run.Outcome)
	m.Problem = backup.CleanLine(run.Problem, mostLine)
	m.Run, _ = json.Marshal(d.Row(run)) // a row of ours is always JSON
	if event == backup.NewsSkipped && run.Outcome.Ran() {
		m.Title = title(m, "is still "+standing.State)
	}
	create := run.Archived()
	if create != nil && create.Report.Archive != nil {
		m.Archive = backup.Clean(create.Report.Archive.Name)
	}
	var lines []string
	if again && event != backup.NewsRecovered {
		lines = append(lines, "Backups get through again.")
	}
	lines = append(lines, m.Problem)
	if run.Outcome.Ran() {
		lines = append(lines, figures(run))
	}
	lines = append(lines, run.Notes...)
	if event != backup.NewsSucceeded && event != backup.NewsRecovered {
		lines = append(lines, lastSuccess(standing, m.Time))
	}
	if run.Outcome >= backup.Warned {
		lines = append(lines, hint(event, m)...)
	}
	m.Text = text(lines)
	m.Tail = tail(run)
	return m
}

// ofLook is what is said although no run ended.
func (d *Dispatcher) ofLook(t backup.Target, event backup.News, standing backup.Standing) Message {
	m := d.message(t, event, standing)
	m.Problem = backup.CleanLine(standing.Problem, mostLine)
	lines := []string{m.Problem, lastSuccess(standing, m.Time)}
	if event != backup.NewsRecovered {
		lines = append(lines, hint(event, m)...)
	}
	m.Text = text(lines)
	return m
}

func (d *Dispatcher) message(t backup.Target, event backup.News, standing backup.Standing) Message {
	m := Message{
		Event: event, Time: d.Now(), Host: d.Host, Job: t.Job.Name, Repository: t.Job.RepositoryName(t.Repository), State: standing.State,
		Run: json.RawMessage("null"),
	}
	m.Title = title(m, whats[event])
	return m
}

// whats is how a title goes on after the name of the job.
var whats = map[backup.News]string{
	backup.NewsFailed:    "failed",
	backup.NewsWarning:   "ended with a warning",
	backup.NewsSucceeded: "succeeded",
	backup.NewsSkipped:   "did not run",
	backup.NewsRecovered: "works again",
	backup.NewsStale:     "is stale",
	backup.NewsAlarm:     "found an ALARM",
	backup.NewsTest:      "is tested",
}

func title(m Message, what string) string {
	name := m.Job
	if m.Repository != m.Job {
		name += " on " + m.Repository
	}
	return backup.CleanLine(fmt.Sprintf("%s: backup of %s %s", m.Host, name, what), mostTitle)
}

// TestMessage is what is sent to see whether a channel works.
func TestMessage(host string, now time.Time) Message {
	return Message{
		Event: backup.NewsTest, Time: now, Host: host, Run: json.RawMessage("null"),
		Title: backup.CleanLine(host+": a test of borgcron", mostTitle),
		Text:  "This channel works. Nothing has happened; borgcron notify --test sent this.\n",
	}
}

// figures says how long a run took and what it made, such as "Took 4 minutes, 1.2 GB new, 118 GB in all."
func figures(run backup.Run) string {
	parts := []string{"Took " + span(run.Ended.Sub(run.Started))}
	if create := run.Archived(); create != nil && create.Report.Archive != nil {
		report := create.Report
		parts = append(parts, size(report.DeduplicatedSize)+" new", size(report.OriginalSize)+" in all",
			humanize.Comma(report.Files)+" files")
	}
	if n := run.Attempts(); n > 1 {
		parts = append(parts, fmt.Sprintf("%d attempts", n))
	}
	return strings.Join(parts, ", ") + "."
}

func lastSuccess(standing backup.Standing, now time.Time) string {
	if standing.Success.IsZero() {
		return "No successful backup is on record."
	}
	return fmt.Sprintf("The last success was %s, at %s.",
		humanize.RelTime(standing.Success, now, "ago", "ahead"), standing.Success.Local().Format("2006-01-02 15:04"))
}

// hint says what to do.
func hint(event backup.News, m Message) []string {
	switch {
	case strings.HasPrefix(m.Problem, "configuration:"):
		return []string{"Try: borgcron config check"}
	case event == backup.NewsStale:
		return []string{"Try: borgcron status " + m.Job, "Try: borgcron run " + m.Job}
	case event == backup.NewsAlarm && m.RunID == "":
		return []string{"Nothing is deleted there until it is settled.", "Try: borgcron ack " + m.Job}
	case m.RunID == "":
		return []string{"Try: borgcron history " + m.Job}
	case event == backup.NewsAlarm:
		return []string{"Nothing is deleted there until it is settled.", "Try: borgcron history --run " + m.RunID, "Try: borgcron ack " + m.Job}
	}
	return []string{"Try: borgcron history --run " + m.RunID}
}

// span is a duration in words, rounded to what matters.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return "less than a second"
	case d < 90*time.Second:
		return plural(int64(d.Round(time.Second)/time.Second), "second")
	case d < 90*time.Minute:
		return plural(int64(d.Round(time.Minute)/time.Minute), "minute")
	}
	hours := int64(d / time.Hour)
	return plural(hours, "hour") + " " + plural(int64(d%time.Hour/time.Minute), "minute")
}

func plural(n int64, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}

func size(bytes int64) string { return humanize.Bytes(uint64(max(bytes, 0))) }

// text puts lines together; empty ones fall away.
func text(lines []string) string {
	var all strings.Builder
	for _, line := range lines {
		if line = backup.CleanLine(line, mostLine); line != "" {
			all.WriteString(line + "\n")
		}
	}
	return all.String()
}

// tail is the end of the log of the step that decided, or of the last one that has any.
func tail(run backup.Run) []string {
	var lines []string
	for _, step := range run.Steps {
		kept := step.Report.Tail
		if n := len(step.Failures); n > 0 && len(step.Failures[n-1].Tail) > 0 {
			kept = step.Failures[n-1].Tail
		}
		if len(kept) == 0 {
			continue
		}
		lines = kept
		if step.Outcome == run.Outcome && run.Outcome != backup.Succeeded {
			break
		}
	}
	clean := make([]string, 0, min(len(lines), mostTail))
	for _, line := range lines[max(0, len(lines)-mostTail):] {
		clean = append(clean, backup.CleanLine(line, mostLine))
	}
	return clean
}
