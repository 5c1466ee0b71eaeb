package backup

import (
	"maps"
	"strings"
	"time"
	"unicode"
)

// tellAgain is how long the same failure is not told again: a day, less what two daily runs may lie closer together.
const tellAgain = 22 * time.Hour

// Standing is how a job on a repository stands: what is told depends on it, beside how a run ended.
type Standing struct {
	State   string // as in `status --json`
	Problem string // in one line, "" if there is none
	Failed  bool   // the state is failed
	Stale   bool   // the last success is too old, whatever the state is
	Alarm   bool   // an alarm stands
	Success time.Time
	Well    bool // the state is ok or warning; neither this nor Failed where nothing is known
}

// Told is what the owner was told of a job on a repository, so that the same is not told again and again, and
// that all is well again is told if, and only if, something was wrong.
type Told struct {
	Troubles map[string]time.Time `json:"troubles,omitempty"` // causes of failures since all was well, and when each was last told
	Lesser   map[string]time.Time `json:"lesser,omitempty"`   // the same of warnings and skips
	Stale    bool                 `json:"stale,omitzero"`     // that it is stale was told
}

// Run returns what is to be told after a run, the gravest first, and notes it as told. A run that failed is no sign
// that all is well, even if the records could not be written and still say so.
func (t *Told) Run(run Run, standing Standing, now time.Time) (news []News) {
	standing.Well = standing.Well && run.Outcome != Failed && run.Outcome != Interrupted
	switch {
	case (run.Outcome == Failed || run.Outcome == Interrupted) && standing.Alarm:
		news = t.trouble(NewsAlarm, run, now)
	case run.Outcome == Failed || run.Outcome == Interrupted:
		news = t.trouble(NewsFailed, run, now)
	case run.Outcome == Warned:
		news = t.lesser(NewsWarning, run, now)
	}
	news = append(news, t.Look(standing, now)...)
	switch run.Outcome {
	case Succeeded:
		t.Lesser = nil
		news = append(news, NewsSucceeded)
	case Skipped, Locked:
		news = append(news, t.lesser(NewsSkipped, run, now)...)
	}
	return news
}

// Look returns what is to be told although no run ended: that the job has become stale, once, and that all is
// well again; and that it has failed, if nobody was told, as when the power failed before.
func (t *Told) Look(standing Standing, now time.Time) (news []News) {
	switch {
	case standing.Failed && len(t.Troubles) == 0:
		t.Troubles = map[string]time.Time{"": now}
		if standing.Alarm {
			return []News{NewsAlarm}
		}
		return []News{NewsFailed}
	case standing.Stale && !t.Stale:
		t.Stale = true
		return []News{NewsStale}
	case standing.Well && (t.Stale || len(t.Troubles) > 0):
		*t = Told{Lesser: t.Lesser}
		return []News{NewsRecovered}
	}
	return nil
}

func (t *Told) trouble(news News, run Run, now time.Time) []News {
	return once(&t.Troubles, news, run, now)
}

func (t *Told) lesser(news News, run Run, now time.Time) []News {
	return once(&t.Lesser, news, run, now)
}

// once returns the news unless the same was told within tellAgain. Several causes are remembered: two that take
// turns are the same two.
func once(told *map[string]time.Time, news News, run Run, now time.Time) []News {
	maps.DeleteFunc(*told, func(_ string, at time.Time) bool { return now.Sub(at) >= tellAgain || at.After(now) })
	if *told == nil {
		*told = map[string]time.Time{}
	}
	cause := string(news) + " " + cause(run)
	if news == NewsAlarm {
		cause = string(news) // it stands, whichever step finds it next
	}
	if _, known := (*told)[cause]; known {
		return nil
	}
	(*told)[cause] = now
	return []News{news}
}

// mostCause bounds, in bytes, what is remembered of a problem.
const mostCause = 200

// cause is what makes two failures the same: the step and borg's message id; where it gave none, the words
// without the numbers in them.
func cause(run Run) string {
	for _, step := range run.Steps {
		if step.Outcome != run.Outcome {
			continue
		}
		if n := len(step.Failures); n > 0 && step.Failures[n-1].ID != "" {
			return string(step.Step) + " " + step.Failures[n-1].ID
		}
		if step.Command != "" { // what a hook prints may be different each time
			return string(step.Step) + " " + withoutNumbers(step.Command)
		}
		if len(step.Report.Counts) > 0 && !step.Breached {
			return string(step.Step) + " " + kinds(step.Report.Counts)
		}
		return string(step.Step) + " " + withoutNumbers(step.Problem)
	}
	return run.Outcome.String() + " " + withoutNumbers(run.Problem)
}

// kinds names the kinds of warnings that came.
func kinds(counts map[WarningKind]int) string {
	var names []string
	for _, kind := range []WarningKind{Changed, Vanished, Unreadable, Guarded, Other} {
		if counts[kind] > 0 {
			names = append(names, string(kind))
		}
	}
	return strings.Join(names, "+")
}

func withoutNumbers(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return r
	}, text)
	return strings.ToValidUTF8(text[:min(len(text), mostCause)], "") // as JSON would give it back
}

// Topic is what messages about a job on a repository have in common. Those of a run that was skipped have their own: they take
// no failure's place, and no success's.
func Topic(t Target, skipped bool) string {
	topic := t.Job.Name + " " + t.Repository.Key()
	if skipped {
		topic += " skipped"
	}
	return topic
}

// Letter is a message to one channel that is on its way.
type Letter struct {
	ID      int64
	Channel string
	Topic   string    // what it is about
	Newest  bool      // it takes the place of those on the same topic that wait still
	Made    time.Time //
	Tries   int       // how often it could not be delivered
	Problem string    // why, the last time
	Body    []byte    // JSON
}
