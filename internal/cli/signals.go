package cli

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"

	"borgcron/internal/process"
)

// signals ends the program's one context at the first signal; a second one hurries what is being stopped.
type signals struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	hurry   chan struct{}
	channel chan os.Signal
	first   atomic.Int64
	done    chan struct{}
	once    sync.Once
}

// watchSignals begins to listen. SIGHUP is left alone if it was ignored when we began: that is nohup.
func watchSignals() *signals {
	s := &signals{hurry: make(chan struct{}), channel: make(chan os.Signal, 4), done: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	wanted := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		wanted = append(wanted, syscall.SIGHUP)
	}
	signal.Notify(s.channel, wanted...)
	// Whoever read our output may have gone: a write then fails, and the run goes on and is recorded. Not
	// ignored, as children would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go s.listen()
	return s
}

func (s *signals) listen() {
	for {
		select {
		case <-s.done:
			return
		case received := <-s.channel:
			number, _ := received.(syscall.Signal)
			if s.first.CompareAndSwap(0, int64(number)) {
				s.cancel(interruption{})
				continue
			}
			s.once.Do(func() { close(s.hurry) })
		}
	}
}

// context is the context of the whole program.
func (s *signals) context() context.Context { return process.WithHurry(s.ctx, s.hurry) }

// received returns the number of the signal that ended us, 0 if none.
func (s *signals) received() int { return int(s.first.Load()) }

func (s *signals) stop() {
	signal.Stop(s.channel)
	close(s.done)
	s.cancel(nil)
}
