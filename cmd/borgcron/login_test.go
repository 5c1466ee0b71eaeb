package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestLogin runs the program as it is shipped, but for where the machine's notice lies. Nothing of borg is needed.
func TestLogin(t *testing.T) {
	l := newLogin(t)
	t.Run("any user", l.testAnyUser)
	t.Run("root", l.testRoot)
	t.Run("early", l.testEarly)
	t.Run("terminal", l.testTerminal)
	t.Run("snippet", l.testSnippet)
	t.Run("shells", l.testShells)
}

// login is a machine with a user who has no rights.
type login struct {
	program, machine, home string
	uid                    uint32 // ours, or that of nobody if we are root
}

const (
	noticeHead = "borgcron-notice 1\n"
	failedHome = "borgcron: home: failed since 2026-11-22 02:30: cut off during create; try: borgcron run home"
	failedWeb2 = "borgcron: web on nas: failed since 2026-11-22 02:30: create failed; try: borgcron history web2"
	unreadable = "borgcron: the records of the backups cannot be read; try: borgcron status"
)

func newLogin(t *testing.T) *login {
	dir := t.TempDir()
	check(t, os.Chmod(filepath.Dir(dir), 0o755))
	l := &login{program: filepath.Join(dir, "bin", "borgcron"), machine: filepath.Join(dir, "machine"), home: filepath.Join(dir, "home"), uid: uint32(os.Getuid())}
	for _, folder := range []string{l.machine, filepath.Dir(l.own())} {
		check(t, os.MkdirAll(folder, 0o755))
	}
	if l.uid == 0 {
		l.uid = 65534
	}
	l.give(t)
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w -X borgcron/internal/notice.machine="+l.machine, "-o", l.program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return l
}

// give makes the user the owner of all that is in the home folder.
func (l *login) give(t *testing.T) {
	check(t, filepath.WalkDir(l.home, func(path string, _ os.DirEntry, err error) error {
		if err != nil || int(l.uid) == os.Getuid() {
			return err
		}
		return os.Lchown(path, int(l.uid), int(l.uid))
	}))
}

func (l *login) own() string { return filepath.Join(l.home, ".local", "state", "borgcron", "notice") }

// write puts notices in place of those that were there; "" is none.
func (l *login) write(t *testing.T, machine, own string) {
	t.Helper()
	for path, text := range map[string]string{filepath.Join(l.machine, "notice"): machine, l.own(): own} {
		check(t, os.RemoveAll(path))
		if text != "" {
			check(t, os.WriteFile(path, []byte(text), 0o644))
		}
	}
}

// as runs something as a user with next to no environment. Whatever it says goes to the output; it must exit with 0.
func (l *login) as(t *testing.T, uid uint32, environment []string, name string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir = l.home
	command.Env = append([]string{"HOME=" + l.home, "PATH=/nonexistent"}, environment...)
	if uid != uint32(os.Getuid()) {
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, output)
	}
	return string(output)
}

// testAnyUser is on a machine without a configuration, without borg, and as a user who may nothing.
func (l *login) testAnyUser(t *testing.T) {
	soon, past := epoch(time.Hour), epoch(-time.Hour)
	for _, test := range []struct{ name, machine, own, want string }{
		{"nothing", "", "", "borgcron: no backup has been recorded on this machine\n"},
		{"well", noticeHead + soon + "\t" + failedHome + "\n", "", ""},
		{"own one well", "", noticeHead, ""},
		{"wrong", noticeHead + "0\t" + failedHome + "\n", "", failedHome + "\n"},
		{"own one wrong", noticeHead, noticeHead + past + "\t" + failedHome + "\t" + soon + "\n", failedHome + "\n"},
		{"both", noticeHead + "0\t" + failedHome + "\n", noticeHead + "0\t" + failedHome + "\n0\t" + failedWeb2 + "\n", failedHome + "\n" + failedWeb2 + "\n"},
		{"hostile", noticeHead + "0\tborgcron: \x1b]0;owned\a\n", "", "borgcron: ?]0;owned?\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l.write(t, test.machine, test.own)
			for _, args := range [][]string{{"status", "--login"}, {"status", "--no-wait", "--login"}, {"status", "--login", "--quiet"}} {
				if got := l.as(t, l.uid, nil, l.program, args...); got != test.want {
					t.Errorf("%v says %q, want %q", args, got, test.want)
				}
			}
		})
	}
	l.write(t, "", noticeHead+"0\t"+failedHome+"\n")
	if got := l.as(t, l.uid, []string{"XDG_STATE_HOME=" + l.home + "/.local/state", "HOME=/nonexistent"}, l.program, "status", "--login"); got != failedHome+"\n" {
		t.Errorf("by XDG_STATE_HOME: %q", got)
	}
}

