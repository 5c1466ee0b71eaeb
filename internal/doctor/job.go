package doctor

import (
	"fmt"
	"strings"
	"time"

	"borgcron/internal/backup"
)

// Source is one path that a job backs up.
type Source struct {
	Path       string
	Optional   bool
	Failed     error  // why it cannot be read, nil if it can
	Missing    bool   // it does not exist
	Folder     bool   // it is a folder
	Empty      bool   // with nothing in it
	Unmounted  bool   // the system's table says that something is to be mounted there, or above, and nothing is
	Unreadable int    // of its own entries, how many cannot be read
	Example    string // one of them
}

// JudgeSources judges the sources one by one; ready is why a run would refuse them as they are, "" if it would not.
func JudgeSources(sources []Source, refused, user string) []Finding {
	var found []Finding
	if refused != "" {
		found = append(found, finding(Sources, Failure, "mount or restore what is missing, or list it under `optional_sources`", "%s", refused))
	}
	for _, s := range sources {
		switch {
		case s.Missing: // a run refuses it, or need not have it
		case s.Failed != nil:
			found = append(found, finding(Sources, Failure, "run borgcron as root, or give "+user+" the right to read it", "%s cannot be read by %s: %v", s.Path, user, s.Failed))
		case s.Unmounted:
			found = append(found, finding(Sources, Warning, "mount "+s.Path+", and add it to guard.mounted, so that a run refuses it as it is", "%s is not mounted, though the system's table of mounts (fstab) has it", s.Path))
		case s.Empty:
			found = append(found, finding(Sources, Warning, "mount what belongs there, and add it to guard.mounted; or take it out of `sources`", "%s is empty", s.Path))
		case s.Unreadable > 0:
			found = append(found, finding(Sources, Warning, "run borgcron as root, or exclude them", "%s in %s cannot be read by %s, such as %s", count(s.Unreadable, "entry"), s.Path, user, s.Example))
		}
	}
	if len(found) == 0 {
		found = append(found, well(Sources, "all are there and can be read"))
	}
	return found
}

// JudgeLists judges the files of excludes and patterns; failed says of each that cannot be read why.
func JudgeLists(lists int, failed []error) []Finding {
	var found []Finding
	for _, err := range failed {
		found = append(found, finding(ExcludeFiles, Failure, "write it, or take it out of `exclude_from` and `patterns_from`", "%v", err))
	}
	if len(found) == 0 && lists > 0 {
		found = append(found, well(ExcludeFiles, "%s can be read", count(lists, "list")))
	}
	return found
}

// JudgePrograms judges the programs that dumps and hooks begin with.
func JudgePrograms(wanted int, missing []string) []Finding {
	var found []Finding
	for _, program := range missing {
		found = append(found, finding(Programs, Failure, "install it, or name it with its whole path", "%s is not found", program))
	}
	if len(found) == 0 && wanted > 0 {
		found = append(found, well(Programs, "%s there", count(wanted, "program")))
	}
	return found
}

// JudgeConditions says what a run that began now would wait for.
func JudgeConditions(reason string, failed error) []Finding {
	switch {
	case failed != nil:
		return []Finding{finding(Conditions, Warning, "look at `conditions` of this job", "%v", failed)}
	case reason != "":
		return []Finding{finding(Conditions, Note, "", "a run that began now would be skipped: %s", reason)}
	}
	return []Finding{well(Conditions, "nothing that is asked for keeps a run from beginning now")}
}

// JudgeRetention judges whether anything is ever deleted.
func JudgeRetention(job *backup.Job) []Finding {
	switch {
	case job.Retention.KeepAll:
		return []Finding{well(Retention, "everything is kept, on purpose")}
	case job.Retention.IsZero():
		return []Finding{finding(Retention, Warning, "say in the job: retention: {daily: 14, weekly: 8, monthly: 6}, or retention: keep_all", "none is set: nothing is ever deleted")}
	case job.Prune.Every.Never:
		return []Finding{finding(Retention, Warning, "take `prune.every: never` out", "it is set, but prune never runs")}
	}
	return []Finding{well(Retention, "what it says is %s", strings.Join(job.Retention.Args(), " "))}
}

// grace is how much later than it is due a check or a drill may be before that is worth a word.
const grace = 7 * 24 * time.Hour

// JudgeTended judges when the repository was last checked and a restore last tried.
func JudgeTended(job *backup.Job, last backup.Last, name string, now time.Time) []Finding {
	return []Finding{judgeCheck(job, last, name, now), judgeDrill(job, last, now)}
}

func judgeCheck(job *backup.Job, last backup.Last, name string, now time.Time) Finding {
	checked := last.Done[backup.Check]
	if last.Shared.Checked.After(checked) {
		checked = last.Shared.Checked
	}
	since := checked
	if since.IsZero() {
		since = last.FirstSuccess
	}
	every := job.Check.Every
	remedy := "borgcron run " + name + " --only check"
	switch {
	case every.Never && checked.IsZero():
		return finding(Checked, Warning, "say in the job: check: {every: 30d}", "the repository is never checked")
	case every.Never && now.Sub(checked) > 90*24*time.Hour:
		return finding(Checked, Warning, "say in the job: check: {every: 30d}", "the last check was on %s, and none is to come", day(checked))
	case since.IsZero():
		return well(Checked, "nothing to check yet")
	case !every.Always && !every.Never && now.Sub(since) > every.Interval+max(grace, every.Interval/4):
		return finding(Checked, Warning, remedy, "%s, though one is due every %s", lastTime("check", checked), days(every.Interval))
	case checked.IsZero():
		return well(Checked, "the first check is to come")
	}
	return well(Checked, "last on %s", day(checked))
}

