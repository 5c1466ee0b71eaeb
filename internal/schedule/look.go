package schedule

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// How long anybody is waited for who only wants to know, and who examines the machine.
const (
	lookTime    = time.Second
	examineTime = 10 * time.Second
)

// The verbs that a schedule starts.
const (
	RunVerb    = "run"
	StatusVerb = "status"
)

// Installed is a timer or a place of cron's that starts borgcron.
type Installed struct {
	Kind    string     `json:"kind"` // systemd, cron
	Name    string     `json:"name"` // of the timer, or the place of the lines
	Enabled bool       `json:"enabled"`
	Unknown bool       `json:"unknown,omitempty"` // systemd did not answer
	Next    *time.Time `json:"next"`              // null if it is not known

	Verbs    []string `json:"-"` // what it starts
	Personal bool     `json:"-"` // of the user's own manager
	Boots    bool     `json:"-"` // it is there again when the machine has started anew
	Waiting  bool     `json:"-"` // now
}

// Starts tells whether it starts the verb.
func (i Installed) Starts(verb string) bool { return slices.Contains(i.Verbs, verb) }

// Places are where a schedule may be.
type Places struct {
	System    []string // folders of the machine's units
	Personal  []string // folders of the user's own units
	CronFiles []string
	Thorough  bool // ask everybody, with patience: systemd also of units that lie elsewhere, cron also if a timer is found
}

func (p Places) patience() time.Duration {
	if p.Thorough {
		return examineTime
	}
	return lookTime
}

// timerVerbs are our timers with what they start.
var timerVerbs = [][2]string{{RunTimer, RunVerb}, {StatusTimer, StatusVerb}}

// Look returns what is installed, the user's own first, and whether anybody could be asked. Nothing is written, and what
// cannot be read is not there.
func Look(ctx context.Context, places Places, manager Manager, crontab Crontab, now time.Time) (found []Installed, asked bool) {
	manager.Personal = true
	found, asked = manager.timers(ctx, places, places.Personal)
	manager.Personal = false
	ofMachine, answered := manager.timers(ctx, places, places.System)
	found, asked = append(found, ofMachine...), asked || answered
	for _, file := range places.CronFiles {
		if text, err := os.ReadFile(file); err == nil {
			found = addCron(found, file, string(text), isOurs(string(text)), now)
		}
	}
	if len(found) > 0 && !places.Thorough { // a crontab is asked for by a program of its own
		return found, asked
	}
	if _, err := crontab.Look("crontab"); err == nil {
		asked = true
	}
	if text, err := run(ctx, crontab.Look, crontab.Environ, places.patience(), nil, "crontab", "-l"); err == nil {
		found = addCron(found, "crontab", text, Block(text) != "", now)
	}
	return found, asked
}

// timers are ours of one manager, and whether it has answered.
func (m Manager) timers(ctx context.Context, places Places, folders []string) (found []Installed, answered bool) {
	for _, timer := range timerVerbs {
		file := there(folders, timer[0])
		if !file && (len(folders) == 0 || !places.Thorough) {
			continue
		}
		installed, loaded := m.look(ctx, places.patience(), timer[0])
		answered = answered || !installed.Unknown
		if file || loaded {
			installed.Verbs, installed.Personal = timer[1:], m.Personal
			found = append(found, installed)
		}
	}
	return found, answered
}

func there(folders []string, unit string) bool {
	for _, folder := range folders {
		if _, err := os.Stat(filepath.Join(folder, unit)); !errors.Is(err, fs.ErrNotExist) {
			return err == nil
		}
	}
	return false
}

// look asks systemd for a timer, and whether it has read it.
func (m Manager) look(ctx context.Context, patience time.Duration, timer string) (found Installed, loaded bool) {
	args := []string{"show", timer, "--property=LoadState,UnitFileState,ActiveState,NextElapseUSecRealtime"}
	if m.Personal {
		args = append([]string{"--user"}, args...)
	}
	text, err := run(ctx, m.Look, m.Environ, patience, nil, "systemctl", args...)
	found, loaded = parseTimer(timer, text)
	found.Unknown = err != nil
	return found, loaded && err == nil
}

// parseTimer reads what `systemctl show` says of a timer.
func parseTimer(name, text string) (found Installed, loaded bool) {
	found = Installed{Kind: "systemd", Name: name}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "LoadState":
			loaded = value == "loaded"
		case "UnitFileState":
			found.Boots = strings.HasPrefix(value, "enabled") || value == "static" || value == "linked" || value == "generated"
		case "ActiveState":
			found.Waiting = value == "active"
		case "NextElapseUSecRealtime":
			if next, err := time.ParseInLocation("Mon 2006-01-02 15:04:05 MST", value, time.Local); err == nil {
				found.Next = &next
			}
		}
	}
	found.Enabled = found.Boots && found.Waiting
	return found, loaded
}

// addCron adds a place of cron's if a line there starts borgcron. Ours begins every quarter of an hour; when
// somebody else's does is not read.
func addCron(found []Installed, place, text string, ours bool, now time.Time) []Installed {
	entry := Installed{Kind: "cron", Name: place, Enabled: true, Boots: true, Waiting: true}
	for _, verb := range []string{RunVerb, StatusVerb} {
		if startsVerb(text, verb) {
			entry.Verbs = append(entry.Verbs, verb)
		}
	}
	if entry.Verbs == nil {
		return found
	}
	if ours {
		next := now.Truncate(15 * time.Minute).Add(15 * time.Minute)
		entry.Next = &next
	}
	return append(found, entry)
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
