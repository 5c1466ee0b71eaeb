package notify

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

func commandOf(line string, environ ...string) *Command {
	return &Command{Run: line, Environ: append([]string{"PATH=" + os.Getenv("PATH")}, environ...)}
}

func TestCommandGetsTheMessage(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	m := failure
	m.RunID, m.Outcome, m.Archive, m.Problem, m.Exit = "r1", "failed", "laptop-home-1", "it went\x00 $(wrong)", 2
	deliver(t, commandOf(`cat >"$OUT"; env | grep ^BORGCRON_ | LC_ALL=C sort >>"$OUT"; env | grep -c STRAY >>"$OUT" || true`,
		"OUT="+out, "BORGCRON_JOB=of another", "BORGCRON_CONFIG=/etc/x"), m)
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`laptop: backup of home failed

it went wrong
BORGCRON_ARCHIVE=laptop-home-1
BORGCRON_CONFIG=/etc/x
BORGCRON_EVENT=failed
BORGCRON_EXIT=2
BORGCRON_JOB=home
BORGCRON_OUTCOME=failed
BORGCRON_PROBLEM=it went $(wrong)
BORGCRON_REPOSITORY=nas
BORGCRON_RUN=r1
BORGCRON_STATE=failed
0
`, string(got)); diff != "" {
		t.Error(diff)
	}
}

// TestCommandErrors: what failed is said with the last line that was printed, and never more than fits a line.
func TestCommandErrors(t *testing.T) {
	t.Setenv("STRAY", "1")
	for line, want := range map[string]string{
		"true":                          "",
		"cat >/dev/null":                "",
		"exit 3":                        "the command exited 3",
		"echo no; exit 1":               "the command exited 1: no",
		`test -z "$STRAY"`:              "",
		"echo one >&2; echo two; false": "the command exited 1: two",
		`printf 'last\033[31m word\n\n \n'; exit 9`: "the command exited 9: last [31m word",
		"yes x | head -c 3000000; exit 4":           "the command exited 4: x",
		"printf %0300d 0; exit 5":                   "the command exited 5: " + strings.Repeat("0", 199) + "…",
		"kill -KILL $$":                             "the command was ended by signal 9 (killed)",
		"no-such-program-here 2>/dev/null":          "the command exited 127",
	} {
		err := commandOf(line).Deliver(t.Context(), failure)
		if err == nil && want != "" || err != nil && err.Error() != want {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}

// TestCommandThatDoesNotRead: neither the program nor one that it leaves behind need take the message, however
// long it is.
func TestCommandThatDoesNotRead(t *testing.T) {
	m := Message{Text: strings.Repeat("x", 1<<20)}
	deliver(t, commandOf("exit 0"), m)
	deliver(t, commandOf("head -c 1 >/dev/null"), m)
	pid := filepath.Join(t.TempDir(), "pid")
	deliver(t, commandOf(`exec 3<&0; sleep 1000 >/dev/null 2>&1 & echo $! >"$PID"`, "PID="+pid), m)
	text, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	left, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(left, syscall.SIGKILL); err != nil {
		t.Errorf("what the command left behind: %v", err)
	}
}

// TestCommandThatHangs: at the end of the context the command ends, and all that it started.
func TestCommandThatHangs(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	late := errors.New("no answer within 30s")
	gone := make(chan error, 1)
	go func() {
		file, err := os.Open(fifo) // waits until the command has opened it too
		if err != nil {
			gone <- err
			return
		}
		defer file.Close()
		cancel(late)
		_, err = io.Copy(io.Discard, file) // ends once nobody holds the other end
		gone <- err
	}()
	began := time.Now()
	err := commandOf(`trap "" TERM; exec 3>"$FIFO"; sleep 1000 & sleep 1000; wait`, "FIFO="+fifo).Deliver(ctx, failure)
	if !errors.Is(err, late) || err.Error() != "the command was ended: no answer within 30s" {
		t.Error(err)
	}
	if err := <-gone; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 9*time.Second { // the grace is 2 s, as all of us may be given 8 to end
		t.Errorf("it took %v", took)
	}
	err = commandOf("true").Deliver(ctx, Message{Event: backup.NewsTest})
	if !errors.Is(err, late) || err.Error() != "the command was ended: no answer within 30s" {
		t.Errorf("after the end of the context: %v", err)
	}
}
