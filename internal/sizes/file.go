package sizes

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// longestPath is what every system takes in one call; beyond, a path is opened in steps.
const longestPath = 1000

var errNotRegular = errors.New("it is no regular file")

// again calls until no signal comes in between, as one may on network file systems.
func again(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != unix.EINTR { //nolint:errorlint // the bare error of the kernel
			return n, err
		}
	}
}

func lstat(at int, name string, to *unix.Stat_t) error {
	for {
		if err := unix.Fstatat(at, name, to, unix.AT_SYMLINK_NOFOLLOW); err != unix.EINTR { //nolint:errorlint // the bare error of the kernel
			return err
		}
	}
}

func inodeOf(st *unix.Stat_t) inode {
	return inode{uint64(st.Dev), uint64(st.Ino)} //nolint:unconvert,gosec // other systems have other types
}

func isFolder(st *unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFDIR }

// figuresOf are those of one file. Blocks are of 512 bytes on all systems.
func figuresOf(st *unix.Stat_t) Figures {
	return Figures{Size: max(0, st.Size), DiskSize: st.Blocks * 512, Files: 1}
}

// vanished tells whether something is no longer there, or another thing has its name.
func vanished(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}

// join makes a path; that of the current folder is "".
func join(folder, name string) string {
	switch {
	case folder == "":
		return name
	case name == "":
		return folder
	case strings.HasSuffix(folder, "/"):
		return folder + name
	}
	return folder + "/" + name
}

// openFolder opens a folder for reading, if it is still the one that was seen there.
func openFolder(at int, path string, seen inode) (int, error) {
	fd, err := openLong(at, path)
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && inodeOf(&st) != seen {
		err = unix.ENOENT
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// openLong opens a folder by a path of any length, in steps. The last one follows no link.
func openLong(start int, path string) (fd int, err error) {
	for at := start; ; at = fd {
		step, rest, flags := path, "", unix.O_NOFOLLOW
		if len(path) > longestPath {
			cut := strings.LastIndexByte(path[:longestPath], '/')
			if cut <= 0 {
				return -1, unix.ENAMETOOLONG
			}
			step, rest, flags = path[:cut], path[cut+1:], 0
		}
		fd, err = again(func() (int, error) {
			return unix.Openat(at, step, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|flags, 0)
		})
		if at != start {
			_ = unix.Close(at)
		}
		if err != nil || rest == "" {
			return fd, err
		}
		path = rest
	}
}

// openFile opens what stands there for reading if it is a regular file. Nothing is followed or waited for.
func openFile(at int, name string) (*os.File, os.FileInfo, error) {
	fd, err := again(func() (int, error) {
		return unix.Openat(at, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, nil, err
	}
	file := os.NewFile(uintptr(fd), name) //nolint:gosec // a descriptor is not negative
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}
