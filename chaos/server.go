package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// server is a real sshd on loopback, reached through a relay that can fail in the ways a network can.
type server struct {
	*relay
	command                    *exec.Cmd
	user, identity, knownHosts string
}

const sshd = "/usr/sbin/sshd"

// startServer starts sshd with keys of its own in the folder.
func startServer(ctx context.Context, dir string) (*server, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	for _, key := range []string{"host", "client"} {
		if output, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key)).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("ssh-keygen: %w: %s", err, output)
		}
	}
	public, err := os.ReadFile(filepath.Join(dir, "client.pub"))
	if err != nil {
		return nil, err
	}
	host, err := os.ReadFile(filepath.Join(dir, "host.pub"))
	if err != nil {
		return nil, err
	}
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	r, err := newRelay(ctx)
	if err != nil {
		return nil, err
	}
	port, err := freePort(ctx) // after the relay's, so that it is another one
	if err != nil {
		return nil, err
	}
	r.start(fmt.Sprintf("127.0.0.1:%d", port))
	s := &server{relay: r, user: me.Username, identity: filepath.Join(dir, "client"), knownHosts: filepath.Join(dir, "known_hosts")}
	for name, text := range map[string]string{
		"authorized_keys": string(public),
		"known_hosts":     fmt.Sprintf("[127.0.0.1]:%d %s", r.port, host),
		"config":          serverConfig(dir, port),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	if os.Getuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // sshd's own folder for the separation of rights
			return nil, err
		}
	}
	s.command = exec.Command(sshd, "-D", "-E", filepath.Join(dir, "log"), "-f", filepath.Join(dir, "config"))
	if err := s.command.Start(); err != nil {
		r.close()
		return nil, fmt.Errorf("start sshd: %w; make setup gets one", err)
	}
	return s, nil
}

// serverConfig has the server notice within seconds that a client is gone, as borg's manual asks of a server.
func serverConfig(dir string, port int) string {
	return strings.Join([]string{
		fmt.Sprintf("ListenAddress 127.0.0.1:%d", port), "HostKey " + filepath.Join(dir, "host"),
		"AuthorizedKeysFile " + filepath.Join(dir, "authorized_keys"), "StrictModes no", "UsePAM no",
		"PermitRootLogin yes", "PasswordAuthentication no", "PidFile none", "MaxStartups 100",
		"ClientAliveInterval 1", "ClientAliveCountMax 3", "",
	}, "\n")
}

// location is the URL of a repository on the server.
func (s *server) location(path string) string {
	return fmt.Sprintf("ssh://%s@127.0.0.1:%d%s", s.user, s.port, path)
}

func (s *server) close() {
	_ = s.command.Process.Kill()
	_ = s.command.Wait()
	s.relay.close()
}

func freePort(ctx context.Context) (int, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// relay passes connections on to the server.
type relay struct {
	port     int
	target   string
	listener net.Listener
	mutex    sync.Mutex
	changed  *sync.Cond // of what follows
	open     map[net.Conn]bool
	frozen   bool
	refuses  bool
	ended    bool
}

// newRelay listens; it passes on from start on.
func newRelay(ctx context.Context) (*relay, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{port: listener.Addr().(*net.TCPAddr).Port, listener: listener, open: map[net.Conn]bool{}}
	r.changed = sync.NewCond(&r.mutex)
	return r, nil
}

func (r *relay) start(target string) {
	r.target = target
	go r.accept()
}

func (r *relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		go r.pass(client)
	}
}

func (r *relay) pass(client net.Conn) {
	defer client.Close()
	server := r.dial()
	if server == nil {
		return
	}
	defer server.Close()
	r.mutex.Lock()
	if r.refuses || r.ended {
		r.mutex.Unlock()
		return
	}
	r.open[client], r.open[server] = true, true
	r.mutex.Unlock()
	var both sync.WaitGroup
	both.Go(func() { r.copy(client, server) })
	both.Go(func() { r.copy(server, client) })
	both.Wait()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	delete(r.open, client)
	delete(r.open, server)
}

// dial waits for a server that has just been started.
func (r *relay) dial() net.Conn {
	for range 250 {
		conn, err := net.DialTimeout("tcp", r.target, time.Second)
		if err == nil {
			return conn
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// copy passes bytes on as long as the line is not frozen. Then they stay where they are: nobody is told anything.
func (r *relay) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if !r.wait(from) {
			return
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil { // also io.EOF: ssh ends both directions at once
			return
		}
	}
}

// wait waits as long as the line is frozen; it tells whether the connection still stands.
func (r *relay) wait(conn net.Conn) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for r.frozen && r.open[conn] {
		r.changed.Wait()
	}
	return r.open[conn]
}

// cut ends all connections.
func (r *relay) cut() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for conn := range r.open {
		conn.Close()
	}
	clear(r.open)
	r.changed.Broadcast()
}

func (r *relay) freeze(frozen bool) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.frozen = frozen
	r.changed.Broadcast()
}

// refuse has new connections end at once.
func (r *relay) refuse(refuses bool) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.refuses = refuses
}

func (r *relay) close() {
	r.mutex.Lock()
	r.ended = true
	r.mutex.Unlock()
	_ = r.listener.Close()
	r.cut()
}