func judgeDrill(job *backup.Job, last backup.Last, now time.Time) Finding {
	drilled, every := last.Done[backup.Verify], job.Verify.Every
	remedy := "borgcron verify " + job.Name
	since := drilled
	if since.IsZero() {
		since = last.FirstSuccess
	}
	switch {
	case since.IsZero():
		return well(Verified, "nothing to restore yet")
	case drilled.IsZero() && every.Never:
		return finding(Verified, Note, remedy+"; or say in the job: verify: {every: 7d}", "no restore of it was ever tried")
	case !every.Always && !every.Never && now.Sub(since) > every.Interval+max(grace, every.Interval/4):
		return finding(Verified, Warning, remedy, "%s, though one is due every %s", lastTime("restore drill", drilled), days(every.Interval))
	case drilled.IsZero():
		return well(Verified, "the first restore drill is to come")
	case every.Never && now.Sub(drilled) > 180*24*time.Hour:
		return finding(Verified, Note, remedy, "the last restore drill was on %s", day(drilled))
	}
	return well(Verified, "last restore drill on %s", day(drilled))
}

func lastTime(what string, t time.Time) string {
	if t.IsZero() {
		return "there was no " + what + " yet"
	}
	return "the last " + what + " was on " + day(t)
}

func day(t time.Time) string { return t.Local().Format("2006-01-02") }

func days(d time.Duration) string {
	if d%(24*time.Hour) == 0 {
		return count(int(d/(24*time.Hour)), "day")
	}
	return d.String()
}

// Standing is how a job on a repository stands, as `status` has it.
type Standing struct {
	State, Problem string
	LastSuccess    time.Time // zero: none
	Future         bool      // it lies in the future
	Job            string
}

// JudgeStanding judges that.
func JudgeStanding(s Standing) []Finding {
	run := "borgcron run " + s.Job
	switch {
	case s.Future:
		return []Finding{finding(LastSuccess, Warning, "set the clock right, then: "+run, "the last success is said to be in the future (%s): the clock was wrong then, or is now", s.LastSuccess.Local().Format("2006-01-02 15:04"))}
	case s.State == "failed":
		return []Finding{finding(LastSuccess, Warning, "borgcron history "+s.Job+"; then: "+run, "the last run failed: %s", s.Problem)}
	case s.State == "stale":
		return []Finding{finding(LastSuccess, Warning, run, "stale: %s", s.Problem)}
	case s.State == "never":
		return []Finding{finding(LastSuccess, Note, run, "there was no backup yet")}
	case s.State == "warning":
		return []Finding{finding(LastSuccess, Warning, "borgcron history "+s.Job, "the last run ended with a warning: %s", s.Problem)}
	}
	return []Finding{well(LastSuccess, "last success on %s", s.LastSuccess.Local().Format("2006-01-02 15:04"))}
}

// JudgeAlarm judges what holds prune and compact back.
func JudgeAlarm(alarm *backup.Alarm, failed error, suspect, job, name string) []Finding {
	switch {
	case failed != nil:
		return []Finding{finding(Alarm, Failure, "look at the folder `alarms` in the state folder", "whether there is an alarm cannot be read: %v", failed)}
	case alarm != nil:
		remedy := "find out what it was; once that is settled: borgcron ack " + name
		switch {
		case alarm.EndsWithDrill(job):
			remedy = "borgcron verify " + name + " --full: if it finds nothing the alarm ends; or borgcron ack " + name
		case alarm.EndsWithCheck():
			remedy = "borgcron run " + name + " --only check: if it finds nothing the alarm ends; or borgcron ack " + name
		}
		return []Finding{finding(Alarm, Failure, remedy, "%s", alarm.Sentence())}
	case suspect != "":
		return []Finding{finding(Alarm, Note, "borgcron run "+name+" --only check", "prune and compact wait for a clean check: %s", suspect)}
	}
	return []Finding{well(Alarm, "there is none")}
}

// JudgeSecret judges whether the passphrase can be read.
func JudgeSecret(s backup.Secret, failed error, encryption string) []Finding {
	switch {
	case s.IsZero() && (encryption == "" || encryption == "none"):
		return []Finding{well(Passphrase, "none is configured")}
	case s.IsZero():
		return []Finding{finding(Passphrase, Failure, "say where it is with `passphrase` of this repository", "the repository is encrypted (%s), and no passphrase is configured", encryption)}
	case failed != nil:
		return []Finding{finding(Passphrase, Failure, secretRemedy(s), "%v", failed)}
	case s.Env != "":
		return []Finding{finding(Passphrase, Note, "say in the repository: passphrase: {file: ...}, a file with mode 600", "it comes from the variable %s of this session: a timer has it only if its unit sets it", s.Env)}
	}
	return []Finding{well(Passphrase, "it can be read")}
}

func secretRemedy(s backup.Secret) string {
	switch {
	case s.File != "":
		return fmt.Sprintf("put it there, readable by its owner only: chmod 600 %s", s.File)
	case s.Command != "":
		return "try the command by hand, without a terminal: it must print the passphrase within 30 seconds and ask nothing"
	}
	return "look at `passphrase` of this repository"
}
