package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"borgcron/internal/backup"
	"borgcron/internal/process"
)

const (
	commandGrace = 2 * time.Second // after SIGTERM, when the time is over
	mostPrinted  = 200             // characters of what a command printed, in an error
)

// Command gives messages to a command line of the owner's, on its standard input.
type Command struct {
	Run     string
	Environ []string // the command's environment, to which what the message is about is added
}

// Deliver runs the command. It may leave its input unread.
func (c *Command) Deliver(ctx context.Context, m Message) error {
	input, stop, err := feed([]byte(m.Title + "\n\n" + m.Text))
	if err != nil {
		return fmt.Errorf("hand the message to the command: %w", err)
	}
	defer stop()
	var last string
	// One stream keeps the order of what goes to stdout and stderr, and its end is what says why it failed.
	command := process.Shell("exec 1>&2; " + c.Run)
	command.Env = slices.Concat(c.Environ, variables(m))
	command.Stdin = input
	command.Terminate = commandGrace
	command.Line = func(line []byte) {
		if clean := strings.TrimSpace(backup.CleanLine(string(line), mostPrinted)); clean != "" {
			last = clean
		}
	}
	err = process.Run(ctx, command)
	return commandReason(ctx, err, last)
}

// variables tell the command what the message is about, see the manual.
func variables(m Message) []string {
	assignments := []string{
		"BORGCRON_EVENT=" + string(m.Event),
		"BORGCRON_JOB=" + m.Job,
		"BORGCRON_REPOSITORY=" + m.Repository,
		"BORGCRON_RUN=" + m.RunID,
		"BORGCRON_OUTCOME=" + m.Outcome,
		"BORGCRON_STATE=" + m.State,
		"BORGCRON_ARCHIVE=" + m.Archive,
		"BORGCRON_PROBLEM=" + m.Problem,
		"BORGCRON_EXIT=" + strconv.Itoa(m.Exit),
	}
	for i, assignment := range assignments {
		assignments[i] = strings.ReplaceAll(assignment, "\x00", "")
	}
	return assignments
}

// commandReason says what the command did instead of ending with 0, and the last that it printed.
func commandReason(ctx context.Context, err error, last string) error {
	var exit *process.ExitError
	isExit := errors.As(err, &exit)
	switch {
	case err == nil:
		return nil
	case isExit && exit.Stopped, !isExit && ctx.Err() != nil:
		return fmt.Errorf("the command was ended: %w", context.Cause(ctx))
	case !isExit:
		return fmt.Errorf("run the command: %w", err)
	}
	what := fmt.Sprintf("exited %d", exit.Code)
	if signal, signaled := exit.Signal.(syscall.Signal); signaled {
		what = fmt.Sprintf("was ended by signal %d (%v)", signal, signal)
	}
	if last != "" {
		what += ": " + last
	}
	return errors.New("the command " + what)
}
