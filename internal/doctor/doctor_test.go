package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"borgcron/internal/backup"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

const aDay = 24 * time.Hour

// brief is a finding in one line: what it is about, how grave, and the word of it that matters.
func brief(f Finding) string { return f.Check + " " + f.Severity.String() }

// judged is a row of a table: what was found, and what is to be said of it.
type judged struct {
	name   string
	got    []Finding
	want   []string // check and severity, in order
	words  string   // in what the gravest says
	remedy string   // in the remedy of the gravest
}

func checkTable(t *testing.T, table []judged) {
	t.Helper()
	for _, row := range table {
		t.Run(row.name, func(t *testing.T) {
			var got []string
			for _, f := range row.got {
				got = append(got, brief(f))
			}
			if !slices.Equal(got, row.want) {
				t.Fatalf("got %q, want %q\n%+v", got, row.want, row.got)
			}
			if len(row.got) == 0 {
				return
			}
			sorted := slices.Clone(row.got)
			Sort(sorted)
			first := sorted[0]
			if !strings.Contains(first.What, row.words) || !strings.Contains(first.Remedy, row.remedy) {
				t.Errorf("%q, %q: not %q, %q", first.What, first.Remedy, row.words, row.remedy)
			}
			if first.Severity >= Warning && (first.Remedy == "" || first.Why == "") {
				t.Errorf("something is wrong, and there is no remedy or no reason: %+v", first)
			}
		})
	}
}

func TestBorg(t *testing.T) {
	checkTable(t, []judged{
		{"missing", JudgeBorg(Version{}, errors.New("borg cannot be started")), []string{"borg failure"}, "cannot be started", "install borg"},
		{"forged archives", JudgeBorg(Version{1, 2, 4}, nil), []string{"borg warning"}, "CVE-2023-36811", "update borg"},
		{"only the younger hole", JudgeBorg(Version{1, 2, 9}, nil), []string{"borg warning"}, "CVE-2026-62268", "update borg"},
		{"the last one before", JudgeBorg(Version{1, 4, 4}, nil), []string{"borg warning"}, "1.4.4", "update borg"},
		{"sound", JudgeBorg(Version{1, 4, 5}, nil), []string{"borg ok"}, "1.4.5", ""},
	})
	if f := JudgeBorg(Version{1, 2, 5}, nil); strings.Contains(f[0].What, "CVE-2023-36811") {
		t.Errorf("1.2.5 has the older hole: %s", f[0].What)
	}
}

func TestServer(t *testing.T) {
	v := func(major, minor, patch int) *Version { return &Version{major, minor, patch} }
	login := func(change func(*Server)) []Finding {
		s := Server{KnownHosts: "/k", Port: 2222, Local: Version{1, 4, 5}, Name: "nas", Version: v(1, 4, 5)}
		change(&s)
		return JudgeServer(s)
	}
	well := []string{"host-key ok", "login ok", "borg-server ok"}
	checkTable(t, []judged{
		{"well", login(func(*Server) {}), well, "", ""},
		{"unknown key", login(func(s *Server) { s.Trouble = UnknownHostKey }), []string{"host-key failure"}, "/k", "ssh-keyscan -p 2222 HOST >> /k"},
		{"usual file and port", login(func(s *Server) { s.Trouble, s.KnownHosts, s.Port = UnknownHostKey, "", 22 }), []string{"host-key failure"}, "", "ssh-keyscan HOST >> ~/.ssh/known_hosts"},
		{"changed key", login(func(s *Server) { s.Trouble = ChangedHostKey }), []string{"host-key failure"}, "another key", "ssh-keygen -R '[HOST]:2222' -f /k"},
		{"denied", login(func(s *Server) { s.Trouble = Denied }), []string{"host-key ok", "login failure"}, "does not let us in", "authorized_keys"},
		{"down", login(func(s *Server) { s.Trouble, s.Said = Unreachable, "Connection refused" }), []string{"host-key note", "login failure"}, "Connection refused", "borgcron doctor"},
		{"late", login(func(s *Server) { s.Trouble = TimedOut }), []string{"host-key note", "login failure"}, "cannot be reached", ""},
		{"no ssh", login(func(s *Server) { s.Trouble = NoSSH }), []string{"host-key note", "login failure"}, "", "install ssh"},
		{"no borg", login(func(s *Server) { s.Trouble, s.RemotePath = NoBorg, "borg1" }), []string{"host-key ok", "login ok", "borg-server failure"}, "no borg1", "remote_path"},
		{"agent", login(func(s *Server) { s.Agent = true }), []string{"host-key ok", "login warning", "borg-server ok"}, "agent", "ssh.identity"},
		{"forced command", login(func(s *Server) { s.Version = nil }), []string{"host-key ok", "login ok", "borg-server note"}, "not known", ""},
		{"another line", login(func(s *Server) { s.Version = v(1, 2, 8) }), []string{"host-key ok", "login ok", "borg-server note"}, "1.2.8", ""},
		{"old", login(func(s *Server) { s.Version = v(1, 2, 4) }), []string{"host-key ok", "login ok", "borg-server warning"}, "1.2.4", "update"},
		{"too old", login(func(s *Server) { s.Version = v(1, 1, 17) }), []string{"host-key ok", "login ok", "borg-server failure"}, "does not go with", "install borg"},
		{"too new", login(func(s *Server) { s.Version = v(2, 0, 0) }), []string{"host-key ok", "login ok", "borg-server failure"}, "does not go with", "install borg"},
	})
}

