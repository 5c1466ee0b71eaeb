package backup_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

func parseCalendar(t *testing.T, text string) backup.Calendar {
	t.Helper()
	calendar, err := backup.ParseCalendar(text)
	if err != nil {
		t.Fatal(err)
	}
	return calendar
}

// after returns the next n moments after the clock time in the zone, as RFC 3339.
func after(t *testing.T, calendar backup.Calendar, start time.Time, n int) []string {
	t.Helper()
	var moments []string
	for range n {
		next := calendar.Next(start)
		if next.IsZero() {
			return moments
		}
		if !next.After(start) {
			t.Fatalf("%s: %v comes after %v", calendar.Text, next, start)
		}
		moments = append(moments, next.Format(time.RFC3339))
		start = next
	}
	return moments
}

func TestCalendarClockChanges(t *testing.T) {
	for _, test := range []struct {
		name, text, start string
		want              []string
	}{
		{
			"a skipped time comes after the gap", "02:30 Europe/Berlin", "2026-03-28T12:00:00Z",
			[]string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"},
		},
		{
			"all skipped times come once", "*:0/20 Europe/Berlin", "2026-03-29T00:30:00Z",
			[]string{"2026-03-29T01:40:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:20:00+02:00"},
		},
		{
			"a skipped midnight", "daily America/Santiago", "2026-09-05T20:00:00Z",
			[]string{"2026-09-06T01:00:00-03:00", "2026-09-07T00:00:00-03:00"},
		},
		{
			"a skipped day", "12:00 Pacific/Apia", "2011-12-29T12:00:00Z",
			[]string{"2011-12-29T12:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T12:00:00+14:00"},
		},
		{
			"a repeated time comes the first time", "02:30 Europe/Berlin", "2026-10-24T12:00:00Z",
			[]string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"},
		},
		{
			"a repeated hour", "hourly Europe/Berlin", "2026-10-24T23:30:00Z",
			[]string{"2026-10-25T02:00:00+02:00", "2026-10-25T03:00:00+01:00", "2026-10-25T04:00:00+01:00"},
		},
		{
			"half an hour is repeated", "*:0/15 Australia/Lord_Howe", "2026-04-04T14:10:00Z",
			[]string{
				"2026-04-05T01:15:00+11:00", "2026-04-05T01:30:00+11:00", "2026-04-05T01:45:00+11:00",
				"2026-04-05T02:00:00+10:30",
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			calendar := parseCalendar(t, test.text)
			start, err := time.Parse(time.RFC3339, test.start)
			if err != nil {
				t.Fatal(err)
			}
			got := after(t, calendar, start, len(test.want))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Prev must be the inverse of Next at every moment, also within gaps and repeated hours.
func TestCalendarPrevAroundClockChanges(t *testing.T) {
	for _, text := range []string{
		"02:30 Europe/Berlin", "*:0/20 Europe/Berlin", "hourly America/St_Johns", "02:10:30 Europe/Berlin", "*:5,55 Australia/Lord_Howe",
	} {
		calendar := parseCalendar(t, text)
		for _, day := range []string{"2026-03-29", "2026-10-25", "2026-03-08", "2026-11-01", "2026-04-05", "2026-10-04"} {
			start, _ := time.Parse(time.DateOnly, day)
			start = start.AddDate(0, 0, -1)
			var moments []time.Time
			for next := calendar.Next(start); next.Before(start.AddDate(0, 0, 4)); next = calendar.Next(next) {
				moments = append(moments, next)
			}
			for i, moment := range moments[1:] {
				for _, at := range []time.Time{moment.Add(-time.Nanosecond), moment.Add(-time.Second), moments[i]} {
					if got := calendar.Prev(at); !got.Equal(moments[i]) {
						t.Errorf("%s: before %v comes %v, want %v", text, at, got, moments[i])
					}
				}
				middle := moments[i].Add(moment.Sub(moments[i]) / 2)
				if got := calendar.Prev(middle); !got.Equal(moments[i]) {
					t.Errorf("%s: before %v comes %v, want %v", text, middle, got, moments[i])
				}
			}
		}
	}
}

func TestCalendarBounds(t *testing.T) {
	once := parseCalendar(t, "2027-05-06 07:08:09 UTC")
	moment := time.Date(2027, 5, 6, 7, 8, 9, 0, time.UTC)
	for _, test := range []struct {
		name      string
		got, want time.Time
	}{
		{"next before", once.Next(moment.Add(-time.Nanosecond)), moment},
		{"next at", once.Next(moment), time.Time{}},
		{"prev at", once.Prev(moment), moment},
		{"prev before", once.Prev(moment.Add(-time.Nanosecond)), time.Time{}},
		{"next of year 1", once.Next(time.Time{}), moment},
		{"prev of year 9000", once.Prev(time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)), moment},
		{"next of the zero calendar", backup.Calendar{}.Next(moment), time.Time{}},
		{"prev of the zero calendar", backup.Calendar{}.Prev(moment), time.Time{}},
	} {
		if !test.got.Equal(test.want) {
			t.Errorf("%s: got %v, want %v", test.name, test.got, test.want)
		}
	}
}

// Without a zone it is the machine's that counts, whatever zone a time happens to carry.
func TestCalendarIsLocal(t *testing.T) {
	calendar := parseCalendar(t, "02:30")
	next := calendar.Next(time.Date(2027, 5, 6, 7, 8, 9, 0, time.FixedZone("", 5*3600+1800)))
	if local := next.Local(); local.Hour() != 2 || local.Minute() != 30 || next.Location() != time.Local {
		t.Errorf("got %v", next)
	}
	if !calendar.Equal(parseCalendar(t, " 02:30 ")) || calendar.Equal(parseCalendar(t, "02:31")) {
		t.Error("calendars are equal if their texts are")
	}
}

func TestParseCalendarErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "is empty",
		"  ":                       "is empty",
		"fortnightly":              `"fortnightly" is no weekday`,
		"Fri..Mon":                 "go backwards",
		"Tues 3:00":                `"Tues" is no weekday`,
		"Mon.. 3:00":               `"Mon.." is no weekday`,
		"24:00":                    "the hour 24 is not between 0 and 23",
		"1:60":                     "the minute 60 is not between 0 and 59",
		"1:2:60":                   "the second 60 is not",
		"1:2:3:4":                  `"1:2:3:4" is no time`,
		"1:":                       `the minute "" is no number`,
		"1:2:3.5":                  `the second "3.5" is no number`,
		"*-13-1":                   "the month 13 is not between 1 and 12",
		"*-0-1":                    "the month 0 is not",
		"*-*-32":                   "the day 32 is not between 1 and 31",
		"*-*~29":                   "the day 29 is not between 1 and 28",
		"1969-1-1":                 "the year 1969 is not between 1970 and 2199",
		"99999999999999999999-1-1": "the year 99999999999999999999 is not",
		"*/5:0":                    "begins at a number, such as 0/5",
		"*:5..3":                   `the minute "5..3" goes backwards`,
		"*:0/0":                    `"0" is no interval between 1 and 59`,
		"*:0/x":                    `"x" is no interval`,
		"*:50/20":                  "is never repeated",
		"*:1,,2":                   `the minute "" is no number`,
		"*-02-30":                  "there is no such day",
		"Mon 2026-11-22":           "there is no such day",
		"12":                       `"12" is not understood`,
		"@1700000000":              `"@1700000000" is not understood`,
		"1:00 2:00":                `"2:00" is not understood`,
		"*-*-* Mon":                `unknown time zone "Mon"`,
		"daily Europe/Nowhere":     `unknown time zone "Europe/Nowhere"`,
		"daily Local":              `unknown time zone "Local"`,
		"daily ../../etc/passwd":   `"../../etc/passwd" is not understood`,
	} {
		_, err := backup.ParseCalendar(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func FuzzCalendar(f *testing.F) {
	for _, text := range calendarTexts {
		f.Add(text, int64(1_790_000_000))
	}
	f.Add("Mon *-02~1 2:30 Europe/Berlin", int64(1<<62))
	f.Fuzz(func(t *testing.T, text string, unix int64) {
		calendar, err := backup.ParseCalendar(text)
		if err != nil {
			return
		}
		start := time.Unix(unix, 0)
		next := calendar.Next(start)
		if !next.IsZero() && (!next.After(start) || !calendar.Prev(next).Equal(next)) {
			t.Errorf("%q: %v comes after %v, Prev of it is %v", text, next, start, calendar.Prev(next))
		}
		if prev := calendar.Prev(start); !prev.IsZero() && prev.After(start) {
			t.Errorf("%q: %v comes before %v", text, prev, start)
		}
	})
}
