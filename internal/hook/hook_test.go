package hook_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
	"borgcron/internal/hook"
)

func run(t *testing.T, line string) ([]string, error) {
	t.Helper()
	r := &hook.Runner{Environ: os.Environ()}
	return r.Run(t.Context(), backup.Hook{When: backup.Before, Run: line}, nil)
}

func TestEnds(t *testing.T) {
	long := "echo " + strings.Repeat("x", 200) + " >/dev/null; exit 4"
	tests := map[string]struct {
		line    string
		tail    []string
		message string // of the failure, "" for none
		code    int
	}{
		"well":                  {line: "true"},
		"prints, in its order":  {line: "echo a; echo b >&2; echo c", tail: []string{"a", "b", "c"}},
		"last line without end": {line: `printf 'a\nb'`, tail: []string{"a", "b"}},
		"exit code": {
			line: "echo first; echo no disk >&2; echo; exit 3", tail: []string{"first", "no disk", ""},
			message: `hook "echo first; echo no disk >&2; echo; exit 3" exited 3: no disk`, code: 3,
		},
		"silent failure":           {line: "exit 1", message: `hook "exit 1" exited 1`, code: 1},
		"the last command decides": {line: "false; true"},
		"signal":                   {line: "kill -9 $$", message: `hook "kill -9 $$" was ended by signal 9 (killed)`, code: -1},
		"not found": {
			line: "/nonexistent/program 2>/dev/null", code: 127,
			message: `hook "/nonexistent/program 2>/dev/null" exited 127`,
		},
		"control characters": {
			line: `printf 'a\033[2Jb\r\n\007'; exit 1`, tail: []string{"a [2Jb", ""}, code: 1,
			message: `hook "printf 'a\033[2Jb\r\n\007'; exit 1" exited 1: a [2Jb`,
		},
		"several lines":  {line: "true\nexit 1\n", message: `hook "true exit 1" exited 1`, code: 1},
		"long line":      {line: long, message: `hook "` + long[:79] + `…" exited 4`, code: 4},
		"reads no input": {line: "cat"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			tail, err := run(t, test.line)
			if diff := cmp.Diff(test.tail, tail); diff != "" {
				t.Errorf("tail (-want +got)\n%s", diff)
			}
			var failure *backup.Failure
			if !errors.As(err, &failure) {
				if err != nil || test.message != "" {
					t.Errorf("error %v, want %q", err, test.message)
				}
				return
			}
			if failure.Message != test.message || failure.Code != test.code || failure.Class != backup.Permanent || failure.Op != "before" {
				t.Errorf("failure %+v", failure)
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("BORG_LEAK", "of the tests' own process")
	var printed []string
	r := &hook.Runner{
		Environ: []string{
			"PATH=" + os.Getenv("PATH"), "KEPT=a b", "BORG_PASSPHRASE=secret", "BORG_REPO=x", "NTFY_TOKEN=secret",
			"BORGCRON_JOB=of a run around us", "BORGCRON_CONFIG=/etc/c.yaml",
		},
		Hide: []string{"NTFY_TOKEN"},
		Line: func(line string) { printed = append(printed, line) },
	}
	_, err := r.Run(t.Context(), backup.Hook{Run: "env | grep -v -e ^PWD= -e ^PATH= -e ^_= -e ^SHLVL= -e ^OLDPWD= | sort"},
		map[string]string{"BORGCRON_JOB": "home", "BORGCRON_PROBLEM": "a\x00b 'c'", "BORGCRON_ARCHIVE": ""})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"BORGCRON_ARCHIVE=", "BORGCRON_CONFIG=/etc/c.yaml", "BORGCRON_JOB=home", "BORGCRON_PROBLEM=ab 'c'", "KEPT=a b",
	}
	if diff := cmp.Diff(want, printed); diff != "" {
		t.Errorf("environment (-want +got)\n%s", diff)
	}
}

// A child that ignores SIGTERM is ended as well.
func TestTimeoutEndsTheGroup(t *testing.T) {
	t.Parallel()
	alive := filepath.Join(t.TempDir(), "alive")
	if err := syscall.Mkfifo(alive, 0o600); err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf("exec 3>%s; (trap '' TERM; echo started >&3; while :; do sleep 1; done) & wait", alive)
	r := &hook.Runner{Environ: os.Environ()}
	done := make(chan error, 1)
	go func() {
		_, err := r.Run(t.Context(), backup.Hook{When: backup.After, Run: line, Timeout: time.Second}, nil)
		done <- err
	}()
	pipe, err := os.Open(alive)
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	reader := bufio.NewReader(pipe)
	if said, err := reader.ReadString('\n'); said != "started\n" {
		t.Fatalf("%q, %v", said, err)
	}
	err = <-done
	var failure *backup.Failure
	if !errors.As(err, &failure) || !strings.Contains(failure.Message, `" ran longer than 1s and was ended`) {
		t.Errorf("error %v", err)
	}
	// The pipe ends only when the last process that has it open is gone.
	if rest, err := reader.ReadString('\n'); rest != "" {
		t.Errorf("after the end: %q, %v", rest, err)
	}
}

func TestContextStopsTheHook(t *testing.T) {
	t.Parallel()
	stopped := errors.New("stopped by the user")
	ctx, cancel := context.WithCancelCause(t.Context())
	r := &hook.Runner{Environ: os.Environ(), Line: func(string) { cancel(stopped) }}
	tail, err := r.Run(ctx, backup.Hook{Run: "echo started; sleep 600", Timeout: time.Hour}, nil)
	if !errors.Is(err, stopped) || err.Error() != `hook "echo started; sleep 600" was stopped: started` {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff([]string{"started"}, tail); diff != "" {
		t.Errorf("tail (-want +got)\n%s", diff)
	}
}

// A daemon that keeps the output open must not keep the run.
func TestDaemonIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	pids := filepath.Join(t.TempDir(), "pid")
	began := time.Now()
	tail, err := run(t, "echo up; sleep 600 & echo $! >"+pids)
	if err != nil || time.Since(began) > time.Minute {
		t.Errorf("error %v after %v", err, time.Since(began))
	}
	if diff := cmp.Diff([]string{"up"}, tail); diff != "" {
		t.Errorf("tail (-want +got)\n%s", diff)
	}
	var pid int
	text, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(text), &pid); err != nil || pid < 2 {
		t.Fatalf("pid %q, %v", text, err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("the daemon was ended with the hook: %v", err)
	}
}

func TestFloodIsBounded(t *testing.T) {
	size := "1G"
	if testing.Short() {
		size = "10M"
	}
	for name, line := range map[string]string{
		"lines":    "yes 0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz | head -c " + size,
		"one line": "head -c " + size + " /dev/zero",
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			logged := 0
			r := &hook.Runner{Environ: os.Environ(), Line: func(string) { logged++ }}
			runtime.ReadMemStats(&before)
			tail, err := r.Run(t.Context(), backup.Hook{Run: line + "; echo; echo end"}, nil)
			runtime.ReadMemStats(&after)
			if err != nil || len(tail) > 50 || len(tail) < 2 || tail[len(tail)-1] != "end" {
				t.Errorf("error %v, tail %.200q", err, tail)
			}
			if logged > 1000 {
				t.Errorf("%d lines logged", logged)
			}
			// All that was ever allocated, so that it holds whenever the collector runs.
			if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
				t.Errorf("%d MiB allocated", used>>20)
			}
		})
	}
}

func TestShellCannotBeStarted(t *testing.T) {
	_, err := run(t, "true "+strings.Repeat("x", 1<<22)) // longer than a system takes
	var failure *backup.Failure
	if !errors.As(err, &failure) || !errors.Is(err, syscall.E2BIG) || len(failure.Message) > 600 {
		t.Errorf("error %v", err)
	}
}