func TestSSH(t *testing.T) {
	ssh := func(change func(*SSH)) []Finding {
		s := SSH{Retries: 3, Wait: 5 * time.Minute}
		change(&s)
		return JudgeSSH(s)
	}
	options := func(list ...string) []Finding { return ssh(func(s *SSH) { s.Options = list }) }
	checkTable(t, []judged{
		{"well", options("Compression=no"), []string{"ssh-options ok", "keepalive ok"}, "", ""},
		{"any server", options("stricthostkeychecking no"), []string{"ssh-options warning", "keepalive ok"}, "any server is believed", "ssh.options"},
		{"accept-new", options("StrictHostKeyChecking=accept-new"), []string{"ssh-options warning", "keepalive ok"}, "", ""},
		{"may ask", options("BatchMode=no"), []string{"ssh-options warning", "keepalive ok"}, "question", ""},
		{"shared", options("ControlMaster=auto", "ControlPath=~/.ssh/%C"), []string{"ssh-options warning", "ssh-options warning", "keepalive ok"}, "shared connection", ""},
		{"terminal", options("RequestTTY=force"), []string{"ssh-options failure", "keepalive ok"}, "terminal", ""},
		{"a command", options("RemoteCommand=ls"), []string{"ssh-options failure", "keepalive ok"}, "", ""},
		{"the same as ours", options("BatchMode=yes", "ControlMaster=no", "RequestTTY=no", "ConnectTimeout=10"), []string{"ssh-options ok", "keepalive ok"}, "", ""},
		{"endless", options("ConnectTimeout=0"), []string{"ssh-options warning", "keepalive ok"}, "", ""},
		{"no keepalive", options("ServerAliveInterval=0"), []string{"ssh-options ok", "keepalive warning"}, "never noticed", "ServerAliveInterval"},
		{"rare keepalive", options("ServerAliveInterval=120"), []string{"ssh-options ok", "keepalive warning"}, "routers", ""},
		{"patient keepalive", options("ServerAliveInterval=60", "ServerAliveCountMax=100"), []string{"ssh-options ok", "keepalive warning"}, "1h40m", ""},
		{"the first counts, as with ssh", options("ServerAliveInterval=15", "ServerAliveInterval=0"), []string{"ssh-options ok", "keepalive ok"}, "", ""},
		{"few retries", ssh(func(s *SSH) { s.Retries, s.Wait = 1, time.Minute }), []string{"ssh-options ok", "keepalive note"}, "retries", "ClientAliveInterval"},
		{"key", ssh(func(s *SSH) { s.Identity, s.Mode = "/k", 0o600 }), []string{"ssh-options ok", "keepalive ok", "identity ok"}, "", ""},
		{"no key", ssh(func(s *SSH) { s.Identity, s.Missing = "/k", os.ErrNotExist }), []string{"ssh-options ok", "keepalive ok", "identity failure"}, "cannot be read", "ssh-keygen"},
		{"open key", ssh(func(s *SSH) { s.Identity, s.Mode = "/k", 0o644 }), []string{"ssh-options ok", "keepalive ok", "identity failure"}, "others can read", "chmod 600 /k"},
	})
}

