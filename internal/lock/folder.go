package lock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// makeFolder makes the folder of the locks if it is missing, and refuses one in which somebody else could
// put, replace or delete lock files: a lock that others can take away protects nothing.
func makeFolder(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("make the state folder: %w; make it writable or set paths.state", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make the folder of the locks: %w; make the folder above writable or set paths.state", err)
	}
	if err := checkParent(filepath.Dir(dir)); err != nil {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("look at the folder of the locks: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case info.Mode()&os.ModeSymlink != 0:
		return fmt.Errorf("the folder of the locks, %s, is a symbolic link: remove it, or set paths.state to where it leads", dir)
	case !info.IsDir():
		return fmt.Errorf("the folder of the locks, %s, is no folder: remove it", dir)
	case ok && int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("the folder of the locks, %s, belongs to user %d, not to user %d who runs this: "+
			"run as that user, or set paths.state to a folder of your own", dir, stat.Uid, os.Geteuid())
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("the folder of the locks, %s, can be written by others: chmod 700 %s", dir, dir)
	}
	return nil
}

// checkParent refuses a folder in which anybody could put another folder in the place of ours.
func checkParent(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("look at the state folder: %w", err)
	}
	if info.Mode().Perm()&0o002 != 0 && info.Mode()&os.ModeSticky == 0 {
		return fmt.Errorf("the state folder, %s, can be written by others: chmod 755 %s", dir, dir)
	}
	return nil
}

// checkFile refuses a lock path that leads to anything but a file, or nothing.
func checkFile(name string) error {
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look at the lock file: %w", err)
	case info.Mode()&os.ModeSymlink != 0:
		return fmt.Errorf("the lock file %s is a symbolic link: remove it", name)
	case !info.Mode().IsRegular():
		return fmt.Errorf("the lock file %s is no regular file: remove it", name)
	}
	return nil
}
