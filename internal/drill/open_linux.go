package drill

import "golang.org/x/sys/unix"

// noAccessTime leaves the time of the last access as it is.
const noAccessTime = unix.O_NOATIME
