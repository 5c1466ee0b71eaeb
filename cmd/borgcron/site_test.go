package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// site is a home with a configuration, in which borgcron runs as its owner would let it run. The configuration
// may say ${WORK} and ${BORG}, and of a remote one ${LOCATION}, ${IDENTITY} and ${KNOWN_HOSTS}.
type site struct {
	t    *testing.T
	home string
	env  []string
}

func newSite(t *testing.T, borg, config string) *site {
	t.Helper()
	s := &site{t: t, home: t.TempDir()}
	s.env = append(os.Environ(), "HOME="+s.home, "WORK="+s.home, "BORG="+borg, "TZ=UTC", "BORGCRON_CONFIG="+s.path("borgcron.yaml"))
	check(t, os.WriteFile(s.path("borgcron.yaml"), []byte("paths: {state: \"${WORK}/state\"}\n"+config), 0o600))
	check(t, os.Mkdir(s.path("data"), 0o755))
	return s
}

// newRemoteSite is one whose repository lies behind the relay of a real sshd.
func newRemoteSite(t *testing.T, borg, config string) (*site, *relay) {
	t.Helper()
	server := startSSH(t)
	s := newSite(t, borg, config)
	s.env = append(s.env, "LOCATION="+server.location(s.path("repo")), "IDENTITY="+server.identity, "KNOWN_HOSTS="+server.knownHosts)
	return s, server.relay
}

func (s *site) path(parts ...string) string {
	return filepath.Join(append([]string{s.home}, parts...)...)
}

// write makes files of random bytes among the data.
func (s *site) write(count, size int) {
	s.t.Helper()
	for i := range count {
		data := make([]byte, size)
		_, _ = rand.Read(data)
		check(s.t, os.WriteFile(s.path("data", fmt.Sprint(i)), data, 0o600))
	}
}

// borgcron runs it to its end and returns what it printed on both outputs, and its exit code.
func (s *site) borgcron(args ...string) (string, int) {
	s.t.Helper()
	b := s.start(args...)
	code := b.wait()
	return b.text(), code
}

// want runs it and demands an exit code.
func (s *site) want(code int, args ...string) string {
	s.t.Helper()
	output, got := s.borgcron(args...)
	if got != code {
		s.t.Fatalf("borgcron %s: exit code %d, not %d\n%s", strings.Join(args, " "), got, code, output)
	}
	return output
}

// must runs it and demands that all is well.
func (s *site) must(args ...string) string {
	s.t.Helper()
	return s.want(0, args...)
}

// archives lists what borg itself sees in the repository of a job.
func (s *site) archives(job string) []string {
	s.t.Helper()
	command := exec.Command("borgcron", "borg", job, "--wait", "0s", "--", "list", "--short")
	command.Env = s.env
	listed, err := command.Output()
	if err != nil {
		var exit *exec.ExitError
		errors.As(err, &exit)
		s.t.Fatalf("borg list: %v\n%s", err, exit.Stderr)
	}
	return strings.Fields(string(listed))
}

// outcomes are those of the job's runs on record, the newest first.
func (s *site) outcomes(job string) (outcomes []string) {
	s.t.Helper()
	var history struct{ Runs []struct{ Outcome string } }
	check(s.t, json.Unmarshal([]byte(s.must("history", job, "--json", "--limit", "0")), &history))
	for _, run := range history.Runs {
		outcomes = append(outcomes, run.Outcome)
	}
	return outcomes
}

// lastOutcome is that of the job's newest run on record, "" without any.
func (s *site) lastOutcome(job string) string {
	s.t.Helper()
	return append(s.outcomes(job), "")[0]
}

// started is a borgcron at work.
type started struct {
	t    *testing.T
	pid  int
	code func() int
	mu   sync.Mutex
	out  bytes.Buffer
}

func (s *site) start(args ...string) *started {
	s.t.Helper()
	command := exec.Command("borgcron", args...)
	command.Env = s.env
	b := &started{t: s.t}
	command.Stdout, command.Stderr = b, b
	command.WaitDelay = time.Second // a borg that outlives it has no pipe of ours, a hook may
	check(s.t, command.Start())
	b.pid = command.Process.Pid
	b.code = sync.OnceValue(func() int {
		err := command.Wait()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
			s.t.Errorf("borgcron %v: %v", args, err)
		}
		return command.ProcessState.ExitCode()
	})
	s.t.Cleanup(func() { _ = command.Process.Kill(); b.code() })
	return b
}

func (b *started) Write(data []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.Write(data)
}

func (b *started) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.String()
}

