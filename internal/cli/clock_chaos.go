//go:build chaos

package cli

import (
	"os"
	"time"
)

// now is a clock that the fault injector sets: BORGCRON_CLOCK is how far it is ahead.
func now() time.Time {
	ahead, err := time.ParseDuration(os.Getenv("BORGCRON_CLOCK"))
	if err != nil {
		return time.Now()
	}
	return time.Now().Add(ahead)
}
