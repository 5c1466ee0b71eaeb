package dump

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
)

// restore writes a new file beside the target's, looks through it, and only then puts it in its place: until then the target is as it was.
func (s sqlite) restore(ctx context.Context, _ *Maker, dump backup.DatabaseDump, target Target, r io.Reader) error {
	path, err := filepath.Abs(cmp.Or(target.Database.Path, dump.Name))
	if err != nil {
		return sqliteFailure("restore-database", "", err)
	}
	return sqliteFailure("restore-database", path, s.restoreTo(ctx, path, dump.Size, r))
}

func (s sqlite) restoreTo(ctx context.Context, path string, size int64, r io.Reader) error {
	folder, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return restoreFailure(err, fmt.Sprintf("its folder cannot be opened: %v", err), "make the folder, or name another place by --to")
	}
	file, err := newBeside(ctx, folder, filepath.Base(path))
	if err != nil {
		return err
	}
	defer file.abort()
	if err := fill(ctx, file.temp, size, r); err != nil {
		return err
	}
	if err := whole(ctx, file.temp.Name(), path); err != nil {
		return err
	}
	return s.replace(ctx, file, path)
}

func restoreFailure(err error, message, hint string) error {
	return &backup.Failure{Code: -1, Class: backup.Permanent, Err: err, Message: message, Hint: hint}
}

// newBeside makes a new file that nobody else reads, and gives it to the owner of the old one, else of the folder: the program that uses
// the database has to be able to write it.
func newBeside(ctx context.Context, folder *os.Root, name string) (*dumpFile, error) {
	mode := fs.FileMode(0o600)
	model, err := folder.Lstat(name)
	there := err == nil
	switch {
	case there && !model.Mode().IsRegular():
		return nil, errors.Join(restoreFailure(errNoFile, "is no regular file", "name the file itself: a symbolic link is not followed"), folder.Close())
	case there:
		mode = model.Mode().Perm()
	case errors.Is(err, fs.ErrNotExist):
		model, err = folder.Stat(".")
	}
	if err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	root := &dumpRoot{uid: -1, gid: -1}
	file, err := root.beginIn(ctx, folder, name, false)
	if err != nil {
		return nil, err
	}
	if uid, gid, known := ownerOf(model); known && (there || os.Geteuid() == 0) {
		err = hand(file.temp, uid, gid)
	}
	if err = errors.Join(err, file.temp.Chmod(mode)); err != nil {
		file.abort()
		return nil, restoreFailure(err, fmt.Sprintf("the new file cannot be given to the owner of the old one: %v", err), "let root restore it, or its owner")
	}
	return file, nil
}

// hand gives a file to an owner, who may have it already.
func hand(file *os.File, uid, gid int) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if haveUID, haveGID, known := ownerOf(info); known && haveUID == uid && haveGID == gid {
		return nil
	}
	return file.Chown(uid, gid)
}

// fill writes the dump to the disk. Size is what the dump had when it was made, 0 if that is not known.
func fill(ctx context.Context, file *os.File, size int64, r io.Reader) error {
	written, err := io.CopyBuffer(plainWriter{file}, readerWith(ctx, r), make([]byte, copyBuffer))
	if err == nil && size > 0 && written != size {
		err = fmt.Errorf("%w: %d of %d bytes came", io.ErrUnexpectedEOF, written, size)
	}
	if err == nil {
		return file.Sync()
	}
	if isFull(err) {
		return restoreFailure(err, "the disk is full", "make room beside the database: the new file and the old one are there at once")
	}
	return restoreFailure(err, fmt.Sprintf("the dump broke off: %v", err), "the database is as it was: try again")
}

