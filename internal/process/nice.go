package process

import "syscall"

// lower gives the process group less of the machine. Errors are of no consequence: the work is the same.
func lower(group, nice int, ionice string) {
	if nice != 0 {
		_ = syscall.Setpriority(syscall.PRIO_PGRP, group, nice)
	}
	if ionice == "idle" {
		lowerIO(group)
	}
}
