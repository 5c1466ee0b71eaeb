package retry_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/retry"
)

// failure is an error as the packages that start programs make them.
type failure struct {
	name            string
	temporary, once bool
}

func (f *failure) Error() string   { return f.name }
func (f *failure) Temporary() bool { return f.temporary }
func (f *failure) Once() bool      { return f.once }

var (
	lost      = &failure{name: "connection lost", temporary: true}
	killed    = &failure{name: "killed", temporary: true, once: true}
	permanent = &failure{name: "wrong passphrase"}
	plain     = errors.New("plain")
)

// heard is what the caller was told of one attempt, and when.
type heard struct {
	Attempt int
	Err     string
	Wait    time.Duration
	At      time.Duration
}

func TestDo(t *testing.T) {
	five := retry.Policy{Retries: 3, Wait: 5 * time.Minute, Backoff: 1, MaxWait: time.Hour}
	tests := map[string]struct {
		policy retry.Policy
		errs   []error // of the attempts; then they succeed
		want   []heard
		err    error
		took   time.Duration
	}{
		"success": {policy: five},
		"failed twice, then worked": {
			policy: five, errs: []error{lost, fmt.Errorf("create: %w", lost)}, took: 10 * time.Minute,
			want: []heard{
				{1, "connection lost", 5 * time.Minute, 0},
				{2, "create: connection lost", 5 * time.Minute, 5 * time.Minute},
			},
		},
		"retries used up": {
			policy: retry.Policy{Retries: 1, Wait: time.Second}, errs: []error{lost, lost, lost}, err: lost, took: time.Second,
			want: []heard{{1, "connection lost", time.Second, 0}, {2, "connection lost", 0, time.Second}},
		},
		"no retries":       {policy: retry.Policy{Wait: time.Second}, errs: []error{lost}, err: lost, want: []heard{{1, "connection lost", 0, 0}}},
		"permanent":        {policy: five, errs: []error{permanent}, err: permanent, want: []heard{{1, "wrong passphrase", 0, 0}}},
		"no word about it": {policy: five, errs: []error{plain}, err: plain, want: []heard{{1, "plain", 0, 0}}},
		"negative retries": {policy: retry.Policy{Retries: -1}, errs: []error{lost}, err: lost, want: []heard{{1, "connection lost", 0, 0}}},
		"retry without wait": {
			policy: retry.Policy{Retries: 1}, errs: []error{lost}, want: []heard{{1, "connection lost", 0, 0}},
		},
		"permanent after a lost one": {
			policy: five, errs: []error{lost, permanent}, err: permanent, took: 5 * time.Minute,
			want: []heard{{1, "connection lost", 5 * time.Minute, 0}, {2, "wrong passphrase", 0, 5 * time.Minute}},
		},
		"killed twice": {
			policy: five, errs: []error{killed, fmt.Errorf("create: %w", killed), lost}, err: killed, took: 5 * time.Minute,
			want: []heard{{1, "killed", 5 * time.Minute, 0}, {2, "create: killed", 0, 5 * time.Minute}},
		},
		"killed, lost, killed": {
			policy: five, errs: []error{killed, lost, killed}, err: killed, took: 10 * time.Minute,
			want: []heard{
				{1, "killed", 5 * time.Minute, 0}, {2, "connection lost", 5 * time.Minute, 5 * time.Minute},
				{3, "killed", 0, 10 * time.Minute},
			},
		},
		"waits grow up to the limit": {
			policy: retry.Policy{Retries: 4, Wait: 10 * time.Minute, Backoff: 2.5, MaxWait: time.Hour},
			errs:   []error{lost, lost, lost, lost}, took: 155 * time.Minute,
			want: []heard{
				{1, "connection lost", 10 * time.Minute, 0}, {2, "connection lost", 25 * time.Minute, 10 * time.Minute},
				{3, "connection lost", time.Hour, 35 * time.Minute}, {4, "connection lost", time.Hour, 95 * time.Minute},
			},
		},
		"wait above the limit": {
			policy: retry.Policy{Retries: 2, Wait: 2 * time.Hour, Backoff: 1, MaxWait: time.Hour},
			errs:   []error{lost, lost}, took: 2 * time.Hour,
			want: []heard{{1, "connection lost", time.Hour, 0}, {2, "connection lost", time.Hour, time.Hour}},
		},
		"days of waiting, no limit": {
			policy: retry.Policy{Retries: 2, Wait: 24 * time.Hour, Backoff: 3}, errs: []error{lost, lost}, took: 96 * time.Hour,
			want: []heard{{1, "connection lost", 24 * time.Hour, 0}, {2, "connection lost", 72 * time.Hour, 24 * time.Hour}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var got []heard
				err := retry.Do(t.Context(), test.policy, func(_ context.Context, attempt int) error {
					if attempt > len(test.errs) {
						return nil
					}
					return test.errs[attempt-1]
				}, func(attempt int, err error, wait time.Duration) {
					got = append(got, heard{attempt, err.Error(), wait, time.Since(began)})
				})
				if !errors.Is(err, test.err) {
					t.Errorf("error %v, want %v", err, test.err)
				}
				if took := time.Since(began); took != test.took {
					t.Errorf("took %v, want %v", took, test.took)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("heard (-want +got)\n%s", diff)
				}
			})
		})
	}
}

func TestContextEndsTheWait(t *testing.T) {
	stopped := errors.New("stopped by the user")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(stopped) })
		began, told := time.Now(), 0
		err := retry.Do(ctx, retry.Policy{Retries: 3, Wait: time.Hour},
			func(context.Context, int) error { return lost },
			func(int, error, time.Duration) { told++ })
		if !errors.Is(err, lost) || !errors.Is(err, stopped) || time.Since(began) != time.Minute || told != 1 {
			t.Errorf("error %v after %v, told %d times", err, time.Since(began), told)
		}
		if want := "connection lost; not tried again: stopped by the user"; err.Error() != want {
			t.Errorf("message %q, want %q", err, want)
		}
	})
}

func TestContextEndsTheAttempt(t *testing.T) {
	stopped := errors.New("stopped by the user")
	ctx, cancel := context.WithCancelCause(t.Context())
	var waits []time.Duration
	err := retry.Do(ctx, retry.Policy{Retries: 3, Wait: time.Hour}, func(ctx context.Context, _ int) error {
		cancel(stopped)
		return fmt.Errorf("%w: %w", lost, context.Cause(ctx))
	}, func(_ int, _ error, wait time.Duration) { waits = append(waits, wait) })
	if want := "connection lost: stopped by the user"; err == nil || err.Error() != want || !errors.Is(err, stopped) {
		t.Errorf("error %v, want %s", err, want)
	}
	if diff := cmp.Diff([]time.Duration{0}, waits); diff != "" {
		t.Errorf("waits (-want +got)\n%s", diff)
	}
}

func TestContextThatHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := retry.Do(ctx, retry.Policy{}, func(context.Context, int) error {
		t.Error("tried")
		return nil
	}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
