package backup

import "time"

// Calendar is a set of moments, as systemd's OnCalendar describes them.
type Calendar struct{ Text string }

// ParseCalendar reads "02:30" or systemd's OnCalendar text.
func ParseCalendar(text string) (Calendar, error) { return Calendar{text}, nil }

// Prev returns the last moment of the calendar at or before t, zero if there is none.
func (c Calendar) Prev(t time.Time) time.Time { return time.Time{} }

// Next returns the first moment of the calendar after t, zero if there is none.
func (c Calendar) Next(t time.Time) time.Time { return time.Time{} }
