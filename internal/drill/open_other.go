//go:build !linux

package drill

// noAccessTime is not known here.
const noAccessTime = 0
