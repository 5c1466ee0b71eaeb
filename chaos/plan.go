package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// options are what a world is like.
type options struct {
	Remote     bool   `json:"remote"` // over a real sshd
	Borg       int    `json:"-"`      // which of those found
	Clients    string `json:"clients"`
	Encryption string `json:"encryption"`
	Check      string `json:"check"`  // check.every
	Keep       int    `json:"keep"`   // retention.last
	Chunks     string `json:"chunks"` // "small": more objects for borg to handle
	Small      bool   `json:"small"`  // repository, state and cache lie on small file systems of their own
}

// moment is when a fault comes: after the run began, or after it came to a step.
type moment struct {
	step     string        // "": counted from the start
	fraction float64       // of how long such a run takes, if step is ""
	delay    time.Duration // after the step began
}

// fault is something that happens to a run.
type fault struct {
	kind, target string
	at           moment
	lasts        time.Duration // 0: until the run has ended
}

func (f fault) String() string {
	if f.target == "" {
		return f.kind
	}
	return f.kind + ":" + f.target
}

// plan is all that is drawn for one round.
type plan struct {
	round  int
	seed   uint64 // of the data, and of what is damaged
	faults []fault
	ack    bool // an alarm is ended by ack, not by a check
	lose   bool // the history is lost while an alarm stands
}

// needs is what a kind of fault can only be done with.
type needs int

const (
	ssh needs = 1 << iota
	small
	process // it happens to running processes, so two such faults can come in one round
)

type kind struct {
	fault
	needs  needs
	weight int
}

// kinds of faults, and how often they are drawn beside each other.
var kinds = []kind{
	{fault{kind: "kill", target: "borgcron"}, process, 8},
	{fault{kind: "kill", target: "borg"}, process, 8},
	{fault{kind: "kill", target: "ssh"}, process | ssh, 4},
	{fault{kind: "kill", target: "serve"}, process | ssh, 4},
	{fault{kind: "kill", target: "all"}, process, 6},
	{fault{kind: "term", target: "borgcron"}, process, 5},
	{fault{kind: "term", target: "borg"}, process, 4},
	{fault{kind: "term", target: "ssh"}, process | ssh, 2},
	{fault{kind: "term", target: "serve"}, process | ssh, 3},
	{fault{kind: "term", target: "group"}, process, 5},
	{fault{kind: "term_twice", target: "borgcron"}, process, 3},
	{fault{kind: "int", target: "borgcron"}, process, 3},
	{fault{kind: "int", target: "borg"}, process, 2},
	{fault{kind: "int", target: "group"}, process, 2},
	{fault{kind: "hup", target: "borgcron"}, process, 2},
	{fault{kind: "hup", target: "borg"}, process, 1},
	{fault{kind: "hup", target: "group"}, process, 1},
	{fault{kind: "stop", target: "borgcron"}, process, 2},
	{fault{kind: "stop", target: "borg"}, process, 3},
	{fault{kind: "stop", target: "ssh"}, process | ssh, 2},
	{fault{kind: "stop", target: "serve"}, process | ssh, 2},
	{fault{kind: "stop", target: "group"}, process, 2},
	{fault{kind: "cut"}, process | ssh, 8},
	{fault{kind: "freeze"}, process | ssh, 6},
	{fault{kind: "refuse"}, process | ssh, 4},
	{fault{kind: "full", target: "repository"}, small, 8},
	{fault{kind: "full", target: "state"}, small, 8},
	{fault{kind: "full", target: "cache"}, small, 4},
	{fault{kind: "unplugged"}, 0, 3},
	{fault{kind: "unreadable"}, 0, 3},
	{fault{kind: "vanishing"}, 0, 3},
	{fault{kind: "changing"}, 0, 3},
	{fault{kind: "clock", target: "back"}, 0, 3},
	{fault{kind: "clock", target: "forth"}, 0, 3},
	{fault{kind: "second_start", target: "same_job"}, 0, 4},
	{fault{kind: "second_start", target: "other_job"}, 0, 4},
	{fault{kind: "second_start", target: "five"}, 0, 3},
	{fault{kind: "damage"}, 0, 7},
	{fault{kind: "history", target: "deleted"}, 0, 3},
	{fault{kind: "history", target: "garbage"}, 0, 3},
	{fault{kind: "status", target: "garbage"}, 0, 2},
	{fault{kind: "lock", target: "garbage"}, 0, 2},
	{fault{kind: "left_lock", target: "reused"}, 0, 4},
	{fault{kind: "left_lock", target: "living"}, 0, 1},
	{fault{kind: "left_lock", target: "foreign"}, 0, 1},
}

