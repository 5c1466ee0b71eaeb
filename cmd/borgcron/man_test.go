package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// On a terminal man(1) shows the page, and nothing is left of the file it was in; where there is no man(1) the text is
// printed.
func TestManOnTerminal(t *testing.T) {
	t.Parallel()
	tmux, err := exec.LookPath("tmux")
	if err != nil {
		missing(t, "no tmux; make setup gets one")
	}
	program, err := exec.LookPath("borgcron")
	check(t, err)
	show := func(t *testing.T, environment, want string) {
		t.Helper()
		temporary, socket := t.TempDir(), filepath.Join(t.TempDir(), "tmux")
		command := fmt.Sprintf("export TMPDIR=%s MANPAGER=cat PAGER=cat; %s %s man version; echo exit code $?; sleep 60", temporary, environment, program)
		run(t, tmux, "-S", socket, "-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "60", "sh", "-c", command)
		t.Cleanup(func() { _ = exec.Command(tmux, "-S", socket, "kill-server").Run() })
		text := ""
		for deadline := time.Now().Add(time.Minute); !strings.Contains(text, "exit code") && time.Now().Before(deadline); {
			text = run(t, tmux, "-S", socket, "capture-pane", "-p")
			time.Sleep(20 * time.Millisecond)
		}
		if !strings.Contains(text, want) || !strings.Contains(text, "exit code 0") || strings.Contains(text, ".SH") {
			t.Errorf("the terminal shows:\n%s", text)
		}
		if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
	t.Run("with man", func(t *testing.T) {
		if _, err := exec.LookPath("man"); err != nil {
			missing(t, "no man; make setup gets one")
		}
		show(t, "", "       borgcron-version - Print the version of borgcron")
	})
	t.Run("without man", func(t *testing.T) {
		show(t, "PATH=/nonexistent", "  borgcron-version - Print the version of borgcron")
	})
}
