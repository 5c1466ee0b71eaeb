package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// running is a living process of a world.
type running struct {
	pid  int
	role string // borgcron, borg, ssh, serve; sshd for the server's own
	line string
}

// processes are all that live in this world, but for its sshd itself.
func (w *world) processes() []running {
	entries, _ := os.ReadDir("/proc")
	parents, lines := map[int]int{}, map[int]string{}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		parent, alive := parentOf(pid)
		if !alive {
			continue
		}
		line, _ := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline"))
		pids = append(pids, pid)
		parents[pid], lines[pid] = parent, string(bytes.ReplaceAll(line, []byte{0}, []byte{' '}))
	}
	var found []running
	for _, pid := range pids {
		switch {
		case w.server != nil && pid == w.server.command.Process.Pid:
		case w.marked(pid):
			found = append(found, running{pid, w.role(pid, lines[pid]), lines[pid]})
		case w.server != nil && descends(pid, w.server.command.Process.Pid, parents):
			found = append(found, running{pid, "sshd", lines[pid]})
		}
	}
	return found
}

// parentOf reads the parent of a process, and whether it is more than a zombie.
func parentOf(pid int) (parent int, alive bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 2 || fields[0] == "Z" || fields[0] == "X" {
		return 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return parent, err == nil
}

// marked tells whether a process has the variable of this world.
func (w *world) marked(pid int) bool {
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return err == nil && slices.ContainsFunc(bytes.Split(environ, []byte{0}), func(entry []byte) bool {
		return string(entry) == marker+"="+w.dir
	})
}

func descends(pid, from int, parents map[int]int) bool {
	for range 100 {
		if pid = parents[pid]; pid == from {
			return true
		}
		if pid <= 1 {
			return false
		}
	}
	return false
}

func (w *world) role(pid int, line string) string {
	exe, _ := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	words := strings.Fields(line)
	switch {
	case exe == w.program:
		return "borgcron"
	case filepath.Base(exe) == "ssh":
		return "ssh"
	case slices.Contains(words, "serve"):
		return "serve"
	}
	return "borg"
}

// of are the processes that a fault with this target hits.
func (w *world) of(target string) []running {
	return slices.DeleteFunc(w.processes(), func(p running) bool {
		switch target {
		case "all": // as a power cut does it
			return p.role == "sshd"
		case "group": // as a service's stop does it: all of the client
			return p.role == "sshd" || p.role == "serve"
		}
		return p.role != target
	})
}

func send(processes []running, number syscall.Signal) {
	for _, p := range processes {
		_ = syscall.Kill(p.pid, number)
	}
}