func TestGrowth(t *testing.T) {
	points := func(sizes ...int64) (p []Point) {
		for i, size := range sizes {
			p = append(p, Point{ago(time.Duration(len(sizes)-1-i) * aDay), size})
		}
		return p
	}
	for _, row := range []struct {
		name   string
		points []Point
		want   float64
		known  bool
	}{
		{"none", nil, 0, false},
		{"too few", points(1, 2), 0, false},
		{"too close", []Point{{ago(2 * time.Hour), 1}, {ago(time.Hour), 2}, {now, 3}}, 0, false},
		{"grows", points(100, 150, 300), 100, true},
		{"newest first", []Point{{now, 300}, {ago(aDay), 150}, {ago(2 * aDay), 100}}, 100, true},
		{"shrinks", points(300, 200, 100), -100, true},
		{"sizes that are not known do not count", append(points(100, 150, 300), Point{now, 0}, Point{time.Time{}, 7}), 100, true},
	} {
		if got, known := Growth(row.points); got != row.want || known != row.known {
			t.Errorf("%s: %v %v", row.name, got, known)
		}
	}
}

func TestRoom(t *testing.T) {
	const gib = 1 << 30
	grows := []Point{{ago(10 * aDay), 10 * gib}, {ago(5 * aDay), 15 * gib}, {now, 20 * gib}} // 1 GiB a day
	checkTable(t, []judged{
		{"enough", JudgeRoom(Room{Local: true, Free: 100 * gib, Points: grows}), []string{"space ok"}, "some 100 days", ""},
		{"full soon", JudgeRoom(Room{Local: true, Free: 20 * gib, Points: grows}), []string{"space warning"}, "full in some 20 days", "retention"},
		{"min_free is full as well", JudgeRoom(Room{Local: true, Free: 50 * gib, MinFree: 40 * gib, Points: grows}), []string{"space warning"}, "full in some 10 days", "retention"},
		{"below min_free", JudgeRoom(Room{Local: true, Free: 5 * gib, MinFree: 6 * gib}), []string{"space failure"}, "`min_free` wants 6.0 GiB", "free space"},
		{"no room to compact", JudgeRoom(Room{Local: true, Free: gib / 2}), []string{"space warning"}, "512 MiB", "free space"},
		{"full", JudgeRoom(Room{Local: true}), []string{"space warning"}, "only 0 B", ""},
		{"does not grow", JudgeRoom(Room{Local: true, Free: 2 * gib, Points: []Point{{ago(9 * aDay), 9}, {ago(aDay), 8}, {now, 7}}}), []string{"space ok"}, "2.0 GiB free", ""},
		{"server", JudgeRoom(Room{Points: grows}), []string{"space ok"}, "1.0 GiB a day", ""},
		{"cache", JudgeSmallRoom("borg's cache (/c)", 5<<20), []string{"space warning"}, "only 5.0 MiB are free where borg's cache (/c) is", "`cache`"},
		{"enough for the cache", JudgeSmallRoom("borg's cache", gib), nil, "", ""},
		{"gone", JudgeRoom(Room{Local: true, Failed: os.ErrNotExist}), []string{"space note"}, "not looked at", ""},
	})
}

