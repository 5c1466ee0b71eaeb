package main

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// terminal is one that a newcomer sits at.
type terminal struct {
	n      *newcomer
	tmux   string
	socket string
	pid    int // of borgcron
	keys   int // how many were typed
}

// sits starts borgcron on a terminal. What the shell sees of its end is written behind it.
func (n *newcomer) sits(args ...string) *terminal {
	n.t.Helper()
	tmux, err := exec.LookPath("tmux")
	if err != nil {
		missing(n.t, "no tmux; make setup gets one")
	}
	dir := n.t.TempDir()
	x := &terminal{n: n, tmux: tmux, socket: filepath.Join(dir, "tmux")}
	bind := n.private
	if os.Getuid() == 0 {
		bind += `mount --bind "$WORK/var" /var/lib; `
	}
	script := bind + `trap : INT; cd "$HOME"; sh -c 'echo $$ >` + dir + `/pid; exec "$0" "$@"' "$@"; echo exit code $?; stty -a | grep -o -- '-*echo ' ; sleep 300`
	words := append([]string{"sh", "-c", script, "sh", n.program}, args...)
	if os.Getuid() == 0 {
		words = append([]string{"unshare", "-m"}, words...)
	}
	command := exec.Command(tmux, append([]string{"-S", x.socket, "-f", "/dev/null", "new-session", "-d", "-x", "250", "-y", "140"}, words...)...)
	command.Env = n.env
	if output, err := command.CombinedOutput(); err != nil {
		n.t.Fatalf("tmux: %v\n%s", err, output)
	}
	n.t.Cleanup(func() { _ = exec.Command(tmux, "-S", x.socket, "kill-server").Run() })
	eventually(n.t, func() bool {
		text, _ := os.ReadFile(filepath.Join(dir, "pid"))
		x.pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		return x.pid > 0
	}, func() string { return "borgcron does not start:\n" + x.screen() })
	return x
}

func (x *terminal) screen() string {
	return run(x.n.t, x.tmux, "-S", x.socket, "capture-pane", "-p")
}

// sees waits for words on the screen.
func (x *terminal) sees(words string) {
	x.n.t.Helper()
	text := ""
	eventually(x.n.t, func() bool { text = x.screen(); return strings.Contains(text, words) }, func() string { return words + " does not come:\n" + text })
}

// asks waits for a question, which is the last thing on the screen.
func (x *terminal) asks(words string) {
	x.n.t.Helper()
	text := ""
	eventually(x.n.t, func() bool {
		text = x.screen()
		lines := strings.Split(strings.TrimSpace(text), "\n")
		last := lines[len(lines)-1]
		return strings.Contains(last, words) && strings.HasSuffix(strings.TrimSpace(last), ":") // nothing has been answered yet
	}, func() string { return "the question " + words + " does not come:\n" + text })
}

// answers waits for a question and types the answer.
func (x *terminal) answers(question, answer string) {
	x.n.t.Helper()
	x.asks(question)
	if answer != "" {
		run(x.n.t, x.tmux, "-S", x.socket, "send-keys", "-l", answer)
	}
	run(x.n.t, x.tmux, "-S", x.socket, "send-keys", "Enter")
	x.keys += len(answer) + 1
	if answer != "" { // an empty one may bring the same question again
		return
	}
	eventually(x.n.t, func() bool {
		lines := strings.Split(strings.TrimSpace(x.screen()), "\n")
		return !strings.Contains(lines[len(lines)-1], question) || !strings.HasSuffix(strings.TrimSpace(lines[len(lines)-1]), ":")
	}, func() string { return "Enter does nothing at " + question })
}

// wrongly gives an answer that does not hold, and waits for the reason.
func (x *terminal) wrongly(question, answer, reason string) {
	x.n.t.Helper()
	x.answers(question, answer)
	x.sees(reason)
}

const (
	whatQuestion       = "What to back up"
	whereQuestion      = "Where to"
	passphraseQuestion = "Passphrase: new"
	keepQuestion       = "How many archives to keep"
	whenQuestion       = "When: "
	agreeQuestion      = "Make it so?"
)

