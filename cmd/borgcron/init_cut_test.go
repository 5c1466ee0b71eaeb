package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Ctrl-C and the end of input, and a kill at each question: nothing is there that was not before, the terminal shows again what is
// typed, and an init afterwards is none the worse.
func TestInitCutAtEachQuestion(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		n := newNewcomer(t, borg)
		steps := []struct{ question, answer string }{
			{whatQuestion, "data"}, {whereQuestion, "mnt/borg"}, {passphraseQuestion, "ask"}, {"  Passphrase:", "x"}, {"  Once more:", "x"},
			{keepQuestion, "all"}, {whenQuestion, "no"}, {agreeQuestion, ""},
		}
		for i, cut := range steps {
			for _, way := range []string{"C-c", "C-d", "kill"} {
				if way == "C-d" && strings.HasPrefix(cut.question, " ") { // it means nothing where nothing is to be seen
					continue
				}
				x := n.sits("init", "home", "--borg", borg)
				for _, step := range steps[:i] {
					x.answers(step.question, step.answer)
				}
				x.asks(cut.question)
				if way == "kill" {
					check(t, syscall.Kill(x.pid, syscall.SIGKILL))
				} else {
					run(t, x.tmux, "-S", x.socket, "send-keys", way)
				}
				x.sees(map[string]string{"C-c": "exit code 130", "C-d": "exit code 2", "kill": "exit code 137"}[way])
				if left := n.files(); len(left) != 0 {
					t.Errorf("%s at %q has left %v", way, cut.question, left)
				}
				if way != "kill" { // whom it strikes cannot put the terminal right
					x.sees("\necho")
				}
				run(t, x.tmux, "-S", x.socket, "kill-server")
			}
		}
		n.gives(0, "init", "home", "--borg", borg, "--source", "data", "--location", "mnt/borg", "--yes", "--no-schedule")
		n.backsUp("home")
	})
}

// gatedBorg is a borg that init holds up where the test wants it: before the deed, in its midst (a repository without a manifest, as
// a borg leaves it that is killed then), or after it. It goes on when the file `gate` is gone.
func (n *newcomer) gatedBorg(borg, at string) string {
	n.t.Helper()
	wait := `: >"$HOME/there"; while [ -e "$HOME/gate" ]; do sleep 0.05; done`
	var script string
	switch at {
	case "before":
		script = wait + "\nexec " + borg + ` "$@"`
	case "midst": // without a passphrase borg stops after it has made the repository
		script = "env -u BORG_PASSPHRASE_FD " + borg + ` "$@" 2>/dev/null` + "\n" + wait + "\n" + `kill -9 $$`
	case "nothing": // not even the repository's configuration
		script = `mkdir -p "$HOME/mnt/borg/data"; echo This is a Borg Backup repository. >"$HOME/mnt/borg/README"` + "\n" + wait + "\n" + `kill -9 $$`
	case "after":
		script = borg + ` "$@"; code=$?` + "\n" + wait + "\nexit $code"
	}
	path := n.path(".borg-" + at)
	text := "#!/bin/sh\ntrap '' INT\nif [ \"$1\" = init ] && [ ! -e \"$HOME/there\" ]; then\n" + script + "\nfi\nexec " + borg + ` "$@"` + "\n"
	check(n.t, os.WriteFile(path, []byte(text), 0o755))
	check(n.t, os.WriteFile(n.path("gate"), nil, 0o600))
	return path
}

func (n *newcomer) open() {
	n.t.Helper()
	check(n.t, os.Remove(n.path("gate")))
}

// In the midst of making the repository: what a signal or a kill leaves is either all in its place, or nothing, or what the next
// init goes on with. That always comes to a backup that works.
func TestInitCutInBorg(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		for _, at := range []string{"before", "midst", "nothing", "after"} {
			for i, way := range []string{"SIGINT", "SIGKILL", "SIGKILL to both", "borg alone"} {
				if !proving() && !strings.Contains(map[string]string{"before": "01", "midst": "023", "nothing": "23", "after": "1"}[at], strconv.Itoa(i)) {
					continue
				}
				t.Run(at+"/"+way, func(t *testing.T) {
					n := newNewcomer(t, borg)
					n.cutInBorg(borg, at, way)
				})
			}
		}
	})
}

