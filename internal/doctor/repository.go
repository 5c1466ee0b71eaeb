package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"borgcron/internal/backup"
)

// roomToCompact is what borg wants to have free before it compacts: one whole segment and a little.
const roomToCompact = 1 << 30

// Point is how large a repository was at a time.
type Point struct {
	At   time.Time
	Size int64
}

// Room is the free space of a repository's file system, and how the repository grew.
type Room struct {
	Local   bool
	Free    int64 // bytes that an ordinary user may still write
	Failed  error // why that is not known
	MinFree int64
	Points  []Point // in any order
}

const (
	leastPoints = 3
	leastSpan   = 2 * 24 * time.Hour
	soonFull    = 30 * 24 * time.Hour
)

// Growth is by how many bytes a day the repository grew, from the first to the last of the sizes on record; false if they are too few,
// or too close to each other, to say.
func Growth(points []Point) (perDay float64, known bool) {
	points = slices.DeleteFunc(slices.Clone(points), func(p Point) bool { return p.Size <= 0 || p.At.IsZero() })
	slices.SortFunc(points, func(a, b Point) int { return a.At.Compare(b.At) })
	if len(points) < leastPoints {
		return 0, false
	}
	first, last := points[0], points[len(points)-1]
	span := last.At.Sub(first.At)
	if span < leastSpan {
		return 0, false
	}
	return float64(last.Size-first.Size) / (span.Hours() / 24), true
}

// JudgeRoom judges how long there will be room.
func JudgeRoom(r Room) []Finding {
	perDay, known := Growth(r.Points)
	growth := ""
	if known {
		growth = fmt.Sprintf("; it grows by %s a day", humanize.IBytes(uint64(max(perDay, 0))))
	}
	const remedy = "free space there, or keep less: look at `retention`, then borgcron run --only prune,compact"
	free := humanize.IBytes(uint64(max(r.Free, 0)))
	left := time.Duration(-1)
	if known && perDay > 0 {
		if days := float64(max(r.Free-r.MinFree, 0)) / perDay; days < 10000 {
			left = time.Duration(days * 24 * float64(time.Hour))
		}
	}
	switch {
	case !r.Local:
		return []Finding{well(Space, "the disk of a server is not seen from here%s", growth)}
	case errors.Is(r.Failed, fs.ErrNotExist):
		return []Finding{Unseen(Space, "the repository is not there")}
	case r.Failed != nil:
		return []Finding{Unseen(Space, r.Failed.Error())}
	case r.MinFree > 0 && r.Free < r.MinFree:
		return []Finding{finding(Space, Failure, remedy, "%s are free where the repository is, and `min_free` wants %s", free, humanize.IBytes(uint64(r.MinFree)))}
	case r.Free < roomToCompact:
		return []Finding{finding(Space, Warning, remedy, "only %s are free where the repository is; borg itself needs up to %s to compact%s", free, humanize.IBytes(roomToCompact), growth)}
	case left >= 0 && left < soonFull:
		return []Finding{finding(Space, Warning, remedy, "%s are free where the repository is%s: full in some %d days", free, growth, int(left.Hours()/24))}
	case left >= 0:
		return []Finding{well(Space, "%s free%s: enough for some %d days", free, growth, int(left.Hours()/24))}
	}
	return []Finding{well(Space, "%s free%s", free, growth)}
}

// JudgeSmallRoom judges the free space where borg keeps something small of its own; it says nothing if there is enough.
func JudgeSmallRoom(what string, free int64) []Finding {
	const least = 100 << 20
	if free >= least {
		return nil
	}
	return []Finding{finding(Space, Warning, "free space on that file system, or move borg's cache with `cache`", "only %s are free where %s is", humanize.IBytes(uint64(max(free, 0))), what)}
}

// Holder is who holds the local lock of a repository.
type Holder struct {
	Held    bool
	Job     string // "": not known
	PID     int
	Since   time.Time
	Gone    bool // the process that took it is no more, and a borg of it still runs
	Mounted string
	Failed  error // why the lock cannot be looked at
}