// Every question is answered wrongly first, and explained; in the end all of it works.
func TestInitOnTerminal(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		n := newNewcomer(t, borg)
		check(t, os.WriteFile(n.path("mnt", "other"), nil, 0o600))
		x := n.sits("init", "--borg", borg)
		x.wrongly(whatQuestion, "?", "Each folder is backed up")
		x.wrongly(whatQuestion, "data, nowhere", n.path("nowhere")+" does not exist")
		x.answers(whatQuestion, "~/data")
		x.wrongly(whereQuestion, "?", "best on another disk")
		x.wrongly(whereQuestion, "http://nas", "knows ssh://")
		x.wrongly(whereQuestion, "data/borg", "would back itself up")
		x.wrongly(whereQuestion, "away/borg", "is a disk not mounted?")
		x.wrongly(whereQuestion, "mnt", "name a new folder, such as "+n.path("mnt", "borg"))
		x.wrongly(whereQuestion, "/proc/borg", "/proc cannot be written to")
		x.answers(whereQuestion, "mnt/borg")
		x.wrongly(passphraseQuestion, "?", "a random one, in a file that only you can read")
		x.wrongly(passphraseQuestion, "secret", "write new, ask, none, file:FILE or command:COMMAND")
		x.wrongly(passphraseQuestion, "file:nowhere", "no such file")
		x.wrongly(passphraseQuestion, "command:false", "exit status 1")
		x.answers(passphraseQuestion, "ask")
		x.answers("  Passphrase:", "sesame open")
		x.answers("  Once more:", "sesame")
		x.sees("two different ones")
		x.answers(passphraseQuestion, "ask")
		x.answers("  Passphrase:", "sesame open")
		x.answers("  Once more:", "sesame open")
		x.wrongly(keepQuestion, "?", "nothing is ever deleted")
		x.wrongly(keepQuestion, "7x", "is no number with h, d, w, m or y")
		x.answers(keepQuestion, "7d 4w")
		x.wrongly(whenQuestion, "?", "when a day has passed")
		x.wrongly(whenQuestion, "25:00", "is neither a time")
		x.answers(whenQuestion, "no")
		x.wrongly(agreeQuestion, "perhaps", "yes makes all of this")
		if left := n.files(); len(left) != 1 {
			t.Errorf("before the end it has made %v", left)
		}
		x.answers(agreeQuestion, "")
		x.sees("exit code 0")
		text := x.screen()
		if strings.Contains(text, "sesame") {
			t.Errorf("the passphrase is to be seen:\n%s", text)
		}
		if passphrase := n.secret("etc", "data.passphrase"); passphrase != "sesame open\n" {
			t.Errorf("the passphrase is %q", passphrase)
		}
		n.backsUp("data")

		// A second one, with a mistake in its name, is made beside it, in the same repository.
		x = n.sits("init", "dota", "--borg", borg)
		x.sees("There is no job dota yet, did you mean data?")
		x.answers(whatQuestion, "data")
		x.answers(whereQuestion, "mnt/borg")
		x.sees("the configuration has this repository already")
		x.answers(keepQuestion, "all")
		x.answers(whenQuestion, "no")
		x.answers(agreeQuestion, "")
		x.sees("exit code 0")
		n.backsUp("dota")
	})
}

// The same on a server: its key is shown, and everything that can stand in the way of a login does.
func TestInitOnTerminalOnServer(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		n := newNewcomer(t, borg)
		server := startSSH(t)
		x := n.sits("init", "--borg", borg, "--remote-path", "/nowhere/borg", "--source", "data")
		gone := startSSH(t)
		gone.relay.refused.Store(true)
		x.wrongly(whereQuestion, gone.location(n.path("mnt", "far")), "ssh cannot reach it: ")
		x.answers(whereQuestion, server.location(n.path("none", "far")))
		x.sees(server.fingerprint(t) + " (ED25519)")
		x.wrongly("  Is it this one?", "?", "would show another key")
		x.wrongly("  Is it this one?", "no", "the server is not trusted, then")
		x.answers(whereQuestion, server.location(n.path("none", "far")))
		x.answers("  Is it this one?", "yes")
		x.sees("does not let us in")
		x.wrongly("  File of a key", "?", "A private key without a passphrase")
		x.wrongly("  File of a key", "nowhere", n.path("nowhere")+" does not exist")
		x.answers("  File of a key", server.identity)
		x.sees("there is no program /nowhere/borg on the server")
		x.wrongly("  Path of borg", "?", "if it is not on the PATH of that user")
		x.answers("  Path of borg", borg)
		x.sees("logged in; borg there is 1.")
		x.answers(passphraseQuestion, "")
		x.answers(keepQuestion, "")
		x.answers(whenQuestion, "no")
		x.answers(agreeQuestion, "")
		x.sees("the repository cannot be made") // the folder above it is not there
		if left := n.files(); len(left) != 0 {
			t.Errorf("an init that failed has left %v", left)
		}
		check(t, os.Mkdir(n.path("none"), 0o755))
		x.answers(whereQuestion, server.location(n.path("none", "far")))
		x.answers("  Is it this one?", "yes")
		x.answers("  File of a key", server.identity)
		x.answers("  Path of borg", borg)
		x.answers(passphraseQuestion, "")
		x.answers(agreeQuestion, "y")
		x.sees("exit code 0")
		n.backsUp("data")
		for _, secret := range []string{"config.yaml", "known_hosts", "data.passphrase", "data.key"} {
			n.secret("etc", secret)
		}
	})
}

