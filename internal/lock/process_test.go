package lock

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The test binary plays other processes: LOCK_TEST_ROLE tells which.
func TestMain(m *testing.M) {
	role, ok := roles[os.Getenv("LOCK_TEST_ROLE")]
	if !ok {
		os.Exit(m.Run())
	}
	if err := role(&Locker{Dir: os.Getenv("LOCK_TEST_DIR")}); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

var roles = map[string]func(*Locker) error{"hold": holdRole, "parent": parentRole, "wait": waitRole, "hammer": hammerRole}

// waitRole lives until its stdin ends.
func waitRole(*Locker) error {
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// holdRole holds the lock until its stdin ends.
func holdRole(l *Locker) error {
	held, err := l.Acquire(context.Background(), repository, "home", time.Minute)
	if err != nil {
		return err
	}
	defer held.Close()
	fmt.Println("held")
	return waitRole(l)
}

// parentRole holds the lock and starts a child, which inherits the descriptor and lives until stdin ends.
func parentRole(l *Locker) error {
	held, err := l.Acquire(context.Background(), repository, "home", time.Minute)
	if err != nil {
		return err
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "LOCK_TEST_ROLE=wait")
	child.Stdin, child.ExtraFiles = os.Stdin, []*os.File{held.File()}
	if err := child.Start(); err != nil {
		return err
	}
	fmt.Println("held")
	select {}
}

// hammerRole adds to a number in a file, which is safe only under the lock.
func hammerRole(l *Locker) error {
	counter := filepath.Join(l.Dir, "counter")
	for range 20 {
		held, err := l.Acquire(context.Background(), repository, "home", time.Minute)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(counter)
		if err != nil {
			return err
		}
		number, err := strconv.Atoi(string(text))
		if err != nil {
			return err
		}
		if err := os.WriteFile(counter, []byte(strconv.Itoa(number+1)), 0o600); err != nil {
			return err
		}
		held.Close()
	}
	return nil
}

func start(t *testing.T, l *Locker, role string) (command *exec.Cmd, stdin io.WriteCloser, stdout *bufio.Reader) {
	t.Helper()
	command = exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "LOCK_TEST_ROLE="+role, "LOCK_TEST_DIR="+l.Dir)
	// Not StdinPipe: Wait would close that one, and a child of the process may still live by it.
	input, stdin, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	command.Stdin = input
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		command.Process.Kill()
		command.Wait()
	})
	return command, stdin, bufio.NewReader(out)
}

func startHolder(t *testing.T, l *Locker, role string) (*exec.Cmd, io.Closer) {
	t.Helper()
	command, stdin, stdout := start(t, l, role)
	if line, err := stdout.ReadString('\n'); line != "held\n" {
		t.Fatalf("holder: %q, %v", line, err)
	}
	return command, stdin
}

func TestAnotherProcess(t *testing.T) {
	l := newLocker(t)
	command, stdin := startHolder(t, l, "hold")
	_, err := l.Acquire(t.Context(), repository, "other", 0)
	var held *HeldError
	if !errors.As(err, &held) || held.PID != command.Process.Pid || held.Job != "home" || held.Orphan {
		t.Errorf("Acquire: %+v", err)
	}
	stdin.Close()
	acquire(t, l, time.Minute)
}

func TestKilledHolderLetsGo(t *testing.T) {
	l := newLocker(t)
	command, _ := startHolder(t, l, "hold")
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	command.Wait()
	acquire(t, l, 0)
}

func TestChildKeepsTheLock(t *testing.T) {
	l := newLocker(t)
	command, stdin := startHolder(t, l, "parent")
	command.Process.Kill()
	command.Wait()
	_, err := l.Acquire(t.Context(), repository, "other", 0)
	var held *HeldError
	if !errors.As(err, &held) || !held.Orphan || held.PID != command.Process.Pid ||
		!strings.HasPrefix(err.Error(), "locked by a borg of job home that is still running") {
		t.Errorf("Acquire: %+v", err)
	}
	stdin.Close()
	acquire(t, l, time.Minute)
}

func TestManyProcesses(t *testing.T) {
	l := newLocker(t)
	if err := os.MkdirAll(l.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	counter := filepath.Join(l.Dir, "counter")
	if err := os.WriteFile(counter, []byte("0"), 0o600); err != nil {
		t.Fatal(err)
	}
	const processes = 10
	var outputs []*bufio.Reader
	for range processes {
		_, _, stdout := start(t, l, "hammer")
		outputs = append(outputs, stdout)
	}
	for _, output := range outputs {
		if said, err := io.ReadAll(output); len(said) > 0 || err != nil {
			t.Errorf("%s %v", said, err)
		}
	}
	if text, err := os.ReadFile(counter); string(text) != strconv.Itoa(processes*20) {
		t.Errorf("counter %s, %v", text, err)
	}
}