func (n *newcomer) cutInBorg(borg, at, way string) {
	t := n.t
	t.Helper()
	var output bytes.Buffer
	command := n.command("init", "home", "--borg", n.gatedBorg(borg, at), "--source", "data", "--location", "mnt/borg", "--yes", "--no-schedule")
	command.Stdout, command.Stderr, command.WaitDelay = &output, &output, time.Second
	check(t, command.Start())
	defer func() { _ = command.Process.Kill() }()
	eventually(t, func() bool { _, err := os.Stat(n.path("there")); return err == nil }, func() string { return "borg does not begin:\n" + output.String() })
	passphrase := n.secret("etc", ".init-home", "passphrase") // it is on the disk before anything needs it
	programs := tree(command.Process.Pid)[1:]
	switch way {
	case "SIGINT":
		check(t, command.Process.Signal(syscall.SIGINT))
		n.open()
	case "SIGKILL":
		check(t, command.Process.Kill())
		_ = command.Wait()
		n.open()
		for _, pid := range programs { // borg goes on by itself
			eventually(t, func() bool { return processState(pid) == 0 }, func() string { return "borg does not end" })
		}
	case "SIGKILL to both":
		check(t, command.Process.Kill())
		for _, pid := range programs {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		_ = command.Wait()
		n.open()
	case "borg alone":
		for _, pid := range programs {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		n.open()
	}
	_ = command.Wait()
	code, left := command.ProcessState.ExitCode(), strings.Join(n.files(), " ")
	whole := strings.Contains(left, "etc/config.yaml") && strings.Contains(left, "etc/home.passphrase") && !strings.Contains(left, ".init-")
	_, err := os.Lstat(n.path("mnt", "borg"))
	nothing := !strings.Contains(left, "etc/") && err != nil
	draft := strings.Contains(left, "etc/.init-home/passphrase") && !strings.Contains(left, "etc/config.yaml")
	t.Logf("%s, %s: exit code %d; whole %t, nothing %t, goes on %t", at, way, code, whole, nothing, draft)
	switch cut := strings.HasPrefix(way, "SIGKILL"); {
	case cut && !draft:
		t.Errorf("there is %s", left)
	case !cut && !whole && !nothing:
		t.Errorf("it ended with %d and has left %s:\n%s", code, left, output.String())
	case way == "SIGINT" && code != 130:
		t.Errorf("it ended with %d:\n%s", code, output.String())
	case way == "SIGINT" && whole && !strings.Contains(output.String(), "interrupted: all is in its place"):
		t.Errorf("it does not say what there is:\n%s", output.String())
	}

	args := []string{"init", "home"} // whatever was left, this is enough
	if nothing {
		args = append(args, "--borg", borg, "--source", "data", "--location", "mnt/borg", "--yes", "--no-schedule")
	}
	again := n.gives(0, args...)
	if draft && !strings.Contains(again, "was cut off at") {
		t.Errorf("the second init does not say that it goes on:\n%s", again)
	}
	if kept := n.secret("etc", "home.passphrase"); !nothing && kept != passphrase {
		t.Error("the passphrase is another one by now")
	}
	n.backsUp("home")
	for _, name := range n.files() {
		if strings.Contains(name, ".init-") || strings.Contains(name, ".new-") {
			t.Errorf("%s is left in the end", name)
		}
	}
}

// A borg on a server that is cut off, with the connection: what it has left there half made is removed by the next init.
func TestInitCutOnServer(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		n := newNewcomer(t, borg)
		server := startSSH(t)
		args := []string{
			"init", "home", "--borg", n.gatedBorg(borg, "midst"), "--remote-path", borg, "--source", "data", "--location", server.location(n.path("mnt", "far")),
			"--ssh-identity", server.identity, "--accept-host-key", server.fingerprint(t), "--yes", "--no-schedule",
		}
		command := n.command(args...)
		check(t, command.Start())
		eventually(t, func() bool { _, err := os.Stat(n.path("there")); return err == nil }, func() string { return "borg does not begin" })
		server.relay.refused.Store(true) // from now on nothing can be looked at
		n.open()
		_ = command.Wait()
		if code, left := command.ProcessState.ExitCode(), fmt.Sprint(n.files()); code != 2 || !strings.Contains(left, "etc/.init-home/passphrase") {
			t.Fatalf("it ended with %d and has left %s", code, left)
		}
		n.gives(2, "init", "home") // the server is still away
		server.relay.refused.Store(false)
		if _, err := os.Stat(n.path("mnt", "far", "config")); err != nil {
			t.Fatal("nothing was left half made")
		}
		if again := n.gives(0, "init", "home"); !strings.Contains(again, "left half made is removed") {
			t.Errorf("the next init:\n%s", again)
		}
		n.backsUp("home")
	})
}

