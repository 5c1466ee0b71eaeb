package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// CheckSource tells why a folder, or a file, cannot be backed up.
func CheckSource(path string) error {
	if !utf8.ValidString(path) {
		return errors.New("its name is no UTF-8: name the folder above it")
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s does not exist", path)
	case err != nil:
		return fmt.Errorf("%s cannot be looked at: %w", path, bare(err))
	case info.IsDir():
		_, err = os.ReadDir(path)
	case info.Mode().IsRegular():
		err = unix.Access(path, unix.R_OK)
	default:
		return fmt.Errorf("%s is neither a folder nor a file", path)
	}
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w", path, bare(err))
	}
	return nil
}

// Within returns the source in which a repository in this folder would lie, "" if there is none. Links are followed: a
// repository that backs itself up grows without end.
func Within(repository string, sources []string) string {
	repository = real(repository)
	for _, source := range sources {
		if under := real(source); repository == under || under == "/" || strings.HasPrefix(repository, under+"/") {
			return source
		}
	}
	return ""
}

// real is a path without links, also one of which the end is not there yet.
func real(path string) string {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	if parent := filepath.Dir(path); parent != path {
		return filepath.Join(real(parent), filepath.Base(path))
	}
	return path
}

// CheckFolder tries whether a repository could be made in a folder of this machine. It returns true if one is there.
func CheckFolder(path string) (repository bool, err error) {
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		parent := filepath.Dir(path)
		info, err := os.Stat(parent)
		if errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("%s does not exist; is a disk not mounted? Else: mkdir -p %s", parent, parent)
		}
		if err == nil && !info.IsDir() {
			return false, fmt.Errorf("%s is no folder", parent)
		}
		return false, tryWriting(parent)
	case errors.Is(err, unix.ENOTDIR):
		return false, fmt.Errorf("%s is no folder", path)
	case err != nil:
		return false, fmt.Errorf("%s cannot be read: %w", path, bare(err))
	}
	if isRepository(path) {
		return true, tryWriting(path)
	}
	if len(entries) > 0 {
		return false, fmt.Errorf("there are other things in %s; name a new folder, such as %s", path, filepath.Join(path, "borg"))
	}
	return false, tryWriting(path)
}

// isRepository tells it by sight.
func isRepository(path string) bool {
	config, err := os.ReadFile(filepath.Join(path, "config"))
	data, statErr := os.Stat(filepath.Join(path, "data"))
	return err == nil && statErr == nil && data.IsDir() && strings.Contains(string(config), "[repository]")
}

// tryWriting makes something in the folder and removes it again.
func tryWriting(folder string) error {
	tried, err := os.MkdirTemp(folder, ".borgcron-*")
	if err == nil {
		err = os.Remove(tried)
	}
	if err != nil {
		return fmt.Errorf("%s cannot be written to: %w", folder, bare(err))
	}
	return nil
}

// bare is an error without the path that has been said.
func bare(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// Free are the bytes that there is room for at a path, or at the nearest folder above it that is there.
func Free(path string) (int64, bool) {
	for {
		var stat unix.Statfs_t
		err := unix.Statfs(path, &stat)
		if err == nil {
			return int64(stat.Bavail) * int64(stat.Bsize), true //nolint:gosec,unconvert // the types differ between systems
		}
		parent := filepath.Dir(path)
		if !errors.Is(err, fs.ErrNotExist) || parent == path {
			return 0, false
		}
		path = parent
	}
}

// Size adds up how long the files in the folders are, for as long as it may take. Whole tells whether it came to the end.
func Size(ctx context.Context, folders []string, limit time.Duration) (size int64, whole bool) {
	end := time.Now().Add(limit)
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
			if err != nil {
				return nil //nolint:nilerr // what cannot be read is not backed up either
			}
			if ctx.Err() != nil || time.Now().After(end) {
				return fs.SkipAll
			}
			if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
				size += info.Size()
			}
			return nil
		})
		if err != nil || ctx.Err() != nil || time.Now().After(end) {
			return size, false
		}
	}
	return size, true
}
