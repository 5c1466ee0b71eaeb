package cli

import (
	"time"

	"borgcron/internal/config"
)

// durationValue is a flag that takes the durations of the configuration: 90s, 15m, 1d12h.
type durationValue struct{ to *time.Duration }

func newDurationValue(value time.Duration, to *time.Duration) durationValue {
	*to = value
	return durationValue{to}
}

func (d durationValue) Set(text string) error {
	parsed, err := config.ParseDuration(text)
	if err != nil {
		return err
	}
	*d.to = parsed
	return nil
}

func (d durationValue) String() string {
	if d.to == nil {
		return ""
	}
	return d.to.String()
}

func (d durationValue) Type() string { return "DURATION" }
