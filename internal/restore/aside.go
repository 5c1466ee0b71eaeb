package restore

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// longestName is how many bytes file systems take for one name.
const longestName = 255

// AsideName is what a path is called when it is set aside. Of a name that is too long for that some is cut off.
func AsideName(name, stamp string) string {
	dir, base := path.Split(name)
	suffix := ".before-restore-" + stamp
	if len(base)+len(suffix) > longestName {
		sum := sha256.Sum256([]byte(base))
		suffix = "~" + hex.EncodeToString(sum[:4]) + suffix
		base = base[:longestName-len(suffix)]
	}
	return dir + base + suffix
}

// SetAside gives what is there a second name, which it keeps when borg replaces the first one: so at no moment is there nothing.
// What can have but one name is renamed.
func SetAside(dir, name, stamp string) error {
	from, to := filepath.Join(dir, name), filepath.Join(dir, AsideName(name, stamp))
	err := unix.Linkat(unix.AT_FDCWD, from, unix.AT_FDCWD, to, 0) // a symbolic link itself, not what it leads to
	switch {
	case err == nil, errors.Is(err, unix.ENOENT): // it has gone meanwhile
		return nil
	case errors.Is(err, unix.EEXIST):
		return fmt.Errorf("set aside %s: %s is there already", from, to)
	}
	if _, there, err := lstat(to); err != nil || there { // a rename would replace it
		return fmt.Errorf("set aside %s: %s is there already (%w)", from, to, err)
	}
	if err := unix.Rename(from, to); err != nil {
		return fmt.Errorf("set aside %s: %w", from, err)
	}
	return nil
}
