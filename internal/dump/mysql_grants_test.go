package dump

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

const mysqlAccounts = `
CREATE DATABASE shop; CREATE TABLE shop.one (n INT, m INT) ENGINE=InnoDB; CREATE PROCEDURE shop.p() SELECT 1;
CREATE ROLE reading; CREATE ROLE writing; GRANT SELECT ON shop.* TO reading; GRANT reading TO writing; GRANT INSERT ON shop.* TO writing;
CREATE USER anna@'%' IDENTIFIED BY 'secret'; GRANT writing TO anna@'%'; SET DEFAULT ROLE writing FOR anna@'%';
GRANT UPDATE (n), SELECT (n, m) ON shop.one TO anna@'%'; GRANT EXECUTE ON PROCEDURE shop.p TO anna@'%'; GRANT ALL ON shop.* TO anna@localhost IDENTIFIED BY 'x' WITH GRANT OPTION;
CREATE USER 'o''d"d\\ näme'@'%' IDENTIFIED BY 'x''\\y' REQUIRE SSL WITH MAX_USER_CONNECTIONS 3; GRANT SELECT ON shop.one TO PUBLIC; CREATE USER shut@'%' ACCOUNT LOCK PASSWORD EXPIRE NEVER;
CREATE USER nameless@'host.example' IDENTIFIED BY 'x';
CREATE USER plugged@'%' IDENTIFIED VIA unix_socket; FLUSH PRIVILEGES;`

const mysqlAccountNames = `anna@'%', anna@localhost, 'o''d"d\\ näme'@'%', shut@'%', plugged@'%'`

func (s *mysqlTest) accountsNow(t *testing.T) string {
	t.Helper()
	var ask strings.Builder
	ask.WriteString("SET sql_mode = '';")
	for _, name := range strings.Split(mysqlAccountNames, ", ") {
		ask.WriteString("SELECT '----'; SHOW CREATE USER " + name + "; SHOW GRANTS FOR " + name + ";")
	}
	ask.WriteString("SHOW GRANTS FOR reading; SHOW GRANTS FOR writing; SHOW GRANTS FOR PUBLIC; SELECT user, default_role FROM mysql.user WHERE user = 'anna' ORDER BY host")
	return s.SQL(t, "", ask.String())
}

func (s *mysqlTest) testGrants(t *testing.T) {
	s.SQL(t, "", mysqlAccounts)
	defer s.drop(t, "shop")
	before := s.accountsNow(t)
	database := s.database("all")
	parts, err := s.maker.Parts(t.Context(), []backup.Database{*database})
	if err != nil {
		t.Fatal(explained(err))
	}
	part := parts[len(parts)-1]
	s.said.take()
	dumped := s.mustDump(t, part)
	if said := s.said.take(); !strings.Contains(said, "nameless") {
		t.Errorf("the account that cannot be used is not told of: %s", said)
	}
	for _, own := range []string{"mariadb.sys", "secret", "PROXY"} {
		if bytes.Contains(dumped, []byte(own)) {
			t.Errorf("%s is in the dump", own)
		}
	}
	if size, err := s.maker.Estimate(t.Context(), part); err != nil || size < int64(len(dumped)) {
		t.Errorf("the estimate is %d, %v", size, err)
	}
	s.SQL(t, "", "DELETE FROM mysql.global_priv WHERE user = 'nameless'; FLUSH PRIVILEGES; DROP USER "+mysqlAccountNames+"; DROP ROLE reading, writing; REVOKE SELECT ON shop.one FROM PUBLIC")
	for range 2 { // what exists is no error
		s.mustRestore(t, part, Target{Database: database}, dumped)
		if diff := cmp.Diff(before, s.accountsNow(t)); diff != "" {
			t.Errorf("(-before +after):\n%s", diff)
		}
	}
	s.SQL(t, "", "DROP TABLE shop.one")
	err = s.maker.Restore(t.Context(), part.DatabaseDump, Target{Database: database}, bytes.NewReader(dumped))
	mustFail(t, err, backup.Permanent, "shop.one", "databases first")
	s.SQL(t, "", "DROP USER "+mysqlAccountNames+"; DROP ROLE reading, writing")
}

