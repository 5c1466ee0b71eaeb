package backup

import "time"

// Calendar is a set of moments, as systemd's OnCalendar describes them; ParseCalendar makes it, the zero
// value has none. It differs from systemd in one thing: a time that a clock change skips comes right after
// the gap instead of not at all, because a day without a backup is worse than one that is late. A time that
// a clock change repeats comes the first time only.
type Calendar struct {
	Text string
	spec *calendarSpec
}

// Equal tells whether both calendars have the same text.
func (c Calendar) Equal(other Calendar) bool { return c.Text == other.Text }

// Prev returns the last moment of the calendar at or before t, zero if there is none.
func (c Calendar) Prev(t time.Time) time.Time {
	if c.spec == nil {
		return time.Time{}
	}
	t = t.In(c.spec.location())
	// In an hour that is repeated the clock has already shown later times than it does at t.
	from := wallClock(t)
	if change, _ := t.ZoneBounds(); !change.IsZero() {
		from = later(from, wallClock(change.Add(-time.Second)))
	}
	for wall := c.spec.seek(from, -1); !wall.IsZero(); wall = c.spec.seek(wall.Add(-time.Second), -1) {
		if moment := momentOf(wall, t.Location()); !moment.After(t) {
			return moment
		}
	}
	return time.Time{}
}

// Next returns the first moment of the calendar after t, zero if there is none.
func (c Calendar) Next(t time.Time) time.Time {
	if c.spec == nil {
		return time.Time{}
	}
	t = t.In(c.spec.location())
	for wall := c.spec.seek(wallClock(t), +1); !wall.IsZero(); wall = c.spec.seek(wall.Add(time.Second), +1) {
		if moment := momentOf(wall, t.Location()); moment.After(t) {
			return moment
		}
	}
	return time.Time{}
}

// The years in which moments are looked for, as in systemd.
const (
	firstYear = 1970
	lastYear  = 2199
)

// numbers are the values that a field of a date or time may have, by index.
type numbers []bool

func (n numbers) has(i int) bool { return i < len(n) && n[i] }

// calendarSpec is what a calendar's text means.
type calendarSpec struct {
	zone                 *time.Location // nil: the local one
	weekdays             numbers        // by time.Weekday
	years, months        numbers
	days                 numbers
	fromEnd              bool // days count from the end of the month, the last is 1
	hours, minutes, secs numbers
}

func (s *calendarSpec) location() *time.Location {
	if s.zone == nil {
		return time.Local
	}
	return s.zone
}

const secondsPerDay = 24 * 60 * 60

// seek returns the first clock time of the calendar from wall on, forwards (step 1) or backwards (step -1),
// zero if there is none. Clock times are held in UTC, where every day has 24 hours.
func (s *calendarSpec) seek(wall time.Time, step int) time.Time {
	earliest := time.Date(firstYear, 1, 1, 0, 0, 0, 0, time.UTC)
	latest := time.Date(lastYear, 12, 31, 23, 59, 59, 0, time.UTC)
	if step > 0 {
		wall = later(wall, earliest)
	} else if wall.After(latest) {
		wall = latest
	}
	day := wall.Truncate(secondsPerDay * time.Second)
	second := int(wall.Sub(day) / time.Second)
	for ; !day.Before(earliest) && !day.After(latest); day = day.AddDate(0, 0, step) {
		if s.hasDay(day) {
			for ; second >= 0 && second < secondsPerDay; second += step {
				if s.secs.has(second%60) && s.minutes.has(second/60%60) && s.hours.has(second/3600) {
					return day.Add(time.Duration(second) * time.Second)
				}
			}
		}
		second = 0
		if step < 0 {
			second = secondsPerDay - 1
		}
	}
	return time.Time{}
}

func (s *calendarSpec) hasDay(day time.Time) bool {
	if !s.years.has(day.Year()) || !s.months.has(int(day.Month())) || !s.weekdays.has(int(day.Weekday())) {
		return false
	}
	if !s.fromEnd {
		return s.days.has(day.Day())
	}
	length := day.AddDate(0, 1, -day.Day()).Day()
	return s.days.has(length + 1 - day.Day())
}

// wallClock returns what the clock shows at t, to the second, as a time in UTC.
func wallClock(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

// momentOf returns when the clocks of a zone show wall: the first time if they do so twice, the end of the
// gap if they skip it.
func momentOf(wall time.Time, zone *time.Location) time.Time {
	moment := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	start, end := moment.ZoneBounds()
	switch shown := wallClock(moment); {
	case shown.After(wall):
		return start
	case shown.Before(wall):
		return end
	case start.IsZero():
		return moment
	}
	_, before := start.Add(-time.Second).Zone()
	if earlier := time.Unix(wall.Unix()-int64(before), 0).In(zone); earlier.Before(start) {
		return earlier
	}
	return moment
}
