package condition

import "golang.org/x/sys/unix"

// free returns how many bytes an ordinary user may still write on the file system of the path. Its error does
// not name the path.
func free(path string) (int64, error) {
	var stat unix.Statfs_t
	err := unix.Statfs(path, &stat)
	for err == unix.EINTR {
		err = unix.Statfs(path, &stat)
	}
	if err != nil {
		return 0, err
	}
	size := stat.Frsize // of the blocks that are counted; the other one is a hint, and FUSE puts anything there
	if size == 0 {
		size = stat.Bsize
	}
	return space(stat.Blocks, stat.Bavail, uint64(max(size, 0))), nil
}