func TestLocks(t *testing.T) {
	holder := func(life backup.Life, why string) []backup.LockHolder {
		return []backup.LockHolder{{Place: backup.LockOfRepository, HostID: "me@1", PID: 7, Since: ago(time.Hour), Life: life, Why: why}}
	}
	checkTable(t, []judged{
		{"free", JudgeHolder(Holder{}, "home", now), []string{"lock ok"}, "", ""},
		{"a run", JudgeHolder(Holder{Held: true, Job: "home", PID: 7, Since: ago(time.Hour)}, "home", now), []string{"lock note"}, "a run of job home is going since", ""},
		{"an endless run", JudgeHolder(Holder{Held: true, Job: "home", PID: 7, Since: ago(3 * aDay)}, "home", now), []string{"lock warning"}, "two days", "borgcron unlock home"},
		{"an orphan", JudgeHolder(Holder{Held: true, Job: "home", PID: 7, Since: ago(time.Hour), Gone: true}, "home", now), []string{"lock warning"}, "pid 7", "borgcron unlock home"},
		{"mounted", JudgeHolder(Holder{Held: true, Job: "home", Since: ago(time.Hour), Mounted: "/mnt"}, "home", now), []string{"lock failure"}, "/mnt", "borgcron umount /mnt"},
		{"nobody known", JudgeHolder(Holder{Held: true}, "home", now), []string{"lock note"}, "another process", ""},
		{"unusable", JudgeHolder(Holder{Failed: os.ErrPermission}, "home", now), []string{"lock failure"}, "permission", "paths.state"},
		{"borg's is free", JudgeLock(backup.Evidence{Local: true}, "home", now), []string{"lock ok"}, "", ""},
		{"borg's on a server", JudgeLock(backup.Evidence{}, "home", now), nil, "", ""},
		{"unread", JudgeLock(backup.Evidence{Local: true, Unread: "denied"}, "home", now), []string{"lock note"}, "denied", ""},
		{"living", JudgeLock(backup.Evidence{Local: true, Single: true, Holders: holder(backup.Living, "process 7 is a running borg")}, "home", now), []string{"lock warning"}, "process 7 is a running borg", "borgcron unlock home"},
		{"dead, single", JudgeLock(backup.Evidence{Local: true, Single: true, Holders: holder(backup.Dead, "no such process")}, "home", now), []string{"lock note"}, "the next run breaks it", ""},
		{"dead, shared", JudgeLock(backup.Evidence{Local: true, Holders: holder(backup.Dead, "no such process")}, "home", now), []string{"lock warning"}, "left behind", "borgcron unlock home"},
		{"foreign", JudgeLock(backup.Evidence{Local: true, Single: true, Holders: holder(backup.Unjudged, "another host")}, "home", now), []string{"lock warning"}, "another host", "borgcron unlock home"},
	})
}

func TestOpened(t *testing.T) {
	failed := func(id string) []Finding {
		return JudgeOpened(Opened{Name: "home --repository nas", Failure: &backup.Failure{ID: id, Message: "borg said so", Hint: "look there"}})
	}
	checkTable(t, []judged{
		{"well", JudgeOpened(Opened{Archives: make([]backup.Archive, 3)}), []string{"repository ok"}, "3 archives", ""},
		{"one", JudgeOpened(Opened{Archives: make([]backup.Archive, 1)}), []string{"repository ok"}, "1 archive", ""},
		{"not there", failed("Repository.DoesNotExist"), []string{"repository failure"}, "borg said so", "borgcron init home"},
		{"wrong passphrase", failed("PassphraseWrong"), []string{"passphrase failure", "repository note"}, "does not open", "`passphrase`"},
		{"no passphrase", failed("NoPassphraseFailure"), []string{"passphrase failure", "repository note"}, "no passphrase is configured", "`passphrase`"},
		{"locked", failed("LockTimeout"), []string{"lock warning", "repository note"}, "borg said so", "borgcron unlock home --repository nas"},
		{"anything else", failed("Cache.RepositoryReplay"), []string{"repository failure"}, "borg said so", "look there"},
		{"late", JudgeOpened(Opened{Name: "home", Late: true, Failure: &backup.Failure{}}), []string{"repository warning"}, "in time", "borgcron borg home -- list"},
	})
}

func TestSeries(t *testing.T) {
	patterns := []string{"h-home-[0-9][0-9]", "h-home.dumps-[0-9][0-9]"}
	judge := func(single bool, names ...string) []Finding {
		return JudgeSeries(Chains{Archives: names, Patterns: patterns, Single: single}, "home")
	}
	checkTable(t, []judged{
		{"all known", judge(true, "h-home-01", "h-home.dumps-02"), []string{"series ok"}, "", ""},
		{"stray", judge(true, "h-home-01", "before-upgrade"), []string{"series warning"}, "before-upgrade", "borgcron borg home"},
		{"of others", judge(false, "other-01"), []string{"series ok"}, "shared", ""},
		{"empty", judge(true), []string{"series ok"}, "", ""},
	})
}

func TestKey(t *testing.T) {
	checkTable(t, []judged{
		{"unkept", JudgeKey(backup.Shared{Encryption: "repokey"}, "home"), []string{"key warning"}, "never exported", "borgcron key export home"},
		{"kept", JudgeKey(backup.Shared{Encryption: "repokey", KeyExported: now}, "home"), []string{"key ok"}, "2026-11-23", ""},
		{"none", JudgeKey(backup.Shared{Encryption: "none"}, "home"), []string{"key ok"}, "not encrypted", ""},
		{"unknown", JudgeKey(backup.Shared{}, "home"), []string{"key note"}, "", ""},
	})
}

