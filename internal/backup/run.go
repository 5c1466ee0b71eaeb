package backup

import (
	"slices"
	"time"
)

// Run is one job on one repository, from its start to its end: a row of the history.
type Run struct {
	ID         string       `json:"id"`
	Job        string       `json:"job"`
	Repository string       `json:"repository"` // the name it is called by, never its location
	Outcome    Outcome      `json:"outcome"`
	Started    time.Time    `json:"started"`
	Ended      time.Time    `json:"ended"`
	Problem    string       `json:"problem"` // what is wrong, in one line, "" if nothing
	Steps      []StepResult `json:"steps"`
	Notes      []string     `json:"notes,omitempty"`
}

// StepResult is how one step of a run went.
type StepResult struct {
	Step     Step      `json:"step"`
	Outcome  Outcome   `json:"outcome"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended"`
	Attempts int       `json:"attempts"` // 0: it was not begun
	Reason   string    `json:"reason"`   // why it was due, or why not
	Problem  string    `json:"problem"`
	Report   Report    `json:"-"`
	Failures []Attempt `json:"-"` // the attempts that failed
	Breached bool      `json:"-"` // create: a guard was breached, the archive is no last success
	Refused  bool      `json:"-"` // it was due and not started: prune would delete too much, create has no room
	Alarm    bool      `json:"-"` // the repository is damaged or not what it was
	Cut      time.Time `json:"-"` // when its borg was last cut off, zero: it was not
	Command  string    `json:"-"` // hooks: which one
	Notes    []string  `json:"-"` // worth knowing, no problem
}

// Attempt is one failed try at a step.
type Attempt struct {
	Number    int           `json:"attempt"`
	ID        string        `json:"id"` // borg's message id, "" if it gave none
	Message   string        `json:"message"`
	Temporary bool          `json:"temporary"`
	Wait      time.Duration `json:"-"` // until the next attempt; 0: there is none
	Tail      []string      `json:"-"`
}

// Result returns the run's last result of a step, nil if the run did not come to it.
func (r *Run) Result(step Step) *StepResult {
	for i := len(r.Steps) - 1; i >= 0; i-- {
		if r.Steps[i].Step == step {
			return &r.Steps[i]
		}
	}
	return nil
}

// Archived returns the result of the step that made the run's archive of files, or of dumps if those are all that the job
// has; nil if the run did not come to it.
func (r *Run) Archived() *StepResult {
	create, dump := r.Result(Create), r.Result(Dump)
	if dump != nil && dump.Report.Archive != nil && (create == nil || create.Outcome == Skipped) {
		return dump
	}
	return create
}

// tended tells whether the run came to one of the steps that follow the archive.
func (r *Run) tended() bool {
	return slices.ContainsFunc(r.Steps, func(result StepResult) bool {
		return result.Outcome.Ran() && slices.Contains([]Step{Check, Verify, Prune, PruneDumps, Compact}, result.Step)
	})
}

// Attempts returns how often the step that was tried most was tried.
func (r *Run) Attempts() int {
	most := 0
	for _, step := range r.Steps {
		most = max(most, step.Attempts)
	}
	return most
}

// EventKind names what an Event tells; the words are those of `run --json`.
type EventKind string

// The events of a run.
const (
	RunStarted    EventKind = "run_started" // the lock is held, work begins
	StepStarted   EventKind = "step_started"
	Progressed    EventKind = "progress"
	AttemptFailed EventKind = "attempt_failed"
	WarningSeen   EventKind = "warning"
	StepEnded     EventKind = "step_ended"
	LockBroken    EventKind = "lock_broken"
	RunEnded      EventKind = "run_ended" // after the lock is gone
)

// Event is something that happened in a run. Run is a snapshot; which of the others is set depends on Kind.
type Event struct {
	Kind     EventKind
	Time     time.Time
	Run      Run
	Target   Target      // the job and repository of the run, whole
	Step     *StepResult // StepStarted, StepEnded, AttemptFailed, WarningSeen, Progressed
	Progress *Progress
	Attempt  *Attempt
	Warning  *Warning
	Holder   string             // LockBroken
	Shared   *Shared            // RunEnded: what is known of the repository, nil if nothing is
	Done     map[Step]time.Time // RunEnded, beside Shared: start of each step's last success
	Trend    *Trend             // RunEnded: of the run and those before it, nil if it made no archive or too few are known
}

// Target is one row of work: a job on one of its repositories.
type Target struct {
	Job        *Job
	Repository Repository
}
