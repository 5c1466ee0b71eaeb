package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite"
)

// lockConfig is a repository on this machine, of which only this machine writes there, or others too.
const lockConfig = `
repositories: {near: {location: "${WORK}/repo", borg: "${BORG}", encryption: none, clients: %s, lock_wait: 1s}}
jobs:
  home: {repository: near, sources: ["${WORK}/data"], retention: {last: 1}, retry: {retries: 0, wait: 1s}, guard: {max_shrink: 100%%}}
`

// lockedSite is a site with a backup in its repository, and a lock left in it.
type lockedSite struct {
	*site
	host string // borg's own id of this machine
	borg string
}

func newLockedSite(t *testing.T, borg, clients string) *lockedSite {
	t.Helper()
	s := newSite(t, borg, fmt.Sprintf(lockConfig, clients))
	s.write(1, 100)
	s.must("init")
	s.must("run")
	l := &lockedSite{site: s, borg: borg}
	out := l.bare("with-lock", s.path("repo"), "ls", s.path("repo", "lock.exclusive"))
	l.host = out[:strings.LastIndexByte(out, '.')]
	return l
}

// bare runs borg by hand, without borgcron.
func (l *lockedSite) bare(args ...string) string {
	l.t.Helper()
	command := exec.Command(l.borg, args...)
	command.Env = append(slices.Clone(l.env), "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes")
	output, err := command.Output()
	if err != nil {
		l.t.Fatalf("borg %v: %v", args, err)
	}
	return strings.TrimSpace(string(output))
}

// leave puts a lock into the repository as a process of that host would have left it an hour ago.
func (l *lockedSite) leave(host string, pid int) {
	l.t.Helper()
	leaveLock(l.t, l.path("repo"), host, pid)
}

func leaveLock(t *testing.T, folder, host string, pid int) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Join(folder, "lock.exclusive"), 0o700))
	entry := filepath.Join(folder, "lock.exclusive", fmt.Sprintf("%s.%d-0", host, pid))
	check(t, os.WriteFile(entry, nil, 0o600))
	roster := fmt.Sprintf(`{"exclusive": [["%s", %d, 0]]}`, host, pid)
	check(t, os.WriteFile(filepath.Join(folder, "lock.roster"), []byte(roster), 0o600))
	before := time.Now().Add(-time.Hour)
	check(t, os.Chtimes(entry, before, before))
	check(t, os.Chtimes(filepath.Join(folder, "lock.roster"), before, before))
}

func (l *lockedSite) locked() bool {
	_, err := os.Stat(l.path("repo", "lock.exclusive"))
	return err == nil
}

// cache is borg's cache of the repository.
func (l *lockedSite) cache() string {
	l.t.Helper()
	config, err := os.ReadFile(l.path("repo", "config"))
	check(l.t, err)
	_, rest, _ := strings.Cut(string(config), "\nid = ")
	id, _, _ := strings.Cut(rest, "\n")
	return l.path(".cache", "borg", id)
}

// sleeper is a process that is no borg; its number is as good as any that was used before.
func sleeper(t *testing.T) int {
	t.Helper()
	command := exec.CommandContext(t.Context(), "sleep", "600")
	check(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	return command.Process.Pid
}

// holdByHand has a borg that somebody started by hand lock a repository until the test ends.
func holdByHand(t *testing.T, borg string, env []string, repository string, as *syscall.Credential) int {
	t.Helper()
	command := exec.Command(borg, "with-lock", repository, "sleep", "600")
	command.Env = append(slices.Clone(env), "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes")
	command.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true}
	check(t, command.Start())
	t.Cleanup(func() { _ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL); _ = command.Wait() })
	entry := filepath.Join(repository, "lock.exclusive", fmt.Sprintf("*.%d-0", command.Process.Pid))
	eventually(t, func() bool {
		found, _ := filepath.Glob(entry)
		return len(found) == 1
	}, func() string { return "borg with-lock locks nothing" })
	return command.Process.Pid
}

