package notice

import (
	"syscall"
	"time"
)

func modified(stat *syscall.Stat_t) time.Time { return time.Unix(stat.Mtim.Unix()) }
