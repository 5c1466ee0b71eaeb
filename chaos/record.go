package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"time"
)

// record is a round as it is kept, a line of rounds.jsonl.
type record struct {
	Seed       uint64          `json:"seed"`
	Round      int             `json:"round"`
	Commit     string          `json:"commit"`
	Tags       string          `json:"tags,omitempty"`
	Time       time.Time       `json:"time"`
	Borg       string          `json:"borg"`
	Place      string          `json:"place"`
	World      options         `json:"world"`
	Faults     []faultRecord   `json:"faults"`
	Exits      []int           `json:"exits"` // of the runs with faults and after them
	Invariants map[string]bool `json:"invariants"`
	Violations []string        `json:"violations"`
	Seconds    float64         `json:"seconds"`
}

type faultRecord struct {
	Kind   string  `json:"kind"`
	Target string  `json:"target,omitempty"`
	Moment string  `json:"moment,omitempty"` // as planned
	Lasts  float64 `json:"lasts,omitempty"`  // seconds; 0: until the run has ended, or not at all
	At     float64 `json:"at_seconds"`       // after the run began; -1: the run had no such moment
}

func (f faultRecord) name() string { return strings.Trim(f.Kind+":"+f.Target, ":") }

func newRecord(w *world, p plan) *record {
	r := &record{
		Seed: w.seed, Round: p.round, Commit: w.commit, Tags: w.tags, Time: time.Now().UTC().Truncate(time.Second), Borg: w.borg.version, Place: "local",
		World: w.options, Faults: []faultRecord{}, Exits: []int{}, Invariants: map[string]bool{}, Violations: []string{},
	}
	if w.Remote {
		r.Place = "ssh"
	}
	for _, f := range p.faults {
		planned := faultRecord{Kind: f.kind, Target: f.target, Lasts: f.lasts.Seconds(), At: -1}
		if !f.beforehand() && f.kind != "damage" {
			planned.Moment = f.at.String()
		}
		r.Faults = append(r.Faults, planned)
	}
	return r
}

func (p plan) is(name string) bool {
	return slices.ContainsFunc(p.faults, func(f fault) bool { return f.String() == name })
}

func (p plan) has(kind string) bool {
	return slices.ContainsFunc(p.faults, func(f fault) bool { return f.kind == kind })
}

// note prints a round and keeps it.
func (s *series) note(r *record, w *world) error {
	round := func(f float64) float64 { return math.Round(f*1000) / 1000 }
	r.Seconds = round(r.Seconds)
	for i := range r.Faults {
		r.Faults[i].At = round(r.Faults[i].At)
		r.Faults[i].Lasts = round(r.Faults[i].Lasts)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.done = append(s.done, r)
	fmt.Fprintln(s.out, r.line())
	if len(r.Violations) > 0 {
		for _, violation := range r.Violations {
			fmt.Fprintln(s.out, "    VIOLATION", violation)
		}
		fmt.Fprintln(s.out, "    see", w.dir)
	}
	if s.record == "" {
		return nil
	}
	encoded, err := json.Marshal(r)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(s.record, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.Write(append(encoded, '\n'))
	return err
}

// line is a round for people.
func (r *record) line() string {
	var faults []string
	for _, f := range r.Faults {
		text := f.name()
		switch {
		case f.At < 0:
			text += " missed"
		case f.Moment != "":
			text += fmt.Sprintf(" at %.2fs (%s)", f.At, f.Moment)
		}
		if f.Lasts > 0 {
			text += fmt.Sprintf(" for %.1fs", f.Lasts)
		}
		faults = append(faults, text)
	}
	return fmt.Sprintf("round %3d  borg %s %-5s  %-60s exits %v  %.0fs", r.Round, r.Borg, r.Place, strings.Join(faults, " + "), r.Exits, r.Seconds)
}

// sum prints what the rounds came to and returns the number of violations.
func (s *series) sum() int {
	faults, missed, violations := map[string]int{}, 0, 0
	for _, r := range s.done {
		violations += len(r.Violations)
		for _, f := range r.Faults {
			if f.At < 0 {
				missed++
				continue
			}
			faults[f.name()]++
		}
	}
	fmt.Fprintf(s.out, "\n%d rounds, seed %d, borgcron %s\n", len(s.done), s.seed, s.commit)
	for _, kind := range slices.Sorted(maps.Keys(faults)) {
		fmt.Fprintf(s.out, "  %4d  %s\n", faults[kind], kind)
	}
	fmt.Fprintf(s.out, "  %4d  came too late for their run\n%d invariant violations\n", missed, violations)
	return violations
}
