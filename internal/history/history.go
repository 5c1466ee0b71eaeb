// Package history keeps all runs, and what they taught, in an SQLite database that only its owner can read.
//
// Two kinds of things are in it: the rows (runs, steps, attempts, warnings, figures), which people look at, and
// the knowledge (backup.Last), the fold of all results, by which the next run decides. Runs older than two
// years, and those beyond the newest 20,000 of a job on a repository, fall away; the ends of logs do after 90
// days. The newest 100 stay whatever their age, so that a clock that went wrong does not empty the history.
package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"borgcron/internal/backup"
)

const (
	keepRuns  = 2 * 365 * 24 * time.Hour
	keepTails = 90 * 24 * time.Hour
	mostRuns  = 20_000
	leastRuns = 100
)

// Store is the history. Its methods may be called at the same time, also by several processes with a Store each.
type Store struct {
	now      func() time.Time
	path     string
	setAside string
	version  int // of the tables, where they are only read: 0 stands for the newest

	mu    sync.Mutex
	db    *sql.DB
	syncs bool                 // what db writes is on the disk at the end of a transaction
	file  os.FileInfo          // the database's, when it was opened
	heard map[string]time.Time // of each run, when its last sign of life was written
	seen  map[warningsOf]int   // of each step, how many warnings of a kind have come
}

// SetAside says that the history was found damaged and where it lies now; "" if it was not. What it guarded
// waits for a clean check of each repository: Recall says so in Shared.Suspect.
func (s *Store) SetAside() string { return s.setAside }

// Close ends the use of the store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.db.Close()
}

// write does something in one transaction. With synced, it is on the disk when write returns, whatever
// happens to the machine then; without, it may be lost (whole, never in part) if the power fails.
func (s *Store) write(ctx context.Context, synced bool, deed func(*sql.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if synced != s.syncs {
		mode := map[bool]string{true: "FULL", false: "NORMAL"}[synced]
		if _, err := s.db.ExecContext(ctx, "PRAGMA synchronous="+mode); err != nil {
			return s.judge(ctx, err)
		}
		s.syncs = synced
	}
	return s.judge(ctx, transact(ctx, s.db, deed))
}

// read does something that changes nothing, on one state of the database.
func (s *Store) read(ctx context.Context, deed func(*sql.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.judge(ctx, transact(ctx, s.db, deed))
}

func transact(ctx context.Context, db *sql.DB, deed func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	if err := deed(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// isDamage tells whether an error says that the file is no database of ours, or no whole one.
func isDamage(err error) bool {
	var foreign *errForeign
	if errors.As(err, &foreign) {
		return true
	}
	var failure *sqlite.Error
	if !errors.As(err, &failure) {
		return false
	}
	switch failure.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return true
	}
	return false
}

// micros is how times are stored; the zero time is NULL.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// moment reads what micros wrote.
func moment(stored sql.NullInt64) time.Time {
	if !stored.Valid {
		return time.Time{}
	}
	return time.UnixMicro(stored.Int64)
}

// text is how lists and knowledge are stored.
func text(value any) (string, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("encode %T: %w", value, err)
	}
	return string(data), nil
}

// about puts the job and the repository's name, never its location, before an error.
func about(what string, t backup.Target, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("history: %s of job %s on %s: %w", what, t.Job.Name, t.Job.RepositoryName(t.Repository), err)
}
