package dbtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	pgUser     = "admin"
	pgPassword = `p:a\s's "1` //nolint:gosec // of tests; with all that a password file wants escaped
)

// PostgresServer is a running PostgreSQL of a test's own.
type PostgresServer struct {
	Host           string // the folder of its socket; it listens on 127.0.0.1 as well
	Port           int
	User, Password string // of a superuser
	daemon

	folder, program string
	who             *syscall.SysProcAttr
}

// PostgreSQL starts a PostgreSQL in a temporary folder, as an unprivileged user, and ends it with the test. Without one
// installed the test is skipped, or fails where everything must be there.
func PostgreSQL(t testing.TB) *PostgresServer {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		if os.Getenv("BORGCRON_MUST") == "all" {
			t.Fatal("no PostgreSQL is installed")
		}
		t.Skip("no PostgreSQL is installed")
	}
	daemon := found[len(found)-1]
	folder, err := os.MkdirTemp("", "pg") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	s := &PostgresServer{Host: folder, Port: freePort(t), User: pgUser, Password: pgPassword, folder: folder}
	who := own(t, folder)
	secret := filepath.Join(folder, "password")
	if err := os.WriteFile(secret, []byte(pgPassword+"\n"), 0o644); err != nil { //nolint:gosec // the server's user reads it
		t.Fatal(err)
	}
	made := exec.Command(filepath.Join(filepath.Dir(daemon), "initdb"), "--pgdata="+filepath.Join(folder, "data"), "--username="+pgUser,
		"--pwfile="+secret, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
	made.Dir, made.SysProcAttr, made.Env = folder, who, []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}
	if said, err := made.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, said)
	}
	s.program, s.who = daemon, who
	s.Start(t)
	return s
}

// Start starts the server again after Stop. It recovers what it had.
func (s *PostgresServer) Start(t testing.TB) {
	t.Helper()
	server := exec.Command(s.program, "-D", filepath.Join(s.folder, "data"), "-k", s.folder, "-h", "127.0.0.1", "-p", strconv.Itoa(s.Port),
		"-c", "fsync=off", "-c", "shared_buffers=32MB", "-c", "max_connections=30")
	server.Dir, server.SysProcAttr = s.folder, s.who
	s.run(t, server, s.Stop, func() error { _, err := s.Query("postgres", "SELECT 1"); return err })
}

// Stop ends the server and its processes at once, without writing anything out, and returns when it is gone.
func (s *PostgresServer) Stop() {
	_ = s.process.Signal(syscall.SIGQUIT) // it may be gone already
	select {
	case <-s.ended:
	case <-time.After(10 * time.Second):
		_ = s.process.Kill()
		<-s.ended
	}
}

// SQL carries statements out in a database and returns what they answer: a line a row, columns with a bar between them.
func (s *PostgresServer) SQL(t testing.TB, db, sql string) string {
	t.Helper()
	answer, err := s.Query(db, sql)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// Query is SQL for other goroutines than the test's own.
func (s *PostgresServer) Query(db, sql string) (string, error) {
	name := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(db)
	client := exec.Command("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", s.Host, "-p", strconv.Itoa(s.Port), "-U", s.User, "-d", "dbname='"+name+"'")
	client.Env = []string{"PATH=" + os.Getenv("PATH"), "PGPASSWORD=" + s.Password}
	var said bytes.Buffer
	client.Stdin, client.Stderr = strings.NewReader(sql), &said
	answer, err := client.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(said.String()))
	}
	return strings.TrimSuffix(string(answer), "\n"), nil
}
