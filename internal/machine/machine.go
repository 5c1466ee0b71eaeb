// Package machine tells facts about this machine: its boot, its processes, and by what name borg knows it.
//
// Linux tells them below /proc and /sys. Elsewhere they are not known, and say so: zero values and errors.
package machine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// View is how a machine is looked at. The zero value looks at this one.
type View struct{ root string }

// At looks at the machine whose /proc, /sys, /etc and /run are below the folder root.
func At(root string) View { return View{root} }

// BootID is View.BootID of this machine.
func BootID() string { return View{}.BootID() }

// Started is View.Started of this machine.
func Started(pid int) uint64 { return View{}.Started(pid) }

// Exists is View.Exists of this machine.
func Exists(pid int) bool { return View{}.Exists(pid) }

// SeesAll is View.SeesAll of this machine.
func SeesAll() (all bool, reason string) { return View{}.SeesAll() }

// Borgs is View.Borgs of this machine.
func Borgs(programs ...string) []int { return View{}.Borgs(programs...) }

// HostID is View.HostID of this machine.
func HostID(state string) (id string, err error) { return View{}.HostID(state) }

// Uptime is how long ago this machine was started, by a clock that nobody sets; 0 if that is not known.
func Uptime() time.Duration { return View{}.Uptime() }

// Uptime is the first number of /proc/uptime, see proc_uptime(5).
func (v View) Uptime() time.Duration {
	first, _, _ := strings.Cut(v.line("proc/uptime"), " ")
	seconds, err := strconv.ParseFloat(first, 64)
	if err != nil || seconds < 0 || seconds > 1e9 {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}

func (v View) path(elements ...string) string {
	return filepath.Join(v.root, "/", filepath.Join(elements...))
}

// mostBytes is more than is ever needed of one file, above all of a command line.
const mostBytes = 1 << 20

func (v View) read(elements ...string) ([]byte, error) {
	file, err := os.Open(v.path(elements...))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, mostBytes))
}

// line is the text of a file of one line, "" if there is none.
func (v View) line(elements ...string) string {
	text, err := v.read(elements...)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// BootID names the time since the machine was started; "" where the system has no such name.
func (v View) BootID() string { return v.line("proc/sys/kernel/random/boot_id") }

// BootTime is when the machine was started, as its clock tells it now: it moves with each change of the clock.
// It is exact to a second, and zero where it is not known.
func (v View) BootTime() time.Time {
	text, err := v.read("proc/stat")
	if err != nil {
		return time.Time{}
	}
	for line := range bytes.Lines(text) {
		if value, ok := bytes.CutPrefix(line, []byte("btime ")); ok {
			if seconds, err := strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64); err == nil && seconds > 0 {
				return time.Unix(seconds, 0)
			}
		}
	}
	return time.Time{}
}

// firstPIDs is the PID namespace that the kernel begins with; the number is part of its interface to programs.
const firstPIDs = "pid:[4026531836]"

func (v View) inFirstPIDs() bool {
	name, err := os.Readlink(v.path("proc/self/ns/pid"))
	return err == nil && name == firstPIDs
}

// SeesAll tells whether all processes of this machine can be seen, those in containers too; if not, why.
func (v View) SeesAll() (all bool, reason string) {
	if !v.inFirstPIDs() {
		return false, "this is not the first PID namespace of its machine (a container?)"
	}
	// Where /proc is mounted with hidepid, processes of others are not even listed; the first one is another's,
	// and has all capabilities.
	if _, err := v.read("proc/1/stat"); err != nil {
		return false, "processes of others cannot be seen (is /proc mounted with hidepid?)"
	}
	for process, err := range v.processes() {
		if err != nil {
			return false, fmt.Sprintf("process %d cannot be looked at", process.PID)
		}
	}
	return true, ""
}

// Exists tells whether there is a process with this number, be it another user's.
func (v View) Exists(pid int) bool {
	if pid <= 0 {
		return false
	}
	if v.root != "" {
		_, err := os.Stat(v.path("proc", strconv.Itoa(pid)))
		return !errors.Is(err, fs.ErrNotExist)
	}
	return !errors.Is(unix.Kill(pid, 0), unix.ESRCH)
}
