package process

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// tick is the unit of CPU time in /proc, the same on all Linux machines (USER_HZ).
const tick = 10 * time.Millisecond

// shells may stand in front of the program, as a wrapper script of the owner's.
var shells = []string{"sh", "dash", "bash", "ash", "busybox", "zsh", "ksh"}

// used sums over the processes of the leader's group that run the same executable as the leader, or that
// a shell as leader started itself.
func used(leader int) usage {
	var sum usage
	exe := executable(leader)
	script := slices.Contains(shells, filepath.Base(exe))
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		s, ok := readStat(pid)
		if !ok || s.group != leader {
			continue
		}
		if pid == leader || script && s.parent == leader || exe != "" && executable(pid) == exe {
			sum.cpu += s.cpu
			sum.bytes += ioBytes(pid)
		}
	}
	return sum
}

func executable(pid int) string {
	exe, _ := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	return exe
}

type stat struct {
	parent, group int
	cpu           time.Duration
}

// readStat reads /proc/PID/stat, see proc_pid_stat(5). The name in it may hold anything, so the fields are
// counted from its closing parenthesis.
func readStat(pid int) (s stat, ok bool) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return s, false
	}
	fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
	if len(fields) < 13 {
		return s, false
	}
	number := func(i int) int {
		n, _ := strconv.Atoi(string(fields[i]))
		return n
	}
	return stat{parent: number(1), group: number(2), cpu: time.Duration(number(11)+number(12)) * tick}, true
}

// ioBytes is all that the process read and wrote, from files as from pipes and sockets.
func ioBytes(pid int) uint64 {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/io")
	if err != nil {
		return 0
	}
	var sum uint64
	for line := range bytes.Lines(data) {
		key, value, _ := bytes.Cut(line, []byte(": "))
		if k := string(key); k == "rchar" || k == "wchar" {
			n, _ := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 64)
			sum += n
		}
	}
	return sum
}