// random draws for one purpose and number: what is drawn for others does not change it.
func random(seed uint64, purpose string, number int) *rand.Rand {
	mixed := uint64(number) //nolint:gosec // never negative
	for _, c := range []byte(purpose) {
		mixed = mixed*131 + uint64(c)
	}
	return rand.New(rand.NewPCG(seed, mixed)) //nolint:gosec // nothing secret
}

func pick[T any](r *rand.Rand, choices ...T) T { return choices[r.IntN(len(choices))] }

// newOptions draws what a world is like. Places and borgs take turns, so that a short series has all of them.
func newOptions(seed uint64, number, borgs int, isRoot bool, place string, only []string) options {
	r := random(seed, "world", number)
	turn := number + int(seed%4) //nolint:gosec // below 4
	o := options{
		Remote: place == "ssh" || place == "" && turn%2 == 1, Borg: turn / 2 % max(borgs, 1),
		Clients: pick(r, "single", "shared"), Encryption: pick(r, "none", "repokey", "repokey-blake2"),
		Check: pick(r, "30d", "30d", "always"), Keep: pick(r, 2, 3, 3), Chunks: pick(r, "normal", "small"),
		Small: isRoot && r.IntN(2) == 0,
	}
	possible := func() bool {
		return slices.ContainsFunc(only, func(name string) bool { return o.allows(name) })
	}
	if len(only) > 0 && !possible() { // nothing of what is wanted can be done here
		o.Small = isRoot
		if !possible() {
			o.Remote = true
		}
	}
	return o
}

// allows tells whether a kind of this name can be done in such a world.
func (o options) allows(name string) bool {
	for _, k := range kinds {
		if (name == "" || name == k.kind || name == k.String()) &&
			(k.needs&ssh == 0 || o.Remote) && (k.needs&small == 0 || o.Small) {
			return true
		}
	}
	return false
}

// newPlan draws a round.
func newPlan(seed uint64, round int, o options, only []string) plan {
	r := random(seed, "round", round)
	p := plan{round: round, seed: r.Uint64(), ack: r.IntN(2) == 0, lose: r.IntN(3) == 0}
	first := draw(r, o, only, 0)
	if first.kind == "" {
		return p
	}
	p.faults = append(p.faults, first)
	if r.IntN(10) < 3 && meets(first, process) {
		p.faults = append(p.faults, draw(r, o, only, process))
	}
	return p
}

func meets(f fault, wanted needs) bool {
	return slices.ContainsFunc(kinds, func(k kind) bool { return k.String() == f.String() && k.needs&wanted == wanted })
}

// draw draws a fault that can be done in such a world, and is of the wanted sort.
func draw(r *rand.Rand, o options, only []string, wanted needs) fault {
	var possible []fault
	for _, k := range kinds {
		named := len(only) == 0 || slices.Contains(only, k.kind) || slices.Contains(only, k.String())
		if !named || k.needs&wanted != wanted || !o.allows(k.String()) {
			continue
		}
		for range k.weight {
			possible = append(possible, k.fault)
		}
	}
	if len(possible) == 0 {
		return fault{}
	}
	f := pick(r, possible...)
	f.at = drawMoment(r, o)
	if f.kind == "second_start" { // what has just begun goes on for long enough
		f.at = moment{fraction: r.Float64() / 4}
	}
	f.lasts = drawDuration(r, f)
	return f
}

func drawMoment(r *rand.Rand, o options) moment {
	if r.IntN(2) == 0 {
		return moment{fraction: r.Float64()}
	}
	steps := []string{"create", "create", "create", "prune", "compact"}
	if o.Check == "always" {
		steps = append(steps, "check", "check")
	}
	return moment{step: pick(r, steps...), delay: time.Duration(r.Int64N(int64(900 * time.Millisecond)))}
}

// drawDuration is how long what can be undone lasts.
func drawDuration(r *rand.Rand, f fault) time.Duration {
	short := 200*time.Millisecond + time.Duration(r.Int64N(int64(5*time.Second)))
	long := r.IntN(4) == 0
	switch f.kind {
	case "stop":
		if long && f.target != "borgcron" && f.target != "group" {
			return 0
		}
		return short
	case "freeze", "refuse":
		if long {
			return 0
		}
		return short
	case "clock":
		days := 1 + r.IntN(500)
		if r.IntN(2) == 0 {
			return time.Duration(days) * time.Hour / 10
		}
		return time.Duration(days) * 24 * time.Hour
	}
	return 0
}

// String is the moment for people.
func (m moment) String() string {
	if m.step == "" {
		return fmt.Sprintf("%.0f%%", 100*m.fraction)
	}
	return fmt.Sprintf("%s+%dms", m.step, m.delay.Milliseconds())
}