// wait returns the exit code; one that a signal ended has -1.
func (b *started) wait() int {
	b.t.Helper()
	done := make(chan int, 1)
	go func() { done <- b.code() }()
	select {
	case code := <-done:
		return code
	case <-time.After(2 * time.Minute):
		b.t.Fatalf("borgcron does not end:\n%s", b.text())
		return 0
	}
}

// endsWithin demands that it ends in time and returns its exit code.
func (b *started) endsWithin(limit time.Duration) int {
	b.t.Helper()
	began := time.Now()
	code := b.wait()
	if took := time.Since(began); took > limit {
		b.t.Errorf("it took %v to end, more than %v:\n%s", took, limit, b.text())
	}
	return code
}

func (b *started) signal(signal syscall.Signal) { check(b.t, syscall.Kill(b.pid, signal)) }

// await waits until its output holds all the words in one line.
func (b *started) await(words ...string) {
	b.t.Helper()
	eventually(b.t, func() bool { return len(b.lines(words...)) > 0 }, func() string {
		return fmt.Sprintf("no line with %q in:\n%s", words, b.text())
	})
}

// lines are those of its output that hold all the words.
func (b *started) lines(words ...string) (found []string) {
	for line := range strings.Lines(b.text()) {
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) }) {
			found = append(found, line)
		}
	}
	return found
}

// eventually waits until something holds, for at most a minute.
func eventually(t *testing.T, holds func() bool, otherwise func() string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(otherwise())
		}
	}
}

// lockedBy waits until a borg of this run holds the repository and returns its process id: of a remote one, that
// of the server.
func (b *started) lockedBy(repository string) (pid int) {
	b.t.Helper()
	eventually(b.t, func() bool {
		entries, _ := os.ReadDir(filepath.Join(repository, "lock.exclusive"))
		for _, entry := range entries { // HOST@NUMBER.PID-THREAD
			name := entry.Name()
			number, _, _ := strings.Cut(name[strings.LastIndexByte(name, '.')+1:], "-")
			pid, _ = strconv.Atoi(number)
		}
		return pid > 0
	}, func() string { return "no borg locks the repository:\n" + b.text() })
	return pid
}

// hold stops the borg of this run in the middle of its work on the repository, and returns its process id.
func (b *started) hold(repository string) int {
	b.t.Helper()
	pid := b.lockedBy(repository)
	check(b.t, syscall.Kill(pid, syscall.SIGSTOP))
	b.t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	eventually(b.t, func() bool { return processState(pid) == 'T' }, func() string { return "borg does not stop" })
	return pid
}

func release(t *testing.T, pid int) { check(t, syscall.Kill(pid, syscall.SIGCONT)) }

// processState is the letter that proc_pid_stat(5) has for it; 0: there is no such process.
func processState(pid int) byte {
	_, rest := processStat(pid)
	if rest == "" {
		return 0
	}
	return rest[0]
}

// processStat are its parent and what follows its name in /proc.
func processStat(pid int) (parent int, rest string) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, ""
	}
	rest = string(data[bytes.LastIndexByte(data, ')')+2:])
	if fields := strings.Fields(rest); len(fields) > 1 {
		parent, _ = strconv.Atoi(fields[1])
	}
	return parent, rest
}

// tree is the process and all that descend from it.
func tree(root int) []int {
	found := []int{root}
	for i := 0; i < len(found); i++ {
		entries, _ := os.ReadDir("/proc")
		for _, entry := range entries {
			pid, err := strconv.Atoi(entry.Name())
			if parent, _ := processStat(pid); err == nil && parent == found[i] {
				found = append(found, pid)
			}
		}
	}
	return found
}

// hasPending tells whether a signal waits for the process, as it does while that is stopped.
func hasPending(pid int, signal syscall.Signal) bool {
	data, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	for line := range strings.Lines(string(data)) {
		if mask, found := strings.CutPrefix(line, "ShdPnd:"); found {
			bits, _ := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
			return bits&(1<<(signal-1)) != 0
		}
	}
	return false
}

// oneBorg runs a test that takes its time with one of the borgs found, by the seed; with all of them if proving.
func oneBorg(t *testing.T, test func(t *testing.T, borg string)) {
	if proving() {
		eachBorg(t, test)
		return
	}
	found := borgs(t)
	versions := slices.Sorted(maps.Keys(found))
	version := versions[seed()%len(versions)]
	t.Run(version, func(t *testing.T) { test(t, found[version]) })
}

// seed is what the short forms of tests choose by; scripts/run-tests prints it.
func seed() int {
	seed, _ := strconv.Atoi(os.Getenv("BORGCRON_SEED")) // without one it is 0
	return seed
}

// proving tells whether the long forms of tests are wanted.
func proving() bool { return os.Getenv("BORGCRON_PROVE") != "" }
