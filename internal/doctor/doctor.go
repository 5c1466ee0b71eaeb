// Package doctor judges what was found out about a set-up: what would make the next run fail, or be worth less, and what to do.
//
// It looks at nothing itself. Whoever probes hands facts in; a function for each kind of fact makes findings of them.
package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Severity is how grave a finding is.
type Severity int

// The severities, the mildest first.
const (
	OK      Severity = iota
	Note             // nothing wrong: worth knowing, or could not be looked at
	Warning          // the backups are worth less than they seem, or will fail one day
	Failure          // the next run would fail
)

var severityNames = [...]string{"ok", "note", "warning", "failure"}

// String returns the word for it.
func (s Severity) String() string {
	if s < 0 || int(s) >= len(severityNames) {
		return fmt.Sprintf("Severity(%d)", int(s))
	}
	return severityNames[s]
}

// MarshalText gives its word.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Finding is what a check has found, also that all is well. No text of it holds a secret or the location of a repository.
type Finding struct {
	Job        string   `json:"job"`        // "": it concerns the machine, or all jobs
	Repository string   `json:"repository"` // what it is called by; "": it concerns none
	Check      string   `json:"check"`      // of Checks
	Severity   Severity `json:"severity"`
	What       string   `json:"what"`
	Why        string   `json:"why"`    // why it matters
	Remedy     string   `json:"remedy"` // a command, or what to do; "" if all is well
}

// finding makes one of a check; why it matters is the same for all of a check.
func finding(check string, severity Severity, remedy, what string, args ...any) Finding {
	return Finding{Check: check, Severity: severity, What: fmt.Sprintf(what, args...), Why: why(check), Remedy: remedy}
}

func well(check, what string, args ...any) Finding { return finding(check, OK, "", what, args...) }

// Unseen is a check that could not be made, and why.
func Unseen(check, reason string) Finding {
	return finding(check, Note, "", "not looked at: %s", reason)
}

// About gives findings the job and the repository that they concern.
func About(job, repository string, findings []Finding) []Finding {
	for i := range findings {
		findings[i].Job, findings[i].Repository = job, repository
	}
	return findings
}

// Worst is the gravest severity among the findings.
func Worst(findings []Finding) Severity {
	worst := OK
	for _, f := range findings {
		worst = max(worst, f.Severity)
	}
	return worst
}

// Sort puts the gravest first, and leaves those of one severity as they were.
func Sort(findings []Finding) {
	slices.SortStableFunc(findings, func(a, b Finding) int { return cmp.Compare(b.Severity, a.Severity) })
}

// Check is one thing that is looked at. Its id is stable: programs and the manual name it by that.
type Check struct{ ID, Why string }

// Checks returns all checks, in the order of the manual.
func Checks() []Check {
	return []Check{
		{Configuration, "a mistake stops the jobs that it concerns, or leaves a channel out"},
		{ConfigurationSafe, "whoever can write there has commands run in your name, and decides what is backed up"},
		{Program, "whoever can replace the program that root runs is root"},
		{State, "without its locks and records no run is started, or nothing of it is remembered"},
		{History, "what it guards waits: nothing is pruned or compacted without it"},
		{Schedule, "without a timer nothing runs unless somebody thinks of it"},
		{StatusTimer, "a backup that never runs at all cannot tell that by itself"},
		{Linger, "without it the timers of a user stop when the last session of the user ends"},
		{Clock, "what is due, and what falls out of the retention, is told by the clock"},
		{Channel, "a failure that nobody hears of is found out on the day of the restore"},
		{Metrics, "the monitoring would go on with old figures"},
		{Sources, "what is not there or cannot be read is not in the backup"},
		{ExcludeFiles, "borg does not start without the lists that it is to read"},
		{Programs, "a dump or a hook whose program is missing makes the run fail"},
		{Conditions, "as long as it does not hold every run is skipped"},
		{Retention, "without it the repository grows until its disk is full"},
		{Checked, "damage that nobody looks for is found when the file is needed"},
		{Verified, "a backup from which nothing was ever restored is a hope"},
		{LastSuccess, "that is how the backup stands now"},
		{Alarm, "the repository may be damaged: nothing is pruned or compacted there"},
		{Borg, "without a borg that works nothing does; old ones have known holes"},
		{Passphrase, "without it borg does not open the repository"},
		{SSHOptions, "options of the owner's win over those that keep an unattended run from hanging, and from trusting a stranger"},
		{Identity, "ssh leaves a key unused that others can read, and no agent of a session is there at night"},
		{HostKey, "an unattended run asks nobody: a server whose key is not known, or is another one, is refused"},
		{Login, "without a login there is no backup"},
		{BorgServer, "both ends must understand each other, and holes count on both"},
		{Keepalive, "a connection that is lost unnoticed keeps the repository locked on the server"},
		{Lock, "as long as another one holds it nobody else can work on the repository"},
		{Repository, "this is what every run does first"},
		{SameRepository, "two locations of one repository are two locks, and two runs at once destroy it"},
		{Space, "a full disk stops backups, and borg needs room even to delete"},
		{Series, "nothing ever prunes them"},
		{Key, "without key and passphrase nobody can read the backup, and the key may be lost with the machine or the repository"},
		{CacheOwner, "one run as root leaves files that the owner's borg can no longer write, and fails from then on"},
		{RepositoryOwner, "files of another user in the repository make borg fail in the middle of its work"},
	}
}

// The ids of the checks.
const (
	Configuration     = "configuration"
	ConfigurationSafe = "configuration-safe"
	Program           = "program"
	State             = "state"
	History           = "history"
	Schedule          = "schedule"
	StatusTimer       = "status-timer"
	Linger            = "linger"
	Clock             = "clock"
	Channel           = "channel"
	Metrics           = "metrics"
	Sources           = "sources"
	ExcludeFiles      = "exclude-files"
	Programs          = "programs"
	Conditions        = "conditions"
	Retention         = "retention"
	Checked           = "checked"
	Verified          = "verified"
	LastSuccess       = "last-success"
	Alarm             = "alarm"
	Borg              = "borg"
	Passphrase        = "passphrase"
	SSHOptions        = "ssh-options"
	Identity          = "identity"
	HostKey           = "host-key"
	Login             = "login"
	BorgServer        = "borg-server"
	Keepalive         = "keepalive"
	Lock              = "lock"
	Repository        = "repository"
	SameRepository    = "same-repository"
	Space             = "space"
	Series            = "series"
	Key               = "key"
	CacheOwner        = "cache-owner"
	RepositoryOwner   = "repository-owner"
)

func why(check string) string {
	for _, c := range Checks() {
		if c.ID == check {
			return c.Why
		}
	}
	return ""
}

// Hangs is a check that gave no answer: whatever it waited for, a run waits for it too.
func Hangs(check string, limit time.Duration) Finding {
	return finding(check, Warning, "is a disk or a server gone that is still mounted? See: mount", "no answer within %v", limit)
}
