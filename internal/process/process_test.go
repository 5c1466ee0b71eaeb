package process_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/process"
)

var path = []string{"PATH=" + os.Getenv("PATH")}

func shell(line string) process.Command {
	c := process.Shell(line)
	c.Env = path
	return c
}

func exitError(t *testing.T, err error) *process.ExitError {
	t.Helper()
	var exit *process.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("error is %v, want an ExitError", err)
	}
	return exit
}

// onReady calls f once the program has printed its first line.
func onReady(f func()) func([]byte) {
	return func(line []byte) {
		if string(line) == "ready" {
			f()
		}
	}
}

func TestRunGivesOutputAndEnvironment(t *testing.T) {
	t.Setenv("STRAY", "1")
	var out bytes.Buffer
	var lines []string
	c := process.Shell(`pwd; env | grep -c STRAY; cat; echo one >&2; printf 'two\r\nlast' >&2`)
	c.Stdout, c.Dir = &out, "/"
	c.Line = func(line []byte) { lines = append(lines, string(line)) }
	if err := process.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("/\n0\n", out.String()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"one", "two", "last"}, lines); diff != "" {
		t.Error(diff)
	}
}

func TestRunHasNoTerminalAndItsOwnGroup(t *testing.T) {
	var out bytes.Buffer
	c := shell(`(: </dev/tty) 2>/dev/null && echo terminal; echo $$; ps -o pgid= -p $$ 2>/dev/null || cut -d' ' -f5 /proc/$$/stat`)
	c.Stdout = &out
	if err := process.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(out.String())
	if len(fields) != 2 || fields[0] != fields[1] {
		t.Errorf("process id, group: %q", fields)
	}
}

