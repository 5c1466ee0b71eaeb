//go:build !linux

package dump

import (
	"errors"
	"fmt"
	"os"

	"borgcron/internal/process"
)

// secretFile puts a secret into a file that only its reader can read. It has lost its name before anybody else
// could open it; the reader inherits it as descriptor 3.
func secretFile(text string, reader *process.User) (*os.File, string, error) {
	file, err := os.CreateTemp("", ".borgcron-*") // 0600
	if err != nil {
		return nil, "", fmt.Errorf("make a file for the password: %w", err)
	}
	_, err = file.WriteString(text)
	if reader != nil {
		err = errors.Join(err, file.Chown(int(reader.UID), int(reader.GID)))
	}
	_, seekErr := file.Seek(0, 0)
	if err = errors.Join(err, seekErr, os.Remove(file.Name())); err != nil {
		return nil, "", fmt.Errorf("hand the password over: %w", errors.Join(err, file.Close()))
	}
	return file, inheritedPath(3), nil
}

// inheritedPath is the path by which a program opens anew what it inherited. For a folder that works on Linux only.
func inheritedPath(fd int) string { return fmt.Sprintf("/dev/fd/%d", fd) }

func widen(*os.File) {}
