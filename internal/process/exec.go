package process

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// LookPath finds the program: a name with a slash as it is, any other in the folders of pathList, as in
// PATH. Relative folders there are passed over. The result is absolute.
func LookPath(name, pathList string) (string, error) {
	if strings.Contains(name, "/") {
		path, err := filepath.Abs(name)
		if err == nil {
			err = executableFile(path)
		}
		return path, err
	}
	for _, dir := range filepath.SplitList(pathList) {
		path := filepath.Join(dir, name)
		if filepath.IsAbs(dir) && executableFile(path) == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("find %s in %q: %w", name, pathList, fs.ErrNotExist)
}

func executableFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return &fs.PathError{Op: "execute", Path: path, Err: syscall.EISDIR}
	}
	if err := unix.Access(path, unix.X_OK); err != nil {
		return &fs.PathError{Op: "execute", Path: path, Err: err}
	}
	return nil
}

// Exec replaces this process by the program, which gets its standard streams and terminal, and the files
// as descriptors 3, 4, .... It returns only if that failed, and then only good-byes may follow: the
// descriptors of this process have been moved.
func Exec(path string, args, env []string, files []*os.File) error {
	if err := executableFile(path); err != nil { // while an error can still be handled well
		return err
	}
	const first = 3
	sources := make([]int, len(files))
	for i, file := range files { // out of the way of the targets
		fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, first+len(files))
		if err != nil {
			return fmt.Errorf("hand %s over: %w", file.Name(), err)
		}
		sources[i] = fd
	}
	for i, fd := range sources {
		if err := unix.Dup2(fd, first+i); err != nil { // without close-on-exec
			return fmt.Errorf("hand %s over: %w", files[i].Name(), err)
		}
	}
	return &fs.PathError{Op: "execute", Path: path, Err: syscall.Exec(path, append([]string{path}, args...), env)}
}
