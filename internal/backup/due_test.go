package backup_test

import (
	"testing"
	"time"

	"borgcron/internal/backup"
)

func calendars(t *testing.T, texts ...string) []backup.Calendar {
	t.Helper()
	var parsed []backup.Calendar
	for _, text := range texts {
		calendar, err := backup.ParseCalendar(text)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, calendar)
	}
	return parsed
}

func TestIsDue(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.Local)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	const day = 24 * time.Hour
	retry := backup.Retry{Wait: 5 * time.Minute}
	tests := []struct {
		name  string
		job   backup.Job
		last  backup.Last
		due   bool
		words string
	}{
		{name: "never succeeded", job: backup.Job{Every: day}, due: true, words: "never succeeded"},
		{name: "every is over", job: backup.Job{Every: day}, last: backup.Last{SuccessBegan: ago(25 * time.Hour)}, due: true, words: "last success began 1d1h ago"},
		{name: "just before the slack", job: backup.Job{Every: day}, last: backup.Last{SuccessBegan: ago(22*time.Hour - time.Second)}, words: "last success 21h59m ago: due in 1s"},
		{name: "within the slack of two hours", job: backup.Job{Every: day}, last: backup.Last{SuccessBegan: ago(22 * time.Hour)}, due: true, words: "last success began 22h ago"},
		{name: "within the slack of a tenth", job: backup.Job{Every: time.Hour}, last: backup.Last{SuccessBegan: ago(54 * time.Minute)}, due: true, words: "last success began 54m ago"},
		{name: "before the slack of a tenth", job: backup.Job{Every: time.Hour}, last: backup.Last{SuccessBegan: ago(53 * time.Minute)}, words: "last success 53m ago: due in 1m"},
		{name: "at has passed", job: backup.Job{Every: day, At: calendars(t, "02:30")}, last: backup.Last{SuccessBegan: ago(10 * time.Hour)}, due: true, words: "last success began 10h ago"},
		{name: "at has not passed", job: backup.Job{Every: day, At: calendars(t, "02:30")}, last: backup.Last{SuccessBegan: ago(9 * time.Hour)}, words: "last success 9h ago: due in 14h30m"},
		{name: "the nearest of two", job: backup.Job{Every: day, At: calendars(t, "02:30", "11:00")}, last: backup.Last{SuccessBegan: ago(9 * time.Hour)}, due: true, words: "last success began 9h ago"},
		{name: "after one failure", job: backup.Job{Every: day, Retry: retry}, last: backup.Last{Failures: 1, FailedEnded: ago(9 * time.Minute)}, words: "failed 1 times in a row: next try in 1m"},
		{name: "the first wait is over", job: backup.Job{Every: day, Retry: retry}, last: backup.Last{Failures: 1, FailedEnded: ago(10 * time.Minute)}, due: true, words: "never succeeded"},
		{name: "after three", job: backup.Job{Every: day, Retry: retry}, last: backup.Last{Failures: 3, FailedEnded: ago(39 * time.Minute)}, words: "failed 3 times in a row: next try in 1m"},
		{name: "at most a quarter of every", job: backup.Job{Every: day, Retry: retry}, last: backup.Last{Failures: 60, FailedEnded: ago(6 * time.Hour)}, due: true, words: "never succeeded"},
		{name: "a failure in the future is no reason to wait", job: backup.Job{Every: day, Retry: retry}, last: backup.Last{Failures: 1, FailedEnded: ago(-10 * 365 * day)}, due: true, words: "never succeeded"},
		{name: "a little in the future counts as now", job: backup.Job{Every: day}, last: backup.Last{SuccessBegan: ago(-23 * time.Hour)}, words: "last success 0s ago: due in 22h"},
		{name: "far in the future is not known", job: backup.Job{Every: day}, last: backup.Last{SuccessBegan: ago(-25 * time.Hour)}, due: true, words: "clock: the last success lies more than a day in the future"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			due, words := backup.IsDue(&test.job, &test.last, now)
			if due != test.due || words != test.words {
				t.Errorf("IsDue = %v, %q; want %v, %q", due, words, test.due, test.words)
			}
			next := backup.NextDue(&test.job, &test.last, now)
			if due != !next.After(now) {
				t.Errorf("NextDue = %v does not agree", next)
			}
		})
	}
}
