package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"borgcron/internal/backup"
)

// Recall returns what is known of a job on a repository; of what is not known, the zero value.
func (s *Store) Recall(ctx context.Context, t backup.Target) (last backup.Last, err error) {
	err = s.read(ctx, func(tx *sql.Tx) error {
		known, err := recall(ctx, tx, t)
		if err != nil {
			return err
		}
		last = known.Last
		last.Open, err = openNow(ctx, tx, t)
		return err
	})
	return last, about("knowledge", t, err)
}

// RepositoryID is borg's id of a repository, "" if it is not known.
func (s *Store) RepositoryID(ctx context.Context, key string) string {
	var shared backup.Shared
	_ = s.read(ctx, func(tx *sql.Tx) error { // what cannot be read is not known
		_, err := load(ctx, tx, &shared, "SELECT shared FROM repositories WHERE repository_key = ?", key)
		return err
	})
	return shared.ID
}

// openNow returns the step that was begun and is not known to have ended, "" if there is none. Its row says so: to
// write all that is known at the start of each step would take longer than all the rest.
func openNow(ctx context.Context, tx *sql.Tx, t backup.Target) (step backup.Step, err error) {
	err = tx.QueryRowContext(ctx, `SELECT step FROM runs CROSS JOIN steps ON steps.run = runs.id
		WHERE runs.job = ? AND runs.repository_key = ? AND runs.outcome IS NULL AND steps.outcome IS NULL AND step NOT IN (?, ?)
		ORDER BY steps.id DESC LIMIT 1`, t.Job.Name, t.Repository.Key(), backup.Before, backup.After).Scan(&step)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return step, err
}

// Save takes over what was learned outside a step of a run.
func (s *Store) Save(ctx context.Context, t backup.Target, last backup.Last) error {
	err := s.write(ctx, true, func(tx *sql.Tx) error { return save(ctx, tx, t, known{Last: last}) })
	return about("knowledge", t, err)
}

// Note adds a word to the newest run of a job on a repository; without any run there is nothing to add it to.
func (s *Store) Note(ctx context.Context, t backup.Target, note string) error {
	err := s.write(ctx, false, func(tx *sql.Tx) error {
		var run string
		err := tx.QueryRowContext(ctx, "SELECT id FROM runs WHERE job = ? AND repository_key = ? ORDER BY started DESC LIMIT 1",
			t.Job.Name, t.Repository.Key()).Scan(&run)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		return addNote(ctx, tx, run, note)
	})
	return about("a note", t, err)
}

// amend changes what is known.
func amend(ctx context.Context, tx *sql.Tx, t backup.Target, change func(*backup.Last)) error {
	known, err := recall(ctx, tx, t)
	if err != nil {
		return err
	}
	change(&known.Last)
	return save(ctx, tx, t, known)
}

// known is what is known, and the texts that say so in the tables; "" where there is none.
type known struct {
	backup.Last
	target, repository string
}

// recall returns what is known but for the open step.
func recall(ctx context.Context, tx *sql.Tx, t backup.Target) (k known, err error) {
	key := t.Repository.Key()
	k.target, err = load(ctx, tx, &k.Last, "SELECT last FROM targets WHERE job = ? AND repository_key = ?", t.Job.Name, key)
	if err != nil {
		return known{}, err
	}
	k.repository, err = load(ctx, tx, &k.Shared, "SELECT shared FROM repositories WHERE repository_key = ?", key)
	if err != nil || k.repository != "" {
		return k, err
	}
	err = tx.QueryRowContext(ctx, "SELECT value FROM facts WHERE name = 'lost'").Scan(&k.Shared.Suspect)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return k, err
}

// load decodes the one value of a query and returns its text, "" if there is none.
func load(ctx context.Context, tx *sql.Tx, value any, query string, args ...any) (encoded string, err error) {
	err = tx.QueryRowContext(ctx, query, args...).Scan(&encoded)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return encoded, decode([]byte(encoded), value)
}

func decode(encoded []byte, value any) error {
	if err := json.Unmarshal(encoded, value); err != nil {
		return &errForeign{fmt.Sprintf("it is damaged: what was known cannot be read: %v", err)}
	}
	return nil
}

// save writes what differs from what the tables say.
func save(ctx context.Context, tx *sql.Tx, t backup.Target, k known) error {
	key := t.Repository.Key()
	encoded, err := text(k.Last)
	if err != nil {
		return err
	}
	if encoded != k.target {
		if _, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO targets VALUES (?, ?, ?)", t.Job.Name, key, encoded); err != nil {
			return err
		}
	}
	if encoded, err = text(k.Shared); err != nil || encoded == k.repository {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO repositories VALUES (?, ?)", key, encoded)
	return err
}

// dropOld lets the target's old runs fall away, and the old ends of logs. It counts up to 20,000 runs, so it is done in
// the first run of a day only.
func dropOld(ctx context.Context, tx *sql.Tx, t backup.Target, run backup.Run, now time.Time) error {
	var again bool
	err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM runs WHERE job = ? AND repository_key = ? AND started >= ? AND started < ?)",
		t.Job.Name, t.Repository.Key(), run.Started.Truncate(24*time.Hour).UnixMicro(), run.Started.UnixMicro()).Scan(&again)
	if err != nil || again {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM runs WHERE job = ?1 AND repository_key = ?2 AND started < max(
			coalesce((SELECT started FROM runs WHERE job = ?1 AND repository_key = ?2 ORDER BY started DESC LIMIT 1 OFFSET ?3 - 1), -1 << 63),
			coalesce(min(?4, (SELECT started FROM runs WHERE job = ?1 AND repository_key = ?2 ORDER BY started DESC LIMIT 1 OFFSET ?5 - 1)), -1 << 63))`,
		t.Job.Name, t.Repository.Key(), mostRuns, now.Add(-keepRuns).UnixMicro(), leastRuns)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "UPDATE steps SET tail = '' WHERE tail <> '' AND started < ?", now.Add(-keepTails).UnixMicro())
	return err
}
