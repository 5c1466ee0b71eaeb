package process

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// NoCore sees to it that neither this process nor any that it starts leaves its memory, in which secrets may
// be, in a file when it crashes. It is the limit that does that, as all children inherit it, borg above all;
// prctl(PR_SET_DUMPABLE) ends with the next exec. Only the soft one is set: a command of the owner's that
// wants a dump may raise it again.
func NoCore() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return fmt.Errorf("look at the limit of core dumps: %w", err)
	}
	limit.Cur = 0
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	return nil
}
