package backup

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// calendarWords are the shorthands, as systemd has them.
var calendarWords = map[string]string{
	"minutely":      "*-*-* *:*:00",
	"hourly":        "*-*-* *:00:00",
	"daily":         "*-*-* 00:00:00",
	"weekly":        "Mon *-*-* 00:00:00",
	"monthly":       "*-*-01 00:00:00",
	"quarterly":     "*-01,04,07,10-01 00:00:00",
	"semiannually":  "*-01,07-01 00:00:00",
	"semi-annually": "*-01,07-01 00:00:00",
	"biannually":    "*-01,07-01 00:00:00",
	"bi-annually":   "*-01,07-01 00:00:00",
	"yearly":        "*-01-01 00:00:00",
	"annually":      "*-01-01 00:00:00",
}

var weekdayNames = [...]string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}

// calendarFormat is what an error says of the parts of a calendar.
const calendarFormat = "write HH:MM, a word such as daily, or systemd's WEEKDAYS YEAR-MONTH-DAY HOUR:MINUTE:SECOND ZONE"

// ParseCalendar reads "02:30", which is daily, or any other text of systemd's OnCalendar but single moments
// (@SECONDS) and fractions of seconds. Times are local unless the text names a zone.
func ParseCalendar(text string) (Calendar, error) {
	words := strings.Fields(text)
	calendar := Calendar{Text: strings.Join(words, " ")}
	spec, err := parseCalendarWords(words)
	if err != nil {
		return Calendar{}, fmt.Errorf("calendar %q: %w", calendar.Text, err)
	}
	if spec.seek(time.Time{}, +1).IsZero() {
		return Calendar{}, fmt.Errorf("calendar %q: there is no such day", calendar.Text)
	}
	calendar.spec = spec
	return calendar, nil
}

