package status

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
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
	return &Running{PID: os.Getpid(), Boot: bootID(), Start: startOf(os.Getpid())}
}

// alive tells whether the process still is. What cannot be seen is taken for dead: the file says what was,
// and only a process that can be seen contradicts.
func (r *Running) alive() bool {
	if r.PID <= 0 || r.Boot != bootID() {
		return false
	}
	if r.Start != 0 {
		return r.Start == startOf(r.PID)
	}
	err := unix.Kill(r.PID, 0)
	return err == nil || errors.Is(err, unix.EPERM)
}

func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// startOf returns when a process began, 0 if that cannot be read. The name in /proc/PID/stat may hold
// anything, so the fields are counted from its closing parenthesis, see proc_pid_stat(5).
func startOf(pid int) uint64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return 0
	}
	start, _ := strconv.ParseUint(string(fields[19]), 10, 64)
	return start
}
