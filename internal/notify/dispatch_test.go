package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
	"borgcron/internal/notify"
)

// box is a channel that keeps what it gets.
type box struct {
	mu      sync.Mutex
	got     []string
	last    notify.Message
	starts  int
	failure error
	hang    bool
}

func (b *box) Deliver(ctx context.Context, m notify.Message) error {
	if b.hang {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failure != nil {
		return b.failure
	}
	b.got, b.last = append(b.got, string(m.Event)), m
	return nil
}

// watcher also hears of starts.
type watcher struct{ box }

func (w *watcher) Start(ctx context.Context, _ notify.Message) error {
	if w.hang {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.starts++
	return nil
}

var job = &backup.Job{Name: "home", Repositories: []backup.Repository{{Name: "nas", Location: "/mnt/nas"}}, Notify: []string{"a", "b", "watch"}}

func target() backup.Target { return backup.Target{Job: job, Repository: job.Repositories[0]} }

func dispatcher(standing *backup.Standing, posts ...notify.Post) *notify.Dispatcher {
	return &notify.Dispatcher{
		Posts: posts, Outbox: &notify.Memory{}, Host: "laptop",
		Standing: func(backup.Target) backup.Standing { return *standing },
		Row:      func(run backup.Run) any { return map[string]string{"id": run.ID} },
		Exit: func(outcome backup.Outcome) int {
			return map[backup.Outcome]int{backup.Warned: 1, backup.Failed: 2, backup.Interrupted: 2}[outcome]
		},
		Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
}

func ended(outcome backup.Outcome) backup.Event {
	return backup.Event{Kind: backup.RunEnded, Target: target(), Run: backup.Run{
		ID: "20261123T0230-ab", Job: "home", Repository: "nas", Outcome: outcome, Problem: "it went wrong on /mnt/nas", Ended: time.Now(),
	}}
}

// TestEachChannelGetsWhatItTakes: one message an occasion, the gravest of the news that the channel takes; a
// monitor hears how every run ended.
func TestEachChannelGetsWhatItTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a, b, other box
		var watch watcher
		standing := backup.Standing{State: "ok", Well: true}
		d := dispatcher(&standing,
			notify.Post{Name: "a", On: []string{"failed", "recovered", "stale"}, Channel: &a},
			notify.Post{Name: "b", On: []string{"all"}, Channel: &b},
			notify.Post{Name: "watch", Monitor: true, Channel: &watch},
			notify.Post{Name: "of another job", On: []string{"all"}, Channel: &other})
		for _, day := range []struct {
			outcome  backup.Outcome
			standing backup.Standing
		}{
			{backup.Succeeded, backup.Standing{State: "ok", Well: true}},
			{backup.Failed, backup.Standing{State: "failed", Failed: true}},
			{backup.Failed, backup.Standing{State: "failed", Failed: true}},
			{backup.Failed, backup.Standing{State: "failed", Failed: true, Alarm: true}},
			{backup.Skipped, backup.Standing{State: "failed", Failed: true, Stale: true}},
			{backup.Warned, backup.Standing{State: "warning", Well: true}},
		} {
			standing = day.standing
			if err := d.Observe(t.Context(), ended(day.outcome)); err != nil {
				t.Fatal(err)
			}
			if unreached := d.Deliver(t.Context()); unreached != 0 {
				t.Errorf("%d channels not reached", unreached)
			}
			time.Sleep(time.Hour)
		}
		standing = backup.Standing{State: "stale", Stale: true}
		for range 2 {
			if err := d.Look(t.Context(), target()); err != nil {
				t.Fatal(err)
			}
		}
		d.Deliver(t.Context())
		for name, want := range map[*box]string{
			&a:         "failed alarm stale recovered stale",
			&b:         "succeeded failed alarm stale warning stale",
			&watch.box: "succeeded failed failed alarm skipped warning",
			&other:     "",
		} {
			if got := strings.Join(name.got, " "); got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		}
	})
}

