package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"borgcron/internal/backup"
)

// Mistake is something wrong in the configuration, or doubtful.
type Mistake struct {
	Place, Message string
	Warning        bool
}

// JudgeConfiguration makes a finding of each.
func JudgeConfiguration(mistakes []Mistake) []Finding {
	var found []Finding
	for _, m := range mistakes {
		severity := Failure
		if m.Warning {
			severity = Warning
		}
		found = append(found, finding(Configuration, severity, "correct it, then: borgcron config check", "%s: %s", m.Place, m.Message))
	}
	if len(found) == 0 {
		found = append(found, well(Configuration, "no mistake"))
	}
	return found
}

// File is the owner and the mode of a file or folder.
type File struct {
	Path string
	Mode uint32 // the permission bits
	Risk string // what else is unsafe about it, "" if nothing is known
}

// JudgeSafe judges who else can write to the files, for the check that asks.
func JudgeSafe(check string, files []File) []Finding {
	var found []Finding
	for _, f := range files {
		switch {
		case f.Risk != "":
			found = append(found, finding(check, Warning, "chown root: and chmod go-w what is named, or move it", "%s", f.Risk))
		case f.Mode&0o002 != 0:
			found = append(found, finding(check, Warning, "chmod o-w "+f.Path, "everybody can write to %s", f.Path))
		case f.Mode&0o020 != 0:
			found = append(found, finding(check, Warning, "chmod g-w "+f.Path, "its group can write to %s", f.Path))
		}
	}
	if len(found) == 0 {
		found = append(found, well(check, "nobody else can write to it"))
	}
	return found
}

// JudgeState judges the state folder: why it cannot be used, files of other users in it, what is free there.
func JudgeState(folder, user string, failed error, foreign int, example string, free int64) []Finding {
	const leastFree = 100 << 20
	switch {
	case failed != nil:
		return []Finding{finding(State, Failure, "make it a folder of your own, or set `paths.state`", "%v", failed)}
	case foreign > 0:
		return []Finding{finding(State, Failure, fmt.Sprintf("chown -R %s: %s   (as root; and run borgcron as %s only)", user, folder, user),
			"%s in the state folder of other users, such as %s", count(foreign, "file"), example)}
	case free >= 0 && free < leastFree:
		return []Finding{finding(State, Warning, "free space on the file system of "+folder, "only %d MiB are free where the state folder is: a run that cannot be put on record is a warning, and deletes nothing", free>>20)}
	}
	return []Finding{well(State, "%s is usable", folder)}
}

// JudgeHistory judges whether the records can be read.
func JudgeHistory(failed error, absent bool) []Finding {
	switch {
	case absent:
		return []Finding{finding(History, Note, "", "nothing is on record yet")}
	case failed != nil:
		return []Finding{finding(History, Warning, "borgcron run: it sets a damaged history aside and begins anew", "%v", failed)}
	}
	return []Finding{well(History, "the records can be read")}
}

// Timer is what starts runs by itself.
type Timer struct {
	Unknown string    // why nobody could be asked; "" if it could
	Kind    string    // "systemd timer borgcron.timer", "crontab"
	There   bool      // it is installed
	Enabled bool      // it starts with the machine
	Active  bool      // it is waiting now
	Next    time.Time // zero: not known
	User    bool      // of a user's own manager
	Lingers bool      // that user's manager goes on without a session
	Name    string    // login name of the user
	Command string    // that installs it
}

// JudgeTimer judges the timer of runs; recent tells that a job has succeeded lately, so something starts runs.
func JudgeTimer(t Timer, recent bool) []Finding {
	install := t.Command
	switch {
	case t.Unknown != "":
		return []Finding{Unseen(Schedule, t.Unknown)}
	case !t.There && recent:
		return []Finding{finding(Schedule, Note, install, "no timer of borgcron's own; something else starts runs")}
	case !t.There:
		return []Finding{finding(Schedule, Warning, install, "nothing is installed that would start a run")}
	case !t.Enabled || !t.Active:
		return append([]Finding{finding(Schedule, Failure, enable(t), "%s is installed, but %s", t.Kind, idle(t))}, judgeLinger(t)...)
	}
	text := t.Kind
	if !t.Next.IsZero() {
		text += ", next at " + t.Next.Local().Format("2006-01-02 15:04")
	}
	return append([]Finding{well(Schedule, "%s", text)}, judgeLinger(t)...)
}

