package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// fake is a machine of files.
type fake struct {
	t *testing.T
	View
}

func newFake(t *testing.T) fake {
	t.Helper()
	f := fake{t, At(t.TempDir())}
	f.write("proc/stat", "cpu  1 2 3\nbtime 1700000000\nprocesses 7\n")
	f.write("proc/sys/kernel/hostname", "laptop\n")
	f.write("proc/sys/kernel/random/boot_id", "0f3a\n")
	f.write("etc/machine-id", "3d1219c7c4c5404aaa1f6d2a48adfda4\n")
	f.link("proc/self", "1")
	f.link("proc/1/ns/pid", firstPIDs)
	f.process(1, 0, "S", "init", 1, "/sbin/init")
	f.card("lo", "00:00:00:00:00:00", "0", false)
	f.card("eth0", "02:fc:00:00:00:01", "0", true)
	f.card("docker0", "b2:dc:f7:3c:d5:93", "1", false)
	return f
}

func (f fake) write(name, text string) {
	f.t.Helper()
	if err := os.MkdirAll(filepath.Dir(f.path(name)), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(f.path(name), []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f fake) link(name, target string) {
	f.t.Helper()
	if err := os.MkdirAll(filepath.Dir(f.path(name)), 0o755); err != nil {
		f.t.Fatal(err)
	}
	_ = os.Remove(f.path(name))
	if err := os.Symlink(target, f.path(name)); err != nil {
		f.t.Fatal(err)
	}
}

func (f fake) remove(name string) {
	f.t.Helper()
	if err := os.RemoveAll(f.path(name)); err != nil {
		f.t.Fatal(err)
	}
}

func (f fake) process(pid, parent int, state, name string, start int, args ...string) {
	f.t.Helper()
	folder := fmt.Sprintf("proc/%d/", pid)
	f.write(folder+"stat", fmt.Sprintf("%d (%s) %s %d 1 1 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 0\n", pid, name, state, parent, start))
	f.write(folder+"status", fmt.Sprintf("Name:\t%s\nNSpid:\t%d\n", name, pid))
	text := ""
	if len(args) > 0 {
		text = strings.Join(args, "\x00") + "\x00"
	}
	f.write(folder+"cmdline", text)
}

func (f fake) card(name, mac, assigned string, device bool) {
	f.t.Helper()
	folder := "sys/class/net/" + name
	f.write(folder+"/address", mac+"\n")
	f.write(folder+"/addr_assign_type", assigned+"\n")
	if device {
		f.link(folder+"/device", "../..")
	}
}

func linuxOnly(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells this")
	}
}

func TestBoot(t *testing.T) {
	f := newFake(t)
	if got := f.BootID(); got != "0f3a" {
		t.Errorf("boot id %q", got)
	}
	if got := f.BootTime(); got.Unix() != 1700000000 {
		t.Errorf("boot time %v", got)
	}
	for _, text := range []string{"", "cpu 1\n", "btime x\n", "btime -1\n"} {
		f.write("proc/stat", text)
		if got := f.BootTime(); !got.IsZero() {
			t.Errorf("%q: boot time %v", text, got)
		}
	}
	nothing := At(t.TempDir())
	if nothing.BootID() != "" || !nothing.BootTime().IsZero() || nothing.Started(1) != 0 {
		t.Error("a machine that tells nothing is known")
	}
}

func TestSeesAll(t *testing.T) {
	for name, test := range map[string]struct {
		change func(f fake)
		want   string // a part of the reason
	}{
		"all is well":            {func(fake) {}, ""},
		"a container":            {func(f fake) { f.link("proc/1/ns/pid", "pid:[4026532177]") }, "namespace"},
		"no namespaces":          {func(f fake) { f.remove("proc/1/ns") }, "namespace"},
		"others are not listed":  {func(f fake) { f.remove("proc/1/stat") }, "hidepid"},
		"one is not readable":    {func(f fake) { f.process(7, 1, "S", "x", 9); f.write("proc/7/stat", "gibberish") }, "process 7"},
		"one ends while looking": {func(f fake) { f.write("proc/7/comm", "x") }, ""},
	} {
		f := newFake(t)
		test.change(f)
		all, reason := f.SeesAll()
		if all != (test.want == "") || !strings.Contains(reason, test.want) || all != (reason == "") {
			t.Errorf("%s: %t, %q", name, all, reason)
		}
	}
}

func TestThisMachine(t *testing.T) {
	linuxOnly(t)
	if BootID() == "" {
		t.Error("it has no boot id")
	}
	if boot := (View{}).BootTime(); boot.IsZero() || boot.After(time.Now()) {
		t.Errorf("it was started at %v", boot)
	}
	if !Exists(os.Getpid()) || !Exists(1) || Exists(0) || Exists(-1) || Exists(1<<30) {
		t.Error("which processes exist is wrong")
	}
	if os.Geteuid() == 0 {
		if all, reason := SeesAll(); !all && !strings.Contains(reason, "namespace") {
			t.Errorf("root does not see all: %s", reason)
		}
	}
}
