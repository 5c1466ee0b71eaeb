package machine

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestProcess(t *testing.T) {
	f := newFake(t)
	f.process(42, 7, "S", "a) Z (b", 500, "/bin/x", "", "y z")
	f.link("proc/42/exe", "/bin/x")
	got, err := f.Process(42)
	want := Process{PID: 42, Parent: 7, Name: "a) Z (b", Program: "/bin/x", Args: []string{"/bin/x", "", "y z"}, Start: 500}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if at, known := f.StartTime(got); !known || at.Unix() != 1700000005 {
		t.Errorf("it began at %v, %t", at, known)
	}
	if f.Started(42) != 500 || f.Started(43) != 0 || !f.Exists(42) || f.Exists(43) {
		t.Error("start or existence is wrong")
	}
	if _, err := f.Process(43); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the error of a process that is not: %v", err)
	}
	f.write("proc/stat", "")
	if _, known := f.StartTime(got); known {
		t.Error("it is known when it began, though not when the machine did")
	}
}

func TestIsBorg(t *testing.T) {
	for line, want := range map[string]bool{
		"/usr/bin/python3 /usr/bin/borg create ::x /":      true,
		"/usr/bin/python3 -sE /usr/bin/borg serve":         true,
		"python3.11 -X utf8 -m borg list":                  true,
		"python3 -mborg mount":                             true,
		"pypy3 /opt/borg-2/bin/borg check":                 true,
		"borg serve --restrict-to-path /srv":               true,
		"/opt/borg-linux-glibc236 create":                  true,
		"./borg.exe list":                                  true,
		"/usr/bin/borgfs repo mnt":                         true,
		"sh /usr/local/bin/borg create":                    true,
		"sudo borg create":                                 true,
		"python3 /usr/bin/borgmatic":                       true, // in doubt
		"/opt/archiver create":                             true,
		"sh /opt/archiver create":                          true,
		"python3 /opt/archiver create":                     true,
		"vim borg.txt":                                     false,
		"tail -f /var/log/borg.log":                        false,
		"sh -c borg create ::x /":                          false, // its child is one
		"/usr/bin/borgcron run --all":                      false,
		"python3 server.py":                                false,
		"ssh borg@nas borg serve":                          false, // the borg is elsewhere
		"du -s /backup/borg":                               false,
		"python3 a b c d e /home/borg":                     false,
		"/opt/archiver-of-others create":                   false,
		"[kworker/0:1]":                                    false,
		"/usr/bin/rsync /srv/cyborg /mnt":                  false,
		"/sbin/init":                                       false,
		"emacs borg-notes.org":                             false,
		"nano /opt/archiver.conf":                          false,
		"/usr/bin/borgcron-0.1 borg home -- list ::newest": false,
	} {
		args := strings.Fields(line)
		p := Process{Args: args, Program: args[0], Name: filepath.Base(args[0])}
		if got := p.IsBorg("archiver"); got != want {
			t.Errorf("%s: %t", line, got)
		}
		p.Ended = true
		if p.IsBorg("archiver") {
			t.Errorf("%s: ended, and still a borg", line)
		}
	}
	for _, p := range []Process{
		{Name: "borg", Args: []string{"python3", "x"}},
		{Program: "/opt/borg-linux64 (deleted)", Args: []string{"x"}},
	} {
		if !p.IsBorg() {
			t.Errorf("%+v is none", p)
		}
	}
	if (Process{}).IsBorg("") {
		t.Error("a process of which nothing is known is a borg by the name of nothing")
	}
}

func TestBorgs(t *testing.T) {
	f := newFake(t)
	f.link("proc/self", "100")
	f.process(100, 1, "S", "borgcron", 1, "borgcron", "run")
	f.process(101, 100, "S", "borg", 1, "python3", "/usr/bin/borg") // ours
	f.process(102, 101, "S", "borg", 1, "python3", "/usr/bin/borg") // ours too
	f.process(103, 1, "S", "borg", 1, "python3", "/usr/bin/borg")
	f.process(104, 1, "Z", "borg", 1)
	f.process(105, 103, "T", "borg", 1, "borg", "serve")
	f.process(106, 1, "S", "vim", 1, "vim", "borg.txt")
	f.process(107, 108, "S", "borg", 1, "borg") // a circle, as after numbers were taken again
	f.process(108, 107, "S", "sh", 1, "sh")
	f.process(109, 1, "S", "archiver", 1, "archiver")
	if diff := cmp.Diff([]int{103, 105, 107}, f.Borgs()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{103, 105, 107, 109}, f.Borgs("archiver")); diff != "" {
		t.Error(diff)
	}
	f.write("proc/105/status", "Name:\tborg\nNSpid:\t105\t17\t3\n")
	for pid, want := range map[int]bool{101: true, 105: true, 17: true, 3: true, 104: false, 106: false, 5: false} {
		if got := f.BorgNumbered(pid); got != want {
			t.Errorf("a borg with number %d: %t", pid, got)
		}
	}
}

// TestBorgsOfThisMachine begins one as a child, and one that is nobody's.
func TestBorgsOfThisMachine(t *testing.T) {
	linuxOnly(t)
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "borg")
	if err := os.Symlink(sleep, program); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	child := exec.Command(program, "600")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Process.Kill(); _ = child.Wait() })
	out, err := exec.Command("sh", "-c", program+" 600 >/dev/null 2>&1 & echo $!").Output()
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(stranger, syscall.SIGKILL) })
	isBorg := func() bool {
		p, err := View{}.Process(stranger)
		return err == nil && p.IsBorg()
	}
	for !isBorg() { // the shell's child has not become it yet
		if t.Context().Err() != nil || time.Since(began) > time.Minute {
			t.Fatal("it is no borg")
		}
	}
	borgs := Borgs()
	if !slices.Contains(borgs, stranger) || slices.Contains(borgs, child.Process.Pid) || slices.Contains(borgs, os.Getpid()) {
		t.Errorf("the borgs are %v, the stranger %d, our child %d, we %d", borgs, stranger, child.Process.Pid, os.Getpid())
	}
	p, err := View{}.Process(child.Process.Pid)
	if err != nil || !p.IsBorg() || p.Parent != os.Getpid() {
		t.Errorf("our child: %+v, %v", p, err)
	}
	at, known := View{}.StartTime(p)
	if off := at.Sub(began).Abs(); !known || off > 2*time.Second {
		t.Errorf("our child began %v off", off)
	}
}

func FuzzStat(f *testing.F) {
	f.Add([]byte("42 (a) S 1 1 1 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 7 0 0\n"))
	f.Add([]byte(")("))
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, err := parseStat(text); err != nil && p.Name != "" {
			t.Errorf("%+v with %v", p, err)
		}
	})
}
