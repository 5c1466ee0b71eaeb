package borg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"borgcron/internal/backup"
	"borgcron/internal/process"
)

// Exit codes of borg's that mean no more than their range.
const (
	codeWarning      = 1   // mixed or unknown warnings; of `check`: damage
	codeError        = 2   // any error, unless the modern codes say more
	codeFirstWarning = 100 // 100 to 127: warnings of one kind, since 1.4
	codeNotRunnable  = 126 // and 127: what a shell says of a program that it cannot start; no warning of borg's has these
	codeSignal       = 128 // + a signal's number: borg caught it and went
	codeLastSignal   = 192
)

// judge makes of how borg ended, and what it said, a failure or nil. A green result needs both: borg's
// code and no error in its log.
func (r *record) judge(err error) *backup.Failure {
	var exit *process.ExitError
	if err != nil && !errors.As(err, &exit) {
		failure := notStarted(err)
		failure.Op, failure.Tail = r.task.command, r.report.Tail
		failure.Message = r.text(failure.Message)
		return failure
	}
	code := 0
	if exit != nil {
		if failure := r.ended(exit); failure != nil {
			return failure
		}
		code = exit.Code
	}
	warned := code == codeWarning || code >= codeFirstWarning && code < codeSignal
	switch {
	case len(r.errors) > 0, r.usage != "", code != 0 && !warned, warned && r.task.command == "check":
		return r.fatal(code)
	case warned:
		r.explain(strconv.Itoa(code))
	}
	return nil
}

// ended judges a borg that did not end by its own will: that is never a warning, whatever its code.
func (r *record) ended(exit *process.ExitError) *backup.Failure {
	failure := r.failure(backup.Transient, "")
	failure.Code, failure.Err, failure.Lost = exit.Code, exit, true
	switch {
	case exit.Stopped && (exit.Code == 0 || r.damaged()):
		return nil // it had done its work by then, or enough of it
	case exit.Stopped:
		failure.Orderly = exit.Code >= 0
		failure.Message = backup.Clean(fmt.Sprintf("borg was stopped: %v", exit.Cause))
	case exit.Stalled:
		failure.Message = fmt.Sprintf("borg gave no sign of life for %v and was ended", r.task.stall)
		failure.Hint = "is the server, or the disk, still answering?"
	case exit.Signal == syscall.SIGKILL, exit.Code == codeSignal+int(syscall.SIGKILL):
		failure.Class, failure.Message = backup.Killed, "borg was killed"
		failure.Hint = "was the memory exhausted? The kernel's log says so"
	case exit.Signal != nil:
		failure.Message = "borg was ended by signal: " + exit.Signal.String()
	case exit.Code >= codeSignal && exit.Code <= codeLastSignal:
		failure.Message = "borg was ended by signal: " + syscall.Signal(exit.Code-codeSignal).String()
	case r.signalled():
		failure.Message = "borg was ended by a signal"
	default:
		return nil
	}
	return failure
}

// damaged tells whether a check had found damage: its words have no message id.
func (r *record) damaged() bool {
	return r.task.command == "check" && slices.ContainsFunc(r.errors, func(m Message) bool {
		return m.ID == "" && !isInterruption(m)
	})
}

// isInterruption tells whether borg says that a signal ended it.
func isInterruption(m Message) bool {
	return strings.HasPrefix(m.ID, "Signal.") || strings.Contains(m.Text, "Got Ctrl-C / SIGINT.") || strings.Contains(m.Text, "Keyboard interrupt")
}

// signalled tells whether borg says that it caught a signal: its code may be that of any error, or have
// been lost in a wrapper.
func (r *record) signalled() bool {
	return slices.ContainsFunc(r.errors, isInterruption)
}

// fatal judges a borg that said that it failed: by its message id, else its code, else its words.
func (r *record) fatal(code int) *backup.Failure {
	last := r.decisive()
	failure := r.failure(backup.Unknown, r.words(last))
	failure.Code, failure.ID = code, last.ID
	known, ok := find(last.ID, code)
	if !ok {
		known, ok = findText(last.Text + r.trace)
	}
	switch {
	case !ok && r.segmentLost(last.Text+r.trace):
		failure.Class, failure.Hint = backup.Alarming, hintAlarm
	case ok:
		failure.Class, failure.Hint, failure.Lost = known.Class, known.Hint, known.Lost
	case r.usage != "":
		failure.Class, failure.Hint = backup.Permanent, "look at `borg_options`, and at the version of borg"
	case r.task.command == "check" && len(r.errors) == 0 && code >= codeNotRunnable:
		failure.Hint = "a script that stands for borg ends so when it cannot start the program: look at `borg` of the repository"
	case r.task.command == "check" && code != codeError:
		// Damage has no message id, and the code is that of a warning.
		failure.Class, failure.Hint = backup.Alarming, "do not delete anything; see the log, and borg's documentation of `check --repair`"
	}
	if failure.ID == "" && ok {
		failure.ID = known.ID
	}
	return failure
}

// lostSegment is what Python says when borg wants to read a file of the repository that is not there.
var lostSegment = regexp.MustCompile(`FileNotFoundError: \[Errno 2\] No such file or directory: '[^'\n]*/data/\d+/\d+'`)

// segmentLost tells whether borg, which was only to read, missed a part of the repository. That of one on a disk that was taken away
// meanwhile is no loss.
func (r *record) segmentLost(text string) bool {
	if r.task.command != "extract" && r.task.command != "list" || !lostSegment.MatchString(text) {
		return false
	}
	if !r.call.Repository.IsLocal() {
		return true
	}
	_, err := os.Stat(filepath.Join(r.call.Repository.Key(), "config"))
	return err == nil
}

// decisive returns the error that tells most: the last one with an id that we know, else with any, else
// the last; of a check the first, as the last only sums up.
func (r *record) decisive() Message {
	var best Message
	rank := 0
	for _, m := range r.errors {
		this := 1
		if _, known := find(m.ID, 0); known {
			this = 3
		} else if m.ID != "" {
			this = 2
		}
		if this > rank || this == rank && r.task.command != "check" {
			best, rank = m, this
		}
	}
	return best
}

// words says what is wrong in one line, in borg's own words where there are any.
func (r *record) words(m Message) string {
	text := m.Text
	switch {
	case r.usage != "":
		text = r.usage
	case r.trace != "" && (text == "Local Exception" || strings.Contains(text, traceback)):
		text = r.trace
	case text == "" && len(r.report.Tail) > 0:
		text = r.report.Tail[len(r.report.Tail)-1]
	case text == "":
		text = "borg failed and did not say why"
	}
	if r.remote != "" && strings.HasPrefix(m.ID, "Connection") {
		text += " (" + r.remote + ")"
	}
	return r.text(text)
}

// failure is one of this call, with the end of its log.
func (r *record) failure(class backup.Class, message string) *backup.Failure {
	return &backup.Failure{Op: r.task.command, Class: class, Message: message, Tail: r.report.Tail}
}