// TestMonitorThatIsDown: it costs one timeout and no more, what it did not take is kept, and others get theirs.
func TestMonitorThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good, hangs := &box{}, &watcher{box{hang: true}}
		standing := backup.Standing{State: "ok", Well: true}
		d := dispatcher(&standing, notify.Post{Name: "a", On: []string{"all"}, Channel: good}, notify.Post{Name: "watch", Monitor: true, Channel: hangs})
		began := time.Now()
		for range 5 {
			start := ended(backup.Succeeded)
			start.Kind = backup.RunStarted
			_ = d.Observe(t.Context(), start)
			time.Sleep(time.Minute) // the backup
			_ = d.Observe(t.Context(), ended(backup.Succeeded))
			if unreached := d.Deliver(t.Context()); unreached != 1 {
				t.Errorf("%d channels not reached, want 1", unreached)
			}
		}
		if took := time.Since(began); took != 5*time.Minute { // nobody waits for a start, and who did not answer to that is not tried again
			t.Errorf("five backups of a minute took %v", took)
		}
		if len(good.got) != 5 {
			t.Errorf("the channel that works got %q", good.got)
		}
		kept, _ := d.Outbox.Claim(t.Context(), "watch", time.Now())
		if len(kept) != 5 {
			t.Errorf("%d messages are kept, want 5", len(kept))
		}
		hangs.hang = false // the next process finds it back
		next := dispatcher(&standing, d.Posts...)
		next.Outbox = d.Outbox
		if next.Deliver(t.Context()); len(hangs.got) != 5 {
			t.Errorf("after it came back it got %q", hangs.got)
		}
	})
}

// TestLateMonitor: a monitor takes a success for one of now, so an old one is not told; a failure lasts.
func TestLateMonitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for outcome, want := range map[backup.Outcome]string{backup.Succeeded: "", backup.Failed: "failed"} {
			watch := &watcher{box{failure: errors.New("answered 500")}}
			standing := backup.Standing{State: "ok", Well: outcome == backup.Succeeded, Failed: outcome == backup.Failed}
			d := dispatcher(&standing, notify.Post{Name: "watch", Monitor: true, Channel: watch})
			_ = d.Observe(t.Context(), ended(outcome))
			d.Deliver(t.Context())
			time.Sleep(7 * time.Hour)
			watch.failure = nil
			next := dispatcher(&standing, d.Posts...)
			next.Outbox = d.Outbox
			if next.Deliver(t.Context()); strings.Join(watch.got, " ") != want {
				t.Errorf("%v: told %q, want %q", outcome, watch.got, want)
			}
			if kept, _ := d.Outbox.Claim(t.Context(), "watch", time.Now()); len(kept) > 0 {
				t.Errorf("%v: %d messages still wait", outcome, len(kept))
			}
		}
	})
}

// TestEndedWhileDelivering: who is being ended still tells of it, but not for long.
func TestEndedWhileDelivering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good, hangs := &box{}, &box{hang: true}
		standing := backup.Standing{State: "failed", Failed: true}
		d := dispatcher(&standing, notify.Post{Name: "a", On: []string{"all"}, Channel: good}, notify.Post{Name: "b", On: []string{"all"}, Channel: hangs})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := d.Observe(ctx, ended(backup.Interrupted)); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		d.Deliver(ctx)
		if took := time.Since(began); took != 8*time.Second {
			t.Errorf("it took %v", took)
		}
		if !slices.Equal(good.got, []string{"failed"}) {
			t.Errorf("told %q", good.got)
		}
	})
}

// TestOrder: a channel that fails gets the rest later, in the same order.
func TestOrder(t *testing.T) {
	a := &box{failure: errors.New("answered 500")}
	standing := backup.Standing{State: "failed", Failed: true}
	post := notify.Post{Name: "a", On: []string{"all"}, Channel: a}
	d := dispatcher(&standing, post)
	for _, outcome := range []backup.Outcome{backup.Failed, backup.Skipped, backup.Succeeded} {
		_ = d.Observe(t.Context(), ended(outcome))
	}
	if unreached := d.Deliver(t.Context()); unreached != 1 || len(a.got) > 0 {
		t.Errorf("unreached %d, got %q", unreached, a.got)
	}
	a.failure = nil
	next := dispatcher(&standing, post)
	next.Outbox = d.Outbox
	if next.Deliver(t.Context()); !slices.Equal(a.got, []string{"failed", "skipped", "succeeded"}) {
		t.Errorf("told %q", a.got)
	}
}

