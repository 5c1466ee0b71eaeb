package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Each megabyte takes a while to compress, so that there is a middle of a create to meet.
const slowHome = `
repositories:
  local: {location: "${WORK}/repo", borg: "${BORG}", encryption: none, lock_wait: 2s}
defaults:
  repository: local
  sources: ["${WORK}/data"]
  compression: "${COMPRESSION:-lzma,9}"
  retention: {last: 1}
  check: {every: never}
  retry: {retries: 3, wait: 1h}
jobs:
  home: {}
`

func newSlowHome(t *testing.T, borg string) *site {
	t.Helper()
	s := newSite(t, borg, slowHome)
	s.write(24, 1<<20)
	s.must("init")
	return s
}

// isInterrupted demands what holds after any end by a signal: the exit code says it, nothing was tried again, and the
// record says it; the local lock is free and the repository usable at once; the job is still due.
func (s *site) isInterrupted(run *started, signal syscall.Signal) {
	s.t.Helper()
	if code := run.endsWithin(35 * time.Second); code != 128+int(signal) {
		s.t.Errorf("exit code %d after %v:\n%s", code, signal, run.text())
	}
	if len(run.lines("run_ended", `"outcome":"interrupted"`)) != 1 || len(run.lines("step_started")) != 1 {
		s.t.Errorf("after %v:\n%s", signal, run.text())
	}
	s.isOver("home")
}

func (s *site) isOver(job string) {
	s.t.Helper()
	if outcome := s.lastOutcome(job); outcome != "interrupted" {
		s.t.Errorf("on record is %q", outcome)
	}
	s.archives(job) // with --wait 0s
	if status := s.want(2, "status", job); !strings.Contains(status, "failed") || !strings.Contains(status, "cut off during") {
		s.t.Errorf("status says:\n%s", status)
	}
}

// isDue demands that a start of the timer would do the work.
func (s *site) isDue(job string) {
	s.t.Helper()
	if plan := s.must("run", job, "--due", "--dry-run"); !strings.Contains(plan, ": due") || !strings.Contains(plan, "create   yes") {
		s.t.Errorf("it should be due:\n%s", plan)
	}
}

// goesWell demands that an undisturbed run makes its archive and a full check finds nothing.
func (s *site) goesWell(job string) {
	s.t.Helper()
	before := len(s.archives(job))
	s.env = append(s.env, "COMPRESSION=none")
	if output := s.must("run", job, "--only", "create"); !strings.Contains(output, "succeeded") {
		s.t.Errorf("the next run:\n%s", output)
	}
	if after := len(s.archives(job)); after != before+1 {
		s.t.Errorf("%d archives became %d", before, after)
	}
	s.must("run", job, "--only", "check")
}

// Every signal that asks borgcron to end does so in the middle of a create.
func TestSignalInCreate(t *testing.T) {
	t.Parallel()
	eachBorg(t, func(t *testing.T, borg string) {
		t.Parallel()
		s := newSlowHome(t, borg)
		for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGHUP, syscall.SIGTERM} {
			run := s.start("run", "--json", "--progress")
			run.await(`"progress"`, "data/")
			run.signal(signal)
			s.isInterrupted(run, signal)
			s.isDue("home")
		}
		s.goesWell("home")
	})
}

// Each other step of borg's is ended in its middle too. They do not heed SIGINT as a create does, so it takes the grace
// or a second signal. The borg is stopped in its middle until the signals have reached it.
func TestSignalInEveryStep(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		t.Parallel()
		s := newSlowHome(t, borg)
		s.env = append(s.env, "COMPRESSION=none")
		for range 3 {
			s.must("run", "--only", "create")
			time.Sleep(1100 * time.Millisecond) // archives have names with seconds
		}
		for _, step := range []string{"check", "prune", "compact"} {
			run := s.start("run", "--only", step, "--json", "--yes")
			held := run.hold(s.path("repo"))
			run.signal(syscall.SIGTERM)
			eventually(t, func() bool { return hasPending(held, syscall.SIGINT) }, run.text)
			if !proving() {
				run.signal(syscall.SIGINT)
			}
			eventually(t, func() bool { return hasPending(held, syscall.SIGTERM) }, run.text)
			release(t, held)
			s.isInterrupted(run, syscall.SIGTERM)
		}
		s.goesWell("home")
	})
}

