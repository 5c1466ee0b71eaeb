package borg_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
	"borgcron/internal/machine"
)

const ownHostID = "borgcron-00112233445566778899aabbccddeeff"

// locker is a borg by hand that holds a lock until it is told to end.
type locker struct {
	*exec.Cmd
	f     *fixture
	stdin io.Closer
}

// lock runs borg until it has said something, by when it holds the lock.
func (f *fixture) lock(args ...string) locker {
	f.t.Helper()
	cmd := f.byHand(f.t.Context(), args...)
	if f.client.HostID != "" {
		cmd.Env = append(cmd.Env, "BORG_HOST_ID="+f.client.HostID)
	}
	stdin, err := cmd.StdinPipe()
	f.must(err)
	stdout, err := cmd.StdoutPipe()
	f.must(err)
	f.must(cmd.Start())
	f.t.Cleanup(func() { stdin.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if _, err := stdout.Read(make([]byte, 1)); err != nil {
		f.t.Fatalf("borg %v said nothing: %v", args, err)
	}
	return locker{cmd, f, stdin}
}

// kill ends it so that its locks stay.
func (l locker) kill() {
	l.f.t.Helper()
	l.f.must(l.Process.Kill())
	l.stdin.Close()
	_ = l.Wait()
}

// holders are a line each.
func (f *fixture) holders() (lines string, holders []backup.LockHolder) {
	f.t.Helper()
	holders, err := f.client.Holders(*f.repo, "")
	f.must(err)
	for _, h := range holders {
		kind := "shared"
		if h.Exclusive {
			kind = "exclusive"
		}
		lines += fmt.Sprintf("%s %s %v: %s\n", h.Place, kind, h.Life, h.Why)
	}
	return lines, holders
}

func (f *fixture) expect(format string, args ...any) {
	f.t.Helper()
	want := fmt.Sprintf(format, args...)
	if got, holders := f.holders(); got != want {
		f.t.Errorf("holders:\n%swant:\n%s%+v", got, want, holders)
	}
}

// forge makes the lock of the repository one of another process, taken some seconds ago.
func (f *fixture) forge(from, to string) {
	f.t.Helper()
	folder := filepath.Join(f.repo.Location, "lock.exclusive")
	entries, err := os.ReadDir(folder)
	f.must(err)
	if len(entries) != 1 {
		f.t.Fatalf("in lock.exclusive: %v", entries)
	}
	entry := filepath.Join(folder, strings.Replace(entries[0].Name(), from, to, 1))
	f.must(os.Rename(filepath.Join(folder, entries[0].Name()), entry))
	roster := filepath.Join(f.repo.Location, "lock.roster")
	data, err := os.ReadFile(roster)
	f.must(err)
	f.must(os.WriteFile(roster, []byte(strings.Replace(string(data), strings.Trim(from, ".-"), strings.Trim(to, ".-"), 1)), 0o600))
	ago := time.Now().Add(-10 * time.Second)
	f.must(os.Chtimes(entry, ago, ago))
	f.must(os.Chtimes(roster, ago, ago))
}

func needsLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only on Linux a process can be looked at")
	}
}

func TestHoldersOfTheRepository(t *testing.T) {
	needsLinux(t)
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.client.HostID = ownHostID
		f.init()
		f.expect("")
		borg := f.lock("with-lock", f.repo.Location, "sh", "-c", "echo locked; cat")
		f.expect("repository exclusive living: process %d is a running borg\n", borg.Process.Pid)
		if _, holders := f.holders(); len(holders) != 1 || holders[0].PID != borg.Process.Pid || holders[0].HostID != ownHostID ||
			time.Since(holders[0].Since).Abs() > time.Minute {
			t.Errorf("%+v", holders)
		}
		f.must(borg.Process.Signal(unix.SIGSTOP))
		f.expect("repository exclusive living: process %d is a running borg\n", borg.Process.Pid)
		borg.kill()
		f.expect("repository exclusive dead: no such process\n")

		sleep := exec.Command("sleep", "600")
		f.must(sleep.Start())
		t.Cleanup(func() { _ = sleep.Process.Kill(); _ = sleep.Wait() })
		f.forge(fmt.Sprint(".", borg.Process.Pid, "-"), fmt.Sprint(".", sleep.Process.Pid, "-"))
		f.expect("repository exclusive dead: process %d is no borg and began after the lock was made\n", sleep.Process.Pid)
		_, err := f.client.Create(t.Context(), f.call(), "x")
		if failure := backup.AsFailure("", err); err == nil || failure.ID != "LockTimeout" {
			t.Errorf("create under a lock whose number was taken again: %v", err)
		}

		f.forge(ownHostID, "nas@1")
		f.expect("repository exclusive unknown: another host\n")
		f.must(f.client.BreakLock(t.Context(), f.call()))
		f.expect("")
		f.create("x")
	})
}

