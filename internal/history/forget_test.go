package history

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

// learn fills all tables for a job on a repository.
func learn(t *testing.T, store *Store, c *clock, of backup.Target, id string) {
	t.Helper()
	succeed(t, store, c, of, id)
	err := store.Tell(t.Context(), of, func(*backup.Told) (letters []backup.Letter) {
		for _, skipped := range []bool{false, true} {
			letters = append(letters, backup.Letter{Channel: "mail", Topic: backup.Topic(of, skipped), Made: c.t, Body: []byte("{}")})
		}
		return letters
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.NoteReadBack(t.Context(), of, []string{"home/" + id}, c.t); err != nil {
		t.Fatal(err)
	}
}

// rowsOf counts the rows of each table but those of facts, which are of no job.
func rowsOf(t *testing.T, store *Store) map[string]int {
	t.Helper()
	found := map[string]int{}
	var tables []string
	err := store.read(t.Context(), func(tx *sql.Tx) error {
		return each(t.Context(), tx, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'facts'", nil,
			func(scan func(...any) error) error {
				var name string
				err := scan(&name)
				tables = append(tables, name)
				return err
			})
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		var count int
		if err := store.db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&count); err != nil {
			t.Fatal(err)
		}
		found[table] = count
	}
	return found
}

// What is dropped is all of one job on one repository, in whatever table, and nothing of another whose names begin alike.
func TestForget(t *testing.T) {
	c := &clock{start}
	store := openStore(t, filepath.Join(t.TempDir(), "history.db"), c.now)
	learn(t, store, c, target("old", "/repo more"), "run-0")
	learn(t, store, c, target("older", "/repo"), "run-1")
	learn(t, store, c, target("home", "/repo"), "run-2")
	before := rowsOf(t, store)
	old := target("old", "/repo")
	learn(t, store, c, old, "run-3")
	if places, err := store.Places(t.Context(), "old"); err != nil || len(places) != 2 || places[0] != (Place{"/repo", "nas", 1}) {
		t.Errorf("places: %+v, %v", places, err)
	}
	if err := store.Forget(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, rowsOf(t, store)); diff != "" {
		t.Errorf("rows before it ran and after it is forgotten (-want +got):\n%s", diff)
	}
	if last, err := store.Recall(t.Context(), old); err != nil || !last.SuccessEnded.IsZero() || last.Shared.ID != "abc" {
		t.Errorf("what is known of the repository itself is to stay: %+v, %v", last, err)
	}
	if places, err := store.Places(t.Context(), "old"); err != nil || len(places) != 1 {
		t.Errorf("places: %+v, %v", places, err)
	}
}

func TestUnsettled(t *testing.T) {
	c := &clock{start}
	store := openStore(t, filepath.Join(t.TempDir(), "history.db"), c.now)
	newScript(t, store, c, target("away", "/other"), "run-0").begin()
	home := newScript(t, store, c, target("home", "/repo"), "run-1")
	home.begin()
	for _, want := range []string{"home", ""} {
		if job, err := store.Unsettled(t.Context(), "/repo"); err != nil || job != want {
			t.Errorf("%q, %v, want %q", job, err, want)
		}
		home.end()
	}
}
