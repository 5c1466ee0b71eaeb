package backup

import (
	"fmt"
	"strings"
	"time"
)

// How long ago a borg of ours on a remote repository must have been cut off before what it left locked may be
// broken: the server has noticed by then that nobody is there any more. Where the work goes on without the
// client, it may go on for hours.
const (
	leastCutAge  = 5 * time.Minute
	serverCutAge = 6 * time.Hour
)

// Evidence is all that can be known about a lock of borg's that is in the way.
type Evidence struct {
	Single  bool         // nobody else works on the repository: the owner says so
	Local   bool         // the repository's lock can be read here
	Holders []LockHolder // who holds the repository, if it is local, and the client's cache
	Unread  string       // why the holders, or some of them, could not be read
	Cut     *Cut         // of our records
	Hidden  string       // why not all processes of this machine can be seen
	Others  []int        // borgs of this machine that are not ours
	Wait    time.Duration
	Up      time.Duration // since this machine was started; 0: not known
}

// Verdict says whether a lock of borg's may be broken, and why or why not.
type Verdict struct {
	Stale  bool
	Holder string // who holds it, as far as that is known
	Reason string
}

// Judge says whether the lock was certainly left behind by a process that is no more. In doubt it is not: two
// borgs writing at once destroy a repository.
func (e *Evidence) Judge(now time.Time) Verdict {
	verdict := e.holders()
	if !verdict.Stale {
		return verdict
	}
	if reason := e.against(now); reason != "" {
		return Verdict{Holder: verdict.Holder, Reason: reason}
	}
	return verdict
}

// Dead says whether all who hold a local repository, and the client's cache, are known to be no more.
func (e *Evidence) Dead() Verdict {
	verdict := e.holders()
	if verdict.Stale && !e.Local {
		return Verdict{Holder: verdict.Holder, Reason: "who holds a lock on a server cannot be read from here"}
	}
	return verdict
}

// holders judges by those who can be read.
func (e *Evidence) holders() Verdict {
	if e.Unread != "" {
		return Verdict{Reason: e.Unread}
	}
	names := make([]string, len(e.Holders))
	for i, holder := range e.Holders {
		names[i] = holder.String()
		if !holder.Since.IsZero() {
			names[i] += " since " + holder.Since.Format("2006-01-02 15:04:05")
		}
		if holder.Life != Dead {
			return Verdict{Holder: names[i], Reason: holder.Why}
		}
	}
	switch {
	case len(names) > 0:
		return Verdict{Stale: true, Holder: strings.Join(names, "; "), Reason: e.Holders[0].Why}
	case e.Local:
		return Verdict{Reason: "whoever held it has let go"}
	}
	return Verdict{Stale: true, Holder: "a process on the server"}
}

// against says what speaks against breaking a lock whose readable holders are all dead, "" if nothing does.
func (e *Evidence) against(now time.Time) string {
	if !e.Single {
		return "the repository is not declared as this machine's alone (clients: single)"
	}
	if e.Local {
		return ""
	}
	if e.Cut == nil {
		return "no run of ours on it was cut off since the last one that went well"
	}
	least, age := e.Cut.patience(e.Wait), now.Sub(e.Cut.At)
	if e.Up < least { // the clock of a machine that was just started may be wrong by any amount
		return fmt.Sprintf("this machine was started %s ago: what a run of ours began on the server before counts as gone after %s",
			short(e.Up), short(least))
	}
	if age < least { // also if it lies in the future
		return fmt.Sprintf("a run of ours was cut off %s ago, and what it began on the server may go on: it counts as gone after %s",
			short(max(age, 0)), short(least))
	}
	if e.Hidden != "" {
		return "not all processes of this machine can be seen: " + e.Hidden
	}
	if len(e.Others) > 0 {
		return fmt.Sprintf("another borg runs on this machine (pid %d)", e.Others[0])
	}
	return ""
}

// Again is the cut after one more: what the graver one began on the server may still go on.
func (c *Cut) Again(step Step, at time.Time) *Cut {
	if c != nil && c.patience(0) == serverCutAge {
		step = c.Step
	}
	return &Cut{Step: step, At: at}
}

// patience is how old the cut must be.
func (c *Cut) patience(wait time.Duration) time.Duration {
	switch c.Step {
	case Create, Dump, Verify:
		return max(wait, leastCutAge)
	}
	return max(wait, serverCutAge)
}

// BrokeLock is the note of a run that broke a lock of borg's.
func BrokeLock(holder string) string { return "broke the lock of " + holder }

// BrokenLock is why prune and compact wait after that.
func BrokenLock(holder string, when time.Time) string {
	return fmt.Sprintf("borg's lock, held by %s, was broken on %s", holder, when.Format("2006-01-02 15:04"))
}
