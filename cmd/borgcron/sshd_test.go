package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// sshServer is a real sshd on loopback, reached through a relay that counts, can cut and can freeze.
type sshServer struct {
	relay      *relay
	user       string
	identity   string
	knownHosts string
}

// startSSH starts sshd in a temporary folder, with keys of its own, until the test ends.
func startSSH(t *testing.T) *sshServer {
	t.Helper()
	sshd := "/usr/sbin/sshd"
	if _, err := os.Stat(sshd); err != nil {
		missing(t, "no sshd; make setup gets one")
	}
	dir := t.TempDir()
	for _, key := range []string{"host", "client"} {
		run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key))
	}
	public, err := os.ReadFile(filepath.Join(dir, "client.pub"))
	check(t, err)
	check(t, os.WriteFile(filepath.Join(dir, "authorized_keys"), public, 0o600))
	port := freePort(t)
	config := strings.Join([]string{
		fmt.Sprintf("ListenAddress 127.0.0.1:%d", port), "HostKey " + filepath.Join(dir, "host"),
		"AuthorizedKeysFile " + filepath.Join(dir, "authorized_keys"), "StrictModes no", "UsePAM no",
		"PermitRootLogin yes", "PasswordAuthentication no", "PidFile none", "Subsystem sftp internal-sftp", "",
	}, "\n")
	check(t, os.WriteFile(filepath.Join(dir, "sshd_config"), []byte(config), 0o600))
	if os.Getuid() == 0 {
		check(t, os.MkdirAll("/run/sshd", 0o755)) // sshd's own folder for privilege separation
	}
	server := exec.CommandContext(t.Context(), sshd, "-D", "-e", "-f", filepath.Join(dir, "sshd_config"))
	check(t, server.Start())
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	relay := startRelay(t, fmt.Sprintf("127.0.0.1:%d", port))
	host, err := os.ReadFile(filepath.Join(dir, "host.pub"))
	check(t, err)
	known := fmt.Sprintf("[127.0.0.1]:%d %s", relay.port, host)
	check(t, os.WriteFile(filepath.Join(dir, "known_hosts"), []byte(known), 0o600))
	me, err := user.Current()
	check(t, err)
	return &sshServer{relay, me.Username, filepath.Join(dir, "client"), filepath.Join(dir, "known_hosts")}
}

// location is the URL of a repository on the server.
func (s *sshServer) location(path string) string {
	return fmt.Sprintf("ssh://%s@127.0.0.1:%d%s", s.user, s.relay.port, path)
}

// relay passes connections on to a server and counts the bytes that go there.
type relay struct {
	port    int
	target  string
	sent    atomic.Int64 // bytes from clients to the server
	cutAt   atomic.Int64 // when this many were sent, every connection is cut; 0: never
	iceAt   atomic.Int64 // when this many were sent, the relay freezes; 0: never
	mutex   sync.Mutex
	open    []net.Conn
	ice     chan struct{} // closed by thaw; nil: bytes pass
	refused atomic.Bool
}

func startRelay(t *testing.T, target string) *relay {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	check(t, err)
	r := &relay{port: listener.Addr().(*net.TCPAddr).Port, target: target}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() { cancel(); listener.Close(); r.cut(); r.thaw() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go r.pass(ctx, client)
		}
	}()
	return r
}

func (r *relay) pass(ctx context.Context, client net.Conn) {
	server, err := r.dial(ctx)
	if err != nil || r.refused.Load() {
		client.Close()
		return
	}
	r.mutex.Lock()
	r.open = append(r.open, client, server)
	r.mutex.Unlock()
	go func() {
		_, _ = io.Copy(&gated{r, client}, server)
		client.Close()
	}()
	_, _ = io.Copy(io.MultiWriter(&gated{r, server}, (*counter)(r)), client)
	server.Close()
}

// freeze stops all bytes, in both directions, also of connections to come. The sockets stay open: that is what
// either end sees of a peer that lost its power, or of a router that forgot the connection.
func (r *relay) freeze() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.ice == nil {
		r.ice = make(chan struct{})
	}
}

// thaw lets the bytes pass that were held.
func (r *relay) thaw() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.ice != nil {
		close(r.ice)
		r.ice = nil
	}
}

func (r *relay) frozen() chan struct{} {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.ice
}

// gated holds what is written while the relay is frozen.
type gated struct {
	relay *relay
	to    io.Writer
}

func (g *gated) Write(data []byte) (int, error) {
	for ice := g.relay.frozen(); ice != nil; ice = g.relay.frozen() {
		<-ice
	}
	return g.to.Write(data)
}

// dial waits for the server to listen.
func (r *relay) dial(ctx context.Context) (net.Conn, error) {
	for {
		server, err := new(net.Dialer).DialContext(ctx, "tcp", r.target)
		if err == nil || ctx.Err() != nil {
			return server, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// cut closes all connections.
func (r *relay) cut() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, conn := range r.open {
		conn.Close()
	}
	r.open = nil
}

// counter is the relay as a writer that counts, and cuts when it is time.
type counter relay

func (c *counter) Write(data []byte) (int, error) {
	r := (*relay)(c)
	sent := r.sent.Add(int64(len(data)))
	if at := r.cutAt.Load(); at > 0 && sent >= at && r.cutAt.CompareAndSwap(at, 0) {
		r.cut()
	}
	if at := r.iceAt.Load(); at > 0 && sent >= at && r.iceAt.CompareAndSwap(at, 0) {
		r.freeze()
	}
	return len(data), nil
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	check(t, err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, output)
	}
	return string(output)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
