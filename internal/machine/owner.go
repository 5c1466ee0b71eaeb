package machine

import (
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Foreign tells whether a file is another user's, and of no use to us: we do not have the wanted access (as to one of a group
// we may have). Nothing is closed to root; to it all of others are foreign.
func Foreign(path string, info fs.FileInfo, wanted uint32) (uid int, foreign bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(stat.Uid) == os.Geteuid() {
		return 0, false
	}
	return int(stat.Uid), os.Geteuid() == 0 || unix.Access(path, wanted) != nil
}

// UserName is what a user is called, the number if that is not known.
func UserName(uid int) string {
	number := strconv.Itoa(uid)
	if found, err := user.LookupId(number); err == nil {
		return found.Username
	}
	return number
}