// TestHoldersUnderBorgsOwnID does what the others do under an id of ours.
func TestHoldersUnderBorgsOwnID(t *testing.T) {
	needsLinux(t)
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.init()
		borg := f.lock("with-lock", f.repo.Location, "sh", "-c", "echo locked; cat")
		_, holders := f.holders()
		if len(holders) != 1 || !(machine.View{}).IsDefaultHostID(holders[0].HostID) {
			borg.stdin.Close()
			t.Skipf("borg's id of this machine is not one that stays: %+v", holders)
		}
		if all, reason := machine.SeesAll(); !all {
			f.expect("repository exclusive unknown: %s\n", reason)
			borg.kill()
			f.expect("repository exclusive unknown: %s\n", reason)
			return
		}
		f.expect("repository exclusive living: process %d is a running borg\n", borg.Process.Pid)
		borg.kill()
		f.expect("repository exclusive dead: no such process\n")
	})
}

func TestHoldersThatRead(t *testing.T) {
	needsLinux(t)
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.client.HostID = ownHostID
		path := f.write("big", strings.Repeat("more than fits into a pipe ", 100_000))
		f.init()
		f.create("x")
		borg := f.lock("extract", "--stdout", f.repo.Location+"::x", strings.TrimPrefix(path, "/"))
		f.expect("repository shared living: process %d is a running borg\n", borg.Process.Pid)
		borg.kill()
		f.expect("repository shared dead: no such process\n")
		f.must(f.client.BreakLock(t.Context(), f.call()))
		f.expect("")
	})
}

func TestHoldersOfTheCache(t *testing.T) {
	needsLinux(t)
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.client.HostID = ownHostID
		f.init()
		report := f.create("x")
		fifo := filepath.Join(f.source, "fifo")
		f.must(unix.Mkfifo(fifo, 0o600))
		cmd := f.byHand(t.Context(), "create", "--read-special", f.repo.Location+"::y", f.source)
		cmd.Env = append(cmd.Env, "BORG_HOST_ID="+ownHostID)
		f.must(cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		writer, err := os.OpenFile(fifo, os.O_WRONLY, 0) // returns as soon as borg reads
		f.must(err)
		defer writer.Close()
		pid := cmd.Process.Pid
		f.expect("repository exclusive living: process %[1]d is a running borg\ncache exclusive living: process %[1]d is a running borg\n", pid)
		remote := *f.repo
		remote.Location = "ssh://nas/./repository"
		for _, id := range []string{report.RepositoryID, ""} {
			holders, err := f.client.Holders(remote, id)
			if err != nil || len(holders) != 1 || holders[0].Place != backup.LockOfCache || holders[0].Life != backup.Living || holders[0].PID != pid {
				t.Errorf("of a remote repository with id %q: %+v, %v", id, holders, err)
			}
		}
		f.must(cmd.Process.Kill())
		_ = cmd.Wait()
		f.expect("repository exclusive dead: no such process\ncache exclusive dead: no such process\n")
		f.must(f.client.BreakLock(t.Context(), f.call()))
		f.expect("")
	})
}

func TestHoldersThatCannotBeRead(t *testing.T) {
	f := newFixture(t, "borg")
	f.repo.Location = "/" + strings.Repeat("x", 300) // longer than a name may be: also root gets an error
	if holders, err := f.client.Holders(*f.repo, ""); err == nil {
		t.Errorf("a lock that cannot be read is held by %v", holders)
	}
}
