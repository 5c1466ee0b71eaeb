package dump

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"borgcron/internal/backup"
	"borgcron/internal/dbtest"
)

// pgRecorder stands in front of a program: it notes who runs it, its arguments, its environment and the file with its password.
const pgRecorder = `{ echo "user: $(id -un)"; tr '\0' '\n' < /proc/$$/cmdline; env; echo "file: $(ls -lL "$PGPASSFILE")"; sed 's/^/in it: /' "$PGPASSFILE"; } >> RECORD
exec REAL "$@"`

// In a container and as another user: dumped and restored, and the password is seen by nobody.
func pgIdentity(t *testing.T, server *dbtest.PostgresServer, maker *Maker) {
	server.SQL(t, "postgres", "CREATE DATABASE moved")
	server.SQL(t, "moved", "CREATE TABLE t AS SELECT 42 AS i")
	for name, test := range map[string]struct{ container, user, runs string }{
		"as we are":    {},
		"docker":       {container: "my box"},
		"podman":       {container: "podman:my box", user: "postgres"},
		"another user": {user: "nobody", runs: "nobody"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.runs != "" && os.Getuid() != 0 {
				t.Skip("only root can run a program as another user")
			}
			dir, err := os.MkdirTemp("", "pg") // others may enter it, unlike t.TempDir
			check(t, err)
			defer os.RemoveAll(dir)
			check(t, os.Chmod(dir, 0o755)) //nolint:gosec // for others
			record := filepath.Join(dir, "record")
			check(t, os.WriteFile(record, nil, 0o600))
			check(t, os.Chmod(record, 0o666)) //nolint:gosec // for others
			for _, program := range []string{"pg_dump", "pg_restore", "psql"} {
				script(t, dir, program, strings.NewReplacer("RECORD", record, "REAL", filepath.Join("/usr/bin", program)).Replace(pgRecorder))
			}
			for _, engine := range []string{"docker", "podman"} {
				script(t, dir, engine, strings.ReplaceAll(containerEngine, "RECORD", record))
			}
			here := *maker
			here.Environ = append(without(maker.Environ, "PATH"), "PATH="+dir+":"+os.Getenv("PATH"))
			entry := pgEntry(server)
			entry.Names, entry.Container, entry.RunAs = []string{"moved"}, test.container, test.user
			parts, err := here.Parts(t.Context(), []backup.Database{*entry})
			check(t, err)
			text := pgDump(t, &here, parts[0])
			server.SQL(t, "moved", "DROP TABLE t")
			check(t, here.Restore(t.Context(), parts[0].DatabaseDump, Target{Database: entry, Replace: true}, bytes.NewReader(text)))
			if got := server.SQL(t, "moved", "SELECT i FROM t"); got != "42" {
				t.Error(got)
			}
			pgRecorded(t, record, server.Password, test.runs)
		})
	}
}

// pgRecorded looks who ran, and where the password was seen.
func pgRecorded(t *testing.T, record, password, user string) {
	t.Helper()
	text, err := os.ReadFile(record)
	check(t, err)
	files := 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		inFile, isInFile := strings.CutPrefix(line, "in it: ")
		rights, isFile := strings.CutPrefix(line, "file: ")
		runs, isUser := strings.CutPrefix(line, "user: ")
		switch {
		case isInFile && strings.HasPrefix(inFile, "*:*:*:*:"):
			files++
		case isFile && !strings.HasPrefix(rights, "-rw------- "):
			t.Errorf("others can read the file: %s", line)
		case isUser && user != "" && runs != user:
			t.Errorf("run by %s, not by %s", runs, user)
		case strings.Contains(line, password), strings.Contains(line, strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace(password)):
			t.Errorf("the password is seen in %s", line)
		}
	}
	if files < 4 {
		t.Errorf("only %d calls got a password", files)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