// The next init may be told not to go on: the passphrase of a repository that was perhaps made is kept all the same.
func TestInitGivesUpADraft(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		n := newNewcomer(t, borg)
		command := n.command("init", "home", "--borg", n.gatedBorg(borg, "after"), "--source", "data", "--location", "mnt/borg", "--yes", "--no-schedule")
		check(t, command.Start())
		eventually(t, func() bool { _, err := os.Stat(n.path("there")); return err == nil }, func() string { return "borg does not begin" })
		passphrase := n.secret("etc", ".init-home", "passphrase")
		check(t, command.Process.Kill())
		_ = command.Wait()
		n.open()
		if output := n.gives(2, "init", "home", "--source", "data", "--location", "mnt/other"); !strings.Contains(output, "is for another location") {
			t.Errorf("with another location:\n%s", output)
		}
		x := n.sits("init", "home", "--borg", borg)
		x.answers("Go on with it?", "n")
		x.answers(whatQuestion, "data")
		x.answers(whereQuestion, "mnt/other")
		x.answers(passphraseQuestion, "")
		x.answers(keepQuestion, "")
		x.answers(whenQuestion, "no")
		x.answers(agreeQuestion, "")
		x.sees("exit code 0")
		n.backsUp("home")
		kept, err := exec.Command("sh", "-c", "cat "+n.path("etc")+"/init-home.given-up-*/passphrase").Output()
		if err != nil || string(kept) != passphrase {
			t.Errorf("the passphrase of the repository that was given up: %q, %v", kept, err)
		}
	})
}

// One that was cut off when all was in its place, but for the folder where it was prepared: that goes at the next init, unless it
// holds a passphrase that is nowhere else.
func TestInitTidies(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		n := newNewcomer(t, borg)
		n.gives(0, "init", "home", "--borg", borg, "--source", "data", "--location", "mnt/borg", "--yes", "--no-schedule")
		draft := func(passphrase string) {
			check(t, os.Mkdir(n.path("etc", ".init-home"), 0o700))
			text := fmt.Sprintf(`{"Answers": {"Job": "home", "Passphrase": {"Kept": "new", "File": %q}}}`, n.path("etc", "home.passphrase"))
			check(t, os.WriteFile(n.path("etc", ".init-home", "draft.json"), []byte(text), 0o600))
			check(t, os.WriteFile(n.path("etc", ".init-home", "passphrase"), []byte(passphrase), 0o600))
		}
		draft(n.secret("etc", "home.passphrase"))
		n.gives(0, "init")
		draft("another\n") // which fails if it is still there
		if output := n.gives(0, "init", "home"); !strings.Contains(output, "another passphrase") {
			t.Errorf("with another passphrase:\n%s", output)
		}
		if n.secret("etc", ".init-home", "passphrase") != "another\n" {
			t.Error("a passphrase is lost")
		}
	})
}

// Two at the same time: the second waits, and takes nothing away from the first.
func TestInitTwoAtOnce(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		n := newNewcomer(t, borg)
		args := []string{"init", "home", "--borg", n.gatedBorg(borg, "before"), "--source", "data", "--location", "mnt/borg", "--yes", "--no-schedule"}
		command := n.command(args...)
		check(t, command.Start())
		eventually(t, func() bool { _, err := os.Stat(n.path("there")); return err == nil }, func() string { return "borg does not begin" })
		passphrase := n.secret("etc", ".init-home", "passphrase")
		n.gives(75, append(args, "--wait", "0s")...)
		n.open()
		if err := command.Wait(); err != nil || n.secret("etc", "home.passphrase") != passphrase {
			t.Errorf("the first: %v", err)
		}
		n.backsUp("home")
	})
}

// A server that does not answer keeps nobody: Ctrl-C ends the trial, and what it has started.
func TestInitCutAtATrial(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		n := newNewcomer(t, borg)
		server := startSSH(t)
		server.relay.freeze()
		x := n.sits("init", "home", "--borg", borg, "--source", "data")
		x.answers(whereQuestion, server.location(n.path("mnt", "far")))
		var programs []int
		eventually(t, func() bool { programs = tree(x.pid)[1:]; return len(programs) > 0 }, func() string { return "no ssh is started:\n" + x.screen() })
		run(t, x.tmux, "-S", x.socket, "send-keys", "C-c")
		x.sees("exit code 130")
		for _, pid := range programs {
			eventually(t, func() bool { return processState(pid) == 0 }, func() string { return "ssh does not end" })
		}
		if left := n.files(); len(left) != 0 {
			t.Errorf("it has left %v", left)
		}
	})
}

// A second job is gone on with as well, by its name alone.
func TestInitGoesOnWithASecondJob(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		n := newNewcomer(t, borg)
		n.gives(0, "init", "home", "--borg", borg, "--source", "data", "--location", "mnt/borg", "--yes", "--no-schedule")
		command := n.command("init", "work", "--borg", n.gatedBorg(borg, "midst"), "--source", "data", "--location", "mnt/work", "--yes", "--no-schedule")
		check(t, command.Start())
		eventually(t, func() bool { _, err := os.Stat(n.path("there")); return err == nil }, func() string { return "borg does not begin" })
		check(t, command.Process.Kill())
		_ = command.Wait()
		n.open()
		n.gives(0, "run", "home") // which knows nothing of it
		n.gives(0, "init", "work", "--wait", "1m")
		n.backsUp("home")
		n.backsUp("work")
	})
}
