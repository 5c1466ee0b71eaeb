// Package dbtest starts real database servers for tests.
package dbtest

import (
	"bytes"
	"cmp"
	"net"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take to answer for the first time.
const patience = 60 * time.Second

// daemon is a server that runs.
type daemon struct {
	PID     int
	process *os.Process
	ended   chan struct{}
}

// run starts a server and waits until it answers; it is stopped with the test.
func (d *daemon) run(t testing.TB, server *exec.Cmd, stop func(), answers func() error) {
	t.Helper()
	var said bytes.Buffer
	server.Stdout, server.Stderr = &said, &said
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	d.PID, d.process, d.ended = server.Process.Pid, server.Process, make(chan struct{})
	go func() {
		_ = server.Wait()
		close(d.ended)
	}()
	t.Cleanup(stop)
	for deadline := time.Now().Add(patience); ; {
		err := answers()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer: %v", server.Path, err)
		}
		select {
		case <-d.ended:
			t.Fatalf("%s ended:\n%s", server.Path, said.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Kill ends the server as a crash would, and returns when it is gone.
func (d *daemon) Kill() {
	_ = d.process.Kill() // it may be gone already
	<-d.ended
}

// own gives the folder to whom the server runs as: the server refuses to run as root.
func own(t testing.TB, folder string) *syscall.SysProcAttr {
	t.Helper()
	attributes := &syscall.SysProcAttr{Setsid: true}
	if os.Getuid() != 0 {
		return attributes
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, err1 := strconv.Atoi(nobody.Uid)
	gid, err2 := strconv.Atoi(nobody.Gid)
	if err := cmp.Or(err1, err2, os.Chown(folder, uid, gid), os.Chmod(folder, 0o755)); err != nil { //nolint:gosec // the socket is for everybody
		t.Fatal(err)
	}
	attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)} //nolint:gosec // ids of a user
	return attributes
}

// freePort is a port that was free a moment ago.
func freePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return port
}
