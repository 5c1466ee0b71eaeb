package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// smallDisk mounts a file system of a few megabytes into the site.
func (s *site) smallDisk(name, options string) string {
	s.t.Helper()
	if os.Getuid() != 0 {
		s.t.Skip("only root can mount a small file system")
	}
	dir := s.path(name)
	check(s.t, os.MkdirAll(dir, 0o755))
	if output, err := exec.Command("mount", "-t", "tmpfs", "-o", "mode=0755,"+options, "small", dir).CombinedOutput(); err != nil {
		missing(s.t, fmt.Sprintf("mount: %v %s", err, output))
	}
	s.t.Cleanup(func() {
		if output, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			s.t.Errorf("umount: %v %s", err, output)
		}
	})
	return dir
}

// fill writes a file until there is no space left.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	check(t, err)
	defer file.Close()
	if _, err := io.Copy(file, zeros{}); !strings.Contains(fmt.Sprint(err), syscall.ENOSPC.Error()) {
		t.Fatalf("the disk is not full: %v", err)
	}
}

// zeros is endless.
type zeros struct{}

func (zeros) Read(data []byte) (int, error) { clear(data); return len(data), nil }

// failsForGood runs it and demands one failed attempt, which is not repeated and says what is wrong and what to do.
func (s *site) failsForGood(hint string, args ...string) {
	s.t.Helper()
	run := s.start(append(args, "--json")...)
	code, failed := run.wait(), run.lines("attempt_failed")
	if code != 2 || len(failed) != 1 || !strings.Contains(failed[0], `"temporary":false`) {
		s.t.Errorf("%v: exit code %d, not one failure for good:\n%s", args, code, run.text())
	}
	if len(run.lines("run_ended", hint)) != 1 {
		s.t.Errorf("%v: the end does not say %q:\n%s", args, hint, run.text())
	}
}

const onSmallDisk = `
repositories:
  local: {location: "${WORK}/disk/repo", borg: "${BORG}", encryption: none, cache: "${WORK}/cache"}
defaults: {repository: local, compression: none, bootstrap: false, retention: {last: 1}, retry: {retries: 2, wait: 1s}}
jobs:
  home: {sources: ["${WORK}/data"]}
`

// The repository's disk is full: that is not tried again, and nothing is lost. When there is space again all is well.
func TestFullRepository(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		t.Parallel()
		s := newSite(t, borg, onSmallDisk)
		disk := s.smallDisk("disk", "size=24m")
		s.write(2, 1<<20)
		s.must("init")
		s.must("run", "--only", "create")
		first := s.archives("home")
		check(t, os.WriteFile(s.path("data", "big"), make([]byte, 1), 0o600))
		s.write(40, 1<<20)
		time.Sleep(1100 * time.Millisecond) // names have seconds
		s.failsForGood("free space where the repository is", "run", "--only", "create")
		if left := s.archives("home"); fmt.Sprint(left) != fmt.Sprint(first) {
			t.Errorf("archives %q became %q", first, left)
		}
		// Not a byte is left, not even for a lock: each step says so.
		fill(t, disk+"/ballast")
		for _, step := range []string{"create", "prune", "compact"} {
			run := s.start("run", "--only", step, "--json", "--yes")
			if code := run.wait(); code == 2 && len(run.lines("run_ended", "pace")) != 1 || code != 2 && code != 0 {
				t.Errorf("%s on a full disk: exit code %d\n%s", step, code, run.text())
			}
		}
		check(t, os.Remove(disk+"/ballast"))
		for i := 2; i < 40; i++ {
			check(t, os.Remove(s.path("data", fmt.Sprint(i))))
		}
		s.must("run", "--skip", "prune,compact")
		// To tidy up what the failed ones left borg wants a whole segment's room, half a gigabyte.
		run(t, "mount", "-o", "remount,size=700m", disk)
		s.must("run", "--only", "prune,compact", "--yes")
		s.must("run", "--only", "check")
		if left := s.archives("home"); len(left) != 1 {
			t.Errorf("archives after prune: %q", left)
		}
	})
}

// What borg wants to keep free, for a compact above all, and a quota are limits of their own; both are said.
func TestNoRoomToWork(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		t.Parallel()
		s := newSite(t, borg, onSmallDisk)
		disk := s.smallDisk("disk", "size=64m")
		s.write(2, 1<<20)
		s.must("init")
		s.must("run", "--only", "create")
		raw := func(args ...string) {
			t.Helper()
			command := exec.Command(borg, args...)
			command.Env = append(s.env, "BORG_CACHE_DIR="+s.path("cache"), "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes")
			if output, err := command.CombinedOutput(); err != nil {
				t.Fatalf("borg %v: %v\n%s", args, err, output)
			}
		}
		if proving() { // borg wants room for a whole segment as soon as there are ten with gaps
			run(t, "mount", "-o", "remount,size=700m", disk)
			for i := range 12 {
				s.write(1, 1<<16)
				raw("create", "--compression=none", fmt.Sprintf("%s::x-%d", s.path("disk", "repo"), i), s.path("data"))
			}
			raw("delete", "--glob-archives=x-*", s.path("disk", "repo"))
			run(t, "mount", "-o", "remount,size=64m", disk)
		} else {
			raw("config", s.path("disk", "repo"), "additional_free_space", "2G")
		}
		s.failsForGood("free space where the repository is", "run", "--only", "compact")

		check(t, os.RemoveAll(s.path("disk", "repo")))
		raw("init", "--encryption=none", "--storage-quota=10M", s.path("disk", "repo"))
		check(t, os.RemoveAll(s.path("state")))
		s.write(14, 1<<20)
		s.failsForGood("free space where the repository is", "run", "--only", "create")
		for i := 2; i < 14; i++ {
			check(t, os.Remove(s.path("data", fmt.Sprint(i))))
		}
		s.must("run", "--only", "create")
	})
}