// A lock whose holder is dead is broken where nobody else writes: on record, the archive first, and nothing is
// deleted until a check of the repository has passed.
func TestBreaksDeadLock(t *testing.T) {
	t.Parallel()
	eachBorg(t, func(t *testing.T, borg string) {
		l := newLockedSite(t, borg, "single")
		l.leave(l.host, sleeper(t)) // borg itself takes it for living: its number was given to another process
		output := l.must("run", "--json")
		order := []string{`"event":"lock_broken"`, `"step":"create","outcome":"succeeded"`, `"step":"check","outcome":"succeeded"`, `"step":"prune","outcome":"succeeded"`}
		at := -1
		for _, words := range order {
			next := strings.Index(output, words)
			if next <= at {
				t.Fatalf("%s is missing, or comes too early:\n%s", words, output)
			}
			at = next
		}
		if l.locked() {
			t.Error("the lock is still there")
		}
		if shown := l.must("history", "home", "--json"); !strings.Contains(shown, "broke the lock of host "+l.host) {
			t.Errorf("the history does not say whose lock was broken:\n%s", shown)
		}
		if got := l.archives("home"); len(got) != 1 {
			t.Errorf("archives: %v", got)
		}
	})
}

// The lock of a living borg is never broken, nor one of which it is not known whether its holder lives.
func TestNeverBreaksLivingLock(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		shared, single := newLockedSite(t, borg, "shared"), newLockedSite(t, borg, "single")
		reused := sleeper(t)
		living := holdByHand(t, borg, single.env, single.bareRepository(borg), nil) // a borg, at work elsewhere
		for _, test := range []struct {
			name  string
			site  *lockedSite
			leave func(l *lockedSite)
			says  string
		}{
			{"shared: even a dead one", shared, func(l *lockedSite) { l.leave(l.host, reused) }, "clients: single"},
			{"shared: of another host", shared, func(l *lockedSite) { l.leave("elsewhere@1234", reused) }, "elsewhere@1234"},
			{"of another host", single, func(l *lockedSite) { l.leave("elsewhere@1234", reused) }, "elsewhere@1234"},
			{"dead, but the cache is held", single, func(l *lockedSite) {
				l.leave(l.host, reused)
				leaveLock(t, l.cache(), l.host, living)
			}, fmt.Sprintf("pid %d", living)},
			{"dead, but the roster has a reader", single, func(l *lockedSite) {
				l.leave(l.host, reused)
				roster := fmt.Sprintf(`{"shared": [["%s", %d, 0]]}`, l.host, living)
				check(t, os.WriteFile(l.path("repo", "lock.roster"), []byte(roster), 0o600))
			}, fmt.Sprintf("pid %d", living)},
			{"a name that says nothing", single, func(l *lockedSite) {
				l.leave(l.host, reused)
				check(t, os.WriteFile(l.path("repo", "lock.exclusive", "\x1b[31m"), nil, 0o600))
			}, "locked"},
		} {
			t.Run(test.name, func(t *testing.T) {
				l := test.site
				for _, folder := range []string{l.path("repo"), l.cache()} {
					check(t, os.RemoveAll(filepath.Join(folder, "lock.exclusive")))
					check(t, os.RemoveAll(filepath.Join(folder, "lock.roster")))
				}
				test.leave(l)
				output := l.want(2, "run", "--skip", "check")
				if !l.locked() || !strings.Contains(output, test.says) || !strings.Contains(output, "borgcron unlock home") || strings.Contains(output, "\x1b") {
					t.Errorf("lock there: %v; it does not say %q, or what to do:\n%s", l.locked(), test.says, output)
				}
			})
		}
	})
}