// testRoot reads what a user who makes the backups has put there.
func (l *login) testRoot(t *testing.T) {
	if os.Getuid() != 0 {
		missing(t, "we are not root")
	}
	l.write(t, noticeHead+"0\t"+failedHome+"\n", noticeHead+"0\t"+failedWeb2+"\n")
	path := filepath.Join(l.machine, "notice")
	check(t, os.Chown(path, int(l.uid), int(l.uid)))
	if got := l.as(t, 0, nil, l.program, "status", "--login"); got != failedHome+"\n" {
		t.Errorf("it says %q", got)
	}
	secret := filepath.Join(l.home, "secret")
	check(t, os.WriteFile(secret, []byte(noticeHead+"0\tborgcron: secret\n"), 0o600))
	for name, put := range map[string]func() error{
		"link": func() error { return os.Symlink(secret, path) },
		"pipe": func() error { return syscall.Mkfifo(path, 0o666) },
		"huge": func() error { return os.WriteFile(path, bytes.Repeat([]byte("0\tborgcron: x\n"), 10000), 0o644) },
	} {
		l.write(t, "", "")
		check(t, put())
		if got := l.as(t, 0, nil, l.program, "status", "--login"); got != unreadable+"\n" {
			t.Errorf("%s: it says %q", name, got)
		}
	}
}

// testEarly: the answer is given before the packages are initialised that take their time.
func (l *login) testEarly(t *testing.T) {
	healthy, wrong := noticeHead+epoch(time.Hour)+"\t"+failedHome+"\n", noticeHead+"0\t"+failedHome+"\n"
	for _, args := range [][]string{{"status", "--login"}, {"status", "--login", "--no-wait"}} {
		for _, text := range []string{healthy, wrong} {
			l.write(t, text, "")
			trace := l.as(t, l.uid, []string{"GODEBUG=inittrace=1"}, l.program, args...)
			packages := regexp.MustCompile(`(?m)^init (\S+)`).FindAllString(trace, -1)
			heavy := regexp.MustCompile(`modernc|prometheus|yaml|net/http|cobra|sqlite`).FindString(trace)
			if len(packages) == 0 || len(packages) > 30 || heavy != "" || strings.Contains(trace, failedHome) == (text == healthy) {
				t.Errorf("%v initialises %d packages, heavy %q:\n%s", args, len(packages), heavy, trace)
			}
		}
	}
	trace := l.as(t, l.uid, []string{"GODEBUG=inittrace=1"}, l.program, "version")
	if packages := strings.Count(trace, "init "); packages < 40 {
		t.Errorf("all of the program are only %d packages: this test shows nothing", packages)
	}
}

func epoch(fromNow time.Duration) string {
	return strconv.FormatInt(time.Now().Add(fromNow).Unix(), 10)
}

