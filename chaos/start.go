package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience is how long a run may take at most, whatever happens to it. More is a hang.
const patience = 3 * time.Minute

// event is a line of `run --json`, as far as it matters here.
type event struct {
	Time    time.Time `json:"time"`
	Event   string    `json:"event"`
	Job     string    `json:"job"`
	Run     string    `json:"run"`
	Step    string    `json:"step"`
	Outcome string    `json:"outcome"`
	Archive string    `json:"archive"`
	Problem string    `json:"problem"`

	seen time.Time // when we read it: borgcron's clock may be wrong
}

// start is one call of borgcron.
type start struct {
	world        *world
	args         []string
	log          string // where its outputs lie, without the suffix
	command      *exec.Cmd
	began, ended time.Time
	exit         int // 128+N if signal N ended it
	killed       bool
	hung         bool
	before       map[string]tree            // the data of each job when it began
	touched      map[string]map[string]bool // files of each job that changed meanwhile
	done         chan struct{}

	mutex  sync.Mutex // of what follows
	events []event
	steps  map[string]chan struct{} // closed when the step begins
}

// start starts borgcron. It is over when wait returns.
func (w *world) start(ctx context.Context, args ...string) *start {
	return w.startWith(ctx, nil, args...)
}

// startWith starts it with more in its environment.
func (w *world) startWith(ctx context.Context, environ []string, args ...string) *start {
	w.mutex.Lock()
	w.starts++
	s := &start{
		world: w, args: args, log: w.path("log", fmt.Sprintf("%03d", w.starts)), done: make(chan struct{}), before: map[string]tree{},
		steps: map[string]chan struct{}{}, exit: -1,
	}
	w.mutex.Unlock()
	for _, step := range []string{"create", "check", "prune", "compact"} {
		s.steps[step] = make(chan struct{})
	}
	for _, job := range jobs {
		s.before[job], _ = snapshot(w.path("data", job))
	}
	s.command = exec.Command(w.program, args...)
	s.command.Env = append(w.environ(), environ...)
	s.command.Dir = w.dir
	s.command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	s.command.WaitDelay = 2 * time.Second
	stdout, stderr, err := s.outputs()
	if err != nil {
		s.fail(err)
		return s
	}
	s.command.Stderr = stderr
	reader, writer, err := os.Pipe()
	if err != nil {
		s.fail(err)
		return s
	}
	s.command.Stdout = writer
	s.began = time.Now()
	err = s.command.Start()
	writer.Close()
	if err != nil {
		s.fail(err)
		return s
	}
	go s.attend(ctx, reader, stdout, stderr)
	return s
}

func (s *start) fail(err error) {
	s.ended = time.Now()
	_ = os.WriteFile(s.log+".err", []byte(err.Error()), 0o600)
	close(s.done)
}

func (s *start) outputs() (stdout, stderr *os.File, err error) {
	if err := os.WriteFile(s.log+".args", []byte(strings.Join(s.args, " ")+"\n"), 0o600); err != nil {
		return nil, nil, err
	}
	if stdout, err = os.Create(s.log + ".out"); err != nil {
		return nil, nil, err
	}
	stderr, err = os.Create(s.log + ".err")
	return stdout, stderr, err
}

// attend reads the events and waits for the end, for as long as there is patience.
func (s *start) attend(ctx context.Context, events io.ReadCloser, stdout, stderr *os.File) {
	defer close(s.done)
	defer stdout.Close()
	defer stderr.Close()
	read := make(chan struct{})
	go func() {
		defer close(read)
		s.read(io.TeeReader(events, stdout))
	}()
	limit := time.AfterFunc(patience, func() {
		s.mutex.Lock()
		s.hung = true
		s.mutex.Unlock()
		_ = s.command.Process.Signal(syscall.SIGCONT)
		_ = s.command.Process.Signal(syscall.SIGQUIT) // its goroutines go to stderr
	})
	last := time.AfterFunc(patience+5*time.Second, func() { _ = s.command.Process.Kill() })
	stop := context.AfterFunc(ctx, func() { _ = s.command.Process.Kill() })
	err := s.command.Wait()
	s.ended = time.Now()
	limit.Stop()
	last.Stop()
	stop()
	select {
	case <-read:
	case <-time.After(5 * time.Second): // somebody has inherited it
	}
	events.Close()
	<-read
	s.exit = exitCode(s.command.ProcessState, err)
	if status, ok := s.command.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		s.killed = true
	}
	_ = os.WriteFile(s.log+".exit", []byte(fmt.Sprintf("%d after %v\n", s.exit, s.ended.Sub(s.began))), 0o600)
}

func exitCode(state *os.ProcessState, err error) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	if err != nil && state.ExitCode() < 0 {
		return -1
	}
	return state.ExitCode()
}

func (s *start) read(from io.Reader) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue
		}
		e.seen = time.Now()
		s.mutex.Lock()
		first := !slices.ContainsFunc(s.events, func(former event) bool { return former.Event == e.Event && former.Step == e.Step })
		s.events = append(s.events, e)
		if begun := s.steps[e.Step]; begun != nil && first && e.Event == "step_started" {
			close(begun)
		}
		s.mutex.Unlock()
	}
	_, _ = io.Copy(io.Discard, from)
}

// wait waits for the end.
func (s *start) wait() { <-s.done }

// pause waits; it tells whether the run is still going on then.
func (s *start) pause(d time.Duration) bool {
	select {
	case <-s.done:
		return false
	case <-time.After(d):
		return true
	}
}

// asks tells whether it said these words.
func (s *start) asks(words string) bool {
	text, _ := os.ReadFile(s.log + ".err")
	return strings.Contains(string(text), words)
}

// complaint is the end of what it wrote to stderr.
func (s *start) complaint() string {
	text, _ := os.ReadFile(s.log + ".err")
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], " | ")
}
