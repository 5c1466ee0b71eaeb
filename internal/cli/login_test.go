package cli

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// Somebody at the terminal is waited for until Enter, a signal or the time is over, whichever comes first.
func TestAwaitLine(t *testing.T) {
	for _, test := range []struct {
		name    string
		after   time.Duration // Enter, 0 never
		cancel  time.Duration // a signal, 0 never
		pressed bool
		took    time.Duration
	}{
		{"Enter", 3 * time.Second, 0, true, 3 * time.Second},
		{"nobody there", 0, 0, false, loginWait},
		{"too late", loginWait + time.Second, 0, false, loginWait},
		{"Ctrl-C", 0, 5 * time.Second, false, 5 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				keyboard, keys := io.Pipe()
				if test.after > 0 {
					time.AfterFunc(test.after, func() { _, _ = keys.Write([]byte("\n")) })
				}
				if test.cancel > 0 {
					time.AfterFunc(test.cancel, cancel)
				}
				began := time.Now()
				pressed := awaitLine(ctx, keyboard, loginWait)
				if took := time.Since(began); pressed != test.pressed || took != test.took {
					t.Errorf("pressed %t after %s", pressed, took)
				}
				cancel()
				keys.Close()
				time.Sleep(loginWait) // what is to come has come
			})
		})
	}
}
