// Package retry does something again if it failed for a reason that may pass by itself.
package retry

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Policy tells how often, and how long after a failure, something is tried again.
type Policy struct {
	Retries int           // beyond the first attempt
	Wait    time.Duration // before the first retry
	Backoff float64       // each further wait is longer by this factor; below 1 is 1
	MaxWait time.Duration // no wait is longer; 0: no limit
}

// Do calls try, with the number of the attempt from 1 on, until it succeeds, the retries are used up, ctx
// ends, or it fails with an error that has no method Temporary() bool in its chain that returns true. An
// error whose method Once() bool returns true is followed by a retry only the first time one comes.
//
// failed hears of each attempt that failed before Do waits; wait is 0 if there is no further one.
// Do returns the error of the last attempt, and with it the cause of ctx if that ended.
func Do(ctx context.Context, p Policy, try func(ctx context.Context, attempt int) error,
	failed func(attempt int, err error, wait time.Duration),
) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var last error
	attempt, told, once := 0, 0, false
	tell := func(_ error, wait time.Duration) {
		told = attempt
		failed(attempt, last, wait)
	}
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		attempt++
		last = try(ctx, attempt)
		if last == nil {
			return struct{}{}, nil
		}
		if !temporary(last) || isOnce(last) && once {
			return struct{}{}, backoff.Permanent(last)
		}
		once = once || isOnce(last)
		return struct{}{}, last
	}, backoff.WithBackOff(p.waits()), backoff.WithMaxTries(uint(max(p.Retries, 0))+1),
		backoff.WithMaxElapsedTime(0), // a backup may take days; the library's default is 15 minutes
		backoff.WithNotify(tell))
	if err == nil {
		return nil
	}
	if told < attempt {
		tell(last, 0)
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(last, cause) {
		return fmt.Errorf("%w; not tried again: %w", last, cause)
	}
	if broken {
		return nil
	}
	return last
}

// waits is the sequence of the waits, exact: there is no crowd of clients here that jitter would spread.
func (p Policy) waits() backoff.BackOff {
	limit := p.MaxWait
	if limit <= 0 {
		limit = math.MaxInt64
	}
	return &backoff.ExponentialBackOff{
		InitialInterval: min(p.Wait, limit), Multiplier: max(p.Backoff, 1), MaxInterval: limit,
	}
}

func temporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

func isOnce(err error) bool {
	var o interface{ Once() bool }
	return errors.As(err, &o) && o.Once()
}
