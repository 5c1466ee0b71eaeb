//go:build !linux

package dump

import "golang.org/x/sys/unix"

// available is how many bytes an ordinary user may still write there; what the system keeps back for root is to keep it going.
func available(stat *unix.Statfs_t) uint64 {
	blocks := max(0, stat.Bavail) // FreeBSD counts below zero what root has of the reserve
	return uint64(blocks) * uint64(stat.Bsize)
}

// exchange is not known here.
func exchange(int, string, string) error { return unix.ENOTSUP }
