package backup

import (
	"errors"
	"strings"
)

// Class says what a failure means for the run.
type Class int

// The classes of failures, as in the contract's chapter "Failures".
const (
	Unknown   Class = iota // not known: tried again
	Transient              // may pass by itself: tried again
	Killed                 // borg got SIGKILL from somebody else: tried again once only
	Permanent              // somebody has to do something: not tried again, with a hint
	Alarming               // the repository is damaged or not what it was: not tried again, held until settled
)

var classNames = [...]string{"unknown", "transient", "killed", "permanent", "alarm"}

// String returns the class's word.
func (c Class) String() string { return classNames[c] }

// Failure is why a step failed. It is the one error type by which a run decides what comes next.
type Failure struct {
	Op      string // what was attempted, e.g. "create"
	ID      string // borg's message id, e.g. "LockTimeout"; "" if it gave none
	Code    int    // exit code, -1 if the program did not exit by itself
	Class   Class
	Message string   // what is wrong, one line, free of secrets, locations and control characters
	Hint    string   // what to do, "" if there is nothing to say
	Orderly bool     // borg ended by itself when it was told to: it has let go of its locks
	Lost    bool     // the connection or borg itself was lost: what it did last may have been committed
	Tail    []string // the end of borg's log
	Err     error    // the cause, if there is one
}

// Error returns what is wrong, in one line.
func (f *Failure) Error() string { return f.Message }

// Sentence is what is wrong and what to do, in one line.
func (f *Failure) Sentence() string {
	if f.Hint == "" {
		return f.Message
	}
	return strings.TrimSuffix(f.Message, ".") + " (" + strings.TrimSuffix(f.Hint, ".") + ")"
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Temporary tells whether trying again may help.
func (f *Failure) Temporary() bool {
	return f.Class == Unknown || f.Class == Transient || f.Class == Killed
}

// CutOff tells whether a borg that was at work did not come to its end, and so may have left a lock behind. A
// server that could not be reached at all was not at work.
func (f *Failure) CutOff() bool { return f.Lost && !f.Orderly && f.ID != "ConnectionClosedWithHint" }

// Once tells whether one more try is all that may help: whoever killed borg (the system, short of memory)
// will do so again.
func (f *Failure) Once() bool { return f.Class == Killed }

// AsFailure returns the Failure in err's chain; any other error becomes a permanent one.
func AsFailure(op string, err error) *Failure {
	var failure *Failure
	if errors.As(err, &failure) {
		return failure
	}
	return &Failure{Op: op, Code: -1, Class: Permanent, Message: err.Error(), Err: err}
}
