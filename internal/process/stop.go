package process

import (
	"context"
	"errors"
	"syscall"
	"time"
)

const (
	defaultTerminate = 10 * time.Second
	// killWait is how long a SIGKILL is given to work. What is then still there hangs in the kernel; the
	// descriptors it inherited, such as a lock, are still its own.
	killWait = 10 * time.Second
	// maxSample bounds the time between two looks for signs of life.
	maxSample = 10 * time.Second
	groupPoll = 20 * time.Millisecond
)

type hurryKey struct{}

// WithHurry returns a context in which closing hurry, e.g. at a second signal, cuts the grace after SIGINT short.
func WithHurry(ctx context.Context, hurry <-chan struct{}) context.Context {
	return context.WithValue(ctx, hurryKey{}, hurry)
}

// watch returns when the program has ended, by itself or because it had to.
func (r *running) watch(ctx context.Context) {
	var ticks <-chan time.Time
	sample := min(r.c.Stall/10, maxSample)
	if sample > 0 {
		ticker := time.NewTicker(sample)
		defer ticker.Stop()
		ticks = ticker.C
	}
	// Samples are counted, not time: while the machine sleeps nothing can show a sign of life.
	idle, life := time.Duration(0), newLife(r.cmd.Process.Pid, &r.output, sample)
	for {
		select {
		case <-r.done:
			return
		case <-ctx.Done():
			hurry, _ := ctx.Value(hurryKey{}).(<-chan struct{})
			r.stopped = r.stop(r.c.Interrupt, hurry)
			return
		case <-ticks:
			idle += sample
			if life.seen() {
				idle = 0
			}
			if idle >= r.c.Stall {
				r.stalled = r.stop(0, nil)
				return
			}
		}
	}
}

// stop ends the program and reports whether that was still needed.
func (r *running) stop(grace time.Duration, hurry <-chan struct{}) bool {
	if r.ended(0, nil) {
		return false
	}
	if grace > 0 {
		// To the program alone: its helpers, such as ssh, are needed for a checkpoint.
		_ = r.cmd.Process.Signal(syscall.SIGINT)
		if r.ended(grace, hurry) {
			r.sweep()
			return true
		}
	}
	r.signalGroup(syscall.SIGTERM)
	if r.ended(r.terminate(), nil) {
		r.sweep()
		return true
	}
	r.signalGroup(syscall.SIGKILL)
	r.ended(killWait, nil)
	return true
}

func (r *running) terminate() time.Duration {
	if r.c.Terminate > 0 {
		return r.c.Terminate
	}
	return defaultTerminate
}

// ended waits at most d, or until hurry is closed, and tells whether the program has ended.
func (r *running) ended(d time.Duration, hurry <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-r.done:
		return true
	default:
	}
	select {
	case <-r.done:
		return true
	case <-hurry:
	case <-timer.C:
	}
	return false
}

func (r *running) signalGroup(signal syscall.Signal) error {
	return syscall.Kill(-r.cmd.Process.Pid, signal)
}

// sweep ends what the program left behind in its group.
func (r *running) sweep() {
	if errors.Is(r.signalGroup(syscall.SIGTERM), syscall.ESRCH) {
		return
	}
	for end := time.Now().Add(r.terminate()); time.Now().Before(end); time.Sleep(groupPoll) {
		if errors.Is(r.signalGroup(0), syscall.ESRCH) {
			return
		}
	}
	_ = r.signalGroup(syscall.SIGKILL)
}
