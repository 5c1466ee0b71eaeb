package backup

import "time"

// Shows tells whether the clock time at t belongs to the calendar by itself, not for want of a skipped one.
func (c Calendar) Shows(t time.Time) bool {
	wall := wallClock(t.In(c.spec.location()))
	return c.spec.seek(wall, +1).Equal(wall)
}