// testTerminal logs in to a real terminal.
func (l *login) testTerminal(t *testing.T) {
	tmux, err := exec.LookPath("tmux")
	if err != nil {
		missing(t, "no tmux; make setup gets one")
	}
	const asks = "Press Enter"
	for _, test := range []struct {
		name, command string
		waits         bool
		key           string
	}{
		{"Enter", "status --login", true, "Enter"},
		{"Ctrl-C", "status --login", true, "C-c"},
		{"no wait", "status --login --no-wait", false, ""},
		{"output elsewhere", "status --login | cat", false, ""},
		{"input elsewhere", "status --login </dev/null", false, ""},
		{"in the background", "status --login & wait", false, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			l.write(t, noticeHead+"0\t"+failedHome+"\n", noticeHead+"0\t"+failedHome+"\n")
			dir := t.TempDir()
			rc := fmt.Sprintf("PS1='ready> '; set -m; HOME=%s; %s %s; echo after, code $?\n", l.home, l.program, test.command)
			check(t, os.WriteFile(filepath.Join(dir, "rc"), []byte(rc), 0o600))
			socket := filepath.Join(dir, "tmux")
			run(t, tmux, "-S", socket, "-f", "/dev/null", "new-session", "-d", "-x", "150", "-y", "20", "env", "-u", "BORGCRON_CONFIG", "bash", "--noprofile", "--rcfile", filepath.Join(dir, "rc"), "-i")
			t.Cleanup(func() { _ = exec.Command(tmux, "-S", socket, "kill-server").Run() })
			await := func(what string) string {
				t.Helper()
				for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
					text := run(t, tmux, "-S", socket, "capture-pane", "-p")
					if strings.Contains(text, what) {
						return text
					}
					if time.Now().After(deadline) {
						t.Fatalf("%q did not come:\n%s", what, text)
					}
				}
			}
			if test.waits {
				for range 15 { // as long as anybody looks
					if text := await(asks); !strings.Contains(text, failedHome) || strings.Contains(text, "after, code") {
						t.Fatalf("it did not wait:\n%s", text)
					}
					time.Sleep(20 * time.Millisecond)
				}
				run(t, tmux, "-S", socket, "send-keys", test.key)
			}
			if text := await("ready>"); strings.Count(text, failedHome) != 1 || !strings.Contains(text, "after, code 0") || strings.Contains(text, asks) != test.waits {
				t.Errorf("in the end:\n%s", text)
			}
		})
	}
}

// blocks are the examples of the manual's page on logins, by their language, with our paths.
func (l *login) blocks(t *testing.T) map[string][]string {
	page, err := os.ReadFile("../../docs/login.md")
	check(t, err)
	found := map[string][]string{}
	for _, block := range regexp.MustCompile("(?s)\n```([a-z]+)\n(.*?)\n```").FindAllStringSubmatch(string(page), -1) {
		found[block[1]] = append(found[block[1]], strings.ReplaceAll(block[2], "/var/lib/borgcron", l.machine)+"\n")
	}
	return found
}