func parseCalendarWords(words []string) (*calendarSpec, error) {
	spec := &calendarSpec{}
	if len(words) > 1 && isLetter(words[len(words)-1][0]) {
		zone, err := loadZone(words[len(words)-1])
		if err != nil {
			return nil, err
		}
		spec.zone = zone
		words = words[:len(words)-1]
	}
	if len(words) == 1 {
		if full, ok := calendarWords[strings.ToLower(words[0])]; ok {
			words = strings.Fields(full)
		}
	}
	if len(words) == 0 {
		return nil, errors.New("is empty: " + calendarFormat)
	}
	weekdays, date, clock := "mon..sun", "*-*-*", "00:00:00"
	rest := words
	if isLetter(rest[0][0]) {
		weekdays, rest = rest[0], rest[1:]
	}
	if len(rest) > 0 && !strings.Contains(rest[0], ":") && strings.ContainsAny(rest[0], "-~") {
		date, rest = rest[0], rest[1:]
	}
	if len(rest) > 0 && strings.Contains(rest[0], ":") {
		clock, rest = rest[0], rest[1:]
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%q is not understood: %s", rest[0], calendarFormat)
	}
	return spec, cmp.Or(spec.parseWeekdays(weekdays), spec.parseDate(date), spec.parseClock(clock))
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func loadZone(name string) (*time.Location, error) {
	if strings.EqualFold(name, "UTC") {
		return time.UTC, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || zone == time.Local {
		return nil, fmt.Errorf("unknown time zone %q: write one such as UTC or Europe/Berlin, or none for local time", name)
	}
	return zone, nil
}

func (s *calendarSpec) parseWeekdays(text string) error {
	s.weekdays = make(numbers, 7)
	for item := range strings.SplitSeq(strings.TrimSuffix(text, ","), ",") {
		first, last, ranged := strings.Cut(item, "..")
		if !ranged {
			first, last, ranged = strings.Cut(item, "-")
		}
		if !ranged {
			last = first
		}
		from, to := weekday(first), weekday(last)
		if from < 0 || to < 0 {
			return fmt.Errorf("%q is no weekday and no other known word: %s", item, calendarFormat)
		}
		if from > to {
			return fmt.Errorf("the weekdays %q go backwards: the week begins on Monday", item)
		}
		for day := from; day <= to; day++ {
			s.weekdays[(day+1)%7] = true
		}
	}
	return nil
}

// weekday returns the day's number from Monday on, -1 if the name is none.
func weekday(name string) int {
	return slices.IndexFunc(weekdayNames[:], func(full string) bool {
		return strings.EqualFold(name, full) || strings.EqualFold(name, full[:3])
	})
}

// parseDate reads YEAR-MONTH-DAY or MONTH-DAY; with ~ before the day it counts from the end of the month.
func (s *calendarSpec) parseDate(text string) error {
	split := strings.LastIndexAny(text, "-~")
	head, day := text[:split], text[split+1:]
	year, month, found := strings.Cut(head, "-")
	if !found {
		year, month = "*", head
	}
	// The latest day from the end of a month is the first of the shortest one.
	s.fromEnd = text[split] == '~'
	lastDay := 31
	if s.fromEnd {
		lastDay = 28
	}
	var errs [3]error
	s.years, errs[0] = field{name: "year", from: firstYear, to: lastYear}.parse(year)
	s.months, errs[1] = field{name: "month", from: 1, to: 12}.parse(month)
	s.days, errs[2] = field{name: "day", from: 1, to: lastDay, down: s.fromEnd}.parse(day)
	if s.fromEnd && day == "*" {
		s.fromEnd, s.days = false, slices.Repeat(numbers{true}, 32)
	}
	return cmp.Or(errs[:]...)
}

func (s *calendarSpec) parseClock(text string) error {
	parts := strings.Split(text, ":")
	if len(parts) == 2 {
		parts = append(parts, "00")
	}
	if len(parts) != 3 {
		return fmt.Errorf("%q is no time: write HH:MM or HH:MM:SS", text)
	}
	var errs [3]error
	s.hours, errs[0] = field{name: "hour", to: 23}.parse(parts[0])
	s.minutes, errs[1] = field{name: "minute", to: 59}.parse(parts[1])
	s.secs, errs[2] = field{name: "second", to: 59}.parse(parts[2])
	return cmp.Or(errs[:]...)
}

// field is a part of a date or time with the values that it can have.
type field struct {
	name     string
	from, to int
	down     bool // repetitions without an end go down: days from the end of a month
}

// parse reads a list of numbers, ranges (2..5) and repetitions (2/3, 2..9/3), or * for all.
func (f field) parse(text string) (numbers, error) {
	set := make(numbers, f.to+1)
	if text == "*" {
		for i := f.from; i <= f.to; i++ {
			set[i] = true
		}
		return set, nil
	}
	for item := range strings.SplitSeq(text, ",") {
		if err := f.parseItem(item, set); err != nil {
			return nil, err
		}
	}
	return set, nil
}

func (f field) parseItem(item string, set numbers) error {
	base, every, repeated := strings.Cut(item, "/")
	first, last, ranged := strings.Cut(base, "..")
	if first == "*" && repeated {
		return fmt.Errorf("the %s %q: a repetition begins at a number, such as %d/%s", f.name, item, f.from, every)
	}
	start, err := f.number(item, first)
	if err != nil {
		return err
	}
	step, stop := 1, start
	switch {
	case ranged:
		if stop, err = f.number(item, last); err != nil {
			return err
		}
		if stop < start {
			return fmt.Errorf("the %s %q goes backwards", f.name, item)
		}
	case repeated && f.down:
		stop = f.from
	case repeated:
		stop = f.to
	}
	if repeated {
		step, err = strconv.Atoi(every)
		if err != nil || step < 1 || step > f.to-f.from {
			return fmt.Errorf("the %s %q: %q is no interval between 1 and %d", f.name, item, every, f.to-f.from)
		}
	}
	if !ranged && repeated && step > max(start, stop)-min(start, stop) {
		return fmt.Errorf("the %s %q is never repeated", f.name, item)
	}
	if f.down && stop < start {
		step = -step
	}
	for i := start; min(start, stop) <= i && i <= max(start, stop); i += step {
		set[i] = true
	}
	return nil
}

// number reads one value of the field. As in systemd, years below 70 are of this century, those below 100
// of the last one.
func (f field) number(item, text string) (int, error) {
	if strings.Trim(text, "0123456789") != "" || text == "" {
		return 0, fmt.Errorf("the %s %q is no number, list (1,3), range (1..5) or repetition (0/2)", f.name, item)
	}
	n, err := strconv.Atoi(text)
	if f.from == firstYear && err == nil && n < 100 {
		n += 1900
		if n < firstYear {
			n += 100
		}
	}
	if err != nil || n < f.from || n > f.to {
		return 0, fmt.Errorf("the %s %s is not between %d and %d", f.name, text, f.from, f.to)
	}
	return n, nil
}
