// Package hook runs the command lines that the user configured to be run before and after a backup.
package hook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"borgcron/internal/backup"
	"borgcron/internal/process"
)

const (
	maxLogged  = 1000 // lines of one hook that go to Runner.Line
	maxCommand = 80   // characters of a command line in a message
	maxMessage = 500
)

var errTimeout = errors.New("the timeout is over")

// Runner runs hooks.
type Runner struct {
	Environ []string          // the caller's environment
	Hide    []string          // names of its variables that hold secrets of ours
	Line    func(line string) // hears the first lines of what a hook prints, as they come; may be nil
}

// Run gives the hook's command line to the shell, with the variables in its environment and without input,
// and waits for it. What a hook leaves running in the background is not waited for. It returns the end of
// what was printed. The error is a *backup.Failure if the hook did not end with 0 or not in time; the
// cause of ctx is in its chain if that ended.
func (r *Runner) Run(ctx context.Context, hook backup.Hook, variables map[string]string) ([]string, error) {
	bounded := ctx
	if hook.Timeout > 0 {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeoutCause(ctx, hook.Timeout, errTimeout)
		defer cancel()
	}
	var printed tail
	logged := 0
	// One stream keeps the order of what goes to stdout and stderr, and its end is what says why it failed.
	command := process.Shell("exec 1>&2; " + hook.Run)
	command.Env = slices.Concat(Environ(r.Environ, slices.Concat(r.Hide, slices.Collect(maps.Keys(variables)))), assign(variables))
	command.Line = func(line []byte) {
		printed.add(line)
		if logged++; r.Line != nil && logged <= maxLogged {
			r.Line(backup.CleanLine(string(line), maxMessage))
		}
	}
	err := process.Run(bounded, command)
	lines := printed.lines()
	if err != nil {
		return lines, failure(hook, lines, err)
	}
	return lines, nil
}

// Environ is the caller's environment as commands of the user's get it: without what is meant for borg, its
// passphrase first of all, and without the variables named in hide.
func Environ(caller, hide []string) []string {
	return slices.DeleteFunc(slices.Clone(caller), func(assignment string) bool {
		name, _, _ := strings.Cut(assignment, "=")
		return strings.HasPrefix(name, "BORG_") || slices.Contains(hide, name)
	})
}

// assign writes variables as an environment does, where no value can hold a NUL.
func assign(variables map[string]string) []string {
	assignments := make([]string, 0, len(variables))
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		assignments = append(assignments, name+"="+strings.ReplaceAll(variables[name], "\x00", ""))
	}
	return assignments
}

// failure says what a hook did instead of ending with 0.
func failure(hook backup.Hook, printed []string, err error) *backup.Failure {
	f := &backup.Failure{Op: string(hook.When), Code: -1, Class: backup.Permanent, Tail: printed, Err: err}
	what := err.Error()
	var exit *process.ExitError
	if errors.As(err, &exit) {
		f.Code = exit.Code
		what = how(exit, hook.Timeout)
		if last := lastLine(printed); last != "" {
			what += ": " + last
		}
	}
	f.Message = backup.CleanLine(fmt.Sprintf(`hook "%s" %s`, backup.CleanLine(hook.Run, maxCommand), what), maxMessage)
	return f
}

func how(exit *process.ExitError, timeout time.Duration) string {
	switch signal, signaled := exit.Signal.(syscall.Signal); {
	case errors.Is(exit.Cause, errTimeout):
		return fmt.Sprintf("ran longer than %v and was ended", timeout)
	case exit.Stopped:
		return "was stopped"
	case signaled:
		return fmt.Sprintf("was ended by signal %d (%v)", signal, signal)
	}
	return fmt.Sprintf("exited %d", exit.Code)
}

func lastLine(lines []string) string {
	for _, line := range slices.Backward(lines) {
		if line != "" {
			return line
		}
	}
	return ""
}