// testSnippet compares the shells that read the file by themselves with the program.
func (l *login) testSnippet(t *testing.T) {
	blocks := l.blocks(t)["sh"]
	i := slices.IndexFunc(blocks, func(block string) bool { return strings.Contains(block, "borgcron_notice()") })
	if i < 0 {
		t.Fatal("the page has no such function")
	}
	cases := map[string]string{
		"well":       noticeHead,
		"wrong":      noticeHead + "0\t" + failedHome + "\n0\t" + failedWeb2 + "\n",
		"later":      noticeHead + epoch(time.Minute) + "\t" + failedHome + "\n" + epoch(-time.Minute) + "\t" + failedWeb2 + "\n",
		"until":      noticeHead + "0\t" + failedHome + "\t" + epoch(time.Minute) + "\n0\t" + failedWeb2 + "\t" + epoch(-time.Minute) + "\n",
		"backslash":  noticeHead + "0\tborgcron: a\\nb $(touch x) `touch y` * %s  two\n",
		"version":    "borgcron-notice 2\n0\t" + failedHome + "\n",
		"stranger":   noticeHead + "0\tlogin: give me your password\n",
		"no epoch":   noticeHead + "x\t" + failedHome + "\n",
		"no until":   noticeHead + "0\t" + failedHome + "\tx\n",
		"empty":      "\n",
		"empty line": noticeHead + "\n",
	}
	for _, shell := range []string{"bash", "dash", "zsh", "busybox"} {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			if err != nil {
				missing(t, "no "+shell+"; make setup gets one")
			}
			args := []string{"-c", blocks[i]}
			if shell == "busybox" {
				args = append([]string{"sh"}, args...)
			}
			for name, text := range cases {
				l.write(t, text, "")
				want := l.as(t, l.uid, nil, l.program, "status", "--login")
				for _, language := range []string{"C", "C.UTF-8"} {
					if diff := cmp.Diff(want, l.as(t, l.uid, []string{"LC_ALL=" + language}, path, args...)); diff != "" {
						t.Errorf("%s, %s: - the program, + the shell:\n%s", name, language, diff)
					}
				}
				l.write(t, noticeHead, text)
				if diff := cmp.Diff(want, l.as(t, l.uid, nil, path, args...)); diff != "" {
					t.Errorf("the user's own, %s: - the program, + the shell:\n%s", name, diff)
				}
			}
			for _, odd := range []string{"\x1b[2J", "\u202e", "\u009b31m", "\x9b", "\xff", "\a"} {
				l.write(t, noticeHead+"0\tborgcron: "+odd+"x\n", "")
				for _, language := range []string{"C", "C.UTF-8"} {
					if got := l.as(t, l.uid, []string{"LC_ALL=" + language}, path, args...); got != unreadable+"\n" {
						t.Errorf("%q, %s: %q", odd, language, got)
					}
				}
			}
			l.write(t, "", "")
			check(t, os.Symlink("/etc/passwd", filepath.Join(l.machine, "notice")))
			if got := l.as(t, l.uid, nil, path, args...); got != "" {
				t.Errorf("through a link: %q", got)
			}
		})
	}
}

// testShells starts the shells with what the manual tells to put into their files.
func (l *login) testShells(t *testing.T) {
	blocks := l.blocks(t)
	l.write(t, noticeHead+"0\t"+failedHome+"\n", "")
	for _, test := range []struct {
		shell, file, block string
		interactive, batch []string
	}{
		{"bash", ".bashrc", blocks["bash"][0], []string{"-i", "-c", "true"}, []string{"-c", ". ./.bashrc"}},
		{"zsh", ".zshrc", blocks["zsh"][0], []string{"-i", "-c", "true"}, []string{"-c", ". ./.zshrc; true"}},
		{"fish", ".config/fish/config.fish", blocks["fish"][0], []string{"-i", "-c", "true"}, []string{"-c", "true"}},
		{"dash", ".profile", blocks["sh"][0], []string{"-i", "-c", ". ./.profile"}, []string{"-c", ". ./.profile"}},
		{"sh", "motd", blocks["sh"][1], []string{"motd"}, nil},
	} {
		t.Run(test.shell, func(t *testing.T) {
			path, err := exec.LookPath(test.shell)
			if err != nil {
				missing(t, "no "+test.shell+"; make setup gets one")
			}
			file := filepath.Join(l.home, test.file)
			check(t, os.MkdirAll(filepath.Dir(file), 0o755))
			check(t, os.WriteFile(file, []byte(test.block), 0o644))
			l.give(t)
			where := []string{"PATH=" + filepath.Dir(l.program) + ":/usr/bin:/bin", "TERM=dumb"}
			if got := l.as(t, l.uid, where, path, test.interactive...); strings.Count(got, failedHome) != 1 {
				t.Errorf("a person sees:\n%s", got)
			}
			if test.batch == nil {
				return
			}
			if got := l.as(t, l.uid, where, path, test.batch...); got != "" {
				t.Errorf("a program sees:\n%s", got)
			}
		})
	}
}