// The disk of borg's own cache is full: the run has failed, says where space is missing, and the next one goes well.
func TestFullCache(t *testing.T) {
	t.Parallel()
	eachBorg(t, func(t *testing.T, borg string) {
		t.Parallel()
		s := newSite(t, borg, onSmallDisk)
		cache := s.smallDisk("cache", "size=2m")
		check(t, os.Mkdir(s.path("disk"), 0o755))
		s.write(2, 1<<20)
		s.must("init")
		fill(t, cache+"/ballast")
		s.failsForGood("cache", "run", "--only", "create")
		check(t, os.Remove(cache+"/ballast"))
		s.must("run", "--only", "create")
		s.must("run", "--only", "check")
	})
}

const standInJobs = `
defaults: {repository: "${WORK}/repo", sources: ["${WORK}/data"], bootstrap: false, retention: {last: 1}}
jobs:
  home: {}
  filling: {hooks: [{when: before, run: "cat /dev/zero >$WORK/state/ballast; true"}]}
`

// A full state disk never stops a backup. The archive is made, and message and exit code say that it is not on record;
// when there is space again the next run is recorded as ever.
func TestFullState(t *testing.T) {
	t.Parallel()
	states := map[string]struct {
		options string
		before  bool // some runs are on record by then
		job     string
	}{
		"before the first start":   {"size=1m", false, "home"},
		"before a start":           {"size=2m", true, "home"},
		"during a run":             {"size=2m", true, "filling"},
		"during the first run":     {"size=2m", false, "filling"},
		"no more files, a start":   {"size=2m,nr_inodes=40", true, "home"},
		"no more files, the first": {"size=2m,nr_inodes=24", false, "home"},
	}
	for name, state := range states {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "", standInJobs)
			disk := s.smallDisk("state", state.options)
			calls := 0
			if state.before {
				s.must("run", "home")
				calls++
			}
			ballast := []string{disk + "/ballast"}
			switch {
			case strings.Contains(state.options, "nr_inodes"):
				check(t, os.MkdirAll(disk+"/locks", 0o700)) // without a lock there is no backup
				check(t, os.WriteFile(lockFile(t, s, disk), nil, 0o600))
				ballast = nil
				for i := 0; ; i++ {
					path := fmt.Sprintf("%s/ballast.%d", disk, i)
					if err := os.WriteFile(path, nil, 0o600); err != nil {
						break
					}
					ballast = append(ballast, path)
				}
			case state.job == "home":
				fill(t, disk+"/ballast")
			}
			output, code := s.borgcron("run", state.job)
			calls++
			made, err := os.ReadFile(s.path("borg.calls"))
			check(t, err)
			if got := strings.Count(string(made), "create --"); got != calls {
				t.Fatalf("borg create was called %d times in all, not %d:\n%s", got, calls, output)
			}
			if strings.Contains(string(made), "prune --keep") || strings.Count(string(made), "prune --") > 0 && !state.before {
				t.Errorf("nothing may be deleted while nothing can be put on record:\n%s", made)
			}
			if code != 1 || !strings.Contains(output, "no space left on device") && !strings.Contains(output, "full") {
				t.Errorf("exit code %d, and that the records could not be kept should be said:\n%s", code, output)
			}
			for _, path := range ballast {
				check(t, os.Remove(path))
			}
			if output = s.must("run", "home", "--wait", "0s"); !strings.Contains(output, "succeeded") {
				t.Errorf("with space again:\n%s", output)
			}
			if outcome := s.lastOutcome("home"); outcome != "succeeded" {
				t.Errorf("on record is %q after\n%s", outcome, output)
			}
		})
	}
}

// lockFile is where the repository's lock is, learned from a run with a state folder elsewhere.
func lockFile(t *testing.T, s *site, disk string) string {
	t.Helper()
	other := newSite(t, "", standInJobs)
	text := strings.Replace(s.config(), "${WORK}/state", other.path("state"), 1)
	check(t, os.WriteFile(other.path("borgcron.yaml"), []byte(text), 0o600))
	for i, entry := range other.env {
		if strings.HasPrefix(entry, "WORK=") {
			other.env[i] = "WORK=" + s.home
		}
	}
	other.must("run", "home", "--only", "create")
	entries, err := os.ReadDir(other.path("state", "locks"))
	check(t, err)
	return disk + "/locks/" + entries[0].Name()
}
