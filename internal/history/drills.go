package history

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"borgcron/internal/backup"
)

// keepReadBack is how long it is known that a file was read back. After that it counts as one that never was.
const keepReadBack = 2 * 365 * 24 * time.Hour

// pathKey stands for a path, so that a million of them take little room.
type pathKey [16]byte

func keyOf(path string) pathKey {
	sum := sha256.Sum256([]byte(path))
	return pathKey(sum[:16])
}

// ReadBack returns when a path of a job's archives was last read back by a drill; of an unknown one it is the zero time.
func (s *Store) ReadBack(ctx context.Context, t backup.Target) (func(path string) time.Time, error) {
	known := map[pathKey]int64{}
	err := s.read(ctx, func(tx *sql.Tx) error {
		return each(ctx, tx, "SELECT path, at FROM read_back WHERE job = ? AND repository_key = ?", []any{t.Job.Name, t.Repository.Key()},
			func(scan func(...any) error) error {
				var path []byte
				var at int64
				err := scan(&path, &at)
				if len(path) == len(pathKey{}) {
					known[pathKey(path)] = at
				}
				return err
			})
	})
	return func(path string) time.Time {
		if at, found := known[keyOf(path)]; found {
			return time.UnixMicro(at)
		}
		return time.Time{}
	}, about("what was read back", t, err)
}

// NoteReadBack notes that these paths were read back now, a part at a time, so that others can write in between. What is too old
// to matter goes, of jobs that are no more as well.
func (s *Store) NoteReadBack(ctx context.Context, t backup.Target, paths []string, now time.Time) error {
	const part = 10_000
	err := s.write(ctx, false, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM read_back WHERE at < ?", now.Add(-keepReadBack).UnixMicro())
		return err
	})
	for some := range slices.Chunk(paths, part) {
		if err != nil {
			break
		}
		err = s.write(ctx, false, func(tx *sql.Tx) error { return noteReadBack(ctx, tx, t, some, now) })
	}
	return about("what was read back", t, err)
}

func noteReadBack(ctx context.Context, tx *sql.Tx, t backup.Target, paths []string, now time.Time) error {
	insert, err := tx.PrepareContext(ctx, "INSERT OR REPLACE INTO read_back VALUES (?, ?, ?, ?)")
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }()
	for _, path := range paths {
		hash := keyOf(path)
		if _, err := insert.ExecContext(ctx, t.Job.Name, t.Repository.Key(), hash[:], now.UnixMicro()); err != nil {
			return err
		}
	}
	return nil
}

func writeDrill(ctx context.Context, tx *sql.Tx, step int64, drill *backup.Drill) error {
	if drill == nil {
		return nil
	}
	encoded, err := text(drill)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO drills VALUES (?, ?)", step, encoded)
	return err
}

// readDrill reads what a drill did, nil if the step was none; a history of an older form has nothing.
func readDrill(ctx context.Context, tx *sql.Tx, step int64) (*backup.Drill, error) {
	var tables int
	err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name = 'drills'").Scan(&tables)
	if err != nil || tables == 0 {
		return nil, err
	}
	var encoded []byte
	err = tx.QueryRowContext(ctx, "SELECT drill FROM drills WHERE step = ?", step).Scan(&encoded)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	drill := &backup.Drill{}
	return drill, json.Unmarshal(encoded, drill)
}
