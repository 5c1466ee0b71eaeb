package process

import "time"

// life tells whether a program gave a sign of life since it was last asked: a byte of output, bytes read or
// written by the program, or CPU time of it.
type life struct {
	pid     int
	output  *output
	enough  time.Duration // of CPU time
	printed int64
	last    usage
}

// usage is what the program itself has used up: not its helpers, as an ssh keeps a dead line busy.
type usage struct {
	cpu   time.Duration
	bytes uint64
}

// newLife watches the program with this process id, asked once per sample. A program that merely waits
// wakes up now and then: less than half a percent of CPU time is no sign of life.
func newLife(pid int, o *output, sample time.Duration) *life {
	return &life{pid: pid, output: o, enough: sample / 200}
}

func (l *life) seen() bool {
	printed, now := l.output.count.Load(), used(l.pid)
	seen := printed != l.printed || now.bytes != l.last.bytes || now.cpu-l.last.cpu > l.enough
	l.printed, l.last = printed, now
	return seen
}
