package config

import (
	"encoding"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// Form is how a scalar is written.
type Form struct {
	Wants   string // in words, after "wants"
	Pattern string // regular expression for the schema
	Number  bool   // a bare whole number is allowed too
}

// scalar is a value with a notation of its own.
type scalar interface {
	encoding.TextUnmarshaler
	Form() Form
}

// Duration is a length of time such as 90s, 15m, 24h, 7d, 4w or 1d12h. It may be 0s.
type Duration time.Duration

// Interval is a Duration above zero.
type Interval time.Duration

// Limit is a Duration above zero, or none: 0.
type Limit time.Duration

// Every is how often a step is due: an interval, always or never.
type Every struct {
	Interval      time.Duration
	Always, Never bool
}

// Size is a number of bytes such as 500MB or 2GiB, or none: 0.
type Size int64

// Rate is a number of bytes a second such as 5MiB/s, or none: 0.
type Rate int64

// Percent is a share such as 50%, as 0.5; or none: 0.
type Percent float64

// Number is a whole number above zero, or none: 0.
type Number int

// Keep is a retention count: 0 is not used, all is -1.
type Keep int

// Within is borg's notation of an interval: a number and one of H, d, w, m, y.
type Within string

const (
	durationPattern = `([0-9]+[wdhms])+`
	sizePattern     = `[0-9]+(\.[0-9]+)?([kKMGTP]i?)?B`
)

var (
	durationForm   = regexp.MustCompile(`^` + durationPattern + `$`)
	durationPart   = regexp.MustCompile(`([0-9]+)([wdhms])`)
	sizeForm       = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)([kKMGTP]?)(i?)B$`)
	withinForm     = regexp.MustCompile(`^[1-9][0-9]{0,5}[hHdwmy]$`)
	percentForm    = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)%$`)
	zeroForm       = regexp.MustCompile(`^0+[wdhms]?$`)
	durationUnits  = map[string]time.Duration{"w": 7 * 24 * time.Hour, "d": 24 * time.Hour, "h": time.Hour, "m": time.Minute, "s": time.Second}
	errNotDuration = errors.New("wants a duration such as 24h")
)

// ParseDuration reads a length of time such as 90s, 15m, 24h, 7d, 4w or 1d12h. A hundred years are the most, far from any overflow.
func ParseDuration(text string) (time.Duration, error) {
	if !durationForm.MatchString(text) {
		if _, err := strconv.Atoi(text); err == nil {
			return 0, fmt.Errorf("%w: say the unit, s, m, h, d or w", errNotDuration)
		}
		return 0, errNotDuration
	}
	const most = 100 * 365 * 24 * time.Hour
	var total time.Duration
	seen := map[string]bool{}
	for _, part := range durationPart.FindAllStringSubmatch(text, -1) {
		n, err := strconv.ParseInt(part[1], 10, 64)
		unit := durationUnits[part[2]]
		if err != nil || n > int64((most-total)/unit) {
			return 0, errors.New("wants a duration of at most a hundred years")
		}
		if seen[part[2]] {
			return 0, fmt.Errorf("%w: %s stands there twice", errNotDuration, part[2])
		}
		seen[part[2]] = true
		total += time.Duration(n) * unit
	}
	return total, nil
}

// formatDuration writes a duration as people say it: 30h and 7d, not 1d6h and 1w.
func formatDuration(d time.Duration) string {
	d = d.Truncate(time.Second)
	for _, unit := range []string{"w", "d", "h", "m", "s"} {
		size := durationUnits[unit]
		if least := 2 * size; d > 0 && d%size == 0 && (d >= least || size <= time.Hour) {
			return fmt.Sprintf("%d%s", d/size, unit)
		}
	}
	return "0s"
}

// Form says how it is written.
func (Duration) Form() Form {
	return Form{Wants: "a duration such as 24h", Pattern: durationPattern}
}

// UnmarshalText reads it.
func (d *Duration) UnmarshalText(text []byte) error {
	value, err := ParseDuration(string(text))
	*d = Duration(value)
	return err
}

// Form says how it is written.
func (Interval) Form() Form {
	return Form{Wants: "a duration such as 24h", Pattern: durationPattern}
}

// UnmarshalText reads it.
func (i *Interval) UnmarshalText(text []byte) error {
	value, err := ParseDuration(string(text))
	if err == nil && value == 0 {
		err = errors.New("wants a duration above zero such as 24h")
	}
	*i = Interval(value)
	return err
}

// Form says how it is written.
func (Limit) Form() Form {
	return Form{Wants: "a duration such as 24h, or none", Pattern: durationPattern + `|none`}
}

// UnmarshalText reads it.
func (l *Limit) UnmarshalText(text []byte) error {
	if *l = 0; string(text) == "none" {
		return nil
	}
	if isZero(text) {
		return errors.New("wants a duration above zero; for no limit say none")
	}
	value, err := ParseDuration(string(text))
	*l = Limit(value)
	return orWord(err, "none")
}

// Form says how it is written.
func (Every) Form() Form {
	return Form{Wants: "a duration such as 24h, always or never", Pattern: durationPattern + `|always|never`}
}

// UnmarshalText reads it.
func (e *Every) UnmarshalText(text []byte) error {
	*e = Every{Always: string(text) == "always", Never: string(text) == "never"}
	if e.Always || e.Never {
		return nil
	}
	if isZero(text) {
		return errors.New("wants a duration above zero; say always for every run, or never")
	}
	var err error
	e.Interval, err = ParseDuration(string(text))
	return orWord(err, "always or never")
}

// isZero tells whether the text is a duration of nothing, with or without a unit.
func isZero(text []byte) bool { return zeroForm.Match(text) }

// orWord adds the words that may stand in place of a duration to what was wrong with it.
func orWord(err error, words string) error {
	if errors.Is(err, errNotDuration) {
		return fmt.Errorf("%w, or %s", err, words)
	}
	return err
}
