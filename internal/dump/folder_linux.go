package dump

import "golang.org/x/sys/unix"

// available is how many bytes an ordinary user may still write there; what the system keeps back for root is to keep it going.
func available(stat *unix.Statfs_t) uint64 {
	size := stat.Frsize // of the blocks that are counted; the other one is a hint, and FUSE puts anything there
	if size == 0 {
		size = stat.Bsize
	}
	return stat.Bavail * uint64(max(0, size))
}

// exchange lets two names of a folder swap what they stand for, at once.
func exchange(folder int, a, b string) error {
	return unix.Renameat2(folder, a, folder, b, unix.RENAME_EXCHANGE)
}
