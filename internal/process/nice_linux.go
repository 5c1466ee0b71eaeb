package process

import "golang.org/x/sys/unix"

// From ioprio_set(2).
const (
	ioprioGroup = 2       // IOPRIO_WHO_PGRP
	ioprioIdle  = 3 << 13 // class idle
)

func lowerIO(group int) {
	_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, ioprioGroup, uintptr(group), ioprioIdle)
}
