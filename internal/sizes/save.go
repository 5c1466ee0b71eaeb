package sizes

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

const (
	// rotateAt is the size from which on a log is put aside as the one before.
	rotateAt = 4 << 20
	// lockWait is how long another process may take to save.
	lockWait = 10 * time.Second
)

// Saver keeps reports in a file that login scripts can print, and in a log beside it.
type Saver struct {
	path string
	lock *os.File
	wait time.Duration
}

// NewSaver sees whether a report could be saved there, before the work is done.
func NewSaver(path string) (*Saver, error) {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("save to %s: %w", path, errNotRegular)
	}
	// Only its owner can open the lock, else any reader could keep it. It is never deleted.
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, fmt.Errorf("save to %s: %w", path, err)
	}
	return &Saver{path, lock, lockWait}, nil
}

// Close lets others save.
func (s *Saver) Close() { _ = s.lock.Close() }

// Save replaces the text and appends the report to the log. Of two at the same time none gets lost.
func (s *Saver) Save(report Report) error {
	line, err := json.Marshal(report)
	if err != nil {
		return err
	}
	if err := s.take(); err != nil {
		return fmt.Errorf("save to %s: %w", s.path, err)
	}
	if err := s.append(append(line, '\n')); err != nil {
		return fmt.Errorf("save to %s: %w", logOf(s.path), err)
	}
	err = renameio.WriteFile(s.path, []byte(report.Text()), 0o644,
		renameio.WithStaticPermissions(0o644), renameio.WithTempDir(filepath.Dir(s.path)))
	if err != nil {
		return fmt.Errorf("save to %s: %w", s.path, err)
	}
	return nil
}

func (s *Saver) take() error {
	for end := time.Now().Add(s.wait); ; time.Sleep(5 * time.Millisecond) {
		err := unix.Flock(int(s.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) || time.Now().After(end) {
			return fmt.Errorf("another process is saving: %w", err)
		}
	}
}

// append writes a line to the log, which everybody may read. One that is full is put aside before.
func (s *Saver) append(line []byte) error {
	path := logOf(s.path)
	if info, err := os.Lstat(path); err == nil && info.Size() > rotateAt {
		if err := os.Rename(path, path+".1"); err != nil {
			return err
		}
	}
	log, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	info, err := log.Stat()
	if err != nil {
		return err
	}
	if err := ours(info); err != nil {
		return err
	}
	last := []byte{'\n'}
	if info.Size() == 0 {
		err = log.Chmod(0o644) // whatever the umask is
	} else {
		_, err = log.ReadAt(last, info.Size()-1)
	}
	if err != nil {
		return err
	}
	if last[0] != '\n' { // the one before was cut off
		line = append([]byte{'\n'}, line...)
	}
	if _, err := log.Write(line); err != nil {
		return errors.Join(err, log.Truncate(info.Size()))
	}
	return log.Sync()
}

// ours is an error if what is to be appended to may be the file of somebody else.
func ours(info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular():
		return errNotRegular
	case ok && int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("it belongs to user %d, not to user %d who runs this", stat.Uid, os.Geteuid())
	case ok && stat.Nlink > 1:
		return errors.New("it is a file with several names")
	}
	return nil
}