func TestPlaces(t *testing.T) {
	checkTable(t, []judged{
		{"two", JudgePlaces([]Place{{"/a", "near", "id"}, {"/b", "far", "id"}}), []string{"same-repository failure"}, "near and far", "location"},
		{"two jobs on one", JudgePlaces([]Place{{"/a", "near", "id"}, {"/a", "near", "id"}}), []string{"same-repository ok"}, "", ""},
		{"nothing known", JudgePlaces([]Place{{"/a", "near", ""}, {"/b", "far", ""}}), []string{"same-repository ok"}, "", ""},
	})
}

func TestForeign(t *testing.T) {
	checkTable(t, []judged{
		{"none", JudgeForeign(CacheOwner, 3, nil), []string{"cache-owner ok"}, "3 files", ""},
		{"cache", JudgeForeign(CacheOwner, 3, []Foreign{{What: "borg's cache", Folder: "/c", Count: 2, Of: "root", User: "me"}}), []string{"cache-owner failure"}, "2 files in borg's cache (/c) of user root, which are closed to me", "chown -R me: /c"},
		{"repository", JudgeForeign(RepositoryOwner, 3, []Foreign{{What: "the repository", Count: 1, Of: "root", User: "me"}}), []string{"repository-owner failure"}, "1 file in the repository of user root", "chown -R me:"},
		{"as root", JudgeForeign(RepositoryOwner, 3, []Foreign{{What: "the repository", Count: 1, Of: "bob", User: "root", Root: true}}), []string{"repository-owner warning"}, "can no longer use", "chown -R bob:"},
	})
}

func TestSources(t *testing.T) {
	judge := func(s Source) []Finding { return JudgeSources([]Source{s}, "", "me") }
	checkTable(t, []judged{
		{"well", judge(Source{Path: "/s", Folder: true}), []string{"sources ok"}, "", ""},
		{"refused", JudgeSources([]Source{{Path: "/s", Missing: true}}, "/s does not exist", "me"), []string{"sources failure"}, "/s does not exist", "mount or restore"},
		{"optional and missing", judge(Source{Path: "/s", Missing: true, Optional: true}), []string{"sources ok"}, "", ""},
		{"unreadable", judge(Source{Path: "/s", Failed: os.ErrPermission}), []string{"sources failure"}, "/s cannot be read by me", "right to read"},
		{"empty", judge(Source{Path: "/s", Folder: true, Empty: true}), []string{"sources warning"}, "/s is empty", "guard.mounted"},
		{"not mounted", judge(Source{Path: "/s", Folder: true, Empty: true, Unmounted: true}), []string{"sources warning"}, "not mounted", "mount /s"},
		{"in part", judge(Source{Path: "/s", Folder: true, Unreadable: 2, Example: "/s/x"}), []string{"sources warning"}, "such as /s/x", "exclude"},
		{"lists", JudgeLists(2, nil), []string{"exclude-files ok"}, "2 lists", ""},
		{"no lists", JudgeLists(0, nil), nil, "", ""},
		{"list gone", JudgeLists(1, []error{errors.New("/x cannot be read")}), []string{"exclude-files failure"}, "/x", "exclude_from"},
		{"programs", JudgePrograms(2, nil), []string{"programs ok"}, "", ""},
		{"program gone", JudgePrograms(1, []string{"pg_dump"}), []string{"programs failure"}, "pg_dump", "install"},
		{"condition", JudgeConditions("on battery", nil), []string{"conditions note"}, "on battery", ""},
		{"no condition", JudgeConditions("", nil), []string{"conditions ok"}, "", ""},
		{"unanswered", JudgeConditions("", errors.New("no answer")), []string{"conditions warning"}, "no answer", "conditions"},
	})
}