func TestRunTellsHowItEnded(t *testing.T) {
	for name, test := range map[string]struct {
		line   string
		code   int
		signal os.Signal
	}{
		"code":   {"echo why >&2; exit 7", 7, nil},
		"signal": {"echo why >&2; kill -KILL $$", -1, syscall.SIGKILL},
	} {
		t.Run(name, func(t *testing.T) {
			exit := exitError(t, process.Run(t.Context(), shell(test.line)))
			want := process.ExitError{Program: "sh", Code: test.code, Signal: test.signal, Tail: []string{"why"}}
			if diff := cmp.Diff(want, *exit); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRunThatCannotStart(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{plain, filepath.Join(dir, "missing"), dir} {
		err := process.Run(t.Context(), process.Command{Path: program})
		var exit *process.ExitError
		if err == nil || errors.As(err, &exit) || !strings.HasPrefix(err.Error(), "start "+filepath.Base(program)) {
			t.Errorf("%s: %v", program, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := process.Run(ctx, shell("exit 0")); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
}

func TestRunSaysThatItsOutputCouldNotBeWritten(t *testing.T) {
	full := errors.New("disk full")
	c := shell("yes")
	c.Stdout = writerFunc(func([]byte) (int, error) { return 0, full })
	if err := process.Run(t.Context(), c); !errors.Is(err, full) {
		t.Error(err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestInterruptGoesToTheProgramAlone(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	var lines []string
	// The child would say so if it got the signal, too.
	c := shell(`sh -c 'trap "echo child >&2" INT; read x <&4' & child=$!
		trap 'echo checkpoint >&2; echo >&3; wait $child; exit 2' INT; echo ready >&2; while :; do sleep 0.01; done`)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	c.ExtraFiles, c.Interrupt = []*os.File{w, r}, time.Minute
	reason := errors.New("the machine goes down")
	ready := onReady(func() { cancel(reason) })
	c.Line = func(line []byte) { lines = append(lines, string(line)); ready(line) }
	exit := exitError(t, process.Run(ctx, c))
	if !exit.Stopped || exit.Code != 2 {
		t.Errorf("%+v", exit)
	}
	if !errors.Is(exit, reason) || !errors.Is(exit, context.Canceled) {
		t.Errorf("cause is lost: %v", exit.Cause)
	}
	if diff := cmp.Diff([]string{"ready", "checkpoint"}, lines); diff != "" {
		t.Error(diff)
	}
}

func TestStopEscalates(t *testing.T) {
	for name, test := range map[string]struct {
		traps  string
		hurry  bool
		signal os.Signal
	}{
		"SIGTERM after the grace":           {traps: "trap '' INT", signal: syscall.SIGTERM},
		"SIGTERM at once in a hurry":        {traps: "trap '' INT", hurry: true, signal: syscall.SIGTERM},
		"SIGKILL for one that does not end": {traps: "trap '' INT TERM", signal: syscall.SIGKILL},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			c := shell(test.traps + `; echo ready >&2; while :; do sleep 0.01; done`)
			c.Interrupt, c.Terminate = 30*time.Millisecond, 200*time.Millisecond
			c.Line = onReady(cancel)
			if test.hurry {
				hurry := make(chan struct{})
				close(hurry)
				ctx, c.Interrupt = process.WithHurry(ctx, hurry), time.Hour
			}
			exit := exitError(t, process.Run(ctx, c))
			if exit.Signal != test.signal || !exit.Stopped {
				t.Errorf("%+v", exit)
			}
		})
	}
}

func TestStopReachesTheWholeGroup(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w, err := os.Pipe() // end of file on r tells that all holders of w are gone
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c := shell(`sh -c 'trap "" INT TERM; echo ready >&2; while :; do sleep 0.01; done' & wait`)
	c.ExtraFiles, c.Terminate = []*os.File{w}, 100*time.Millisecond
	c.Line = onReady(cancel)
	exitError(t, process.Run(ctx, c))
	w.Close()
	if _, err := io.ReadAll(r); err != nil {
		t.Fatal(err)
	}
}

func TestStoppedProgramThatEndsWellIsStillStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := shell(`trap 'exit 0' TERM; echo ready >&2; while :; do sleep 0.01; done`)
	c.Line = onReady(cancel)
	if exit := exitError(t, process.Run(ctx, c)); exit.Code != 0 || !exit.Stopped {
		t.Errorf("%+v", exit)
	}
}

func TestGrandchildThatHoldsThePipe(t *testing.T) {
	var out bytes.Buffer
	c := shell(`sleep 60 & echo $!`)
	c.Stdout = &out
	began := time.Now()
	if err := process.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
	var pid int
	if _, err := fmt.Sscan(out.String(), &pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("what a program leaves behind when it ends by itself is not ours to end: %v", err)
	}
}

func TestFloodTakesNoMemory(t *testing.T) {
	for name, line := range map[string]string{
		"one line":   "head -c 100000000 /dev/zero >&2; exit 3",
		"many lines": "yes | head -c 100000000 >&2; exit 3",
	} {
		t.Run(name, func(t *testing.T) {
			longest := 0
			c := shell(line)
			c.Line = func(line []byte) { longest = max(longest, len(line)) }
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			exit := exitError(t, process.Run(t.Context(), c))
			runtime.ReadMemStats(&after)
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
				t.Errorf("%d bytes were allocated", grown)
			}
			if longest > process.MaxLine || len(exit.Tail) > process.TailLines {
				t.Errorf("longest line %d, tail of %d", longest, len(exit.Tail))
			}
		})
	}
}

func TestTailIsTheEnd(t *testing.T) {
	exit := exitError(t, process.Run(t.Context(), shell(`seq 1000 >&2; exit 1`)))
	if len(exit.Tail) != process.TailLines || exit.Tail[0] != "951" || exit.Tail[49] != "1000" {
		t.Errorf("tail: %q", exit.Tail)
	}
}

func TestStall(t *testing.T) {
	c := shell(`trap '' INT; exec sleep 60`)
	c.Stall = 300 * time.Millisecond
	exit := exitError(t, process.Run(t.Context(), c))
	if !exit.Stalled || exit.Stopped || exit.Signal != syscall.SIGTERM {
		t.Errorf("%+v", exit)
	}
}

func TestSignsOfLife(t *testing.T) {
	signs := map[string]string{"output": `while :; do echo . >&2; sleep 0.1; done`}
	if runtime.GOOS == "linux" {
		signs["CPU time"] = `while :; do :; done`
		signs["reading"] = `while :; do read x </dev/null; sleep 0.1; done`
		signs["behind a wrapper script"] = `dd if=/dev/zero of=/dev/null bs=1k; :`
	}
	for name, line := range signs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := shell(line)
			c.Stall = 3 * time.Second
			ctx, cancel := context.WithTimeout(t.Context(), 2*c.Stall)
			defer cancel()
			if exit := exitError(t, process.Run(ctx, c)); exit.Stalled {
				t.Error(exit)
			}
		})
	}
}

// A helper, as ssh is one of borg's, may be busy for ever.
func TestLifeOfAHelperIsNone(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("without /proc only output counts")
	}
	c := process.Command{Path: "/usr/bin/env", Args: []string{"python3", "-c",
		`import subprocess; subprocess.run(["dd", "if=/dev/zero", "of=/dev/null"])`}, Env: path}
	c.Stall = time.Second
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if exit := exitError(t, process.Run(ctx, c)); !exit.Stalled {
		t.Errorf("%+v", exit)
	}
}

func TestNice(t *testing.T) {
	var out bytes.Buffer
	c := shell(`sleep 0.1; nice; ionice -p $$ 2>/dev/null || echo idle`)
	c.Nice, c.IONice, c.Stdout = 7, "idle", &out
	if err := process.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("7\nidle\n", out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestLookPath(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"good": 0o755, "plain": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	list := ".::/nowhere:" + dir
	for name, want := range map[string]string{
		"good": filepath.Join(dir, "good"), "./good": filepath.Join(dir, "good"), "plain": "", "./plain": "", "none": "",
	} {
		got, err := process.LookPath(name, list)
		if got != want && err == nil || (want != "") != (err == nil) {
			t.Errorf("LookPath(%q) = %q, %v", name, got, err)
		}
	}
	if _, err := process.LookPath("good", ".:"); err == nil {
		t.Error("a program was found in a relative folder")
	}
}

func TestExecReplacesUs(t *testing.T) {
	if os.Getenv("BORGCRON_TEST_EXEC") == "1" {
		var files []*os.File
		for _, text := range []string{"first", "second"} {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(w, text)
			w.Close()
			files = append(files, r)
		}
		t.Fatal(process.Exec("/bin/sh", []string{"-c", `cat <&3; cat <&4; echo $ONLY $BORGCRON_TEST_EXEC`}, []string{"ONLY=this", path[0]}, files))
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = process.Run(t.Context(), process.Command{Path: self, Args: []string{"-test.run=^TestExecReplacesUs$"},
		Env: append(path, "BORGCRON_TEST_EXEC=1"), Stdout: &out})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("first\nsecond\nthis\n", out.String()); diff != "" {
		t.Error(diff)
	}
	if err := process.Exec("/nowhere/at/all", nil, nil, nil); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// Whoever takes the output may be slow, long after the program has ended: nothing is lost.
func TestSlowTaker(t *testing.T) {
	t.Parallel()
	var got atomic.Int64
	release := make(chan struct{})
	taker := writerFunc(func(p []byte) (int, error) {
		if got.Add(int64(len(p))) > 60_000 { // the rest is still in the pipe when the program ends
			<-release
		}
		return len(p), nil
	})
	ended := make(chan error, 1)
	go func() {
		c := process.Shell("head -c 120000 /dev/zero")
		c.Stdout, c.Env = taker, path
		ended <- process.Run(t.Context(), c)
	}()
	select {
	case err := <-ended:
		t.Fatalf("it did not wait: %v, %d bytes", err, got.Load())
	case <-time.After(11 * time.Second): // longer than anything is waited for that is not to come
	}
	close(release)
	if err := <-ended; err != nil || got.Load() != 120_000 {
		t.Errorf("%v, %d bytes", err, got.Load())
	}
}

// A process that was left behind and holds the pipe open is not waited for for ever.
func TestLeftBehind(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	c := process.Shell("echo all; sleep 60 2>/dev/null &")
	c.Stdout, c.Env = writerFunc(got.Write), path
	began := time.Now()
	if err := process.Run(t.Context(), c); err != nil || got.String() != "all\n" || time.Since(began) > 30*time.Second {
		t.Errorf("%v, %q after %v", err, got.String(), time.Since(began))
	}
}
