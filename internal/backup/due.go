package backup

import (
	"fmt"
	"time"
)

// ClockTolerance is how far in the future a last success may lie and still count as one of now.
const ClockTolerance = 24 * time.Hour

// NextDue returns when the job is next due on a repository; the zero time means at once.
func NextDue(job *Job, last *Last, now time.Time) time.Time {
	began, known := last.success(now)
	due := time.Time{}
	switch {
	case !known:
	case len(job.At) > 0:
		due = nextAt(job.At, began)
	default:
		due = began.Add(job.Every - Slack(job.Every))
	}
	if last.Failures > 0 && !last.FailedEnded.After(now) {
		due = later(due, last.FailedEnded.Add(pause(job, last.Failures)))
	}
	return due
}

// nextAt returns the first moment of any of the calendars after t; none left: a moment that never comes.
func nextAt(calendars []Calendar, t time.Time) time.Time {
	first := t.AddDate(1000, 0, 0)
	for _, calendar := range calendars {
		if next := calendar.Next(t); !next.IsZero() && next.Before(first) {
			first = next
		}
	}
	return first
}

// IsDue tells whether a run with --due does something for the job on a repository, and why or why not.
func IsDue(job *Job, last *Last, now time.Time) (bool, string) {
	due := NextDue(job, last, now)
	began, known := last.success(now)
	switch {
	case due.After(now) && last.Failures > 0:
		return false, fmt.Sprintf("failed %d times in a row: next try in %s", last.Failures, short(due.Sub(now)))
	case due.After(now):
		return false, fmt.Sprintf("last success %s ago: due in %s", short(now.Sub(began)), short(due.Sub(now)))
	case !known && !last.SuccessBegan.IsZero():
		return true, "clock: the last success lies more than a day in the future"
	case !known:
		return true, "never succeeded"
	default:
		return true, fmt.Sprintf("last success began %s ago", short(now.Sub(began)))
	}
}

// Stale tells whether the last success ended longer ago than after; without one it is stale.
func (l *Last) Stale(after time.Duration, now time.Time) bool {
	if l.SuccessEnded.IsZero() || l.SuccessEnded.Sub(now) > ClockTolerance {
		return true
	}
	return now.Sub(l.SuccessEnded) > after
}

// success returns when the last success began, as far as the clock can be believed.
func (l *Last) success(now time.Time) (began time.Time, known bool) {
	switch ahead := l.SuccessBegan.Sub(now); {
	case l.SuccessBegan.IsZero(), ahead > ClockTolerance:
		return time.Time{}, false
	case ahead > 0:
		return now, true
	}
	return l.SuccessBegan, true
}

// pause is how long after a failed run the next one waits: retry.wait doubled for every failed run in a
// row, at most a quarter of `every`.
func pause(job *Job, failures int) time.Duration {
	most := job.Every / 4
	wait := job.Retry.Wait
	for range failures {
		if wait >= most {
			return most
		}
		wait *= 2
	}
	return min(wait, most)
}