// A borg that somebody runs by hand, or another user's borgcron does, keeps its lock.
func TestNeverBreaksTheLockOfABorgByHand(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		users := map[string]*syscall.Credential{"the same user": nil}
		if os.Getuid() == 0 {
			users["another user"] = &syscall.Credential{Uid: 65534, Gid: 65534}
		}
		for name, user := range users {
			t.Run(name, func(t *testing.T) {
				l := newLockedSite(t, borg, "single")
				if user != nil { // who has a home of his own, and may write to the repository
					for path := l.home; path != filepath.Dir(os.TempDir()) && path != "/"; path = filepath.Dir(path) {
						if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o001 == 0 {
							check(t, os.Chmod(path, info.Mode().Perm()|0o011)) //nolint:gosec // a folder of the test's own
						}
					}
					run(t, "chmod", "-R", "a+rwX", l.path("repo"))
				}
				pid := l.byHand(user)
				l.want(2, "run", "--skip", "check")
				shown, code := l.borgcron("unlock", "home")
				if code != 75 || !strings.Contains(shown, strconv.Itoa(pid)) || !strings.Contains(shown, "living") {
					t.Errorf("unlock ends with %d:\n%s", code, shown)
				}
				if !l.locked() || processState(pid) == 0 || processState(pid) == 'Z' {
					t.Error("its lock, or it itself, is gone")
				}
			})
		}
	})
}

// byHand is a borg by hand on the site's repository, by that user.
func (l *lockedSite) byHand(user *syscall.Credential) int {
	l.t.Helper()
	if user == nil {
		return holdByHand(l.t, l.borg, l.env, l.path("repo"), nil)
	}
	home := l.t.TempDir()
	check(l.t, os.Chmod(home, 0o777))               //nolint:gosec // for the other user
	check(l.t, os.Chmod(filepath.Dir(home), 0o755)) //nolint:gosec // dito
	return holdByHand(l.t, l.borg, append(slices.Clone(l.env), "HOME="+home), l.path("repo"), user)
}

const farConfig = `
repositories:
  far: {location: "${LOCATION}", borg: "${BORG}", remote_path: "${BORG}", encryption: none, clients: %s, lock_wait: 1s,
    ssh: {identity: "${IDENTITY}", known_hosts: "${KNOWN_HOSTS}"}}
jobs:
  home: {repository: far, sources: ["${WORK}/data"], compression: none, retention: {last: 1}, retry: {retries: 0, wait: 1s}, guard: {max_shrink: 100%%},
    borg_options: {create: [--upload-buffer=1]}}
`

// A lock on a server cannot be read. It is broken only if a run of ours was cut off there long enough ago, since
// which none has succeeded, and nobody else is allowed to write there.
func TestRemoteLock(t *testing.T) {
	oneBorg(t, func(t *testing.T, borg string) {
		s, relay := newRemoteSite(t, borg, fmt.Sprintf(farConfig, "single"))
		lock := s.path("repo", "lock.exclusive")
		left := func(says string) {
			t.Helper()
			leaveLock(t, s.path("repo"), "server@1234", 99)
			output := s.want(2, "run", "--only", "create")
			if _, err := os.Stat(lock); err != nil || !strings.Contains(output, says) {
				t.Errorf("lock: %v; it does not say %q:\n%s", err, says, output)
			}
		}
		s.write(1, 1000)
		s.must("init")
		s.must("run")
		left("no run of ours")

		check(t, os.RemoveAll(lock))
		s.write(1, 4<<20)
		relay.sent.Store(0)
		relay.cutAt.Store(1 << 20)
		s.want(2, "run", "--only", "create")
		eventually(t, func() bool { _, err := os.Stat(lock); return err != nil }, func() string { return "the server's borg keeps its lock" })
		s.ageCut(time.Minute)
		left("counts as gone after 5m")
		s.ageCut(6 * time.Minute)
		s.configure("single", "shared")
		left("clients: single")
		s.configure("shared", "single")
		t.Run("another borg runs here", func(t *testing.T) {
			holdByHand(t, borg, s.env, s.bareRepository(borg), nil)
			left("another borg runs on this machine")
		})

		output, _ := s.borgcron("run", "--json")
		for end := time.Now().Add(5 * time.Minute); strings.Contains(output, "another borg runs on this machine") && time.Now().Before(end); {
			output, _ = s.borgcron("run", "--json") // other tests run borgs, too
		}
		broken, checked, pruned := strings.Index(output, "lock_broken"), strings.Index(output, `"step":"check","outcome":"succeeded"`), strings.Index(output, `"step":"prune","outcome":"succeeded"`)
		if broken < 0 || checked < broken || pruned < checked {
			t.Errorf("broken, checked, pruned at %d, %d, %d:\n%s", broken, checked, pruned, output)
		}
		left("no run of ours") // one went well since
	})
}