// Busy says why a repository that is held is not looked at.
func (h Holder) Busy() string {
	switch {
	case h.Mounted != "":
		return "its archives are mounted at " + h.Mounted
	case h.Job == "" || h.Since.IsZero():
		return "another process holds its lock"
	}
	return fmt.Sprintf("a run of job %s is going since %s", h.Job, h.Since.Local().Format("2006-01-02 15:04:05"))
}

// longRun is how long a holder may be at work before that is worth a word.
const longRun = 48 * time.Hour

// JudgeHolder judges the local lock.
func JudgeHolder(h Holder, name string, now time.Time) []Finding {
	switch {
	case h.Failed != nil:
		return []Finding{finding(Lock, Failure, "see that the folder is yours alone, or set `paths.state`", "%v", h.Failed)}
	case !h.Held:
		return []Finding{well(Lock, "borgcron's own lock is free")}
	case h.Mounted != "":
		return []Finding{finding(Lock, Failure, "borgcron umount "+h.Mounted, "%s since %s, and no run can begin meanwhile", h.Busy(), h.Since.Local().Format("2006-01-02 15:04"))}
	case h.Gone:
		return []Finding{finding(Lock, Warning, "borgcron unlock "+name, "the borgcron of job %s (pid %d) is gone, and a borg of it still runs", h.Job, h.PID)}
	case !h.Since.IsZero() && now.Sub(h.Since) > longRun:
		return []Finding{finding(Lock, Warning, "borgcron unlock "+name, "%s: longer than two days", h.Busy())}
	}
	return []Finding{finding(Lock, Note, "", "%s", h.Busy())}
}

// JudgeLock judges borg's own lock. The local one is held: no borg of ours is at work.
func JudgeLock(e backup.Evidence, name string, now time.Time) []Finding {
	if e.Unread != "" {
		return []Finding{Unseen(Lock, e.Unread)}
	}
	if len(e.Holders) == 0 {
		if e.Local {
			return []Finding{well(Lock, "borg's lock is free")}
		}
		return nil // that of the repository only a borg that tries can tell
	}
	verdict := e.Judge(now)
	if verdict.Stale {
		return []Finding{finding(Lock, Note, "borgcron unlock "+name, "borg's lock was left behind by %s; the next run breaks it", verdict.Holder)}
	}
	if dead := e.Dead(); dead.Stale {
		return []Finding{finding(Lock, Warning, "borgcron unlock "+name,
			"borg's lock was left behind by %s (%s); borg itself removes it only if it knows it for one of this machine's, and a run does not: %s", dead.Holder, dead.Reason, verdict.Reason)}
	}
	return []Finding{finding(Lock, Warning, "borgcron unlock "+name, "borg's lock is held by %s: %s", verdict.Holder, verdict.Reason)}
}

// Opened is what trying to open a repository has shown.
type Opened struct {
	Failure  *backup.Failure // nil: it opened
	Late     bool            // it gave no answer in time
	Name     string          // words that name it to a command: JOB, or JOB --repository NAME
	ID       string          // borg's own id of it, as known from former runs
	Archives []backup.Archive
}

// JudgeOpened judges whether the repository could be opened and read.
func JudgeOpened(o Opened) []Finding {
	f := o.Failure
	switch {
	case f == nil:
		return []Finding{well(Repository, "it opens, and lists %s", count(len(o.Archives), "archive"))}
	case o.Late:
		return []Finding{finding(Repository, Warning, "borgcron borg "+o.Name+" -- list --last 1", "it gave no answer in time; perhaps it is large, or its server slow")}
	}
	what, remedy := f.Message, f.Hint
	switch f.ID[strings.LastIndexByte(f.ID, '.')+1:] {
	case "LockTimeout":
		return []Finding{finding(Lock, Warning, "borgcron unlock "+o.Name, "borg's lock is held by another one: %s", what), Unseen(Repository, "it is locked")}
	case "DoesNotExist":
		remedy = "mount its disk, or make it: borgcron init " + strings.Fields(o.Name)[0]
	case "PassphraseWrong":
		return []Finding{finding(Passphrase, Failure, "put the right one where `passphrase` of this repository says", "it does not open the repository: %s", what), Unseen(Repository, "the passphrase is wrong")}
	case "NoPassphraseFailure":
		return []Finding{finding(Passphrase, Failure, "say where it is with `passphrase` of this repository", "the repository is encrypted, and no passphrase is configured"), Unseen(Repository, "no passphrase")}
	}
	return []Finding{finding(Repository, Failure, remedy, "%s", what)}
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return humanize.Comma(int64(n)) + " " + what
}

