package dump

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"borgcron/internal/backup"
)

// sqliteSuffixes are the files that SQLite keeps beside a database: what was committed and is not in it yet, the index of that, and what
// undoes a transaction that was cut off.
var sqliteSuffixes = []string{"-wal", "-shm", "-journal"}

// sqlite is a file of SQLite. The dump is the file itself, as it was at one moment between two transactions.
type sqlite struct {
	patience time.Duration // how long a lock is waited for; 0: 30 s
}

func (s sqlite) wait() time.Duration { return cmp.Or(s.patience, 30*time.Second) }

func (s sqlite) parts(ctx context.Context, _ *Maker, database *backup.Database) ([]backup.DatabaseDump, error) {
	path, err := filepath.Abs(database.Path)
	if err != nil {
		return nil, fmt.Errorf("find the database's file: %w", err)
	}
	r, err := s.read(ctx, path)
	if err == nil {
		err = r.close()
	}
	if err != nil {
		return nil, sqliteFailure("dump", path, err)
	}
	return []backup.DatabaseDump{{Kind: backup.OneDatabase, Type: "sqlite", Server: database.Server(), Name: path, Format: "sqlite"}}, nil
}

// estimate counts what is not in the file yet as well: at the end of its transactions it may be.
func (sqlite) estimate(_ context.Context, _ *Maker, part Part) (int64, error) {
	info, err := regular(part.Name)
	if err != nil {
		return 0, sqliteFailure("dump", "", err)
	}
	path, err := filepath.EvalSymlinks(part.Name)
	if err != nil {
		return 0, sqliteFailure("dump", "", err)
	}
	return info.Size() + sizeOf(path+"-wal"), nil
}

func (s sqlite) dump(ctx context.Context, m *Maker, part Part, w io.Writer) error {
	return sqliteFailure("dump", "", s.copy(ctx, m, part.Name, w))
}

func (s sqlite) holds(ctx context.Context, _ *Maker, target Target) (string, error) {
	path := target.Database.Path
	info, err := regular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", sqliteFailure("restore-database", path, err)
	}
	if info.Size() == 0 {
		return "", nil
	}
	what := fmt.Sprintf("file %s with %d bytes", path, info.Size()) // it may be damaged, or something else
	if r, err := s.read(ctx, path); err == nil {
		what = fmt.Sprintf("file %s with %d tables", path, r.tables)
		_ = r.close()
	}
	return what, nil
}

// regular returns what is known of a database's file. The error says why it is none.
func regular(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = errNoFile
	}
	return info, err
}

// sizeOf is the size of a file, 0 if it is not there.
func sizeOf(path string) int64 {
	info, err := os.Lstat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// beside tells whether one of these files is beside the database.
func beside(path string, suffixes ...string) bool {
	return slices.ContainsFunc(suffixes, func(suffix string) bool {
		_, err := os.Lstat(path + suffix)
		return err == nil
	})
}

// sqliteFailure says what is wrong with a database, and what to do. The path leads the message, unless the caller names it.
func sqliteFailure(op, path string, err error) error {
	if err == nil {
		return nil
	}
	var failure *backup.Failure
	if !errors.As(err, &failure) {
		class, message, hint := explainSQLite(err)
		failure = &backup.Failure{Op: op, Code: -1, Class: class, Message: message, Hint: hint, Err: err}
	}
	if path != "" {
		named := *failure
		named.Message = path + ": " + named.Message
		failure = &named
	}
	failure.Op, failure.Message = op, backup.CleanLine(strings.TrimSpace(failure.Message), 500)
	return failure
}