// A repository that is there: its passphrase is asked for until it opens it.
func TestInitAdoptsOnTerminal(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		n := newNewcomer(t, borg)
		command := exec.Command(borg, "init", "-e", "repokey-blake2", n.path("mnt", "old"))
		command.Env = append(n.env, "BORG_PASSPHRASE=right")
		check(t, command.Run())
		x := n.sits("init", "home", "--borg", borg, "--source", "data", "--keep", "all", "--no-schedule")
		x.answers(whereQuestion, "mnt/old")
		x.sees("there is a repository already: it is adopted")
		question := "Passphrase of the repository that is there"
		x.answers(question, "")
		x.answers("  Passphrase:", "wrong")
		x.sees("this is not the passphrase of the repository")
		x.answers(question, "")
		x.answers("  Passphrase:", "right")
		x.sees("it opens the repository (repokey-blake2, no archives yet)")
		x.answers(agreeQuestion, "")
		x.sees("exit code 0")
		n.backsUp("home")
	})
}

// Where there is no room for what is to be backed up, here or on a server, it says so and asks.
func TestInitWithoutRoom(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		n := newNewcomer(t, borg)
		server := startSSH(t)
		check(t, os.Truncate(n.path("data", "letter"), 1<<42)) // of nothing but holes; no disk of this size is in a test machine
		places := [][]string{
			{"--location", "mnt/borg"},
			{"--location", server.location(n.path("mnt", "far")), "--ssh-identity", server.identity, "--remote-path", borg, "--accept-host-key", server.fingerprint(t)},
		}
		for _, place := range places {
			args := append([]string{"init", "home", "--borg", borg, "--source", "data", "--keep", "all", "--no-schedule", "--passphrase", "new"}, place...)
			if output := n.gives(2, args...); !strings.Contains(output, "there is room for") || !strings.Contains(output, "the sources are 4.0T") {
				t.Errorf("without a terminal:\n%s", output)
			}
			x := n.sits(args...)
			x.answers("  Go on with it?", "")
			x.sees("another place, then")
			x.asks(whereQuestion)
			if left := n.files(); len(left) != 0 {
				t.Errorf("it has made %v", left)
			}
			if output := n.gives(0, append(args, "--yes")...); !strings.Contains(output, "warning: there is room for") {
				t.Errorf("with --yes:\n%s", output)
			}
			check(t, os.RemoveAll(n.path("etc")))
			check(t, os.RemoveAll(n.path("mnt", "borg")))
		}
	})
}

// From nothing to a first backup that is known to come back: three commands, and this is what they cost.
func TestFirstBackup(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		n := newNewcomer(t, borg)
		count, size := 200, 20_000
		if proving() {
			count, size = 2000, 500_000 // the home of the figures in the manual
		}
		letter := make([]byte, size)
		for i := range count {
			_, _ = rand.Read(letter)
			check(t, os.WriteFile(n.path("data", "letter "+strconv.Itoa(i)), letter, 0o600))
		}
		n.env = append(n.env, "PATH="+filepath.Dir(borg)+":"+os.Getenv("PATH"), "HOME="+n.path("data"))
		began := time.Now()
		x := n.sits("init")
		x.answers(whatQuestion, "~")
		x.answers(whereQuestion, n.path("mnt", "borg"))
		x.answers(passphraseQuestion, "")
		x.answers(keepQuestion, "")
		x.answers(whenQuestion, "no") // what is installed on this machine is not for a test
		x.answers(agreeQuestion, "")
		x.sees("exit code 0")
		keys := x.keys
		for _, args := range [][]string{{"run", "home"}, {"verify", "home"}} {
			keys += len("borgcron") + len(strings.Join(args, " ")) + 2
			n.gives(0, args...)
		}
		t.Logf("%d keystrokes (%d of them the location), %v from the first to the last", keys+len("borgcron init\n"), len(n.path("mnt", "borg")), time.Since(began).Round(time.Second))
		n.backsUp("home")
	})
}
