package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// On a terminal --progress keeps one line up to date, the log has colour and no date, and what is left in
// the end are whole lines.
func TestProgressOnTerminal(t *testing.T) {
	t.Parallel()
	tmux, err := exec.LookPath("tmux")
	if err != nil {
		missing(t, "no tmux; make setup gets one")
	}
	eachBorg(t, func(t *testing.T, borg string) {
		home := t.TempDir()
		check(t, os.Mkdir(filepath.Join(home, "data"), 0o755))
		run(t, "sh", "-c", "for i in $(seq 1 30); do head -c 10000000 /dev/urandom >"+filepath.Join(home, "data")+"/$i; done")
		config := fmt.Sprintf("paths: {state: %s}\nrepositories: {local: {location: %s, borg: %s, encryption: none}}\n"+
			"jobs: {home: {repository: local, sources: [%s], compression: none, retention: keep_all}}\n",
			filepath.Join(home, "state"), filepath.Join(home, "repo"), borg, filepath.Join(home, "data"))
		check(t, os.WriteFile(filepath.Join(home, "c.yaml"), []byte(config), 0o600))
		program, err := exec.LookPath("borgcron")
		check(t, err)
		command := fmt.Sprintf("export HOME=%s BORGCRON_CONFIG=%s/c.yaml; %s init; %s run --progress; echo exit code $?; sleep 60", home, home, program, program)
		socket := filepath.Join(home, "tmux")
		run(t, tmux, "-S", socket, "-f", "/dev/null", "new-session", "-d", "-x", "150", "-y", "20", "sh", "-c", command)
		t.Cleanup(func() { _ = exec.Command(tmux, "-S", socket, "kill-server").Run() })
		screen := func() string { return run(t, tmux, "-S", socket, "capture-pane", "-p") }
		progress := regexp.MustCompile(`(?m)^create: \d+ files, .* new`)
		seen := false
		deadline := time.Now().Add(time.Minute)
		text := ""
		for !strings.Contains(text, "exit code") && time.Now().Before(deadline) {
			text = screen()
			seen = seen || progress.MatchString(text)
			time.Sleep(20 * time.Millisecond)
		}
		if !seen {
			t.Errorf("no progress was to be seen; in the end:\n%s", text)
		}
		if !strings.Contains(text, "exit code 0") || !strings.Contains(text, "home on local: succeeded") || progress.MatchString(text) {
			t.Errorf("in the end:\n%s", text)
		}
	})
}