// recorder stands in front of a program: it notes its arguments, its environment and the file with its password.
const recorder = `{ tr '\0' '\n' < /proc/$$/cmdline; printf '%s\n' "$@"; env; } >> RECORD
for a; do case $a in --defaults-extra-file=*) { echo "file:"; ls -lL "${a#*=}"; cat "${a#*=}"; } >> RECORD;; esac; done
exec REAL "$@"`

// containerEngine stands in for docker: it runs the program here.
const containerEngine = `{ tr '\0' '\n' < /proc/$$/cmdline; printf '%s\n' "$@"; env; } >> RECORD
[ "$1" = exec ] || exit 99
shift
while :; do case $1 in -i) shift;; -u) shift 2;; -e) export "$2"; shift 2;; *) break;; esac; done
[ "$1" = "my box" ] || { echo "Error response from daemon: No such container: $1" >&2; exit 1; }
shift
exec "$@"`

// In a container as outside: a dump is made and restored, and the password is seen by nobody.
func (s *mysqlTest) testContainer(t *testing.T) {
	s.SQL(t, "", "CREATE DATABASE shop; CREATE TABLE shop.one (t TEXT) ENGINE=InnoDB; INSERT INTO shop.one VALUES ('a\\nb'), ('.')")
	defer s.drop(t, "shop")
	for _, container := range []string{"", "my box", "podman:my box"} {
		t.Run(container, func(t *testing.T) {
			dir := t.TempDir()
			record := filepath.Join(dir, "record")
			for name, text := range map[string]string{
				"mariadb-dump": recorder, "mariadb": recorder, "docker": containerEngine, "podman": containerEngine,
			} {
				script(t, dir, name, strings.NewReplacer("RECORD", record, "REAL", filepath.Join("/usr/bin", name)).Replace(text))
			}
			maker := *s.maker
			maker.Environ = append(without(maker.Environ, "PATH"), "PATH="+dir+":"+os.Getenv("PATH"))
			database := s.database("shop")
			database.Container = container
			parts, err := maker.Parts(t.Context(), []backup.Database{*database})
			if err != nil {
				t.Fatal(explained(err))
			}
			var first, second bytes.Buffer
			if err := maker.Write(t.Context(), parts[0], &first); err != nil {
				t.Fatal(explained(err))
			}
			target := Target{Database: database, Replace: true}
			if err := maker.Restore(t.Context(), parts[0].DatabaseDump, target, bytes.NewReader(first.Bytes())); err != nil {
				t.Fatal(explained(err))
			}
			if err := maker.Write(t.Context(), parts[0], &second); err != nil {
				t.Fatal(explained(err))
			}
			if diff := cmp.Diff(first.String(), second.String()); diff != "" {
				t.Error(diff)
			}
			seen := s.recorded(t, record)
			if container == "" && slices.ContainsFunc(seen, func(line string) bool { return strings.Contains(line, "docker") }) {
				t.Error("docker was run")
			}
		})
	}
	database := s.database("shop")
	database.Container = "other"
	dir := t.TempDir()
	script(t, dir, "docker", strings.ReplaceAll(containerEngine, "RECORD", "/dev/null"))
	maker := *s.maker
	maker.Environ = append(without(maker.Environ, "PATH"), "PATH="+dir+":"+os.Getenv("PATH"))
	_, err := maker.Parts(t.Context(), []backup.Database{*database})
	mustFail(t, err, backup.Transient, "No such container", "start the container")
}

// recorded are the lines of a record without those of the password's file, which must be there, and must be the only ones with it.
func (s *mysqlTest) recorded(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	var files int
	for line := range strings.Lines(string(text)) {
		switch line = strings.TrimSuffix(line, "\n"); {
		case strings.HasPrefix(line, "password="):
			files++
		case strings.HasPrefix(line, "-") && len(line) > 10 && line[10] == ' ' && !strings.HasPrefix(line, "-rw-------"):
			t.Errorf("others can read the file: %s", line)
		default:
			lines = append(lines, line)
		}
	}
	escaped := strings.TrimSuffix(strings.TrimPrefix(optionFile(s.Password), "[client]\npassword=\""), "\"\n")
	for _, line := range lines {
		if strings.Contains(line, s.Password) || strings.Contains(line, escaped) {
			t.Errorf("the password is seen in %s", line)
		}
	}
	if files < 4 {
		t.Errorf("only %d calls got a password", files)
	}
	return lines
}
