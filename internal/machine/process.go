package machine

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Process is what can be seen of a process from outside.
type Process struct {
	PID, Parent int
	Name        string   // what the kernel calls it: of a script the script's name, cut off after 15 bytes
	Program     string   // path of the executable, "" if that is hidden from us
	Args        []string // as it shows them; none if it ended, or belongs to the kernel
	Start       uint64   // in ticks since the boot
	Ended       bool     // only its parent has not noticed yet
}

// tick is the unit of times in /proc, the same on all Linux machines (USER_HZ).
const tick = 10 * time.Millisecond

// Process looks at a process. The error wraps fs.ErrNotExist if there is none.
func (v View) Process(pid int) (Process, error) {
	folder := path.Join("proc", strconv.Itoa(pid))
	text, err := v.read(folder, "stat")
	if err != nil {
		return Process{PID: pid}, about(pid, err)
	}
	p, err := parseStat(text)
	if err != nil {
		return Process{PID: pid}, about(pid, err)
	}
	args, err := v.read(folder, "cmdline")
	if err != nil {
		return Process{PID: pid}, about(pid, err)
	}
	if len(args) > 0 {
		p.Args = strings.Split(strings.TrimSuffix(string(args), "\x00"), "\x00")
	}
	p.PID = pid
	p.Program, _ = os.Readlink(v.path(folder, "exe")) // not everybody may
	return p, nil
}

func about(pid int, err error) error {
	if errors.Is(err, unix.ESRCH) { // it ended while we looked
		err = fs.ErrNotExist
	}
	return fmt.Errorf("look at process %d: %w", pid, err)
}

// parseStat reads /proc/PID/stat, see proc_pid_stat(5). The name in it may hold anything, so the fields are
// counted from its closing parenthesis.
func parseStat(text []byte) (Process, error) {
	begin, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if begin < 0 || end < begin {
		return Process{}, errors.New("its state has no name")
	}
	fields := bytes.Fields(text[end+1:])
	if len(fields) < 20 {
		return Process{}, errors.New("its state is too short")
	}
	parent, err1 := strconv.Atoi(string(fields[1]))
	threads, err2 := strconv.Atoi(string(fields[17]))
	start, err3 := strconv.ParseUint(string(fields[19]), 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return Process{}, fmt.Errorf("its state: %w", err)
	}
	state := string(fields[0])
	return Process{
		Parent: parent, Name: string(text[begin+1 : end]), Start: start,
		// The first thread of a process may end before the others.
		Ended: (state == "Z" || state == "X") && threads <= 1,
	}, nil
}

// Started is when a process began, in ticks since the boot: with the boot's id it tells it from any other that
// has or had the same number. It is 0 if that is not known.
func (v View) Started(pid int) uint64 {
	text, err := v.read("proc", strconv.Itoa(pid), "stat")
	if err != nil {
		return 0
	}
	p, _ := parseStat(text)
	return p.Start
}

// StartTime is when a process began, by the clock as it is now and exact to a second.
func (v View) StartTime(p Process) (at time.Time, known bool) {
	boot := v.BootTime()
	if boot.IsZero() || p.Start == 0 || p.Start > 1<<40 {
		return time.Time{}, false
	}
	return boot.Add(time.Duration(p.Start) * tick), true
}

// processes are all that are listed, each with the error that looking at it gave. Those that end meanwhile are
// left out.
func (v View) processes() iter.Seq2[Process, error] {
	return func(yield func(Process, error) bool) {
		entries, err := os.ReadDir(v.path("proc"))
		if err != nil {
			yield(Process{}, err)
			return
		}
		for _, entry := range entries {
			pid, err := strconv.Atoi(entry.Name())
			if err != nil {
				continue
			}
			p, err := v.Process(pid)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if !yield(p, err) {
				return
			}
		}
	}
}

// Borgs are the processes that are a borg (see IsBorg), but for this process and those it began itself. None
// is only an answer if SeesAll.
func (v View) Borgs(programs ...string) []int {
	parents, borgs := map[int]int{}, []int{}
	for p, err := range v.processes() {
		if err != nil {
			continue
		}
		parents[p.PID] = p.Parent
		if p.IsBorg(programs...) {
			borgs = append(borgs, p.PID)
		}
	}
	name, _ := os.Readlink(v.path("proc/self"))
	self, _ := strconv.Atoi(name)
	return slices.DeleteFunc(borgs, func(pid int) bool { return descends(pid, self, parents) })
}

// descends tells whether a process is another one, or was begun by it or by one of those it began.
func descends(pid, from int, parents map[int]int) bool {
	for range len(parents) + 1 { // they were not all seen at the same moment: it might be a circle
		if pid == from {
			return true
		}
		pid = parents[pid]
	}
	return false
}

// BorgNumbered tells whether a borg runs that has this number here, or in a container of this machine.
func (v View) BorgNumbered(pid int, programs ...string) bool {
	for p, err := range v.processes() {
		if err == nil && p.IsBorg(programs...) && slices.Contains(v.numbers(p.PID), pid) {
			return true
		}
	}
	return false
}

// numbers are those by which a process goes in its PID namespace and in those above.
func (v View) numbers(pid int) []int {
	numbers := []int{pid}
	text, err := v.read("proc", strconv.Itoa(pid), "status")
	if err != nil {
		return numbers
	}
	for line := range bytes.Lines(text) {
		value, ok := bytes.CutPrefix(line, []byte("NSpid:"))
		if !ok {
			continue
		}
		for _, field := range bytes.Fields(value) {
			if n, err := strconv.Atoi(string(field)); err == nil {
				numbers = append(numbers, n)
			}
		}
	}
	return numbers
}

// IsBorg tells whether a process that has not ended is a borg, also as `borg serve`, as a mount, as a script
// for Python, or under one of the other names of its program that are given. In doubt it is one: whoever asks
// would take something from it.
func (p Process) IsBorg(programs ...string) bool {
	if p.Ended {
		return false
	}
	is := func(name string) bool {
		if name == "" {
			return false
		}
		name = path.Base(strings.TrimSuffix(name, " (deleted)"))
		return slices.Contains(programs, name) || strings.HasPrefix(name, "borg") && !strings.HasPrefix(name, "borgcron")
	}
	if is(p.Name) || is(p.Program) {
		return true
	}
	if len(p.Args) == 0 {
		return false
	}
	if is(p.Args[0]) {
		return true
	}
	if strings.HasPrefix(path.Base(p.Args[0]), "borgcron") { // one of its verbs is `borg`
		return false
	}
	behind := p.Args[1:min(len(p.Args), 6)] // options of the interpreter come before the script
	if isPython(p.Args[0]) || isPython(p.Program) {
		return slices.ContainsFunc(behind, func(arg string) bool { return is(strings.TrimPrefix(arg, "-m")) })
	}
	// Whatever else may run a script. Its first argument may well be a file that is merely called so.
	return len(behind) > 0 && is(behind[0]) && (borgItself(behind[0]) || slices.Contains(programs, path.Base(behind[0])))
}

func isPython(name string) bool {
	name = path.Base(name)
	return strings.HasPrefix(name, "python") || strings.HasPrefix(name, "pypy")
}

// borgItself tells whether the last part of a path is what borg's program is called as it is released.
func borgItself(name string) bool {
	name = path.Base(name)
	if slices.Contains([]string{"borg", "borgfs", "borg.exe"}, name) {
		return true
	}
	for _, system := range []string{"linux", "freebsd", "macos"} {
		if strings.HasPrefix(name, "borg-"+system) {
			return true
		}
	}
	return false
}
