package main

import (
	"context"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// round is what happens to a world once.
type round struct {
	world    *world
	plan     plan
	random   *mathrand.Rand
	mark     int      // calls of borg before it
	struck   []*start // runs while a fault lasted
	calm     []*start // undisturbed runs after them
	record   *record
	leftLock string                     // a lock of borg's that was put in the way
	touched  map[string]map[string]bool // files of each job that faults have written to or removed

	mutex sync.Mutex // of the world's undo and of what follows
	more  []*start   // started beside the first
	full  map[string]bool
}

// round performs a round: a run with faults, their end, up to two runs without, and the invariants.
func (w *world) round(ctx context.Context, p plan) (*record, error) {
	r := &round{
		world: w, plan: p, random: random(p.seed, "faults", p.round), mark: len(w.calls(0)), full: map[string]bool{},
		touched: map[string]map[string]bool{"alpha": {}, "beta": {}}, record: newRecord(w, p),
	}
	began := time.Now()
	w.changeData(p)
	var err error
	if p.has("damage") {
		err = r.damage(ctx)
	} else {
		err = r.disturb(ctx)
	}
	w.undoFaults()
	if err != nil {
		return nil, err
	}
	r.recover(ctx)
	r.examine(ctx)
	for _, s := range slices.Concat(r.struck, r.calm) {
		r.record.Exits = append(r.record.Exits, s.exit)
	}
	r.record.Seconds = time.Since(began).Seconds()
	return r.record, nil
}

// disturb starts a run and has the faults happen to it.
func (r *round) disturb(ctx context.Context) error {
	var environ []string
	for i, f := range r.plan.faults {
		if !f.beforehand() {
			continue
		}
		r.record.Faults[i].At = 0
		switch f.kind {
		case "clock":
			ahead := f.lasts
			if f.target == "back" {
				ahead = -ahead
			}
			environ = append(environ, "BORGCRON_CLOCK="+ahead.String())
		default:
			if err := r.prepare(ctx, f); err != nil {
				return err
			}
		}
	}
	nextSecond()
	first := r.world.startWith(ctx, environ, "run", "alpha", "--json")
	var strikes sync.WaitGroup
	for i, f := range r.plan.faults {
		if !f.beforehand() {
			strikes.Go(func() { r.record.Faults[i].At = r.strike(ctx, first, f) })
		}
	}
	first.wait()
	strikes.Wait()
	r.examineLeftLock(first)
	for _, harmless := range []string{"full:state", "history:deleted", "history:garbage", "status:garbage", "lock:garbage", "clock:back", "clock:forth"} {
		if r.plan.is(harmless) {
			r.holds("goes_on", first.archive() != "", "no archive because of %s, exit code %d: %s", harmless, first.exit, first.complaint())
		}
	}
	r.struck = append([]*start{first}, r.more...)
	for _, s := range r.struck {
		s.touched = r.touched
	}
	return nil
}

// beforehand tells whether a fault happens before the run begins.
func (f fault) beforehand() bool {
	return slices.Contains([]string{"clock", "history", "status", "lock", "left_lock", "unplugged", "unreadable"}, f.kind)
}

// prepare has a fault happen that a run then finds.
func (r *round) prepare(ctx context.Context, f fault) error {
	w := r.world
	garbage := noise(r.random, 300+r.random.IntN(9000))
	switch f.String() {
	case "history:deleted":
		return removeAll(w.path("state/history.db*"))
	case "history:garbage":
		return os.WriteFile(w.path("state/history.db"), garbage, 0o600)
	case "status:garbage":
		return os.WriteFile(w.path("state/status/alpha.json"), garbage, 0o644)
	case "lock:garbage":
		locks, err := filepath.Glob(w.path("state/locks/*.lock"))
		for _, lock := range locks {
			err = os.WriteFile(lock, garbage, 0o600)
		}
		return err
	case "unplugged":
		r.undoes(func() { _ = os.Rename(w.repository()+".away", w.repository()) })
		return os.Rename(w.repository(), w.repository()+".away")
	case "unreadable":
		return r.unreadable()
	case "left_lock:reused", "left_lock:living", "left_lock:foreign":
		return r.leaveLock(ctx, f.target)
	}
	return fmt.Errorf("no fault is called %s", f)
}

func removeAll(pattern string) error {
	paths, err := filepath.Glob(pattern)
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return err
}

// damage flips a byte of the repository. From the check that finds it until that is settled, every run has failed and
// nothing may be deleted.
func (r *round) damage(ctx context.Context) error {
	w := r.world
	undo, err := w.flip(r.random)
	if err != nil {
		return err
	}
	w.undo = append(w.undo, undo)
	r.record.Faults[0].At = 0
	args := []string{"run", "alpha", "--json"}
	if w.Check != "always" {
		args = append(args, "--only", "check")
	}
	r.alarmed(ctx, args)
	mark := len(w.calls(0))
	for _, job := range []string{"alpha", "alpha", "beta"} { // often enough for something to fall out of the retention
		if r.plan.lose && job == "beta" {
			if err := removeAll(w.path("state/history.db*")); err != nil {
				return err
			}
		}
		r.alarmed(ctx, []string{"run", job, "--json"})
	}
	for _, call := range w.calls(mark) {
		r.holds("held_back", call != "prune" && call != "compact", "borg %s was started while an alarm stood", call)
	}
	if row, code, err := w.status(ctx, "alpha"); err != nil || row.State != "failed" || code != 2 || string(row.Alarm) == "null" {
		r.violated("alarm_raised", "status with an alarm: state %q, exit code %d, alarm %s, %v", row.State, code, row.Alarm, err)
	}
	w.undoFaults()
	args = []string{"run", "alpha", "--json", "--only", "check"}
	if r.plan.ack {
		args = []string{"ack", "alpha", "--yes"}
	}
	end := w.start(ctx, args...)
	end.wait()
	r.struck = append(r.struck, end)
	r.holds("alarm_ends", end.exit == 0, "borgcron %v, which was to end the alarm, ended with %d: %s", args, end.exit, end.complaint())
	return nil
}

// alarmed runs borgcron on a damaged repository.
func (r *round) alarmed(ctx context.Context, args []string) {
	nextSecond()
	s := r.world.start(ctx, args...)
	s.wait()
	r.struck = append(r.struck, s)
	r.holds("alarm_raised", s.exit == 2, "with a damaged repository borgcron %v ended with %d: %s", args, s.exit, s.complaint())
}

// recover lets runs go undisturbed, of every job that was run: at most two until one ends well.
func (r *round) recover(ctx context.Context) {
	for _, job := range jobs {
		if !slices.ContainsFunc(r.struck, func(s *start) bool { return slices.Contains(s.args, job) }) {
			continue
		}
		for range 2 {
			nextSecond()
			s := r.world.start(ctx, "run", job, "--json")
			s.wait()
			r.calm = append(r.calm, s)
			if s.exit == 0 {
				break
			}
			if s.asks("more than half") { // what an alarm held back for long; the owner says that it is right
				r.world.start(ctx, "ack", job, "--yes").wait()
			}
		}
		last := r.calm[len(r.calm)-1]
		r.holds("ends_well", last.exit == 0, "the second undisturbed run of %s ended with %d: %s", job, last.exit, last.complaint())
		if last.exit == 0 && len(r.calm) == 1 {
			r.world.usual = last.ended.Sub(last.began)
		}
	}
}

// nextSecond waits a little more than a second: to borg's keep-last, archives of one second are one.
func nextSecond() { time.Sleep(1100 * time.Millisecond) }

// holds notes whether an invariant held.
func (r *round) holds(invariant string, held bool, format string, args ...any) {
	if !held {
		r.violated(invariant, format, args...)
		return
	}
	if _, judged := r.record.Invariants[invariant]; !judged {
		r.record.Invariants[invariant] = true
	}
}

func (r *round) violated(invariant, format string, args ...any) {
	text := invariant + ": " + fmt.Sprintf(format, args...)
	r.record.Invariants[invariant] = false
	r.record.Violations = append(r.record.Violations, text)
	r.world.violations = append(r.world.violations, text)
}
