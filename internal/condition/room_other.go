//go:build !linux

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
	available := max(0, stat.Bavail) // FreeBSD counts below zero what root has of the reserve
	return space(stat.Blocks, uint64(available), uint64(stat.Bsize)), nil
}
