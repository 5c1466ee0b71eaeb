package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"borgcron/internal/doctor"
	"borgcron/internal/schedule"
)

// schedule looks for what starts runs by itself. Nobody is asked to change anything.
func (x *examination) schedule(ctx context.Context) []doctor.Finding {
	found, asked := x.env.scheduled(ctx, true)
	findings := doctor.JudgeTimer(timerOf(found, asked, schedule.RunVerb), x.recent())
	return append(findings, doctor.JudgeStatusTimer(timerOf(found, asked, schedule.StatusVerb), len(x.loaded.Notify))...)
}

// timerOf is the first of what is installed that starts the verb.
func timerOf(found []schedule.Installed, asked bool, verb string) doctor.Timer {
	for _, installed := range found {
		if installed.Starts(verb) {
			return timerThere(installed)
		}
	}
	timer := doctor.Timer{Command: "borgcron schedule install"}
	if !asked {
		timer.Unknown = "there is neither systemd nor cron here: what starts runs is not known"
	}
	return timer
}

func timerThere(installed schedule.Installed) doctor.Timer {
	timer := doctor.Timer{There: true, Enabled: installed.Boots, Active: installed.Waiting, Command: "borgcron schedule install"}
	if installed.Unknown {
		timer.Unknown = "systemd does not answer: whether " + installed.Name + " is waiting is not known"
	}
	if installed.Kind == "cron" {
		timer.Kind = "cron, " + installed.Name
		return timer
	}
	timer.Kind, timer.User, timer.Name = "systemd timer "+installed.Name, installed.Personal, username()
	if installed.Next != nil {
		timer.Next = *installed.Next
	}
	timer.Lingers = installed.Personal && lingers(timer.Name)
	return timer
}

// lingers tells whether a user's own systemd goes on without a session.
func lingers(user string) bool {
	_, err := os.Stat(filepath.Join("/var/lib/systemd/linger", user))
	return !errors.Is(err, fs.ErrNotExist)
}
