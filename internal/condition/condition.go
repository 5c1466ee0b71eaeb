// Package condition looks at the machine before a run: whether the user's conditions hold, so that the run is
// not better left for later, and whether what is to be backed up is there.
package condition

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"syscall"
	"time"

	"borgcron/internal/backup"
	"borgcron/internal/process"
)

const (
	statTimeout    = 30 * time.Second // for a look at a file system, which may be a dead network's
	commandTimeout = 30 * time.Second
	reachTimeout   = 10 * time.Second
	busTimeout     = 5 * time.Second
)

// Checker looks. The zero value looks at the machine itself; the fields but Environ are there for tests.
type Checker struct {
	Environ []string // of commands: the user's, and ssh when it is asked for its configuration
	Sysfs   string   // "": /sys
	Bus     string   // address of the system bus; "": the usual one
	Mounted func(path string) (bool, error)
	Free    func(path string) (int64, error) // bytes; an error without the path
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
}

// Holds tells why the job's conditions on this machine do not hold, "" if all do. What cannot be known, such
// as the charge where there is no battery, holds. An error means that a condition gave no answer at all.
func (c *Checker) Holds(ctx context.Context, job *backup.Job) (reason string, err error) {
	conditions := &job.Conditions
	for _, look := range []func(context.Context, *backup.Conditions) (string, error){
		c.power, c.unmetered, c.mounts, c.command,
	} {
		if reason, err := look(ctx, conditions); err != nil || reason != "" {
			return reason, err
		}
	}
	return "", nil
}

func (c *Checker) mounts(ctx context.Context, conditions *backup.Conditions) (string, error) {
	for _, path := range conditions.Mounted {
		switch is, err := c.mounted(ctx, path); {
		case errors.Is(err, errNoAnswer):
			return backup.Clean(path) + " does not answer", nil
		case err != nil:
			return "", fmt.Errorf("condition mounted: %w", err)
		case !is:
			return backup.Clean(path) + " is not mounted", nil
		}
	}
	return "", nil
}

// command asks the user's command: 0 holds, 1 does not.
func (c *Checker) command(ctx context.Context, conditions *backup.Conditions) (string, error) {
	if conditions.Command == "" {
		return "", nil
	}
	bounded, cancel := context.WithTimeoutCause(ctx, commandTimeout, errNoAnswer)
	defer cancel()
	command := process.Shell("exec 1>&2; " + conditions.Command) // the last line of either says why
	command.Env = c.Environ
	err := process.Run(bounded, command)
	if err == nil {
		return "", nil
	}
	name := `condition "` + backup.CleanLine(conditions.Command, 80) + `"`
	var exit *process.ExitError
	switch {
	case !errors.As(err, &exit):
		return "", fmt.Errorf("%s: %w", name, err)
	case ctx.Err() != nil:
		return "", fmt.Errorf("%s was stopped: %w", name, context.Cause(ctx))
	case errors.Is(err, errNoAnswer):
		return "", fmt.Errorf("%s did not end within %v", name, commandTimeout)
	}
	said := lastWords(exit.Tail)
	if exit.Code == 1 {
		return name + " does not hold" + said, nil
	}
	how := fmt.Sprintf("exited %d", exit.Code)
	if signal, ok := exit.Signal.(syscall.Signal); ok {
		how = fmt.Sprintf("was ended by signal %d (%v)", signal, signal)
	}
	return "", fmt.Errorf("%s %s, which is neither yes (0) nor no (1)%s", name, how, said)
}

// lastWords is the last line of an output, to be put behind what we say.
func lastWords(lines []string) string {
	for i := len(lines) - 1; i >= 0; i-- {
		if line := backup.CleanLine(lines[i], 200); line != "" {
			return ": " + line
		}
	}
	return ""
}

var errNoAnswer = errors.New("no answer in time")

// within gives look the time d. A look that hangs in the kernel cannot be ended: it is left behind, and
// errNoAnswer returned.
func within[T any](ctx context.Context, d time.Duration, look func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		value, err := look()
		answers <- answer{value, err}
	}()
	timer := time.NewTimer(d)
	defer timer.Stop()
	var none T
	select {
	case a := <-answers:
		return a.value, a.err
	case <-timer.C:
		return none, errNoAnswer
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

func (c *Checker) sysfs(elements ...string) string {
	root := c.Sysfs
	if root == "" {
		root = "/sys"
	}
	return filepath.Join(append([]string{root}, elements...)...)
}
