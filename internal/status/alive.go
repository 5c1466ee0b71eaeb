package status

import (
	"os"

	"borgcron/internal/machine"
)

// Running is the run that works on it, and the process that does: its number is taken again after its end,
// so when the machine and the process began belongs to it.
type Running struct {
	Run   string `json:"run"`
	PID   int    `json:"pid"`
	Boot  string `json:"boot"`  // "" where the system does not say
	Start uint64 `json:"start"` // in the kernel's ticks since the boot; 0 where the system does not say
}

func thisProcess() *Running {
	return &Running{PID: os.Getpid(), Boot: machine.BootID(), Start: machine.Started(os.Getpid())}
}

// alive tells whether the process still is. What cannot be seen is taken for dead: the file says what was,
// and only a process that can be seen contradicts.
func (r *Running) alive() bool {
	if r.PID <= 0 || r.Boot != machine.BootID() {
		return false
	}
	if r.Start != 0 {
		return r.Start == machine.Started(r.PID)
	}
	return machine.Exists(r.PID)
}
