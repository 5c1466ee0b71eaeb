package dump

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"borgcron/internal/process"
)

// secretFile puts a secret into a file without a name, in memory, that only its reader can open: nothing is left of
// it, however we end. The programs of PostgreSQL take no pipe. The reader inherits it as descriptor 3, and opens it by the path.
func secretFile(text string, reader *process.User) (*os.File, string, error) {
	fd, err := unix.MemfdCreate("password", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, "", fmt.Errorf("make a file for the password: %w", err)
	}
	file := os.NewFile(uintptr(fd), "password")
	_, err = file.WriteString(text)
	err = errors.Join(err, file.Chmod(0o600))
	if reader != nil {
		err = errors.Join(err, file.Chown(int(reader.UID), int(reader.GID)))
	}
	if err != nil {
		return nil, "", fmt.Errorf("hand the password over: %w", errors.Join(err, file.Close()))
	}
	return file, inheritedPath(3), nil
}

// inheritedPath is the path by which a program opens anew what it inherited, also a folder.
func inheritedPath(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

// widen lets a pipe hold more, so that both sides can work at once. The system may refuse.
func widen(pipe *os.File) {
	if raw, err := pipe.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) })
	}
}
