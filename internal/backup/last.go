package backup

import "time"

// Last is what the records know of a job on one repository before a run. It is kept by folding the
// results of steps into it (Begin, End), so that whoever holds the results holds the knowledge.
type Last struct {
	FirstSeen    time.Time          `json:"first_seen"`
	FirstSuccess time.Time          `json:"first_success"` // checks count from here
	SuccessBegan time.Time          `json:"success_began"` // start of the last success: `every` and `at` count from here
	SuccessEnded time.Time          `json:"success_ended"` // its end: `stale_after` counts from here
	Failures     int                `json:"failures"`      // runs in a row whose create or dumps failed
	FailedEnded  time.Time          `json:"failed_ended"`  // when the last of them ended
	Done         map[Step]time.Time `json:"done"`          // start of each step's last success
	Measure      *Measure           `json:"measure"`       // the last archive that passed the guards
	Listing      *Listing           `json:"listing"`       // the archives of the job's series, nil: not known
	Open         Step               `json:"open"`          // a step that was begun and is not known to have ended
	Held         string             `json:"held"`          // why prune and compact wait until a guard passes or is acknowledged
	Breach       *Measure           `json:"breach"`        // the archive that breached it; acknowledged, it is the measure
	Refused      string             `json:"refused"`       // why the last prune was not started although it was due
	Allowed      bool               `json:"allowed"`       // the owner has acknowledged that: the next prune is started
	Empty        bool               `json:"empty"`         // our init made the repository, nothing was in it before
	Dumps        LastDumps          `json:"dumps"`
	Shared       Shared             `json:"-"` // of the repository, whichever job learned it
}

// Shared is what the records know of a repository, the same for all its jobs.
type Shared struct {
	ID      string    `json:"id"`      // borg's id of the repository
	Checked time.Time `json:"checked"` // start of the last clean check of the repository part
	Deleted bool      `json:"deleted"` // something was deleted since the last compact
	Suspect string    `json:"suspect"` // why prune and compact wait for a clean check of the repository part
	Alarm   *Alarm    `json:"standing_alarm"`
	// Encryption is the mode as borg names it, "" if not known yet. KeyExported is when the key was last exported.
	Encryption  string    `json:"encryption,omitempty"`
	KeyExported time.Time `json:"key_exported,omitzero"`
	Cut         *Cut      `json:"cut"` // a borg of ours that was cut off, since which none has succeeded
}

// Cut is a borg of ours that did not come to its end: it was killed, or its connection was lost, or the power.
// What it had locked may still be locked.
type Cut struct {
	Step Step      `json:"step"` // "": not known
	At   time.Time `json:"at"`
}

// Measure is what a guard compares with.
type Measure struct {
	Files       int64  `json:"files"`
	Size        int64  `json:"size"`
	Fingerprint string `json:"fingerprint"` // of sources and excludes: another one sets the measure anew
}

// Listing is a list of archives, newest first as borg lists them, and when borg itself last confirmed it.
type Listing struct {
	Learned  time.Time `json:"learned"`
	Archives []Archive `json:"archives"`
}

// ListingLifetime is how long a list of archives is believed before borg is asked again.
const ListingLifetime = 7 * 24 * time.Hour

// Known tells whether the list of archives can be relied on.
func (l *Last) Known(now time.Time) bool { return l.Open == "" && l.Listing.fresh(now) }

// KnownDumps tells the same of the list of archives of dumps.
func (l *Last) KnownDumps(now time.Time) bool { return l.Open == "" && l.Dumps.Listing.fresh(now) }

func (l *Listing) fresh(now time.Time) bool {
	if l == nil {
		return false
	}
	age := now.Sub(l.Learned)
	return age >= 0 && age < ListingLifetime
}

// Begin notes that a step is about to start. It is written to disk before borg starts: a step that was
// begun and never ended may have done anything.
func (l *Last) Begin(step Step) { l.Open = step }

// End folds the result of a step into the knowledge.
func (l *Last) End(job *Job, result StepResult) {
	l.Open = ""
	ok := result.Outcome == Succeeded || result.Outcome == Warned
	if ok && result.Attempts > 0 && !result.Refused {
		if l.Done == nil {
			l.Done = map[Step]time.Time{}
		}
		l.Done[result.Step] = result.Started
	}
	if result.Alarm {
		l.Shared.Alarm = l.Shared.Alarm.Again(Alarm{Since: result.Ended, Problem: result.Problem, Job: job.Name, Step: result.Step})
	}
	l.endCut(result, ok)
	switch result.Step {
	case Dump:
		l.endDumps(job, result, ok)
	case Create:
		l.endCreate(job, result, ok)
	case Prune:
		l.endPrune(result, ok, &l.Listing, &l.Refused, &l.Allowed)
	case PruneDumps:
		l.endPrune(result, ok, &l.Dumps.Listing, &l.Dumps.Refused, &l.Dumps.Allowed)
	case Compact:
		if ok {
			l.Shared.Deleted = false
		}
	case Check:
		if ok && result.Attempts > 0 {
			l.endCheck(result)
		}
	case Verify:
		drill, alarm := result.Report.Drill, l.Shared.Alarm
		if result.Outcome == Succeeded && drill != nil && drill.Full && alarm != nil && alarm.EndsWithDrill(job.Name) {
			l.Shared.Alarm = nil
		}
	}
}

