package dump

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const lockSuffix = ".lock"

// Private makes a private folder below base, for one run: a lock beside it says that its run lives. What dead runs left there is
// removed.
func Private(base string) (dir string, remove func(), err error) {
	if err := os.MkdirAll(base, 0o700); err != nil {
		return "", nil, fmt.Errorf("make the folder for private folders: %w", err)
	}
	sweep(base)
	lock, err := newLock(base)
	if err != nil {
		return "", nil, fmt.Errorf("make a private folder: %w", err)
	}
	dir = strings.TrimSuffix(lock.Name(), lockSuffix)
	remove = func() {
		_ = os.RemoveAll(dir)
		_ = os.Remove(lock.Name())
		_ = lock.Close()
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		remove()
		return "", nil, fmt.Errorf("make a private folder: %w", err)
	}
	return dir, remove, nil
}

// newLock makes a lock file of a new name, and takes it. A sweep may have taken it first, and then removes it.
func newLock(base string) (*os.File, error) {
	for {
		file, err := os.CreateTemp(base, "dumps-*"+lockSuffix)
		if err != nil {
			return nil, err
		}
		if unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil && isThere(file) {
			return file, nil
		}
		_ = file.Close()
	}
}

func isThere(file *os.File) bool {
	held, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(file.Name())
	return err == nil && os.SameFile(held, named)
}

// sweep removes the folders whose lock nobody holds. The folder goes first: without its lock nobody would find it again.
func sweep(base string) {
	locks, _ := filepath.Glob(filepath.Join(base, "dumps-*"+lockSuffix))
	for _, path := range locks {
		file, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
		if err != nil {
			continue
		}
		if unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil && isThere(file) {
			if os.RemoveAll(strings.TrimSuffix(path, lockSuffix)) == nil {
				_ = os.Remove(path)
			}
		}
		_ = file.Close()
	}
}
