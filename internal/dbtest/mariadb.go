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
)

const (
	mariaUser     = "admin"
	mariaPassword = `p"a\s's #1` //nolint:gosec // of tests; with all that an option file wants escaped
)

// MariaServer is a running MariaDB of a test's own.
type MariaServer struct {
	Host, Socket   string
	Port           int
	User, Password string // of an account that may do everything, from everywhere
	daemon

	folder string
}

// MariaDB starts a MariaDB in a temporary folder, as an unprivileged user, and ends it with the test. Without one installed
// the test is skipped, or fails where everything must be there.
func MariaDB(t testing.TB) *MariaServer {
	t.Helper()
	install, daemon := mariaProgram(t, "mariadb-install-db"), mariaProgram(t, "mariadbd")
	mariaProgram(t, "mariadb")
	folder, err := os.MkdirTemp("", "maria") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	s := &MariaServer{Host: "127.0.0.1", Socket: filepath.Join(folder, "socket"), Port: freePort(t), User: mariaUser, Password: mariaPassword, folder: folder}
	who := own(t, folder)
	data := "--datadir=" + filepath.Join(folder, "data")
	made := exec.Command(install, "--no-defaults", data, "--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-flush-method=nosync")
	made.Dir, made.SysProcAttr = folder, who
	if said, err := made.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", install, err, said)
	}
	s.write(t, "init.sql", fmt.Sprintf("CREATE USER IF NOT EXISTS '%s'@'%%' IDENTIFIED BY '%s';\nGRANT ALL PRIVILEGES ON *.* TO '%[1]s'@'%%' WITH GRANT OPTION;\n",
		mariaUser, strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(mariaPassword)))
	s.write(t, "client.cnf", fmt.Sprintf("[client]\npassword=\"%s\"\n", strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(mariaPassword)))
	s.start(t, daemon, who, data)
	return s
}

// start starts the server, and waits until it answers.
func (s *MariaServer) start(t testing.TB, daemon string, who *syscall.SysProcAttr, data string) {
	t.Helper()
	server := exec.Command(daemon, "--no-defaults", data, "--socket="+s.Socket, "--bind-address="+s.Host, "--port="+strconv.Itoa(s.Port),
		"--pid-file="+filepath.Join(s.folder, "pid"), "--init-file="+filepath.Join(s.folder, "init.sql"), "--skip-name-resolve", "--skip-log-bin",
		"--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--innodb-buffer-pool-size=32M", "--event-scheduler=OFF")
	server.Dir, server.SysProcAttr = s.folder, who
	s.run(t, server, s.Kill, func() error { _, err := s.Query("", "SELECT 1"); return err })
}

// SQL carries statements out, in a database unless db is "", and returns what they answer: a line a row, columns with
// a tab between them, no headings, without the last line's end.
func (s *MariaServer) SQL(t testing.TB, db, sql string) string {
	t.Helper()
	answer, err := s.Query(db, sql)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// Query is SQL for other goroutines than the test's own.
func (s *MariaServer) Query(db, sql string) (string, error) {
	client := exec.Command("mariadb", "--defaults-file="+filepath.Join(s.folder, "client.cnf"), "--socket="+s.Socket, "--user="+s.User,
		"--batch", "--skip-column-names", "--raw", "--binary-mode", "--default-character-set=utf8mb4", "--database="+db)
	var said bytes.Buffer
	client.Stdin, client.Stderr = strings.NewReader(sql), &said
	answer, err := client.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(said.String()))
	}
	return strings.TrimSuffix(string(answer), "\n"), nil
}

func (s *MariaServer) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.folder, name), []byte(text), 0o644); err != nil { //nolint:gosec // the server reads it too
		t.Fatal(err)
	}
}

// mariaProgram finds a program; that of the server is often not on PATH.
func mariaProgram(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/usr/libexec"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	if os.Getenv("BORGCRON_MUST") == "all" {
		t.Fatal(name + " is not installed")
	}
	t.Skip(name + " is not installed")
	return ""
}
