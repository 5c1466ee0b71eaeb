//go:build !chaos

package cli

import "time"

// now is the clock of the whole program.
func now() time.Time { return time.Now() }
