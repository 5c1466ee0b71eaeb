package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const farAway = `
repositories:
  far:
    location: "${LOCATION}"
    borg: "${BORG}"
    remote_path: "${BORG}"
    encryption: none
    lock_wait: 1s
    ssh: {identity: "${IDENTITY}", known_hosts: "${KNOWN_HOSTS}", options: [OPTIONS]}
defaults:
  repository: far
  sources: ["${WORK}/data"]
  compression: none
  bootstrap: false
  retention: keep_all
  retry: {retries: 8, wait: 1s}
jobs:
  home: {}
`

// A connection whose other end is gone without a word ends by ssh's own questions, is a failure that may pass, and
// the retry does the work: in create as in check.
func TestFrozenConnection(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		t.Parallel()
		s, relay := newRemoteSite(t, borg, strings.Replace(farAway, "OPTIONS", "ServerAliveInterval=1, ServerAliveCountMax=3", 1))
		s.write(12, 1<<20)
		s.must("init")
		for _, step := range []string{"create", "check"} {
			before := relay.sent.Load()
			if step == "check" { // an undisturbed one tells where its middle is
				s.must("run", "--only", "check")
				relay.iceAt.Store(relay.sent.Load() + (relay.sent.Load()-before)*3/4)
			} else {
				relay.iceAt.Store(before + 6<<20)
			}
			run := s.start("run", "--only", step, "--json")
			run.await("attempt_failed")
			if failed := run.lines("attempt_failed")[0]; !strings.Contains(failed, `"temporary":true`) || !strings.Contains(failed, step) {
				t.Errorf("%s with a frozen connection: %s", step, failed)
			}
			relay.thaw()
			if code := run.wait(); code != 0 || len(run.lines("run_ended", "succeeded")) != 1 {
				t.Errorf("%s after the thaw: exit code %d\n%s", step, code, run.text())
			}
		}
		if archives := s.archives("home"); len(archives) != 1 {
			t.Errorf("one archive in all, not %q", archives)
		}
	})
}

// A peer that does not answer keeps borg from ending by itself; borgcron ends all the same when it is told to.
func TestFrozenConnectionDoesNotHoldUpTheEnd(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		t.Parallel()
		s, relay := newRemoteSite(t, borg, strings.Replace(farAway, "OPTIONS", "", 1))
		s.write(12, 1<<20)
		s.must("init")
		ways := map[string]time.Duration{"second signal": 20 * time.Second}
		if proving() {
			ways["one signal"] = 50 * time.Second // 30 s for a checkpoint, 10 s for SIGTERM
		}
		for way, limit := range ways {
			relay.iceAt.Store(relay.sent.Load() + 6<<20)
			run := s.start("run", "--only", "create", "--json")
			eventually(t, func() bool { return relay.frozen() != nil }, run.text)
			run.signal(syscall.SIGTERM)
			if way == "second signal" {
				time.Sleep(100 * time.Millisecond) // two signals of one kind at once are one
				run.signal(syscall.SIGTERM)
			}
			if code := run.endsWithin(limit); code != 128+15 || len(run.lines("run_ended", "interrupted")) != 1 || len(run.lines("step_started")) != 1 {
				t.Errorf("%s: exit code %d\n%s", way, code, run.text())
			}
			relay.thaw()
			if output := s.must("run", "--due"); !strings.Contains(output, "succeeded") {
				t.Errorf("the next run: %s", output)
			}
			s.write(12, 1<<20)
			check(t, os.RemoveAll(s.path("state")))
		}
	})
}