// TestNobodyLooks: a message to a screen waits without a complaint until somebody sits there.
func TestNobodyLooks(t *testing.T) {
	desk := &box{failure: notify.ErrNobody}
	standing := backup.Standing{State: "failed", Failed: true}
	d := dispatcher(&standing, notify.Post{Name: "a", On: []string{"all"}, Newest: true, Channel: desk})
	var log strings.Builder
	d.Log = slog.New(slog.NewTextHandler(&log, nil))
	_ = d.Observe(t.Context(), ended(backup.Failed))
	if unreached := d.Deliver(t.Context()); unreached != 0 || log.Len() > 0 {
		t.Errorf("%d channels not reached, log: %s", unreached, &log)
	}
	desk.failure = nil
	if d.Deliver(t.Context()); !slices.Equal(desk.got, []string{"failed"}) {
		t.Errorf("told %q", desk.got)
	}
}

// fullDisk is an outbox that takes nothing.
type fullDisk struct{}

func (fullDisk) Tell(context.Context, backup.Target, func(*backup.Told) []backup.Letter) error {
	return errors.New("the disk is full")
}

func (fullDisk) Claim(context.Context, string, time.Time) ([]backup.Letter, error) {
	return nil, errors.New("the disk is full")
}

func (fullDisk) Settle(context.Context, backup.Letter) error { return errors.New("the disk is full") }

// TestOutboxThatTakesNothing: what cannot be kept is told all the same.
func TestOutboxThatTakesNothing(t *testing.T) {
	a := &box{}
	standing := backup.Standing{State: "failed", Failed: true}
	d := dispatcher(&standing, notify.Post{Name: "a", On: []string{"all"}, Channel: a})
	d.Outbox = fullDisk{}
	if err := d.Observe(t.Context(), ended(backup.Failed)); err == nil {
		t.Error("nothing is said of the disk")
	}
	for range 2 { // of two jobs
		_ = d.Observe(t.Context(), ended(backup.Skipped))
		if unreached := d.Deliver(t.Context()); unreached != 0 {
			t.Errorf("%d channels not reached, though they were", unreached)
		}
		standing.Stale = true
	}
	if !slices.Equal(a.got, []string{"failed", "skipped", "stale"}) {
		t.Errorf("told %q", a.got)
	}
}

// TestForgottenFailure: that all is well again is told also if it is not known that the failure was told.
func TestForgottenFailure(t *testing.T) {
	for outcome, standing := range map[backup.Outcome]backup.Standing{
		backup.Succeeded: {State: "ok", Well: true}, backup.Warned: {State: "warning", Well: true},
	} {
		a := &box{}
		now := backup.Standing{State: "failed", Failed: true}
		d := dispatcher(&now, notify.Post{Name: "a", On: []string{"recovered"}, Channel: a})
		for range 2 {
			start := ended(outcome)
			start.Kind = backup.RunStarted
			_ = d.Observe(t.Context(), start)
			now = standing
			_ = d.Observe(t.Context(), ended(outcome))
			d.Deliver(t.Context())
		}
		if !slices.Equal(a.got, []string{"recovered"}) {
			t.Errorf("%v: told %q", outcome, a.got)
		}
	}
}

// TestMonitorOfAStep: a step that went well is no backup; and a skip takes the place of nothing that waits.
func TestMonitorOfAStep(t *testing.T) {
	watch := &watcher{box{failure: errors.New("answered 500")}}
	standing := backup.Standing{State: "failed", Failed: true}
	post := notify.Post{Name: "watch", Monitor: true, Newest: true, Channel: watch}
	d := dispatcher(&standing, post)
	_ = d.Observe(t.Context(), ended(backup.Failed))
	_ = d.Observe(t.Context(), ended(backup.Skipped))
	_ = d.Observe(t.Context(), ended(backup.Succeeded)) // --only check
	letters, _ := d.Outbox.Claim(t.Context(), "watch", time.Now())
	var topics []string
	for _, letter := range letters {
		topics = append(topics, letter.Topic)
	}
	if want := []string{"home /mnt/nas", "home /mnt/nas skipped", "home /mnt/nas skipped"}; !slices.Equal(topics, want) {
		t.Errorf("topics %q, want %q", topics, want)
	}
	watch.failure = nil
	if d.Deliver(t.Context()); !slices.Equal(watch.got, []string{"failed", "skipped", "skipped"}) || watch.last.Title != "laptop: backup of home on nas is still failed" {
		t.Errorf("told %q, at last %q", watch.got, watch.last.Title)
	}
}

