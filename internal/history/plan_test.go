package history

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"modernc.org/sqlite"

	"borgcron/internal/backup"
)

// listener is SQLite that takes down every query with its arguments.
type listener struct {
	sqlite sqlite.Driver
	path   string
	heard  map[string][]driver.NamedValue
}

func (l *listener) Connect(context.Context) (driver.Conn, error) {
	conn, err := l.sqlite.Open(l.path)
	if err != nil {
		return nil, err
	}
	return &listening{conn.(connection), l}, nil
}

func (l *listener) Driver() driver.Driver { return &l.sqlite }

type listening struct {
	connection
	to *listener
}

func (l *listening) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	l.to.heard[query] = args
	return l.connection.QueryContext(ctx, query, args)
}

func (l *listening) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	l.to.heard[query] = args
	return l.connection.ExecContext(ctx, query, args)
}

// Whatever is asked, and whatever a run writes, an index finds it: how long that takes does not depend on how many
// runs there are. The plan depends on the tables alone: no statistics of what is in them are kept.
func TestNothingIsScanned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	c := &clock{start}
	store := openStore(t, path, c.now)
	l := &listener{path: dsn(path, "_txlock=immediate"), heard: map[string][]driver.NamedValue{}}
	db := sql.OpenDB(l)
	db.SetMaxOpenConns(1)
	store.db.Close()
	store.db = db

	home := target("home", "/repo")
	succeed(t, store, c, home, "run-1")
	dead := newScript(t, store, c, home, "run-2")
	dead.begin()
	dead.beginStep(backup.Check)
	for _, query := range []Query{
		{}, {Job: "home"}, {Repository: "nas"}, {Job: "home", Repository: "nas"}, {Limit: 5}, {Job: "home", Limit: 5}, {Repository: "nas", Limit: 5},
		{Job: "home", Repository: "nas", Limit: 5},
	} {
		if _, err := store.Runs(t.Context(), query); err != nil {
			t.Error(err)
		}
		if _, err := store.Trends(t.Context(), query); err != nil {
			t.Error(err)
		}
	}
	for name, ask := range map[string]func() error{
		"jobs":     func() error { _, err := store.Jobs(t.Context()); return err },
		"run":      func() error { _, err := store.Run(t.Context(), "run-1"); return err },
		"recall":   func() error { _, err := store.Recall(t.Context(), home); return err },
		"recent":   func() error { _, err := store.Recent(t.Context(), home, 30); return err },
		"dangling": func() error { _, err := store.Dangling(t.Context(), home); return err },
		"reap":     func() error { _, err := store.Reap(t.Context(), home); return err },
		"note":     func() error { return store.Note(t.Context(), home, "a word") },
		"check":    func() error { return check(t.Context(), db, c.now()) },
	} {
		if err := ask(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	explained := 0
	for query, named := range maps.Clone(l.heard) {
		if strings.HasPrefix(query, "PRAGMA") {
			continue
		}
		var args []any
		for _, arg := range named {
			args = append(args, arg.Value)
		}
		for _, step := range planOf(t, db, query, args) {
			if scans(step) {
				t.Errorf("%s\n  in: %s", step, query)
			}
		}
		explained++
	}
	if explained < 30 {
		t.Errorf("only %d queries were looked at", explained)
	}
}

func planOf(t *testing.T, db *sql.DB, query string, args []any) (steps []string) {
	t.Helper()
	rows, err := db.Query("EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}

// scans tells whether a step of a plan reads a large table from its beginning. Read in the order of its start, or over
// a partial index, it ends soon.
func scans(step string) bool {
	for _, table := range []string{"runs", "steps", "attempts", "warnings", "counts"} {
		if step == "SCAN "+table || strings.HasPrefix(step, "SCAN "+table+" ") {
			return !strings.HasSuffix(step, "USING INDEX runs_by_start") && !strings.HasSuffix(step, "INDEX runs_open")
		}
	}
	return false
}

// A test of the test: what it is to find, it does.
func TestScansAreSeen(t *testing.T) {
	store := openStore(t, filepath.Join(t.TempDir(), "history.db"), (&clock{start}).now)
	for query, want := range map[string]bool{
		"SELECT * FROM runs WHERE ('' = '' OR job = 'home')":                         true,
		"SELECT count(*) FROM runs":                                                  true,
		"SELECT * FROM steps WHERE step = 'create'":                                  true,
		"SELECT * FROM runs WHERE job = 'home'":                                      false,
		"SELECT * FROM runs WHERE outcome IS NOT NULL ORDER BY started DESC LIMIT 2": false,
		"SELECT * FROM runs, steps WHERE steps.run = runs.id AND runs.job = 'home'":  false,
	} {
		got := false
		for _, step := range planOf(t, store.db, query, nil) {
			got = got || scans(step)
		}
		if got != want {
			t.Errorf("%s: %t: %s", query, got, fmt.Sprint(planOf(t, store.db, query, nil)))
		}
	}
}
