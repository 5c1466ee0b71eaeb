package dump

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"borgcron/internal/backup"
)

// busyStep is how long SQLite itself waits for a lock: it cannot be interrupted then.
const busyStep = 500 * time.Millisecond

var (
	errNoFile  = errors.New("is no regular file")
	errDamaged = errors.New("is damaged")
	errChanged = errors.New("changed while it was read")
)

// reading is a read transaction on a database: whatever others write, it sees one state.
type reading struct {
	db     *sql.DB
	tx     *sql.Tx
	path   string // of the file itself
	tables int
	wal    bool     // others can write meanwhile
	before *version // nil: it is locked; else of the file before anything was read: whether it changed is to be looked at afterwards
}

func (r *reading) close() error { return errors.Join(r.tx.Rollback(), r.db.Close()) }

// read begins a read transaction. It waits for a lock as long as the patience goes.
//
// A log that is there belongs to somebody else, so the file is opened for reading only: nothing then carries the log over or removes it. Without
// a log there may have to be one for the time of reading, and only who may write removes it again; it also undoes what a program
// that was cut off has left, as every program that opens the database does. Who may not write there can still read the file alone while nobody has a
// log, as nobody writes then.
func (s sqlite) read(ctx context.Context, path string) (*reading, error) {
	path, err := filepath.EvalSymlinks(path) // as SQLite does: its other files are beside the one that is meant
	if err != nil {
		return nil, err
	}
	if _, err = regular(path); err != nil {
		return nil, err
	}
	if err = unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK, unix.AT_EACCESS); err != nil { // SQLite's own message hides it
		return nil, err
	}
	for end := time.Now().Add(s.wait()); ; {
		r, err := begin(ctx, path, mode(path))
		if !isBusy(err) || ctx.Err() != nil || time.Now().After(end) {
			if isShut(err) && !beside(path, sqliteSuffixes...) {
				return beginUnlocked(ctx, path)
			}
			return r, err
		}
	}
}

func mode(path string) string {
	if beside(path, "-wal", "-shm") {
		return "mode=ro"
	}
	return "mode=rw"
}

// sqliteName makes the driver's name for a database. The path is escaped: it may hold `?`, `#` and `%`.
func sqliteName(path, mode string) string {
	return fmt.Sprintf("file:%s?_pragma=busy_timeout(%d)&_pragma=trusted_schema(0)&_pragma=query_only(1)&%s",
		(&url.URL{Path: path}).EscapedPath(), busyStep.Milliseconds(), mode)
}

// begin opens a database and its read transaction. Its first statement pins the state.
func begin(ctx context.Context, path, mode string) (_ *reading, err error) {
	db, err := sql.Open("sqlite", sqliteName(path, mode))
	if err != nil {
		return nil, err
	}
	r := &reading{db: db, path: path}
	r.tx, err = db.BeginTx(ctx, nil)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	var journal string
	err = r.tx.QueryRowContext(ctx, "SELECT count(*) FILTER (WHERE type = 'table') FROM sqlite_schema").Scan(&r.tables)
	if err == nil {
		err = r.tx.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&journal)
	}
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	r.wal = journal == "wal"
	return r, nil
}

// beginUnlocked begins to read a file that cannot be locked.
func beginUnlocked(ctx context.Context, path string) (*reading, error) {
	before, err := versionOf(path)
	if err != nil {
		return nil, err
	}
	r, err := begin(ctx, path, "mode=ro&immutable=1")
	if err == nil {
		r.before = &before
	}
	return r, err
}

func isCode(err error, code int) bool {
	var failed *driver.Error
	return errors.As(err, &failed) && failed.Code()&0xff == code
}

// isShut tells whether a log could not be made for want of rights in the folder.
func isShut(err error) bool {
	var failed *driver.Error
	return isCode(err, codes.SQLITE_CANTOPEN) || errors.As(err, &failed) && failed.Code() == codes.SQLITE_READONLY_DIRECTORY
}

func isBusy(err error) bool {
	return isCode(err, codes.SQLITE_BUSY) || isCode(err, codes.SQLITE_LOCKED) || isCode(err, codes.SQLITE_PROTOCOL)
}

// isBroken tells whether what was read is no whole database.
func isBroken(err error) bool {
	return isCode(err, codes.SQLITE_NOTADB) || isCode(err, codes.SQLITE_CORRUPT) || errors.Is(err, errDamaged)
}

// explainSQLite says in words what an error means, and what helps.
func explainSQLite(err error) (class backup.Class, message, hint string) {
	const permanent = backup.Permanent
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), isCode(err, codes.SQLITE_INTERRUPT):
		return permanent, "was stopped", ""
	case isBusy(err):
		return backup.Transient, "the database is locked by another program", "find out which program holds it locked for so long, e.g. with fuser"
	case errors.Is(err, fs.ErrNotExist):
		return permanent, "the file does not exist", "correct `path`, or remove the entry"
	case errors.Is(err, errNoFile):
		return permanent, "is no regular file", "correct `path`"
	case errors.Is(err, fs.ErrPermission), isCode(err, codes.SQLITE_PERM), isCode(err, codes.SQLITE_AUTH), isCode(err, codes.SQLITE_READONLY):
		return permanent, cmp.Or(plain(err), "permission denied"), "let a user run the job who may read and write the file, or root"
	case isCode(err, codes.SQLITE_CANTOPEN):
		return permanent, "the database cannot be opened", "its user needs write access to the file's folder while other programs use it, or run the job as root"
	case isCode(err, codes.SQLITE_NOTADB):
		return permanent, "the file is not a database", "correct `path`; an encrypted database can only be dumped by the program it belongs to"
	case isBroken(err):
		return permanent, "the database is damaged: " + err.Error(), "look at it with PRAGMA integrity_check, and restore it from an older archive"
	case isFull(err), isCode(err, codes.SQLITE_FULL):
		return permanent, "the disk is full: " + err.Error(), "make room there"
	case isCode(err, codes.SQLITE_IOERR):
		return permanent, err.Error(), "look at the disk: the system's log says more"
	case errors.Is(err, errChanged):
		return backup.Transient, "the database changes all the time while it is read, and cannot be locked", "give the job's user write access to the file's folder, or run it as root"
	}
	return permanent, err.Error(), ""
}

// plain is the system's own word for an error, "" if it is not the system's.
func plain(err error) string {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number.Error()
	}
	return ""
}

// isFull tells whether a disk or a quota is full.
func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }
