package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"borgcron/internal/doctor"
	"borgcron/internal/process"
)

// The timers that borgcron's own units are.
const (
	runTimer    = "borgcron.timer"
	statusTimer = "borgcron-status.timer"
)

// schedule looks for what starts runs by itself. Nobody is asked to change anything.
func (x *examination) schedule(ctx context.Context) []doctor.Finding {
	findings := doctor.JudgeTimer(x.timer(ctx, runTimer, "run"), x.recent())
	return append(findings, doctor.JudgeStatusTimer(x.timer(ctx, statusTimer, "status --notify"), len(x.loaded.Notify))...)
}

// timer looks for a timer of systemd, of the user's own manager first, else for a line of cron that starts the verb.
func (x *examination) timer(ctx context.Context, unit, verb string) doctor.Timer {
	managers := []string{"--system"}
	if os.Getuid() != 0 {
		managers = []string{"--user", "--system"}
	}
	answered := false
	for _, manager := range managers {
		timer, ok := x.systemdTimer(ctx, manager, unit)
		if ok && timer.There {
			return timer
		}
		answered = answered || ok
	}
	timer := doctor.Timer{Command: "borgcron schedule install"}
	if place := x.cronPlace(ctx, verb); place != "" {
		timer.Kind, timer.There, timer.Enabled, timer.Active = "cron, "+place, true, true, true
		return timer
	}
	if _, err := x.lookPath("crontab"); err != nil && !answered {
		timer.Unknown = "there is neither systemd nor cron here: what starts runs is not known"
	}
	return timer
}

func (x *examination) lookPath(program string) (string, error) {
	return process.LookPath(program, x.env.Getenv("PATH"))
}

// ask runs a program that only answers; false if it is not there or fails.
func (x *examination) ask(ctx context.Context, program string, args ...string) (string, bool) {
	path, err := x.lookPath(program)
	if err != nil {
		return "", false
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var out bytes.Buffer
	err = process.Run(ctx, process.Command{Path: path, Args: args, Env: append(x.conditions.Environ, "LC_ALL=C"), Stdout: &out, Terminate: time.Second})
	return out.String(), err == nil
}

// systemdTimer asks a manager for a timer; false if there is none to ask.
func (x *examination) systemdTimer(ctx context.Context, manager, unit string) (doctor.Timer, bool) {
	text, ok := x.ask(ctx, "systemctl", manager, "show", unit, "--property=LoadState,UnitFileState,ActiveState,NextElapseUSecRealtime")
	if !ok {
		return doctor.Timer{}, false
	}
	timer := parseTimer(text)
	timer.Kind, timer.Command, timer.User, timer.Name = "systemd timer "+unit, "borgcron schedule install", manager == "--user", username()
	if timer.User {
		_, err := os.Stat(filepath.Join("/var/lib/systemd/linger", timer.Name))
		timer.Lingers = err == nil
	}
	return timer, true
}

// parseTimer reads what `systemctl show` says of a timer.
func parseTimer(text string) doctor.Timer {
	var timer doctor.Timer
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "LoadState":
			timer.There = value == "loaded"
		case "UnitFileState":
			timer.Enabled = strings.HasPrefix(value, "enabled") || value == "static" || value == "linked" || value == "generated"
		case "ActiveState":
			timer.Active = value == "active"
		case "NextElapseUSecRealtime":
			if next, err := time.ParseInLocation("Mon 2006-01-02 15:04:05 MST", value, time.Local); err == nil {
				timer.Next = next
			}
		}
	}
	return timer
}

// cronPlace is where a line of cron starts borgcron with the verb, "" if none does.
func (x *examination) cronPlace(ctx context.Context, verb string) string {
	if text, ok := x.ask(ctx, "crontab", "-l"); ok && startsVerb(text, verb) {
		return "the crontab of " + username()
	}
	files, _ := filepath.Glob("/etc/cron.d/*") // the pattern is a good one
	for _, file := range append([]string{"/etc/crontab"}, files...) {
		if text, err := os.ReadFile(file); err == nil && startsVerb(string(text), verb) {
			return file
		}
	}
	return ""
}

// startsVerb tells whether a line that is no comment calls borgcron with the verb.
func startsVerb(crontab, verb string) bool {
	for line := range strings.Lines(crontab) {
		line = strings.TrimSpace(line)
		_, call, found := strings.Cut(line, "borgcron") // perhaps quoted
		if found && !strings.HasPrefix(line, "#") && strings.Contains(call, " "+verb) {
			return true
		}
	}
	return false
}