// JudgeStatusTimer judges the timer that tells of backups that have become stale.
func JudgeStatusTimer(t Timer, channels int) []Finding {
	switch {
	case channels == 0 || t.Unknown != "":
		return nil
	case !t.There:
		return []Finding{finding(StatusTimer, Note, t.Command, "no timer tells when a backup becomes stale because nothing runs any more")}
	case !t.Enabled || !t.Active:
		return []Finding{finding(StatusTimer, Warning, enable(t), "%s is installed, but %s", t.Kind, idle(t))}
	}
	return []Finding{well(StatusTimer, "%s", t.Kind)}
}

func enable(t Timer) string {
	unit := t.Kind[strings.LastIndexByte(t.Kind, ' ')+1:]
	if t.User {
		return "systemctl --user enable --now " + unit
	}
	return "systemctl enable --now " + unit
}

func idle(t Timer) string {
	switch {
	case !t.Enabled && !t.Active:
		return "neither enabled nor waiting"
	case !t.Enabled:
		return "not enabled: it is gone after the next start of the machine"
	}
	return "not waiting"
}

func judgeLinger(t Timer) []Finding {
	switch {
	case !t.User:
		return nil
	case !t.Lingers:
		return []Finding{finding(Linger, Warning, "loginctl enable-linger "+t.Name, "the timers of user %s stop when the last session ends", t.Name)}
	}
	return []Finding{well(Linger, "the timers of user %s go on without a session", t.Name)}
}

// JudgeClock judges whether the clock is kept right by somebody.
func JudgeClock(synchronised, known bool) []Finding {
	switch {
	case !known:
		return []Finding{Unseen(Clock, "whether it is kept right cannot be asked here")}
	case !synchronised:
		return []Finding{finding(Clock, Note, "timedatectl set-ntp true", "nobody keeps it right (no NTP)")}
	}
	return []Finding{well(Clock, "it is kept right")}
}

// Tried is a channel that was reached for, without sending a message.
type Tried struct {
	Name    string
	Failed  error
	Nobody  bool // a screen: nobody is at one now
	Skipped bool // no network was to be used
}

// JudgeChannels judges the channels; left are those that the configuration has, with a mistake.
func JudgeChannels(tried []Tried, jobs int) []Finding {
	if len(tried) == 0 && jobs > 0 {
		return []Finding{finding(Channel, Warning, "configure one under `notify`, for example: watch: {type: healthchecks, url: ...}", "no channel is configured: nobody is told when a backup fails")}
	}
	var found []Finding
	for _, t := range tried {
		remedy := "borgcron notify --test " + t.Name
		switch {
		case t.Skipped:
			found = append(found, Unseen(Channel, t.Name+": --offline"))
		case t.Nobody:
			found = append(found, finding(Channel, Note, "", "%s: nobody is logged in at a screen now; the message is kept until then", t.Name))
		case t.Failed != nil:
			found = append(found, finding(Channel, Warning, remedy, "%s: %s", t.Name, backup.Clean(t.Failed.Error())))
		default:
			found = append(found, well(Channel, "%s can be reached", t.Name))
		}
	}
	return found
}

// JudgeMetrics judges whether the file of the metrics can be written.
func JudgeMetrics(file string, failed error) []Finding {
	if failed != nil {
		return []Finding{finding(Metrics, Warning, "make its folder, writable by who runs borgcron, or look at `metrics.textfile`", "%v", failed)}
	}
	return []Finding{well(Metrics, "%s can be written", file)}
}

// JudgeNoConfiguration is what there is to say where nothing is configured, or what is cannot be read.
func JudgeNoConfiguration(failed error) []Finding {
	remedy := "borgcron init"
	if errors.Is(failed, fs.ErrPermission) {
		remedy = "run it as the user whose backups they are"
	}
	return []Finding{finding(Configuration, Failure, remedy, "%v", failed)}
}

// JudgeOtherState is what there is to say of a state folder that belongs to another user.
func JudgeOtherState(folder, owner string) []Finding {
	return []Finding{finding(State, Failure, "sudo -u "+owner+" borgcron doctor", "%s belongs to user %s, not to who runs this: the backups are that user's", folder, owner)}
}
