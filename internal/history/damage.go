package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockOpening keeps other processes from opening the history while it is being judged and perhaps set aside,
// which else two of them could do to each other's new file. It is held for an instant, but for the daily look
// through the file.
func lockOpening(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	for range 6000 {
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("history: lock %s: %w", file.Name(), err)
	}
	return func() { file.Close() }, nil
}

// beginAnew sets the damaged history aside and makes a new one, which knows that there was another.
func (s *Store) beginAnew(ctx context.Context, damage error) error {
	aside, err := setAside(s.path, s.now())
	if err != nil {
		return errors.Join(damage, err)
	}
	s.setAside = aside
	if err := s.use(openWhole(ctx, s.path, s.now())); err != nil {
		return err
	}
	return lose(ctx, s.db, s.now())
}

// setAside renames the database and the files that belong to it, so that SQLite still knows them as one.
func setAside(path string, now time.Time) (string, error) {
	aside := path + ".damaged-" + now.UTC().Format("20060102T150405Z")
	for n := 2; exists(aside); n++ {
		aside = fmt.Sprintf("%s.damaged-%s.%d", path, now.UTC().Format("20060102T150405Z"), n)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(path+suffix, aside+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("set the damaged history aside: %w", err)
		}
	}
	return aside, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// lose notes that what was known is lost.
func lose(ctx context.Context, db *sql.DB, now time.Time) error {
	_, err := db.ExecContext(ctx, "INSERT OR REPLACE INTO facts VALUES ('lost', ?)",
		"the history was lost before "+now.Format("2006-01-02 15:04"))
	return err
}

// Lost notes that a history was there and is no more. The caller says so if he finds a new one beside other
// records of the job. From then on Recall suspects every repository of which nothing is known.
func (s *Store) Lost(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.judge(ctx, lose(ctx, s.db, s.now()))
}

// judge looks at an error: if it says that the file is damaged, the store goes on with a new one. The error is
// returned in any case, for what it stopped is not done.
func (s *Store) judge(ctx context.Context, err error) error {
	if !isDamage(err) || s.heard == nil { // a reader changes nothing
		return err
	}
	closing := s.db.Close()
	unlock, locking := lockOpening(s.path)
	if locking != nil {
		return errors.Join(err, closing, locking)
	}
	defer unlock()
	if there, statErr := os.Stat(s.path); statErr == nil && !os.SameFile(there, s.file) {
		// Another process was first; only this deed is lost.
		return errors.Join(err, closing, s.open(ctx))
	}
	if anew := s.beginAnew(ctx, err); anew != nil {
		return errors.Join(err, closing, anew)
	}
	return fmt.Errorf("it was damaged, is set aside as %s and begun anew: %w", s.setAside, err)
}