func TestTended(t *testing.T) {
	job := func(check, verify backup.Every) *backup.Job {
		return &backup.Job{Name: "home", Check: backup.CheckRule{Every: check}, Verify: backup.VerifyRule{Every: verify}}
	}
	monthly, weekly, never := backup.Every{Interval: 30 * aDay}, backup.Every{Interval: 7 * aDay}, backup.Every{Never: true}
	last := func(first, checked, drilled time.Duration) backup.Last {
		l := backup.Last{Done: map[backup.Step]time.Time{}}
		if first > 0 {
			l.FirstSuccess = ago(first)
		}
		if checked > 0 {
			l.Shared.Checked = ago(checked)
		}
		if drilled > 0 {
			l.Done[backup.Verify] = ago(drilled)
		}
		return l
	}
	judge := func(check, verify backup.Every, l backup.Last) []Finding {
		return JudgeTended(job(check, verify), l, "home", now)
	}
	checkTable(t, []judged{
		{"new", judge(monthly, never, last(0, 0, 0)), []string{"checked ok", "verified ok"}, "", ""},
		{"young", judge(monthly, weekly, last(aDay, 0, 0)), []string{"checked ok", "verified ok"}, "", ""},
		{"never tried", judge(monthly, never, last(aDay, 0, 0)), []string{"checked ok", "verified note"}, "no restore", "borgcron verify home"},
		{"well", judge(monthly, weekly, last(90*aDay, 20*aDay, 2*aDay)), []string{"checked ok", "verified ok"}, "", ""},
		{"check overdue", judge(monthly, weekly, last(90*aDay, 60*aDay, 2*aDay)), []string{"checked warning", "verified ok"}, "2026-09-24", "borgcron run home --only check"},
		{"never checked though due", judge(monthly, weekly, last(90*aDay, 0, 2*aDay)), []string{"checked warning", "verified ok"}, "there was no check yet", "--only check"},
		{"never to be checked", judge(never, weekly, last(90*aDay, 0, 2*aDay)), []string{"checked warning", "verified ok"}, "never checked", "check: {every: 30d}"},
		{"checked long ago", judge(never, weekly, last(190*aDay, 180*aDay, 2*aDay)), []string{"checked warning", "verified ok"}, "none is to come", "check: {every: 30d}"},
		{"drill overdue", judge(monthly, weekly, last(90*aDay, 20*aDay, 30*aDay)), []string{"checked ok", "verified warning"}, "7 days", "borgcron verify home"},
	})
}

func TestStanding(t *testing.T) {
	judge := func(state, problem string) []Finding {
		return JudgeStanding(Standing{State: state, Problem: problem, Job: "home", LastSuccess: now})
	}
	checkTable(t, []judged{
		{"ok", judge("ok", ""), []string{"last-success ok"}, "2026-11-23", ""},
		{"failed", judge("failed", "no space"), []string{"last-success warning"}, "no space", "borgcron history home"},
		{"stale", judge("stale", "too old"), []string{"last-success warning"}, "too old", "borgcron run home"},
		{"never", judge("never", ""), []string{"last-success note"}, "no backup yet", "borgcron run home"},
		{"warning", judge("warning", "files changed"), []string{"last-success warning"}, "files changed", "borgcron history home"},
		{"in the future", JudgeStanding(Standing{State: "ok", Future: true, LastSuccess: now, Job: "home"}), []string{"last-success warning"}, "future", "clock"},
	})
	checkTable(t, []judged{
		{"no alarm", JudgeAlarm(nil, nil, "", "home", "home"), []string{"alarm ok"}, "", ""},
		{"alarm", JudgeAlarm(&backup.Alarm{Problem: "damaged"}, nil, "", "home", "home"), []string{"alarm failure"}, "damaged", "borgcron run home --only check"},
		{"of a drill", JudgeAlarm(&backup.Alarm{Job: "home", Step: backup.Verify}, nil, "", "home", "home"), []string{"alarm failure"}, "", "borgcron verify home --full"},
		{"of another job's drill", JudgeAlarm(&backup.Alarm{Job: "other", Step: backup.Verify}, nil, "", "home", "home"), []string{"alarm failure"}, "", "settled: borgcron ack home"},
		{"unknown", JudgeAlarm(nil, os.ErrPermission, "", "home", "home"), []string{"alarm failure"}, "cannot be read", "alarms"},
		{"suspect", JudgeAlarm(nil, nil, "its lock was broken", "home", "home"), []string{"alarm note"}, "its lock was broken", "--only check"},
	})
	rules := backup.Retention{Daily: 14}
	checkTable(t, []judged{
		{"none", JudgeRetention(&backup.Job{}), []string{"retention warning"}, "nothing is ever deleted", "retention:"},
		{"keep all", JudgeRetention(&backup.Job{Retention: backup.Retention{KeepAll: true}}), []string{"retention ok"}, "on purpose", ""},
		{"set", JudgeRetention(&backup.Job{Retention: rules}), []string{"retention ok"}, "daily", ""},
		{"never pruned", JudgeRetention(&backup.Job{Retention: rules, Prune: backup.PruneRule{Every: backup.Every{Never: true}}}), []string{"retention warning"}, "never runs", "prune.every"},
	})
}

