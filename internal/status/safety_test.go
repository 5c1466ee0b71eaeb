package status

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"borgcron/internal/backup"
)

// What another user wrote into a status file can neither drive the terminal of its reader nor be without end.
func TestHostileWords(t *testing.T) {
	state := t.TempDir()
	evil := "\x1b]0;owned\a\x1b[2J\u009b31m\u202eline\nbreak " + strings.Repeat("x", 10_000)
	whole := File{Version: version, Job: "home", FirstSeen: now, Repositories: []Record{{
		ID: evil, Repository: evil, FirstSeen: now, StaleAfter: 3600, Held: evil, Alarm: &Alarm{now, evil}, Notes: []string{evil},
		LastRun: &LastRun{ID: evil, Outcome: backup.Failed, Problem: evil}, Waiting: &Waiting{Outcome: backup.Locked, Reason: evil},
	}}}
	data, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(folder(state), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path(state, "home"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	files, wrong := Read(state)
	if len(files) != 1 || len(wrong) > 0 {
		t.Fatal(files, wrong)
	}
	row := Judge(files[0], now, true)[0]
	for name, text := range map[string]string{
		"repository": row.Repository, "problem": row.Problem, "alarm": row.Alarm.Problem, "note": row.Notes[0],
		"run": row.LastRun.ID, "problem of the run": row.LastRun.Problem, "waiting": row.Waiting.Reason,
	} {
		if text != backup.Clean(text) || len(text) > 3*mostRead || !strings.Contains(text, "line break") {
			t.Errorf("%s: %d bytes, %.80q", name, len(text), text)
		}
	}
}

// Nothing that lies in the place of a status file makes its reader wait, or read without end.
func TestOddFiles(t *testing.T) {
	state := t.TempDir()
	if err := os.Mkdir(folder(state), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		syscall.Mkfifo(path(state, "pipe"), 0o644),
		os.Symlink("/dev/zero", path(state, "device")),
		os.Mkdir(path(state, "folder"), 0o755),
		os.WriteFile(path(state, "huge"), nil, 0o644),
		os.Truncate(path(state, "huge"), 1<<40),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan []error, 1)
	go func() {
		_, wrong := Read(state)
		done <- wrong
	}()
	select {
	case wrong := <-done:
		if len(wrong) != 4 {
			t.Errorf("%v", wrong)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it waits")
	}
}

// A status folder that leads elsewhere, or is another user's, is not written to.
func TestFolderOfAnother(t *testing.T) {
	for name, plant := range map[string]func(state, elsewhere string) error{
		"link": func(state, elsewhere string) error { return os.Symlink(elsewhere, folder(state)) },
		"another user's": func(state, _ string) error {
			if os.Getuid() != 0 {
				t.Skip("only root can give a folder to another user")
			}
			if err := os.Mkdir(folder(state), 0o755); err != nil {
				return err
			}
			return os.Chown(folder(state), 65534, 65534)
		},
	} {
		t.Run(name, func(t *testing.T) {
			state, elsewhere := t.TempDir(), t.TempDir()
			if err := plant(state, elsewhere); err != nil {
				t.Fatal(err)
			}
			if err := FirstSeen(state, *job("home", "/srv/nas"), now); err == nil {
				t.Error("no error")
			}
			for _, dir := range []string{elsewhere, folder(state)} {
				if entries, _ := os.ReadDir(dir); len(entries) > 0 {
					t.Errorf("%s: %v", filepath.Base(dir), entries)
				}
			}
		})
	}
}