// Chains are the archives of a repository, and the patterns of all series that the configured jobs keep there.
type Chains struct {
	Archives []string
	Patterns []string
	Single   bool // nobody else writes there
}

// JudgeSeries names archives that belong to none of the jobs: nothing prunes them.
func JudgeSeries(c Chains, job string) []Finding {
	var stray []string
	for _, name := range c.Archives {
		if !slices.ContainsFunc(c.Patterns, func(pattern string) bool { return backup.Match(pattern, name) }) {
			stray = append(stray, backup.Clean(name))
		}
	}
	switch {
	case len(stray) == 0:
		return []Finding{well(Series, "each archive belongs to a job")}
	case !c.Single:
		return []Finding{well(Series, "%s of others, as may be in a repository that is shared", count(len(stray), "archive"))}
	}
	return []Finding{finding(Series, Warning, "borgcron borg "+job+" -- list, then delete what nobody needs, or set `prune.match`",
		"no job prunes %s, such as %s", count(len(stray), "archive"), stray[len(stray)-1])}
}

// JudgeKey judges whether somebody has a copy of the key.
func JudgeKey(shared backup.Shared, name string) []Finding {
	switch {
	case shared.KeyUnkept():
		return []Finding{finding(Key, Warning, "borgcron key export "+name+" --paper", "the key (%s) was never exported", shared.Encryption)}
	case shared.Encryption == "":
		return []Finding{Unseen(Key, "no backup there is on record yet")}
	case shared.Encryption == "none":
		return []Finding{well(Key, "the repository is not encrypted and has no key")}
	}
	return []Finding{well(Key, "exported on %s", shared.KeyExported.Local().Format("2006-01-02"))}
}

// Place is one location of a repository.
type Place struct{ Key, Name, ID string }

// JudgePlaces finds repositories that are configured under two locations.
func JudgePlaces(places []Place) []Finding {
	first := map[string]Place{}
	var found []Finding
	for _, place := range places {
		other, seen := first[place.ID]
		switch {
		case place.ID == "":
		case !seen:
			first[place.ID] = place
		case other.Key != place.Key:
			found = append(found, finding(SameRepository, Failure, "give both the same `location`",
				"%s and %s are one repository under two locations", other.Name, place.Name))
		}
	}
	if len(found) == 0 {
		found = append(found, well(SameRepository, "no repository has two locations"))
	}
	return found
}

// Foreign are files of another user where this one writes.
type Foreign struct {
	What   string // "borg's cache"
	Folder string // "" for one that is not to be shown
	Count  int
	Of     string // whose the first of them is, the name or number of the user
	User   string // who runs this
	Root   bool   // that is root, whom they do not stop
}

// JudgeRefused is why no borg is started: it would write among files of another user.
func JudgeRefused(failure *backup.Failure) Finding {
	return finding(CacheOwner, Failure, failure.Hint, "%s", failure.Message)
}

// JudgeForeign judges files of other users in borg's own folders, or in a repository (of which no folder is told).
func JudgeForeign(check string, looked int, found []Foreign) []Finding {
	var findings []Finding
	for _, f := range found {
		where, folder := f.What, "the folder of the repository"
		if f.Folder != "" {
			where, folder = f.What+" ("+f.Folder+")", f.Folder
		}
		severity, owner, what := Failure, f.User, "%s in %s of user %s, which are closed to %s"
		if f.Root {
			severity, owner, what = Warning, f.Of, "%s in %s of user %s: what %s writes there that user can no longer use"
		}
		remedy := fmt.Sprintf("chown -R %s: %s   (as root; and run borgcron as %s only)", owner, folder, owner)
		findings = append(findings, finding(check, severity, remedy, what, count(f.Count, "file"), where, f.Of, f.User))
	}
	if len(findings) == 0 {
		findings = append(findings, well(check, "all %s looked at are usable to who runs this", count(looked, "file")))
	}
	return findings
}
