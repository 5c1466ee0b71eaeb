package schedule

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// lookTime is how long anybody is waited for who only wants to know.
const lookTime = time.Second

// Installed is a timer or a line of cron that starts borgcron.
type Installed struct {
	Kind    string     `json:"kind"` // systemd, cron
	Name    string     `json:"name"` // of the timer, or the place of the lines
	Enabled bool       `json:"enabled"`
	Unknown bool       `json:"unknown,omitempty"` // systemd did not answer
	Next    *time.Time `json:"next"`              // null if it is not known
}

// Places are where a schedule may be.
type Places struct {
	System   []string // folders of the machine's units
	Personal []string // folders of the user's own units
	CronFile string
}

// Look returns what is installed. Nothing is written, and what cannot be read is not there.
func Look(ctx context.Context, places Places, manager Manager, crontab Crontab, now time.Time) []Installed {
	var found []Installed
	for _, scope := range []struct {
		folders  []string
		personal bool
	}{{places.Personal, true}, {places.System, false}} {
		manager.Personal = scope.personal
		for _, timer := range []string{RunTimer, StatusTimer} {
			if there(scope.folders, timer) {
				found = append(found, manager.look(ctx, timer))
			}
		}
	}
	if text, err := os.ReadFile(places.CronFile); err == nil && isOurs(string(text)) {
		found = append(found, cronEntry(places.CronFile, now))
	}
	if len(found) > 0 { // a crontab is asked for by a program of its own
		return found
	}
	text, err := run(ctx, crontab.Look, crontab.Environ, lookTime, nil, "crontab", "-l")
	if err == nil && Block(text) != "" {
		found = append(found, cronEntry("crontab", now))
	}
	return found
}

func there(folders []string, unit string) bool {
	for _, folder := range folders {
		if _, err := os.Stat(filepath.Join(folder, unit)); !errors.Is(err, fs.ErrNotExist) {
			return err == nil
		}
	}
	return false
}

// look asks systemd for a timer.
func (m Manager) look(ctx context.Context, timer string) Installed {
	args := []string{"show", timer, "--property=UnitFileState,ActiveState,NextElapseUSecRealtime"}
	if m.Personal {
		args = append([]string{"--user"}, args...)
	}
	text, err := run(ctx, m.Look, m.Environ, lookTime, nil, "systemctl", args...)
	found := parseTimer(timer, text)
	found.Unknown = err != nil
	return found
}

// parseTimer reads what `systemctl show` says of a timer.
func parseTimer(name, text string) Installed {
	found := Installed{Kind: "systemd", Name: name}
	enabled, active := false, false
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "UnitFileState":
			enabled = strings.HasPrefix(value, "enabled")
		case "ActiveState":
			active = value == "active"
		case "NextElapseUSecRealtime":
			if next, err := time.ParseInLocation("Mon 2006-01-02 15:04:05 MST", value, time.Local); err == nil {
				found.Next = &next
			}
		}
	}
	found.Enabled = enabled && active
	return found
}

// cronEntry is our part of a crontab: it begins every quarter of an hour.
func cronEntry(place string, now time.Time) Installed {
	next := now.Truncate(15 * time.Minute).Add(15 * time.Minute)
	return Installed{Kind: "cron", Name: place, Enabled: true, Next: &next}
}
