package schedule

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"borgcron/internal/process"
)

// answerTime is how long systemd and cron have for a change.
const answerTime = 30 * time.Second

// Manager is the systemd that runs the units.
type Manager struct {
	Personal bool
	Environ  []string
	Look     func(program string) (string, error) // finds a program
}

// Reload has systemd read its units again, and starts those that are named anew.
func (m Manager) Reload(ctx context.Context, start ...string) error {
	if _, err := m.call(ctx, "daemon-reload"); err != nil {
		return err
	}
	if len(start) == 0 {
		return nil
	}
	_, err := m.call(ctx, append([]string{"restart"}, start...)...)
	return err
}

// Stop stops units; that they do not run, or are not known, is no error.
func (m Manager) Stop(ctx context.Context, units ...string) error {
	for _, unit := range units {
		if _, err := m.call(ctx, "is-active", "--quiet", unit); err != nil {
			continue // also if systemd cannot be asked: then the reload says so
		}
		if _, err := m.call(ctx, "stop", unit); err != nil {
			return err
		}
	}
	return nil
}

// Active tells whether all the units run.
func (m Manager) Active(ctx context.Context, units ...string) bool {
	for _, unit := range units {
		if _, err := m.call(ctx, "is-active", "--quiet", unit); err != nil {
			return false
		}
	}
	return true
}

func (m Manager) call(ctx context.Context, args ...string) (string, error) {
	if m.Personal {
		args = append([]string{"--user"}, args...)
	}
	return run(ctx, m.Look, m.Environ, answerTime, nil, "systemctl", args...)
}

// Crontab is the crontab of the user who asks.
type Crontab struct {
	Environ []string
	Look    func(program string) (string, error)
}

// Read returns the crontab, "" if there is none.
func (c Crontab) Read(ctx context.Context) (string, error) {
	text, err := run(ctx, c.Look, c.Environ, answerTime, nil, "crontab", "-l")
	var exit *process.ExitError
	if errors.As(err, &exit) && strings.Contains(strings.Join(exit.Tail, "\n"), "no crontab for") {
		return "", nil
	}
	return text, err
}

// Write replaces the crontab; an empty one is removed.
func (c Crontab) Write(ctx context.Context, text string) error {
	if text == "" {
		_, err := run(ctx, c.Look, c.Environ, answerTime, nil, "crontab", "-r")
		return err
	}
	_, err := run(ctx, c.Look, c.Environ, answerTime, &text, "crontab", "-")
	return err
}

// run runs a program and returns what it prints; the error has its words.
func run(ctx context.Context, look func(string) (string, error), environ []string, limit time.Duration, stdin *string, program string, args ...string) (string, error) {
	path, err := look(program)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var out bytes.Buffer
	command := process.Command{Path: path, Args: args, Env: append(environ[:len(environ):len(environ)], "LC_ALL=C"), Stdout: &out, Terminate: time.Second}
	if stdin != nil {
		file, err := inFile(*stdin)
		if err != nil {
			return "", err
		}
		defer file.Close()
		command.Stdin = file
	}
	if err := process.Run(ctx, command); err != nil {
		return out.String(), failure(program, args, err)
	}
	return out.String(), nil
}

func failure(program string, args []string, err error) error {
	var exit *process.ExitError
	if errors.As(err, &exit) && len(exit.Tail) > 0 {
		return fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.Join(exit.Tail, "; "))
	}
	return fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), err)
}
