package history

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// No link that lies in the place of one of the history's files is followed: what it leads to stays as it is.
func TestLinksAreNotFollowed(t *testing.T) {
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		t.Run("history.db"+suffix, func(t *testing.T) {
			dir := t.TempDir()
			path, victim := filepath.Join(dir, "history.db"), filepath.Join(dir, "victim")
			if err := os.WriteFile(victim, []byte("precious"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(victim, path+suffix); err != nil {
				t.Fatal(err)
			}
			if store, err := OpenReader(t.Context(), path, time.Now); err == nil {
				store.Close()
				t.Error("read through a link")
			}
			store, err := Open(t.Context(), path, time.Now)
			if suffix == "" && (err != nil || store.SetAside() == "") {
				t.Errorf("a link is not set aside: %v", err)
			}
			if err == nil {
				store.Close()
			}
			text, err := os.ReadFile(victim)
			info, statErr := os.Stat(victim)
			if err != nil || statErr != nil || string(text) != "precious" || info.Mode().Perm() != 0o644 {
				t.Errorf("%q, %v, %v %v", text, info.Mode(), err, statErr)
			}
		})
	}
}

// A pipe in the place of the history would keep its reader waiting for ever.
func TestReaderDoesNotWaitForAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := OpenReader(t.Context(), path, time.Now)
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("%v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it waits")
	}
}

// Whatever the umask is, only the owner reads the history and what lies beside it.
func TestModes(t *testing.T) {
	umask := syscall.Umask(0)
	t.Cleanup(func() { syscall.Umask(umask) })
	path := filepath.Join(t.TempDir(), "history.db")
	for range 2 {
		store, err := Open(t.Context(), path, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
			if info, err := os.Stat(path + suffix); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", suffix, info, err)
			}
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o644); err != nil { // the second time it is closed to others again
			t.Fatal(err)
		}
	}
}
