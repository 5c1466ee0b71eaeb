package history

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"borgcron/internal/machine"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// applicationID marks the file as ours ("brgc"), so that a foreign database is not taken for an empty one.
	applicationID = 0x62726763
	// checkEvery is how often the whole file is looked through for damage.
	checkEvery = 24 * time.Hour
)

// errForeign says why a file is not the history.
type errForeign struct{ reason string }

func (e *errForeign) Error() string { return e.reason }

// Open opens the history for writing and makes it if it is missing. One that is damaged is set aside (SetAside
// then says where it is) and begun anew; an error means that there is none to write to.
func Open(ctx context.Context, path string, now func() time.Time) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("history: make the state folder: %w", err)
	}
	unlock, err := lockOpening(path)
	if err != nil {
		return nil, err
	}
	defer unlock()
	store := &Store{now: now, path: path, heard: map[string]time.Time{}, seen: map[warningsOf]int{}}
	if err := store.open(ctx); err != nil {
		return nil, fmt.Errorf("history: open %s: %w", path, err)
	}
	return store, nil
}

// open opens what is there, or a new one if that is damaged. The caller has locked the opening.
func (s *Store) open(ctx context.Context) error {
	db, err := openWhole(ctx, s.path, s.now())
	if isDamage(err) {
		return s.beginAnew(ctx, err)
	}
	return s.use(db, err)
}

// use takes over what openWhole returned.
func (s *Store) use(db *sql.DB, err error) error {
	if err != nil {
		return err
	}
	s.db, s.syncs = db, true
	s.file, err = os.Stat(s.path)
	return err
}

// OpenReader opens the history for reading. It changes nothing and makes no file; if there is none yet, or
// nothing in it, the error is fs.ErrNotExist.
func OpenReader(ctx context.Context, path string, now func() time.Time) (*Store, error) {
	if err := readable(path); err != nil { // SQLite's own "unable to open" hides the reason, and it waits for a pipe
		return nil, fmt.Errorf("history: %w", err)
	}
	db, err := sql.Open("sqlite", dsn(path, "mode=ro"))
	if err != nil {
		return nil, fmt.Errorf("history: open %s: %w", path, err)
	}
	version, err := versionOf(ctx, db)
	if err == nil && version == 0 {
		err = fs.ErrNotExist
	}
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("history: read %s: %w", path, err)
	}
	return &Store{now: now, path: path, db: db, version: version}, nil
}

// dsn makes the driver's name for the database. The path is escaped: it may hold `?`, `#` and `%`.
func dsn(path string, more string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)&_pragma=trusted_schema(0)&" + more
}

// openWhole opens what is there, or makes it, and sees that it is ours, whole and of this version.
func openWhole(ctx context.Context, path string, now time.Time) (*sql.DB, error) {
	if err := makeFile(path); err != nil {
		return nil, err
	}
	// Whenever database/sql makes a new connection, it syncs.
	db := sql.OpenDB(&connector{name: dsn(path, "_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")})
	db.SetMaxOpenConns(1) // so that PRAGMA synchronous is that of the transactions that follow
	err := migrate(ctx, db)
	if err == nil {
		err = check(ctx, db, now)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// makeFile makes the database's file before SQLite does, readable by its owner only; SQLite gives the files
// beside it the same mode. A file that was there and is empty has lost what was in it.
func makeFile(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err == nil {
		return file.Close()
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return &errForeign{"it is a symbolic link"} // to what may be any file
	case !info.Mode().IsRegular():
		return &errForeign{"it is no regular file"}
	case info.Size() == 0:
		return &errForeign{"it is empty"}
	case info.Mode().Perm()&0o077 != 0:
		return closeToOthers(path)
	}
	return nil
}

// closeToOthers lets nobody but its owner read the file that is there, and only that.
func closeToOthers(path string) error {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	return file.Chmod(0o600)
}

// readable tells why a file cannot be read as a database, nil if it perhaps can.
func readable(path string) error {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return fmt.Errorf("%s is a symbolic link", path)
	}
	if err != nil {
		return err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return errors.Join(fmt.Errorf("%s is no regular file", path), err)
	}
	return nil
}

// versionOf returns the number of the last migration that was done, 0 for none.
func versionOf(ctx context.Context, db *sql.DB) (version int, err error) {
	var id int
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return 0, err
	}
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return 0, err
	}
	var tables int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return 0, err
	}
	newest, err := newestMigration()
	switch {
	case err != nil:
		return 0, err
	case tables > 0 && id != applicationID:
		return 0, &errForeign{"it is a database of another program"}
	case version > newest:
		return 0, &errForeign{fmt.Sprintf("it was written by a newer borgcron (version %d of its tables, known are %d)", version, newest)}
	}
	return version, nil
}

func newestMigration() (int, error) {
	files, err := migrations.ReadDir("migrations")
	return len(files), err
}

// migrate brings the tables to the newest version, each step whole or not at all.
func migrate(ctx context.Context, db *sql.DB) error {
	version, err := versionOf(ctx, db)
	if err != nil {
		return err
	}
	newest, err := newestMigration()
	if err != nil {
		return err
	}
	for version++; version <= newest; version++ {
		script, err := migrations.ReadFile(fmt.Sprintf("migrations/%04d.sql", version))
		if err != nil {
			return err
		}
		script = fmt.Appendf(script, "\nPRAGMA application_id=%d; PRAGMA user_version=%d;", applicationID, version)
		err = transact(ctx, db, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, string(script))
			return err
		})
		if err != nil {
			return fmt.Errorf("migrate to version %d: %w", version, err)
		}
	}
	return nil
}

// check looks through the file, which takes seconds if it is large, if that was not done for a day; and once after the
// machine came up again if a run has not ended: then the machine may have been cut off, too.
func check(ctx context.Context, db *sql.DB, now time.Time) error {
	var checked string
	var open bool
	err := db.QueryRowContext(ctx, `SELECT coalesce((SELECT value FROM facts WHERE name = 'checked'), ''),
		EXISTS (SELECT 1 FROM runs WHERE outcome IS NULL)`).Scan(&checked, &open)
	if err != nil {
		return err
	}
	var last int64
	var boot string
	_, _ = fmt.Sscan(checked, &last, &boot) // what is not there is zero
	same := boot != "" && boot == machine.BootID()
	if age := now.Sub(time.UnixMicro(last)); (!open || same) && age >= 0 && age < checkEvery {
		return nil
	}
	var answer string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&answer); err != nil {
		return err
	}
	if answer != "ok" {
		return &errForeign{"it is damaged: " + answer}
	}
	_, err = db.ExecContext(ctx, "INSERT OR REPLACE INTO facts VALUES ('checked', ?)", fmt.Sprint(now.UnixMicro(), " ", machine.BootID()))
	return err
}