// configure changes a word of the configuration.
func (s *site) configure(before, after string) {
	s.t.Helper()
	text, err := os.ReadFile(s.path("borgcron.yaml"))
	check(s.t, err)
	check(s.t, os.WriteFile(s.path("borgcron.yaml"), []byte(strings.Replace(string(text), before, after, 1)), 0o600))
}

// bareRepository is one that borgcron knows nothing of.
func (s *site) bareRepository(borg string) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "bare")
	command := exec.Command(borg, "init", "--encryption=none", path)
	command.Env = s.env
	if output, err := command.CombinedOutput(); err != nil {
		s.t.Fatalf("borg init: %v\n%s", err, output)
	}
	return path
}

// ageCut makes the history believe that the run was cut off so long ago.
func (s *site) ageCut(age time.Duration) {
	s.t.Helper()
	db, err := sql.Open("sqlite", s.path("state", "history.db"))
	check(s.t, err)
	defer db.Close()
	var text string
	check(s.t, db.QueryRow("SELECT shared FROM repositories").Scan(&text))
	var shared map[string]any
	check(s.t, json.Unmarshal([]byte(text), &shared))
	cut, ok := shared["cut"].(map[string]any)
	if !ok || cut["step"] != "create" {
		s.t.Fatalf("the history knows of no create that was cut off: %s", text)
	}
	cut["at"] = time.Now().Add(-age)
	encoded, err := json.Marshal(shared)
	check(s.t, err)
	_, err = db.Exec("UPDATE repositories SET shared = ?", string(encoded))
	check(s.t, err)
}

// unlock shows all, breaks what is dead, and more only by force.
func TestUnlock(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		l := newLockedSite(t, borg, "shared")
		if output := l.must("unlock", "home"); !strings.Contains(output, "nothing is locked") {
			t.Errorf("nothing is locked:\n%s", output)
		}
		pid := sleeper(t)
		l.leave(l.host, pid)
		output := l.must("unlock", "home")
		for _, words := range []string{l.host, strconv.Itoa(pid), "1 hour ago", "dead", "broke borg's lock"} {
			if !strings.Contains(output, words) {
				t.Errorf("it does not say %q:\n%s", words, output)
			}
		}
		if l.locked() {
			t.Error("the lock of a dead process is still there")
		}
		l.leave("elsewhere@1234", 99)
		if output := l.want(75, "unlock", "home"); !l.locked() || !strings.Contains(output, "--force") {
			t.Errorf("locked: %v\n%s", l.locked(), output)
		}
		if output := l.must("unlock", "home", "--force"); l.locked() || !strings.Contains(output, "may destroy the repository") {
			t.Errorf("by force; locked: %v\n%s", l.locked(), output)
		}
		if output := l.must("run", "--json"); !strings.Contains(output, `"step":"check","outcome":"succeeded"`) {
			t.Errorf("after a lock was broken the next run checks the repository:\n%s", output)
		}
	})
}

// While a run of ours is at work its lock is nobody's to break, not even by force.
func TestUnlockWhileARunIsAtWork(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		l := newLockedSite(t, borg, "single")
		l.write(20, 1<<20)
		b := l.start("run", "--skip", "check")
		pid := b.hold(l.path("repo"))
		output := l.want(75, "unlock", "home", "--force", "--yes")
		if !l.locked() || !strings.Contains(output, strconv.Itoa(b.pid)) || !strings.Contains(output, strconv.Itoa(pid)) || !strings.Contains(output, "job home, create") {
			t.Errorf("locked: %v\n%s", l.locked(), output)
		}
		release(t, pid)
		if b.wait() != 0 {
			t.Errorf("the run itself:\n%s", b.text())
		}
	})
}