// A server that lives and does nothing is noticed by the client's want of a sign of life; one that merely takes its
// time for a check, while the client has nothing to do but wait, is left alone.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		t.Parallel()
		s, _ := newRemoteSite(t, borg, strings.Replace(farAway, "OPTIONS", "", 1)+`
  patient: {timeout: {stall: 4s, stall_server: 1h}}
  strict: {timeout: {stall: 4s, stall_server: 4s}}
`)
		s.write(4, 1<<20)
		s.must("init", "home")
		run := s.start("run", "patient", "--only", "create", "--json")
		server := run.hold(s.path("repo"))
		run.await("attempt_failed", `"temporary":true`, "no sign of life")
		release(t, server)
		if code := run.wait(); code != 0 {
			t.Errorf("create after the server went on: %d\n%s", code, run.text())
		}

		run = s.start("run", "patient", "--only", "check", "--json")
		server = run.hold(s.path("repo"))
		run.await("step_started")
		time.Sleep(8 * time.Second) // no event tells that nothing happens
		release(t, server)
		if code := run.wait(); code != 0 || len(run.lines("attempt_failed")) != 0 {
			t.Errorf("a slow check was taken for a hang: %d\n%s", code, run.text())
		}

		run = s.start("run", "strict", "--only", "check", "--json")
		server = run.hold(s.path("repo"))
		run.await("attempt_failed", `"temporary":true`, "no sign of life")
		release(t, server)
		if code := run.wait(); code != 0 {
			t.Errorf("check after the server went on: %d\n%s", code, run.text())
		}
	})
}

// A file that takes many times the stall time to read is no hang, though borg prints nothing meanwhile.
func TestHugeFileIsNoHang(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		s := newSite(t, borg, `
repositories: {local: {location: "${WORK}/repo", borg: "${BORG}", encryption: none}}
jobs: {home: {repository: local, sources: ["${WORK}/data"], timeout: {stall: 1s}, retry: {retries: 0}}}
`)
		check(t, os.WriteFile(s.path("data", "huge"), nil, 0o600))
		check(t, os.Truncate(s.path("data", "huge"), 3<<29))
		s.must("init")
		began := time.Now()
		s.must("run", "--only", "create")
		if took := time.Since(began); took < 2*time.Second {
			t.Errorf("that took %v: too little to prove anything", took)
		}
	})
}

// A server that does not answer a connection makes a job that asks for it wait for the next turn, within seconds.
func TestServerThatDoesNotAnswerIsNotReachable(t *testing.T) {
	t.Parallel()
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	check(t, err)
	defer unix.Close(socket)
	check(t, unix.Bind(socket, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	check(t, unix.Listen(socket, 0))
	address, err := unix.Getsockname(socket)
	check(t, err)
	port := address.(*unix.SockaddrInet4).Port
	for { // nobody accepts: once the queue is full the kernel drops whoever knocks
		conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), 500*time.Millisecond)
		if err != nil {
			break
		}
		defer conn.Close()
	}
	s := newSite(t, "", fmt.Sprintf(`
jobs: {home: {repository: "ssh://borg@127.0.0.1:%d/./x", sources: ["${WORK}/data"], retention: keep_all, conditions: {reachable: true}}}
`, port))
	run := s.start("run")
	if code := run.endsWithin(20 * time.Second); code != 0 || len(run.lines("home: skipped", "does not answer")) != 1 {
		t.Errorf("exit code %d:\n%s", code, run.text())
	}
}

// A command for a passphrase that hangs has a minute; that may pass, as a vault may come back. (With a deadline of the
// run it has as long as that: script watchdog_deadline.)
func TestPassphraseCommandThatHangs(t *testing.T) {
	if !proving() {
		t.Skip("takes a minute; with BORGCRON_PROVE=1")
	}
	t.Parallel()
	s := newSite(t, "", `
repositories: {locked: {location: "${WORK}/repo", passphrase: {command: "test -e $WORK/asked || { touch $WORK/asked; exec sleep 4848; }; echo open"}}}
jobs: {home: {repository: locked, sources: ["${WORK}/data"], retention: keep_all, retry: {retries: 1, wait: 1s}}}
`)
	run := s.start("run", "--json")
	if code := run.endsWithin(90 * time.Second); code != 0 || len(run.lines("attempt_failed", "gave none within 1m", `"temporary":true`)) != 1 {
		t.Errorf("exit code %d:\n%s", code, run.text())
	}
}
