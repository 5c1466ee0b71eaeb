package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nobody is a user without any rights; the number is that of most systems.
const nobody = 65534

// openSite is a site of root's that others may look into, with a program that they may start.
func openSite(t *testing.T) (s *site, program string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can be another user as well")
	}
	borg, err := exec.LookPath("borg")
	check(t, err)
	s = newSite(t, borg, `
jobs:
  home:
    repository: ${WORK}/repo
    sources: ["${WORK}/data"]
    retention: keep_all
`)
	for _, folder := range []string{s.home, filepath.Dir(s.home)} {
		check(t, os.Chmod(folder, 0o755))
	}
	check(t, os.Chmod(s.path("borgcron.yaml"), 0o644))
	installed, err := exec.LookPath("borgcron")
	check(t, err)
	data, err := os.ReadFile(installed)
	check(t, err)
	program = s.path("borgcron")
	check(t, os.WriteFile(program, data, 0o755))
	return s, program
}

// asNobody runs a program as nobody and returns its output and whether it ended well.
func (s *site) asNobody(name string, args ...string) (string, bool) {
	command := exec.CommandContext(s.t.Context(), name, args...)
	command.Env = append(s.env, "HOME=/nonexistent", "XDG_STATE_HOME=")
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	output, err := command.CombinedOutput()
	return string(output), err == nil
}

// Another user sees how root's backups are, and nothing else of the state folder; nor can he change or hold
// anything there.
func TestAnotherUser(t *testing.T) {
	s, program := openSite(t)
	umask := syscall.Umask(0) // the worst that a caller can leave us
	out, code := s.borgcron("run")
	syscall.Umask(umask)
	if code != 0 {
		t.Fatal(out)
	}
	if out, ok := s.asNobody(program, "status"); !ok || !strings.Contains(out, "ok") {
		t.Errorf("status: %s", out)
	}
	if out, ok := s.asNobody(program, "history"); ok || !strings.Contains(out, "only its owner may read it") {
		t.Errorf("history: %s", out)
	}
	public := map[string]bool{"host": true, "host-id": true, "status": true, "home.json": true, "notice": true, "state": true}
	err := filepath.WalkDir(s.path("state"), func(path string, entry fs.DirEntry, err error) error {
		check(t, err)
		info, err := entry.Info()
		check(t, err)
		if info.Mode().Perm()&0o022 != 0 {
			t.Errorf("others can write %s: %v", path, info.Mode())
		}
		if info.Mode().Perm()&0o044 != 0 && !public[entry.Name()] {
			t.Errorf("others can read %s: %v", path, info.Mode())
		}
		return nil
	})
	check(t, err)
}

// A state folder that another user could replace, or made first in a folder such as /tmp, is not used.
func TestStateOfAnotherUser(t *testing.T) {
	s, _ := openSite(t)
	config, err := os.ReadFile(s.path("borgcron.yaml"))
	check(t, err)
	check(t, os.Mkdir(s.path("theirs"), 0o755))
	check(t, os.Chown(s.path("theirs"), nobody, nobody))
	check(t, os.Mkdir(s.path("tmp"), 0o755))
	check(t, os.Chmod(s.path("tmp"), 0o777|fs.ModeSticky))
	check(t, os.Symlink("/etc", s.path("tmp", "link")))
	check(t, os.Lchown(s.path("tmp", "link"), nobody, nobody))
	for _, state := range []string{"theirs", "theirs/state", "tmp/link/borgcron-of-another"} {
		text := strings.ReplaceAll(string(config), "/state", "/"+state)
		check(t, os.WriteFile(s.path("borgcron.yaml"), []byte(text), 0o644))
		for _, verb := range [][]string{{"run"}, {"config", "check"}} {
			if out, code := s.borgcron(verb...); code != 78 || !strings.Contains(out, "unsafe for root") {
				t.Errorf("%s %v: %d, %s", state, verb, code, out)
			}
		}
	}
	if entries, _ := os.ReadDir(s.path("theirs")); len(entries) > 0 {
		t.Errorf("written there: %v", entries)
	}
	if _, err := os.Lstat("/etc/borgcron-of-another"); err == nil {
		t.Error("another user's link was followed")
	}
}

// A log file that another user has put there, as a link or a file of his own, is not written to.
func TestLogFileOfAnotherUser(t *testing.T) {
	s, _ := openSite(t)
	victim := s.path("victim")
	check(t, os.WriteFile(victim, []byte("precious"), 0o600))
	check(t, os.Mkdir(s.path("tmp"), 0o755))
	check(t, os.Chmod(s.path("tmp"), 0o777|fs.ModeSticky))
	if out, ok := s.asNobody("ln", "-s", victim, s.path("tmp", "log")); !ok {
		t.Fatal(out)
	}
	if out, code := s.borgcron("run", "--log-file", s.path("tmp", "log")); code != 64 || !strings.Contains(out, "unsafe for root") {
		t.Errorf("%d, %s", code, out)
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "precious" {
		t.Errorf("%q, %v", text, err)
	}
}

// Sizes are for anybody: without a configuration, without borg, without a home, of what may be read.
func TestSizesForAnybody(t *testing.T) {
	s, program := openSite(t)
	s.env = append(s.env, "PATH=/nonexistent", "BORGCRON_CONFIG=")
	s.write(3, 10_000)
	check(t, os.MkdirAll(s.path("data", "closed", "inside"), 0o700))
	check(t, os.Mkdir(s.path("tmp"), 0o777))
	check(t, os.Chmod(s.path("tmp"), 0o777)) // whatever the umask is
	out, ok := s.asNobody(program, "sizes", s.path("data"), "--save="+s.path("tmp", "sizes.txt"))
	if ok || !strings.Contains(out, "closed: permission denied") || !strings.Contains(out, "\ttotal\n") {
		t.Errorf("sizes: %s", out)
	}
	saved, ok := s.asNobody(program, "sizes", "--cached="+s.path("tmp", "sizes.txt"))
	if !ok || !strings.Contains(saved, "\ttotal\n") || !strings.Contains(saved, s.path("data", "1")) {
		t.Errorf("the saved sizes: %s", saved)
	}
	if out, ok := s.asNobody(program, "sizes", s.path("data"), "--save"); ok || !strings.Contains(out, "--save=FILE") {
		t.Errorf("without a folder of its own: %s", out)
	}
}
