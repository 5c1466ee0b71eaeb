package alarm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// lockWait is how long another process may take to write a file.
	lockWait = 5 * time.Second
	// mostKept is how many settled alarms, and how many damaged files, of a repository are kept.
	mostKept = 20
	// stamp is the time in the name of what is kept, in UTC: the order of names is that of time.
	stamp = "20060102T150405.000Z"
)

// checkFolder refuses a folder in which somebody else could put, replace or delete alarms. The error of one
// that is missing is fs.ErrNotExist.
func checkFolder(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("look at the folder of the alarms: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("the folder of the alarms, %s, is no folder or a symbolic link: remove it", dir)
	case ok && int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("the folder of the alarms, %s, belongs to user %d, not to user %d who runs this: "+
			"run as that user, or set paths.state to a folder of your own", dir, stat.Uid, os.Geteuid())
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("the folder of the alarms, %s, can be written by others: chmod 700 %s", dir, dir)
	}
	return nil
}

// lockFolder makes the folder if it is missing, and keeps other processes from changing what is in it.
func lockFolder(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, fmt.Errorf("make the state folder: %w; make it writable or set paths.state", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make the folder of the alarms: %w; make the folder above writable or set paths.state", err)
	}
	if err := checkFolder(dir); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the folder of the alarms: %w", err)
	}
	for end := time.Now().Add(lockWait); ; time.Sleep(5 * time.Millisecond) {
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) || time.Now().After(end) {
			file.Close()
			return nil, fmt.Errorf("lock the folder of the alarms: %w", err)
		}
	}
}

// keep gives a file of an alarm the name of something past, by os.Rename or os.Link, and removes the oldest
// of those. The error of a file that is missing is fs.ErrNotExist.
func (s *Store) keep(name, kind string, by func(from, to string) error) error {
	prefix := strings.TrimSuffix(name, ".json") + "." + kind + "-"
	var old []string
	entries, _ := os.ReadDir(s.Dir) // sorted; those that cannot be listed do no harm
	for _, entry := range entries {
		if path := filepath.Join(s.Dir, entry.Name()); strings.HasPrefix(path, prefix) {
			old = append(old, path)
		}
	}
	at := s.now().UTC()
	for slices.Contains(old, prefix+at.Format(stamp)+".json") {
		at = at.Add(time.Millisecond)
	}
	if err := by(name, prefix+at.Format(stamp)+".json"); err != nil {
		return fmt.Errorf("set the file of the alarm aside: %w", err)
	}
	for _, path := range old[:max(0, len(old)+1-mostKept)] {
		_ = os.Remove(path) // one too many does no harm either
	}
	return syncFolder(s.Dir)
}

// syncFolder puts the names in a folder on the disk.
func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync the folder of the alarms: %w", err)
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil {
		return fmt.Errorf("sync the folder of the alarms: %w", err)
	}
	return nil
}
