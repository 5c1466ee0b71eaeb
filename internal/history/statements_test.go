package history

import (
	"database/sql"
	"path/filepath"
	"testing"
)

// A statement that is put again while its rows are being read has rows of its own.
func TestStatementInUse(t *testing.T) {
	c := &clock{start}
	store := openStore(t, filepath.Join(t.TempDir(), "history.db"), c.now)
	for _, id := range []string{"1", "2", "3"} {
		succeed(t, store, c, target("home", "/repo"), id)
	}
	const query = "SELECT id FROM runs WHERE job = ? ORDER BY id"
	var pairs []string
	err := store.read(t.Context(), func(tx *sql.Tx) error {
		for range 2 { // the second time it is known
			pairs = nil
			err := each(t.Context(), tx, query, []any{"home"}, func(scan func(...any) error) error {
				var outer string
				if err := scan(&outer); err != nil {
					return err
				}
				return each(t.Context(), tx, query, []any{"home"}, func(scan func(...any) error) error {
					var inner string
					err := scan(&inner)
					pairs = append(pairs, outer+inner)
					return err
				})
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || len(pairs) != 9 || pairs[0] != "11" || pairs[8] != "33" {
		t.Errorf("%v: %q", err, pairs)
	}
}

// An error does not spoil a statement for the next use, and neither does a change of the tables.
func TestStatementAfterAnError(t *testing.T) {
	c := &clock{start}
	store := openStore(t, filepath.Join(t.TempDir(), "history.db"), c.now)
	insert := func(id any) error {
		return store.write(t.Context(), false, func(tx *sql.Tx) error {
			_, err := tx.Exec("INSERT INTO facts VALUES (?, 'x')", id)
			return err
		})
	}
	for _, step := range []struct {
		id any
		ok bool
	}{{"a", true}, {"a", false}, {"b", true}, {nil, false}, {"c", true}} {
		if err := insert(step.id); (err == nil) != step.ok {
			t.Errorf("%v: %v", step.id, err)
		}
	}
	if _, err := store.db.Exec("ALTER TABLE facts ADD COLUMN more TEXT; UPDATE facts SET more = 'y'"); err != nil {
		t.Fatal(err)
	}
	if err := insert("d"); err == nil {
		t.Error("two values for three columns")
	}
	if _, err := store.db.Exec("ALTER TABLE facts DROP COLUMN more"); err != nil {
		t.Fatal(err)
	}
	if err := insert("d"); err != nil {
		t.Error(err)
	}
	var n int
	if err := store.db.QueryRow("SELECT count(*) FROM facts WHERE value = 'x'").Scan(&n); err != nil || n != 4 {
		t.Errorf("%d, %v", n, err)
	}
}
