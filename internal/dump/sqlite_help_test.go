package dump

import (
	"bufio"
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"borgcron/internal/backup"
)

const (
	sqliteChild = "BORGCRON_TEST_SQLITE_CHILD"
	nobody      = 65534
)

// TestSQLiteChild is another process with the database: it does what it reads, line by line, and answers each.
func TestSQLiteChild(t *testing.T) {
	path := os.Getenv(sqliteChild)
	if path == "" {
		t.Skip("is run by other tests only")
	}
	db, err := sql.Open("sqlite", sqliteTestName(path, "_pragma=busy_timeout(10000)&_txlock=immediate&_pragma=cache_size(10)"))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	lines := bufio.NewScanner(os.Stdin)
	for n := 1; lines.Scan(); n++ {
		var err error
		switch word := lines.Text(); word {
		case "pay":
			err = pay(db, n)
		case "dump":
			var copied bytes.Buffer
			err = sqlite{}.dump(t.Context(), &Maker{}, sqlitePart(path), &copied)
			if err == nil {
				err = os.WriteFile(path+"-copy", copied.Bytes(), 0o600)
			}
		default:
			_, err = db.Exec(word)
		}
		fmt.Printf("> %v\n", err)
	}
}

// pay moves an amount from one table to the other: the sum of both stays the same.
func pay(db *sql.DB, n int) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, statement := range []string{"UPDATE left SET sum = sum - ?1 WHERE id = ?1 % 100", "UPDATE right SET sum = sum + ?1 WHERE id = ?1 % 100",
		"INSERT INTO log SELECT ?1, randomblob(3000)", "DELETE FROM log WHERE n < ?1 - 50"} {
		if _, err := tx.Exec(statement, n); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func sqliteTestName(path, more string) string {
	return strings.Split(sqliteName(path, ""), "?")[0] + "?" + more
}

// sqliteProgram is a program that uses a database.
type sqliteProgram struct {
	command *exec.Cmd
	stdin   io.WriteCloser
	answers *bufio.Scanner
}

func startSQLite(t *testing.T, path string, uid uint32) *sqliteProgram {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if uid != 0 {
		self = "/proc/self/exe" // wherever the file is, everybody can run it so
	}
	p := &sqliteProgram{command: exec.Command(self, "-test.run=^TestSQLiteChild$", "-test.v")}
	p.command.Env = append(os.Environ(), sqliteChild+"="+path)
	p.command.Stderr = os.Stderr
	if uid != 0 {
		p.command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		p.command.Dir = "/"
	}
	p.stdin, _ = p.command.StdinPipe()
	stdout, _ := p.command.StdoutPipe()
	p.answers = bufio.NewScanner(stdout)
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.kill() })
	return p
}

// ask lets the program do something, and returns its error.
func (p *sqliteProgram) ask(what string) error {
	if _, err := fmt.Fprintln(p.stdin, what); err != nil {
		return err
	}
	for p.answers.Scan() {
		if answer, found := strings.CutPrefix(p.answers.Text(), "> "); found && answer == "<nil>" {
			return nil
		} else if found {
			return fmt.Errorf("%s: %s", what, answer)
		}
	}
	return fmt.Errorf("%s: the program has ended", what)
}

func (p *sqliteProgram) must(t *testing.T, what string) {
	t.Helper()
	if err := p.ask(what); err != nil {
		t.Fatal(err)
	}
}

func (p *sqliteProgram) kill() {
	_ = p.command.Process.Kill()
	_ = p.command.Wait()
}

// end lets the program close the database.
func (p *sqliteProgram) end(t *testing.T) {
	t.Helper()
	p.must(t, "PRAGMA optimize")
	_ = p.stdin.Close()
	_ = p.command.Wait()
}

// newSQLite makes a database in which the sums of two tables are 100 000.
func newSQLite(t *testing.T, path, journal string, pageSize int) {
	t.Helper()
	db, err := sql.Open("sqlite", sqliteTestName(path, fmt.Sprintf("_pragma=page_size(%d)", pageSize)))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = db.Exec("PRAGMA journal_mode=" + journal + `; CREATE TABLE left(id INTEGER PRIMARY KEY, sum); CREATE TABLE right(id INTEGER PRIMARY KEY, sum);
		CREATE TABLE log(n, b); CREATE INDEX logged ON log(n);
		WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n+1 FROM c WHERE n < 99) INSERT INTO left SELECT n, 1000 FROM c;
		INSERT INTO right SELECT id, 0 FROM left; INSERT INTO log SELECT 0, randomblob(3000) FROM left`)
	if err != nil {
		t.Fatal(err)
	}
}

// wholeSQLite looks through a database, and returns the number of the last payment.
func wholeSQLite(t *testing.T, content []byte) (last int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var answer string
	var sum int
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&answer); err != nil || answer != "ok" {
		t.Fatalf("integrity_check = %q, %v", answer, err)
	}
	err = db.QueryRow("SELECT (SELECT sum(sum) FROM left) + (SELECT sum(sum) FROM right), (SELECT max(n) FROM log)").Scan(&sum, &last)
	if err != nil || sum != 100_000 {
		t.Fatalf("sum = %d, %v", sum, err)
	}
	return last
}

func sqlitePart(path string) Part {
	database := &backup.Database{Type: "sqlite", Path: path}
	return Part{DatabaseDump: backup.DatabaseDump{Kind: backup.OneDatabase, Type: "sqlite", Server: "sqlite", Name: path, Format: "sqlite"}, Database: database}
}

// state is all that is in a folder: names, owners, modes, content.
func state(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		content := []byte{}
		if info.Mode().IsRegular() && !strings.HasSuffix(entry.Name(), "-shm") { // an index with locks, for the moment
			content, _ = os.ReadFile(filepath.Join(dir, entry.Name()))
		}
		uid, gid, _ := ownerOf(info)
		all[entry.Name()] = fmt.Sprintf("%v %d:%d %d bytes, %x", info.Mode(), uid, gid, len(content), sum(content))
	}
	return all
}

func sum(content []byte) (h uint64) {
	for _, c := range content {
		h = h*1099511628211 + uint64(c) + 1
	}
	return h
}

// openTo lets other users into the test's folder.
func openTo(t *testing.T, dir string) string {
	t.Helper()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can be other users")
	}
}

// stalled is a reader that takes nothing until it is let go.
type stalled struct {
	bytes.Buffer
	began chan struct{}
	letGo chan struct{}
}

func newStalled() *stalled {
	return &stalled{began: make(chan struct{}), letGo: make(chan struct{})}
}

func (s *stalled) Write(p []byte) (int, error) {
	if s.Len() == 0 {
		close(s.began)
		<-s.letGo
	}
	return s.Buffer.Write(p)
}
