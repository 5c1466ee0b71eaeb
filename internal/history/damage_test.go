package history

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"borgcron/internal/backup"
)

// filled makes a history with some runs, more than fits on a few pages.
func filled(t *testing.T, path string, c *clock) {
	t.Helper()
	store := openStore(t, path, c.now)
	for i := range 12 {
		succeed(t, store, c, target("home", "/repo"), strings.Repeat("x", 2000)+string(rune('A'+i)))
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedHistoryIsSetAside(t *testing.T) {
	write := func(data []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	change := func(deed func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			write(deed(data))(t, path)
		}
	}
	query := func(statements string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(statements); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, damage := range map[string]func(*testing.T, string){
		"zero bytes":  write(nil),
		"garbage":     write(bytes.Repeat([]byte("garbage "), 4096)),
		"short":       write([]byte("SQLite format 3\x00")),
		"truncated":   change(func(data []byte) []byte { return data[:len(data)/2] }),
		"a page less": change(func(data []byte) []byte { return data[:len(data)-4096] }),
		"holes":       change(func(data []byte) []byte { clear(data[4096*3:]); return data }),
		"newer":       query("PRAGMA user_version = 1000"),
		"foreign":     query("PRAGMA application_id = 7"),
		"nonsense":    query("UPDATE targets SET last = 'no JSON'"),
		"a folder": func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "history.db")
			c := &clock{start}
			filled(t, path, c)
			damage(t, path)
			c.t = c.t.Add(checkEvery) // what is damaged inside is looked for once a day
			store := openStore(t, path, c.now)
			home := target("home", "/repo")
			if store.SetAside() == "" {
				if _, err := store.Recall(t.Context(), home); err == nil {
					t.Fatal("the damage was not noticed")
				}
			}
			if !strings.HasPrefix(store.SetAside(), path+".damaged-20260302T") {
				t.Fatalf("set aside: %q", store.SetAside())
			}
			if _, err := os.Lstat(store.SetAside()); err != nil {
				t.Error(err)
			}
			last, err := store.Recall(t.Context(), home)
			if err != nil || !strings.HasPrefix(last.Shared.Suspect, "the history was lost") {
				t.Errorf("what was known is lost, and the repository not suspect: %+v, %v", last, err)
			}
			succeed(t, store, c, home, "run-new")
			store.Close()
			again := openStore(t, path, c.now)
			if again.SetAside() != "" {
				t.Error("set aside twice")
			}
			runs, err := again.Runs(t.Context(), Query{})
			if err != nil || len(runs) != 1 {
				t.Errorf("%d runs, %v", len(runs), err)
			}
			last, err = again.Recall(t.Context(), home)
			if err != nil || last.Shared.Suspect == "" {
				t.Errorf("the suspicion ended without a check: %+v, %v", last, err)
			}
		})
	}
}

// Damage that appears while the store is open: what hits it fails, the store goes on with a new file.
func TestDamageInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	c := &clock{start}
	filled(t, path, c)
	store := openStore(t, path, c.now)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	clear(data[4096:])
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Run(t.Context(), "x"); err == nil || store.SetAside() == "" {
		t.Fatalf("not noticed: %v", err)
	}
	succeed(t, store, c, target("home", "/repo"), "run-new")
	if runs, err := store.Runs(t.Context(), Query{}); err != nil || len(runs) != 1 {
		t.Errorf("%d runs, %v", len(runs), err)
	}
}

// Several processes find the damage at once: one sets the file aside, the others use the new one.
func TestDamageFoundBySeveral(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "history.db")
	if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			store, err := Open(t.Context(), path, func() time.Time { return start })
			if err != nil {
				t.Error(err)
				return
			}
			store.Close()
		})
	}
	group.Wait()
	aside, err := filepath.Glob(path + ".damaged-*")
	if err != nil || len(aside) != 1 {
		t.Errorf("set aside: %q, %v", aside, err)
	}
}

func TestLostHistory(t *testing.T) {
	c := &clock{start}
	path := filepath.Join(t.TempDir(), "history.db")
	store := openStore(t, path, c.now)
	home := target("home", "/repo")
	if last, err := store.Recall(t.Context(), home); err != nil || last.Shared.Suspect != "" {
		t.Fatalf("a first run suspects: %+v, %v", last, err)
	}
	if err := store.Lost(t.Context()); err != nil {
		t.Fatal(err)
	}
	if last, err := store.Recall(t.Context(), home); err != nil || last.Shared.Suspect == "" {
		t.Fatalf("no suspicion: %+v, %v", last, err)
	}
	s := newScript(t, store, c, home, "run-1")
	s.begin()
	check := s.beginStep(backup.Check)
	check.Report.CheckedRepository = true
	s.endStep(check)
	if last, err := store.Recall(t.Context(), home); err != nil || last.Shared.Suspect != "" {
		t.Errorf("a clean check does not end it: %+v, %v", last, err)
	}
}

func TestNoPlaceForAHistory(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	readOnly := filepath.Join(folder, "read-only")
	if err := os.Mkdir(readOnly, 0o500); err != nil {
		t.Fatal(err)
	}
	places := map[string]string{"below a file": filepath.Join(file, "history.db"), "below /proc": "/proc/borgcron/history.db"}
	if os.Geteuid() != 0 { // root may write everywhere
		places["a read-only folder"] = filepath.Join(readOnly, "history.db")
	}
	for name, path := range places {
		if store, err := Open(t.Context(), path, time.Now); err == nil {
			store.Close()
			t.Errorf("%s: no error", name)
		}
	}
}