// refuser takes all messages but those of one event.
type refuser struct {
	box
	event backup.News
}

func (r *refuser) Deliver(ctx context.Context, m notify.Message) error {
	if m.Event == r.event {
		return errors.New("answered 400 Bad Request")
	}
	return r.box.Deliver(ctx, m)
}

// TestRefusedForGood: a message that a channel will never take holds those behind it up once, and no more.
func TestRefusedForGood(t *testing.T) {
	a := &refuser{event: "failed"}
	standing := backup.Standing{State: "failed", Failed: true}
	post := notify.Post{Name: "a", On: []string{"all"}, Channel: a}
	first := dispatcher(&standing, post)
	_ = first.Observe(t.Context(), ended(backup.Failed))
	_ = first.Observe(t.Context(), ended(backup.Succeeded))
	for range 2 {
		next := dispatcher(&standing, post)
		next.Outbox = first.Outbox
		if unreached := next.Deliver(t.Context()); unreached != 1 {
			t.Errorf("%d channels not reached", unreached)
		}
	}
	if !slices.Equal(a.got, []string{"succeeded"}) {
		t.Errorf("told %q", a.got)
	}
}

// TestMessages compares what people read.
func TestMessages(t *testing.T) {
	a := &box{}
	now := time.Date(2026, 11, 23, 2, 34, 0, 0, time.Local)
	standing := backup.Standing{State: "failed", Failed: true, Success: now.Add(-26 * time.Hour)}
	d := dispatcher(&standing, notify.Post{Name: "a", On: []string{"all"}, Channel: a})
	d.Now = func() time.Time { return now }
	run := backup.Run{
		ID: "20261123T023000-ab", Job: "home", Repository: "nas", Outcome: backup.Failed, Started: now.Add(-4 * time.Minute), Ended: now,
		Problem: "the server closed the\x1bconnection", Steps: []backup.StepResult{{
			Step: backup.Create, Outcome: backup.Failed, Attempts: 4, Failures: []backup.Attempt{{ID: "ConnectionClosed", Tail: []string{"one", "two\x07"}}},
		}},
	}
	good := run
	good.Notes = []string{"new data 1.1GiB, 8 times the usual 140MiB"}
	good.Outcome, good.Problem, good.Steps = backup.Succeeded, "", []backup.StepResult{{Step: backup.Create, Attempts: 1, Report: backup.Report{
		Archive: &backup.Archive{Name: "laptop-home-2026"}, Files: 12345, OriginalSize: 118e9, DeduplicatedSize: 12e8,
	}}}
	last := func(e backup.Event) notify.Message {
		if err := d.Observe(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		d.Deliver(t.Context())
		return a.last
	}
	got := last(backup.Event{Kind: backup.RunEnded, Target: target(), Run: run})
	want := notify.Message{
		Event: "failed", Time: now, Host: "laptop", Job: "home", Repository: "nas", State: "failed", Run: json.RawMessage(`{"id":"20261123T023000-ab"}`),
		RunID: run.ID, Outcome: "failed", Problem: "the server closed the connection", Exit: 2, Tail: []string{"one", "two"},
		Title: "laptop: backup of home on nas failed",
		Text: "the server closed the connection\nTook 4 minutes, 4 attempts.\nThe last success was 1 day ago, at 2026-11-22 00:34.\n" +
			"Try: borgcron history --run 20261123T023000-ab\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("failed (-want +got):\n%s", diff)
	}
	standing = backup.Standing{State: "ok", Well: true, Success: now}
	got = last(backup.Event{Kind: backup.RunEnded, Target: target(), Run: good})
	if got.Title != "laptop: backup of home on nas works again" || got.Text != "Took 4 minutes, 1.2 GB new, 118 GB in all, 12,345 files.\nnew data 1.1GiB, 8 times the usual 140MiB\n" {
		t.Errorf("recovered: %q, %q", got.Title, got.Text)
	}
}