func TestSecret(t *testing.T) {
	file := backup.Secret{File: "/p"}
	checkTable(t, []judged{
		{"none", JudgeSecret(backup.Secret{}, nil, "none"), []string{"passphrase ok"}, "none", ""},
		{"missing", JudgeSecret(backup.Secret{}, nil, "repokey"), []string{"passphrase failure"}, "no passphrase", "passphrase"},
		{"read", JudgeSecret(file, nil, "repokey"), []string{"passphrase ok"}, "", ""},
		{"file gone", JudgeSecret(file, errors.New("read a secret: gone"), ""), []string{"passphrase failure"}, "gone", "chmod 600 /p"},
		{"command", JudgeSecret(backup.Secret{Command: "pass"}, errors.New("exited 1"), ""), []string{"passphrase failure"}, "exited 1", "by hand"},
		{"credential", JudgeSecret(backup.Secret{Credential: "c"}, errors.New("not there"), ""), []string{"passphrase failure"}, "not there", "passphrase"},
		{"variable", JudgeSecret(backup.Secret{Env: "P"}, nil, ""), []string{"passphrase note"}, "variable P", "file"},
	})
}

func TestMachine(t *testing.T) {
	checkTable(t, []judged{
		{"no mistake", JudgeConfiguration(nil), []string{"configuration ok"}, "", ""},
		{"mistakes", JudgeConfiguration([]Mistake{{Place: "c:3", Message: "doubtful", Warning: true}, {Place: "c:4", Message: "wrong"}}), []string{"configuration warning", "configuration failure"}, "c:4: wrong", "config check"},
		{"no configuration", JudgeNoConfiguration(errors.New("none found")), []string{"configuration failure"}, "none found", "borgcron init"},
		{"another's configuration", JudgeNoConfiguration(os.ErrPermission), []string{"configuration failure"}, "permission", "as the user whose backups they are"},
		{"safe", JudgeSafe(Program, []File{{Path: "/p", Mode: 0o755}}), []string{"program ok"}, "", ""},
		{"open to all", JudgeSafe(Program, []File{{Path: "/p", Mode: 0o757}}), []string{"program warning"}, "everybody", "chmod o-w /p"},
		{"open to a group", JudgeSafe(ConfigurationSafe, []File{{Path: "/p", Mode: 0o664}}), []string{"configuration-safe warning"}, "group", "chmod g-w /p"},
		{"risk", JudgeSafe(Program, []File{{Path: "/p", Risk: "/home/x belongs to another"}}), []string{"program warning"}, "/home/x", "chown root"},
		{"state", JudgeState("/s", "me", nil, 0, "", 1<<40), []string{"state ok"}, "/s", ""},
		{"state unusable", JudgeState("/s", "me", os.ErrPermission, 0, "", -1), []string{"state failure"}, "permission", "paths.state"},
		{"files of others", JudgeState("/s", "me", nil, 2, "/s/x", 1<<40), []string{"state failure"}, "2 files", "chown -R me: /s"},
		{"state full", JudgeState("/s", "me", nil, 0, "", 5<<20), []string{"state warning"}, "5 MiB", "free space"},
		{"another's", JudgeOtherState("/s", "backup"), []string{"state failure"}, "belongs to user backup", "sudo -u backup borgcron doctor"},
		{"records", JudgeHistory(nil, false), []string{"history ok"}, "", ""},
		{"no records", JudgeHistory(os.ErrNotExist, true), []string{"history note"}, "nothing is on record", ""},
		{"records unreadable", JudgeHistory(errors.New("damaged"), false), []string{"history warning"}, "damaged", "borgcron run"},
		{"clock", JudgeClock(true, true), []string{"clock ok"}, "", ""},
		{"clock alone", JudgeClock(false, true), []string{"clock note"}, "NTP", "timedatectl"},
		{"clock unknown", JudgeClock(false, false), []string{"clock note"}, "not looked at", ""},
		{"metrics", JudgeMetrics("/m", nil), []string{"metrics ok"}, "", ""},
		{"metrics closed", JudgeMetrics("/m", os.ErrPermission), []string{"metrics warning"}, "permission", "metrics.textfile"},
		{"no channel", JudgeChannels(nil, 1), []string{"channel warning"}, "nobody is told", "notify"},
		{"no channel and no job", JudgeChannels(nil, 0), nil, "", ""},
		{"channels", JudgeChannels([]Tried{{Name: "mail"}, {Name: "phone", Failed: errors.New("refused")}}, 1), []string{"channel ok", "channel warning"}, "phone: refused", "borgcron notify --test phone"},
		{"offline", JudgeChannels([]Tried{{Name: "mail", Skipped: true}}, 1), []string{"channel note"}, "--offline", ""},
		{"nobody there", JudgeChannels([]Tried{{Name: "desk", Nobody: true, Failed: errors.New("nobody")}}, 1), []string{"channel note"}, "nobody is logged in", ""},
		{"hangs", []Finding{Hangs(Sources, time.Minute)}, []string{"sources warning"}, "1m0s", "mount"},
	})
}