// What does not heed the first signal is hurried by a second: borg, which reads a file that does not end, would
// finish that first.
func TestSecondSignalHurries(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		t.Parallel()
		s := newSite(t, borg, slowHome+"  pipe: {read_special: true}\n")
		s.must("init", "home")
		check(t, syscall.Mkfifo(s.path("data", "pipe"), 0o600))
		run := s.start("run", "pipe", "--json")
		run.lockedBy(s.path("repo"))
		pipe, err := os.OpenFile(s.path("data", "pipe"), os.O_WRONLY, 0) // waits for borg to read
		check(t, err)
		defer pipe.Close()
		run.signal(syscall.SIGINT)
		time.Sleep(200 * time.Millisecond)
		run.signal(syscall.SIGTERM)
		if code := run.endsWithin(15 * time.Second); code != 128+int(syscall.SIGINT) {
			t.Errorf("the first signal gives the exit code, not %d:\n%s", code, run.text())
		}
		s.isOver("pipe")
	})
}

// systemd stops a unit by a signal to each of its processes, borgcron's own among them: that is one end by one signal,
// not a borg that failed, whoever hears of it first.
func TestEveryProcessIsSignalled(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		t.Parallel()
		s := newSlowHome(t, borg)
		far, _ := newRemoteSite(t, borg, strings.Replace(farAway, "OPTIONS", "", 1))
		far.write(24, 1<<20)
		check(t, os.WriteFile(far.path("borgcron.yaml"), []byte(strings.Replace(far.config(), "compression: none", "compression: \"lzma,9\"", 1)), 0o600))
		far.must("init")
		for _, s := range []*site{s, far} {
			for _, first := range []string{"borgcron", "borg"} {
				if (s == far) != (first == "borgcron") && !proving() {
					continue
				}
				run := s.start("run", "--json", "--progress")
				run.await(`"progress"`, "data/")
				family := tree(run.pid)
				if first == "borg" {
					family = append(family[1:], run.pid)
				}
				for _, pid := range family {
					_ = syscall.Kill(pid, syscall.SIGTERM)
				}
				s.isInterrupted(run, syscall.SIGTERM)
			}
		}
	})
}

func (s *site) config() string {
	s.t.Helper()
	text, err := os.ReadFile(s.path("borgcron.yaml"))
	check(s.t, err)
	return string(text)
}

// The terminal is closed: the run ends, is on record, and leaves no process behind.
func TestTerminalIsClosed(t *testing.T) {
	t.Parallel()
	tmux, err := exec.LookPath("tmux")
	if err != nil {
		missing(t, "no tmux; make setup gets one")
	}
	oneBorg(t, func(t *testing.T, borg string) {
		t.Parallel()
		s := newSlowHome(t, borg)
		program, err := exec.LookPath("borgcron")
		check(t, err)
		// Out of exec, so that tmux's own environment is not ours.
		script := fmt.Sprintf("#!/bin/sh\nexport HOME=%s WORK=%s BORG=%s BORGCRON_CONFIG=%s\necho $$ >%s\nexec %s run --progress\n",
			s.home, s.home, borg, s.path("borgcron.yaml"), s.path("pid"), program)
		check(t, os.WriteFile(s.path("run.sh"), []byte(script), 0o700)) //nolint:gosec // a program
		socket := s.path("tmux")
		run(t, tmux, "-S", socket, "-f", "/dev/null", "new-session", "-d", "-x", "150", "-y", "20", s.path("run.sh"))
		t.Cleanup(func() { _ = exec.Command(tmux, "-S", socket, "kill-server").Run() })
		eventually(t, func() bool {
			return strings.Contains(run(t, tmux, "-S", socket, "capture-pane", "-p"), "create: ")
		}, func() string { return "no progress on the terminal" })
		data, err := os.ReadFile(s.path("pid"))
		check(t, err)
		var pid int
		_, err = fmt.Sscan(string(data), &pid)
		check(t, err)
		family := tree(pid)
		run(t, tmux, "-S", socket, "kill-window")
		for _, pid := range family {
			eventually(t, func() bool { state := processState(pid); return state == 0 || state == 'Z' },
				func() string { return fmt.Sprintf("process %d of %v lives on", pid, family) })
		}
		s.isOver("home")
		s.isDue("home")
	})
}

