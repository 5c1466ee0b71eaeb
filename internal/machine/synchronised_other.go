//go:build !linux

package machine

// Synchronised tells whether somebody keeps the clock right; it is known on Linux only.
func Synchronised() (synchronised, known bool) { return false, false }
