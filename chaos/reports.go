package main

import (
	"context"
	"slices"
)

// examineReports compares what a run said by its exit code, its events and in the history.
func (r *round) examineReports(ctx context.Context) {
	w := r.world
	runs, err := w.history(ctx)
	r.holds("agree", err == nil, "%v", err)
	rows := map[string]historyRun{}
	for _, run := range runs {
		if !w.known[run.ID] {
			rows[run.ID] = run
		}
		w.known[run.ID] = true
	}
	claimed, killed := map[string]bool{}, false
	for _, s := range slices.Concat(r.struck, r.calm) {
		killed = killed || s.killed || s.hung
		r.examineExit(s)
		r.examineRecords(s, rows)
		w.learn(s)
		for _, e := range s.events {
			claimed[e.Run] = true
		}
		w.learnRows(s, rows)
	}
	for id, row := range rows {
		r.holds("agree", claimed[id] || killed, "the history has a run %s (%s) that no start told of", id, row.Outcome)
	}
}

// codes are the exit codes that outcomes ask for.
var codes = map[string]int{"succeeded": 0, "skipped": 0, "warning": 1, "failed": 2, "interrupted": 2, "locked": 75}

// examineExit compares the exit code with the outcomes of the events.
func (r *round) examineExit(s *start) {
	if s.killed || s.hung || s.args[0] != "run" {
		return
	}
	ends := s.ends()
	if s.exit >= 128 { // ended by a signal that it heard
		for _, e := range ends {
			r.holds("agree", codes[e.Outcome] != 0, "borgcron %v ended with %d and says %s", s.args, s.exit, e.Outcome)
		}
		return
	}
	if len(ends) != 1 {
		r.holds("agree", s.exit != 0, "borgcron %v ended with 0 and tells of %d runs", s.args, len(ends))
		return
	}
	outcome := ends[0].Outcome
	unkept := r.full["state"] && s.exit == 1 && codes[outcome] == 0 // it went well, and could not be put on record
	r.holds("agree", s.exit == codes[outcome] || unkept, "borgcron %v ended with %d and says %s", s.args, s.exit, outcome)
	whole := !slices.Contains(s.args, "--only")
	r.holds("agree", !isSuccess(outcome) || !whole || ends[0].Archive != "", "borgcron %v says %s and names no archive", s.args, outcome)
}

// examineRecords compares the events with the history. One that was lost before counts from then on; one that could
// not be written for want of room may lack a run.
func (r *round) examineRecords(s *start, rows map[string]historyRun) {
	ended := map[string]bool{}
	for _, e := range s.ends() {
		ended[e.Run] = true
		row, found := rows[e.Run]
		if !found {
			r.holds("agree", r.full["state"] || r.plan.lose && r.plan.has("damage"), "run %s ended %s and is not in the history", e.Run, e.Outcome)
			continue
		}
		r.holds("agree", row.Outcome == e.Outcome || r.full["state"] && row.Outcome == "interrupted",
			"run %s ended %s, in the history %s", e.Run, e.Outcome, row.Outcome)
		r.holds("agree", row.Archive == e.Archive || r.full["state"], "run %s made %q, in the history %q", e.Run, e.Archive, row.Archive)
	}
	for _, e := range s.events {
		if e.Event != "run_started" || ended[e.Run] {
			continue
		}
		row, found := rows[e.Run]
		r.holds("agree", s.killed || s.hung, "borgcron %v ended with %d and did not tell how its run ended", s.args, s.exit)
		r.holds("agree", found || r.full["state"], "run %s was cut off and is not in the history", e.Run)
		if found && row.Outcome != "interrupted" && !s.over() {
			r.violated("agree", "run %s was cut off and is %s in the history", e.Run, row.Outcome)
		}
	}
}

// over tells whether all steps had ended when the run was cut off: then it may already be on record how it ended.
func (s *start) over() bool {
	open := 0
	for _, e := range s.events {
		switch e.Event {
		case "step_started":
			open++
		case "step_ended":
			open--
		}
	}
	return open == 0
}

// ends are the events that tell how its runs ended; not those of former runs that were cut off.
func (s *start) ends() []event {
	return slices.DeleteFunc(slices.Clone(s.events), func(e event) bool {
		former := e.Outcome == "interrupted" && !slices.ContainsFunc(s.events, func(own event) bool { return own.Event == "run_started" && own.Run == e.Run })
		return e.Event != "run_ended" || former
	})
}

// archive is the archive that a run says it made, "" if none.
func (s *start) archive() string {
	for _, e := range s.ends() {
		if e.Archive != "" {
			return e.Archive
		}
	}
	return ""
}

// learn takes note of the archives that a start reported.
func (w *world) learn(s *start) {
	for _, e := range s.ends() {
		if e.Archive != "" {
			w.promise(e, e.Archive, s)
		}
	}
}

// learnRows takes note of the archives that the history reports of a start: it may have been killed before its word was out.
func (w *world) learnRows(s *start, rows map[string]historyRun) {
	for _, e := range s.events {
		if row, found := rows[e.Run]; found && row.made() {
			w.promise(e, row.Archive, s)
		}
	}
}

// promise takes note of the archive of the run that an event is of.
func (w *world) promise(e event, name string, s *start) {
	if w.archives[name] != nil {
		return
	}
	first := slices.IndexFunc(s.events, func(former event) bool { return former.Run == e.Run })
	w.archives[name] = &archive{job: e.Job, began: s.events[first].seen, data: s.before[e.Job], except: s.touched[e.Job], fresh: true}
}