// A machine that sleeps stops all processes at once. A local run goes on afterwards as if nothing had been, however
// short the stall time; one whose server has dropped the connection meanwhile tries again.
func TestSuspendAndResume(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		t.Parallel()
		s := newSite(t, borg, strings.Replace(slowHome, "home: {}", "home: {timeout: {stall: 1s}}", 1))
		s.env = append(s.env, "COMPRESSION=lzma,1")
		far, relay := newRemoteSite(t, borg, strings.Replace(strings.Replace(farAway, "OPTIONS", "", 1), "home: {}", "home: {timeout: {stall: 5s}}", 1))
		for _, s := range []*site{s, far} {
			s.write(12, 1<<20)
			s.must("init")
			remote := s == far
			if remote {
				relay.iceAt.Store(relay.sent.Load() + 6<<20)
			}
			run := s.start("run", "--only", "create", "--json", "--progress")
			if remote {
				eventually(t, func() bool { return relay.frozen() != nil }, run.text)
			} else {
				run.await(`"progress"`, "data/")
			}
			family := tree(run.pid)
			for _, pid := range family {
				check(t, syscall.Kill(pid, syscall.SIGSTOP))
			}
			time.Sleep(3 * time.Second) // longer than the stall time of the local one
			if remote {
				relay.cut()
				relay.thaw()
			}
			for _, pid := range family {
				check(t, syscall.Kill(pid, syscall.SIGCONT))
			}
			code, failed := run.wait(), run.lines("attempt_failed")
			if code != 0 || remote != (len(failed) > 0) || remote && !strings.Contains(failed[0], `"temporary":true`) {
				t.Errorf("remote %v: exit code %d\n%s", remote, code, run.text())
			}
			if archives := s.archives("home"); len(archives) != 1 {
				t.Errorf("remote %v: archives %q", remote, archives)
			}
		}
	})
}

// kill -9 of borgcron: its borg lives on and holds the repository; whoever comes is told so. When that borg has ended
// the cut-off run is found, recorded and told, and the work is done.
func TestOrphanedBorg(t *testing.T) {
	t.Parallel()
	eachBorg(t, func(t *testing.T, borg string) {
		t.Parallel()
		s := newSlowHome(t, borg)
		s.env = append(s.env, "COMPRESSION=none")
		run := s.start("run", "--json")
		orphan := run.hold(s.path("repo"))
		run.signal(syscall.SIGKILL)
		run.wait()
		if output := s.want(75, "run", "--wait", "0s"); !strings.Contains(output, "locked by a borg of job home that is still running") {
			t.Errorf("a second start:\n%s", output)
		}
		release(t, orphan)
		eventually(t, func() bool { return processState(orphan) == 0 || processState(orphan) == 'Z' }, func() string { return "the orphan does not end" })
		time.Sleep(1100 * time.Millisecond) // names have seconds, and the orphan's archive is in
		if output := s.must("run", "--due", "--wait", "0s"); !strings.Contains(output, "cut off") || !strings.Contains(output, "succeeded") {
			t.Errorf("the next start:\n%s", output)
		}
		if outcomes := fmt.Sprint(s.outcomes("home")); outcomes != "[succeeded interrupted locked]" && outcomes != "[succeeded locked interrupted]" {
			t.Errorf("on record: %s", outcomes)
		}
		left, err := filepath.Glob(s.path("repo", "lock.*"))
		check(t, err)
		if len(left) != 0 {
			t.Errorf("locks left: %q", left)
		}
	})
}