// whole looks through a new file. What this SQLite does not know, a function of the program's own in a CHECK say, is no damage.
func whole(ctx context.Context, path, target string) error {
	info, err := os.Stat(path)
	if err != nil || info.Size() == 0 { // an empty file is an empty database
		return err
	}
	db, err := sql.Open("sqlite", sqliteName(path, "mode=ro&immutable=1&_pragma=ignore_check_constraints(1)")) // nobody else knows it, so no log is made
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	var size, count int64
	var answer string
	err = db.QueryRowContext(ctx, "SELECT page_size, page_count FROM pragma_page_size, pragma_page_count").Scan(&size, &count)
	if err == nil {
		err = db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&answer)
	}
	switch {
	case err == nil && size*count != info.Size():
		err = fmt.Errorf("%w: it has %d bytes for %d pages of %d", errDamaged, info.Size(), count, size)
	case err == nil && answer != "ok":
		err = fmt.Errorf("%w: %s", errDamaged, answer)
	}
	if err == nil || !isBroken(err) && ctx.Err() == nil && isCode(err, 1) {
		return nil
	}
	return restoreFailure(err, "what came is no whole database, "+filepath.Base(target)+" is as it was: "+err.Error(), "try an older archive")
}

// replace puts the new file in the place of the old one.
//
// What SQLite keeps beside a database belongs to its bytes: an old log beside a new database is replayed into it and destroys it. So what is in
// the old log is first carried into the old file; then a lock that no user of the old database tolerates is taken, and only under it
// the old log is removed and the new file renamed. A crash at any moment leaves either the old database or the new one, whole.
func (s sqlite) replace(ctx context.Context, file *dumpFile, path string) error {
	unlock, err := s.settleInTime(ctx, path)
	if err != nil {
		return err
	}
	defer unlock()
	for _, suffix := range sqliteSuffixes {
		if err := file.folder.Remove(file.name + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := file.folder.Rename(filepath.Base(file.temp.Name()), file.name); err != nil {
		return err
	}
	file.done = true
	return syncFolder(file.folder)
}

// settleInTime gives those who use the old database a moment to let go of it.
func (s sqlite) settleInTime(ctx context.Context, path string) (unlock func(), err error) {
	for end := time.Now().Add(min(s.wait(), 3*time.Second)); ; waitFor(ctx, 50*time.Millisecond) {
		unlock, err := s.settle(ctx, path)
		switch {
		case err == nil || ctx.Err() != nil || !isInUse(err):
			return unlock, err
		case time.Now().After(end):
			return nil, restoreFailure(err, "the database is in use", "stop the program that uses it, and try again")
		}
	}
}

var errInUse = errors.New("is in use")

func isInUse(err error) bool { return errors.Is(err, errInUse) || isBusy(err) }

// settle brings an old database into a state in which its file alone is all of it, and locks it. A damaged one cannot be settled, and need not be.
func (sqlite) settle(ctx context.Context, path string) (unlock func(), err error) {
	if info, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil
	} else if err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, errNoFile)
	}
	if usedBy(path) {
		return nil, errInUse
	}
	settled := touch(ctx, path)
	if settled != nil && !isBroken(settled) {
		return nil, settled
	}
	unlock, err = lockDatabase(path)
	if err == nil && settled == nil && sizeOf(path+"-wal") > 0 { // somebody came and went meanwhile
		unlock()
		return nil, errInUse
	}
	return unlock, err
}

// lockDatabase takes all locks that SQLite has on a file: whoever has a database open with a log holds one at any time.
func lockDatabase(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	all := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: lockedByte, Len: 512}
	if err := unix.FcntlFlock(file.Fd(), unix.F_SETLK, &all); err != nil {
		return nil, errors.Join(errInUse, err, file.Close())
	}
	return func() { _ = file.Close() }, nil
}

// touch opens a database for writing and closes it: SQLite then carries the log over and undoes what was cut off.
func touch(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", sqliteName(path, "mode=rw"))
	if err != nil {
		return err
	}
	var count int
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&count)
	return errors.Join(err, db.Close())
}

// usedBy tells whether a process has the file open, as far as the system tells us: a program that uses a database without a log holds no lock
// while it rests, and would go on writing into the old file, which then has no name.
func usedBy(path string) bool {
	want, err := os.Stat(path)
	if err != nil {
		return false
	}
	descriptors, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, descriptor := range descriptors {
		if info, err := os.Stat(descriptor); err == nil && os.SameFile(want, info) {
			return true
		}
	}
	return false
}
