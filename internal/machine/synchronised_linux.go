package machine

import "golang.org/x/sys/unix"

// Synchronised tells whether somebody keeps the clock right, as the kernel has it; known is false if it does not say.
func Synchronised() (synchronised, known bool) {
	state, err := unix.Adjtimex(&unix.Timex{}) // nothing is set
	return state != unix.TIME_ERROR, err == nil
}