func TestTimer(t *testing.T) {
	timer := Timer{Kind: "systemd timer borgcron.timer", There: true, Enabled: true, Active: true, Next: now, Command: "borgcron schedule install"}
	with := func(change func(*Timer)) Timer {
		other := timer
		change(&other)
		return other
	}
	checkTable(t, []judged{
		{"well", JudgeTimer(timer, false), []string{"schedule ok"}, "next at 2026-11-23", ""},
		{"none", JudgeTimer(with(func(t *Timer) { t.There = false }), false), []string{"schedule warning"}, "nothing is installed", "borgcron schedule install"},
		{"something else", JudgeTimer(with(func(t *Timer) { t.There = false }), true), []string{"schedule note"}, "something else", "borgcron schedule install"},
		{"disabled", JudgeTimer(with(func(t *Timer) { t.Enabled = false }), true), []string{"schedule failure"}, "not enabled", "systemctl enable --now borgcron.timer"},
		{"stopped", JudgeTimer(with(func(t *Timer) { t.Active = false }), true), []string{"schedule failure"}, "not waiting", "systemctl enable --now borgcron.timer"},
		{"of a user", JudgeTimer(with(func(t *Timer) { t.User, t.Lingers, t.Name = true, true, "me" }), true), []string{"schedule ok", "linger ok"}, "", ""},
		{"without linger", JudgeTimer(with(func(t *Timer) { t.User, t.Name = true, "me" }), true), []string{"schedule ok", "linger warning"}, "user me", "loginctl enable-linger me"},
		{"of a user, disabled", JudgeTimer(with(func(t *Timer) { t.User, t.Enabled, t.Lingers = true, false, true }), true), []string{"schedule failure", "linger ok"}, "", "systemctl --user enable --now borgcron.timer"},
		{"unknown", JudgeTimer(Timer{Unknown: "no systemd"}, false), []string{"schedule note"}, "no systemd", ""},
		{"status", JudgeStatusTimer(timer, 1), []string{"status-timer ok"}, "", ""},
		{"no status", JudgeStatusTimer(with(func(t *Timer) { t.There = false }), 1), []string{"status-timer note"}, "stale", "borgcron schedule install"},
		{"status disabled", JudgeStatusTimer(with(func(t *Timer) { t.Enabled = false }), 1), []string{"status-timer warning"}, "not enabled", "systemctl enable"},
		{"nobody to tell", JudgeStatusTimer(Timer{}, 0), nil, "", ""},
	})
}

// Each check has a reason, an id of its own, and its place in the manual.
func TestEachCheckIsInTheManual(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "doctor.md"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, check := range Checks() {
		if check.Why == "" || seen[check.ID] {
			t.Errorf("check %q has no reason, or stands there twice", check.ID)
		}
		seen[check.ID] = true
		if !strings.Contains(string(page), "\n| `"+check.ID+"` |") {
			t.Errorf("docs/doctor.md has no row for `%s`", check.ID)
		}
	}
}