// EndRun folds the end of a whole run into the knowledge: runs in a row that failed before their create
// was done make the next one wait longer.
func (l *Last) EndRun(run Run) {
	made := run.Archived()
	dumps := run.Result(Dump)
	switch {
	case dumps != nil && dumps.Outcome == Failed:
		l.Failures++
		l.FailedEnded = run.Ended
	case made != nil && (made.Outcome == Succeeded || made.Outcome == Warned):
		l.Failures = 0
	case run.tended() && (made == nil || made.Outcome == Skipped): // none was wanted
	case run.Outcome == Failed:
		l.Failures++
		l.FailedEnded = run.Ended
	}
}

func (l *Last) endCheck(result StepResult) {
	if result.Report.CheckedRepository {
		l.Shared.Checked = result.Started
		l.Shared.Suspect = ""
	}
	if result.Report.CheckedAll && l.Shared.Alarm != nil && l.Shared.Alarm.EndsWithCheck() {
		l.Shared.Alarm = nil
	}
}

// endCut notes whether a borg of ours may have left something locked behind: one that succeeds shows that
// nothing is.
func (l *Last) endCut(result StepResult, ok bool) {
	switch {
	case ok && result.Attempts > 0:
		l.Shared.Cut = nil
	case !result.Cut.IsZero():
		l.Shared.Cut = l.Shared.Cut.Again(result.Step, result.Cut)
	}
}

// Acknowledge settles what a guard holds back: the archive that breached it is the measure from now on, and a
// prune that was refused may be started. It tells whether there was anything to settle.
func (l *Last) Acknowledge() bool {
	if l.Holding() == "" && l.Refused == "" && l.Dumps.Refused == "" {
		return false
	}
	if l.Breach != nil {
		l.Measure = l.Breach
	}
	if l.Dumps.Breach != nil {
		l.Dumps.Sizes = l.Dumps.Breach
	}
	l.Allowed = l.Allowed || l.Refused != ""
	l.Dumps.Allowed = l.Dumps.Allowed || l.Dumps.Refused != ""
	l.Held, l.Breach, l.Refused = "", nil, ""
	l.Dumps.Held, l.Dumps.Breach, l.Dumps.Refused = "", nil, ""
	return true
}

func (l *Last) endCreate(job *Job, result StepResult, ok bool) {
	if !ok {
		if result.Attempts > 0 {
			l.Listing = nil
		}
		return
	}
	report := result.Report
	if report.Archive == nil { // another tool made it: when is known, and nothing else
		l.Listing = nil
		l.succeeded(result)
		return
	}
	l.Meet(report)
	l.list(result)
	measure := &Measure{Files: report.Files, Size: report.OriginalSize, Fingerprint: job.Fingerprint()}
	if result.Breached {
		l.Held, l.Breach = result.Problem, measure
		return
	}
	l.Held, l.Breach = "", nil
	l.Measure = measure
	if len(job.Databases) == 0 || !l.Dumps.Failed {
		l.succeeded(result)
	}
}

// succeeded makes the step the last success.
func (l *Last) succeeded(result StepResult) {
	l.SuccessBegan, l.SuccessEnded = result.Started, result.Ended
	if l.FirstSuccess.IsZero() {
		l.FirstSuccess = result.Started
	}
}

// Holding says what a guard holds prune and compact back for, "" if nothing.
func (l *Last) Holding() string {
	if l.Held != "" {
		return l.Held
	}
	return l.Dumps.Held
}

// KeyUnkept tells whether the repository has a key of which nobody is known to have a copy.
func (s *Shared) KeyUnkept() bool {
	return s.KeyExported.IsZero() && s.Encryption != "" && s.Encryption != "none"
}

// Meet takes note of borg's id of the repository. Another one than before means another repository at the
// same place, a second disk perhaps: what was known of the archives there is not true of it.
func (l *Last) Meet(report Report) {
	id := report.RepositoryID
	if id == "" {
		return
	}
	if l.Shared.ID != "" && l.Shared.ID != id {
		l.Unlist()
		l.Done = nil
		l.Shared = Shared{Suspect: l.Shared.Suspect, Alarm: l.Shared.Alarm}
	}
	l.Shared.ID = id
	if report.Encryption != "" {
		l.Shared.Encryption = report.Encryption
	}
}

// list puts the archive that was made into the known list. An attempt that failed before may have left a
// checkpoint: then the list is not known.
func (l *Last) list(result StepResult) {
	archive := result.Report.Archive
	if archive == nil || result.Attempts > 1 {
		l.Listing, l.Empty = nil, false
		return
	}
	if l.Listing == nil && l.Empty {
		l.Listing = &Listing{Learned: result.Started}
	}
	l.Empty = false
	l.Listing = l.Listing.with(*archive)
}

// endPrune folds the end of a prune of one series of archives into what is known of that.
func (l *Last) endPrune(result StepResult, ok bool, listing **Listing, refused *string, allowed *bool) {
	if result.Refused {
		*refused = result.Problem
	}
	if result.Attempts == 0 {
		return
	}
	if ok && !result.Refused {
		*refused, *allowed = "", false
	}
	if !ok {
		*listing = nil
		l.Shared.Deleted = true // a prune that was killed may have committed
		return
	}
	if len(result.Report.Deleted) > 0 {
		l.Shared.Deleted = true
	}
	*listing = &Listing{Learned: result.Ended, Archives: result.Report.Kept}
}
