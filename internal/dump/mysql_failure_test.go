package dump

import (
	"bytes"
	"context"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
	"borgcron/internal/process"
)

func TestMySQLFailure(t *testing.T) {
	const transient, permanent = backup.Transient, backup.Permanent
	restore := "restore-database"
	for _, test := range []struct {
		op, name, line string
		class          backup.Class
		hint           string
	}{
		{"dump", "shop", `ERROR 2002 (HY000): Can't connect to local server through socket '/run/mysqld/mysqld.sock' (2)`, transient, "does the server run"},
		{"dump", "shop", `ERROR 2003 (HY000): Can't connect to MySQL server on 'db:3306' (111)`, transient, "does the server run"},
		{"dump", "shop", `mysqldump: Got error: 2003: "Can't connect to server on 'db' (113)" when trying to connect`, transient, "does the server run"},
		{"dump", "shop", `mysqldump: Got error: 1040: Too many connections when trying to connect`, transient, "does the server run"},
		{"dump", "shop", "mysqldump: Error 2013: Lost connection to server during query when dumping table `big` at row: 100", transient, "net_write_timeout"},
		{"dump", "shop", "mysqldump: Error 2006: MySQL server has gone away when dumping table `big` at row: 0", transient, "does the server run"},
		{"dump", "shop", "mysqldump: Error 1412: Table definition has changed, please retry transaction when dumping table `t` at row: 0", transient, "altered or dropped"},
		{"dump", "shop", "mariadb-dump: Couldn't execute 'show create table `t`': Table 'shop.t' doesn't exist (1146)", transient, "altered or dropped"},
		{restore, "", "ERROR 1146 (42S02) at line 5: Table 'shop.t' doesn't exist", permanent, "databases first"},
		{"dump", "shop", `mysqldump: Got error: 1049: "Unknown database 'shop'" when selecting the database`, permanent, "dropped meanwhile"},
		{"dump", "shop", `mysqldump: Got error: 1045: "Access denied for user 'u'@'localhost' (using password: YES)" when trying to connect`, permanent, "`password`"},
		{"dump", "shop", `ERROR 1698 (28000): Access denied for user 'root'@'localhost'`, permanent, "`run_as`"},
		{restore, "", `ERROR 1698 (28000) at line 7: Access denied for user 'u'@'localhost'`, permanent, "GRANT ALL PRIVILEGES ON *.* TO 'u'@'localhost'"},
		{"dump", "sh`op", `mysqldump: Got error: 1044: "Access denied for user 'u'@'%' to database 'shop'" when selecting the database`, permanent, "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `sh``op`.* TO 'u'@'%'"},
		{"dump", "shop", "mysqldump: Couldn't execute 'SHOW CREATE TABLE `v`': SHOW VIEW command denied to user 'u'@'h' for table `shop`.`v` (1142)", permanent, "TO 'u'@'h'"},
		{"dump", "shop", `mysqldump: Error: 'Access denied; you need (at least one of) the PROCESS privilege(s) for this operation' when trying to dump tablespaces`, permanent, "GRANT PROCESS ON *.*"},
		{restore, "shop", `ERROR 1227 (42000) at line 9: Access denied; you need (at least one of) the SUPER, SET USER privilege(s) for this operation`, permanent, "GRANT SET USER ON *.*"},
		{"dump", "shop", "mysqldump: u has insufficient privileges to SHOW CREATE PROCEDURE `p`!", permanent, "mysql.proc"},
		{"dump", "shop", `mysqldump: Couldn't execute 'SELECT COLUMN_NAME, JSON_EXTRACT(HISTOGRAM, '$."number-of-buckets-specified"') FROM information_schema.COLUMN_STATISTICS': Unknown table 'COLUMN_STATISTICS' in information_schema (1109)`, permanent, "`program`"},
		{restore, "shop", `ERROR 1273 (HY000) at line 25: Unknown collation: 'utf8mb4_0900_ai_ci'`, permanent, "does not understand the dump"},
		{"dump", "shop", `ERROR 2059 (HY000): Authentication plugin 'caching_sha2_password' cannot be loaded: no such file`, permanent, "`program`"},
		{"dump", "shop", `ERROR 2026 (HY000): TLS/SSL error: self-signed certificate`, permanent, "--ssl-ca"},
		{"dump", "shop", "mysqldump: Couldn't execute 'SHOW FIELDS FROM `v`': View 'shop.v' references invalid table(s) (1356)", permanent, "--ignore-table"},
		{restore, "shop", `ERROR 1153 (08S01) at line 40: Got a packet bigger than 'max_allowed_packet' bytes`, permanent, "max_allowed_packet"},
		{restore, "shop", `ERROR 1114 (HY000) at line 40: The table 't' is full`, permanent, "disk full"},
		{restore, "shop", `ERROR 1290 (HY000) at line 1: The MariaDB server is running with the --read-only option so it cannot execute this statement`, permanent, "read-only"},
		{"dump", "shop", `Error response from daemon: Container 0123 is not running`, transient, "start the container"},
		{"dump", "shop", `OCI runtime exec failed: exec failed: unable to start container process: exec: "mysqldump": executable file not found in $PATH: unknown`, permanent, "image"},
		{"dump", "shop", `mysqldump: unknown option '--tablespaces-no'`, permanent, "`program`"},
		{"dump", "shop", `something else`, permanent, ""},
	} {
		tail := []string{"--------------", "INSERT INTO t VALUES ('secret ERROR 1045 (1)')", "--------------", "mysqldump: [Warning] ERROR is all right", test.line, "Warning: unknown option '--loose-x'", ""}
		err := mysqlCall{test.op, &backup.Database{}, test.name}.failure(&process.ExitError{Program: "mysqldump", Code: 2, Tail: tail})
		mustFail(t, err, test.class, test.line, test.hint)
		failure := backup.AsFailure("", err)
		if failure.Op != test.op || failure.Code != 2 || test.hint == "" && failure.Hint != "" || strings.Contains(strings.Join(failure.Tail, ""), "secret") {
			t.Errorf("%s: %+v", test.line, failure)
		}
	}
}

// How a program ended is told where it says nothing itself.
func TestMySQLFailureWithoutWord(t *testing.T) {
	call := mysqlCall{"dump", &backup.Database{}, "shop"}
	mustFail(t, call.failure(&process.ExitError{Program: "mysqldump", Code: -1, Signal: syscall.SIGKILL}), backup.Permanent, "mysqldump: ended by signal: killed")
	mustFail(t, call.failure(&process.ExitError{Program: "mysqldump", Code: 3}), backup.Permanent, "exit status 3")
	mustFail(t, call.failure(&process.ExitError{Program: "mysqldump", Stalled: true}), backup.Transient, "no sign of life", "PROCESSLIST")
	if err := call.failure(nil); err != nil {
		t.Error(err)
	}
}

// standIn is an entry whose programs are scripts: the client gives answers, the dump program is the test's.
func standIn(t *testing.T, dump string) *backup.Database {
	t.Helper()
	dir := t.TempDir()
	script(t, dir, "mysql", `case $(cat) in *default_collation_name*) printf 'utf8mb4\tutf8mb4_bin\n';; *) printf '0\n2\n';; esac`)
	return &backup.Database{Type: "mysql", Program: script(t, dir, "mysqldump", dump), Names: []string{"shop"}}
}

// A program that leaves with 0 before its end is not believed.
func TestMySQLCut(t *testing.T) {
	const end = `echo '-- Dump completed on 2024-01-01'`
	long := "i=0; while [ $i -lt 50 ]; do echo 'INSERT INTO t VALUES (1, 2, 3);'; i=$((i+1)); done; "
	for name, test := range map[string]struct {
		dump    string
		options []string
		cut     bool
	}{
		"whole":           {long + end, nil, false},
		"short":           {end, nil, false},
		"empty":           {"exit 0", nil, true},
		"cut":             {long, nil, true},
		"in the middle":   {end + "; " + long, nil, true},
		"part of a line":  {`printf 'x -- Dump completed\n'`, nil, true},
		"without":         {long, []string{"--skip-comments"}, false},
		"compact":         {long, []string{"--compact"}, false},
		"another option":  {long, []string{"--skip-opt"}, true},
		"byte after byte": {`for c in - - ' ' D u m p ' ' c o m p l e t e d; do printf %s "$c"; done; echo`, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			database := standIn(t, test.dump)
			database.Options = test.options
			err := mysqlMaker(io.Discard).Write(t.Context(), mysqlPart(database, "shop"), io.Discard)
			if !test.cut && err != nil {
				t.Error(explained(err))
			}
			if test.cut {
				mustFail(t, err, backup.Permanent, "has no end", "`program`")
			}
		})
	}
}

// A dump program that hangs is ended.
func TestMySQLStall(t *testing.T) {
	maker := mysqlMaker(io.Discard)
	maker.Stall = 200 * time.Millisecond
	err := maker.Write(t.Context(), mysqlPart(standIn(t, "exec sleep 600"), "shop"), io.Discard)
	mustFail(t, err, backup.Transient, "no sign of life")
}

func TestMySQLSecretFails(t *testing.T) {
	maker := mysqlMaker(io.Discard)
	maker.Secret = func(context.Context, backup.Secret) ([]byte, error) { return nil, errBroken }
	database := standIn(t, "")
	database.Password.Env = "X"
	_, err := maker.Parts(t.Context(), []backup.Database{*database})
	mustFail(t, err, backup.Permanent, errBroken.Error())
}

func TestMySQLProgram(t *testing.T) {
	both, old, none := t.TempDir(), t.TempDir(), t.TempDir()
	for _, name := range []string{"mysqldump", "mysql", "mariadb-dump", "mariadb"} {
		script(t, both, name, "")
		if strings.HasPrefix(name, "mysql") {
			script(t, old, name, "")
		}
	}
	for _, test := range []struct {
		database     backup.Database
		path         string
		dump, client string
	}{
		{backup.Database{Type: "mysql"}, both, "mysqldump", "mysql"},
		{backup.Database{Type: "mariadb"}, both, "mariadb-dump", "mariadb"},
		{backup.Database{Type: "mariadb"}, old, "mysqldump", "mysql"},
		{backup.Database{Type: "mariadb"}, none, "mariadb-dump", "mariadb"},
		{backup.Database{Type: "mariadb", Container: "db"}, old, "mariadb-dump", "mariadb"},
		{backup.Database{Type: "mysql", Container: "db"}, none, "mysqldump", "mysql"},
		{backup.Database{Type: "mysql", Program: "/opt/db/bin/mysqldump"}, none, "/opt/db/bin/mysqldump", "/opt/db/bin/mysql"},
		{backup.Database{Type: "mysql", Program: "/opt/db/bin/mariadb-dump"}, none, "/opt/db/bin/mariadb-dump", "/opt/db/bin/mariadb"},
		{backup.Database{Type: "mariadb", Program: "mysqldump"}, both, "mysqldump", "mysql"},
	} {
		if got := mysqlProgram(&test.database, mysqlDump, test.path); got != test.dump {
			t.Errorf("%+v: %s", test.database, got)
		}
		if got := mysqlProgram(&test.database, mysqlClient, test.path); got != test.client {
			t.Errorf("%+v: %s", test.database, got)
		}
	}
	maker := mysqlMaker(io.Discard)
	maker.Environ = []string{"PATH=" + none}
	_, err := maker.Parts(t.Context(), []backup.Database{{Type: "mariadb", Names: []string{"all"}}})
	mustFail(t, err, backup.Permanent, "mariadb", "`program`")
}

func TestMySQLAddress(t *testing.T) {
	for _, test := range []struct {
		database backup.Database
		want     string
	}{
		{backup.Database{}, ""},
		{backup.Database{Host: "localhost", User: "u"}, "--host=localhost --user=u"},
		{backup.Database{Host: "localhost", Port: 3307}, "--protocol=tcp --host=localhost --port=3307"},
		{backup.Database{Host: "db.example"}, "--protocol=tcp --host=db.example"},
		{backup.Database{Port: 3307}, "--protocol=tcp --port=3307"},
		{backup.Database{Socket: "/run/s"}, "--protocol=socket --socket=/run/s"},
		{backup.Database{Host: "/run/s"}, "--protocol=socket --socket=/run/s"},
	} {
		if diff := cmp.Diff(test.want, strings.Join(mysqlAddress(&test.database), " ")); diff != "" {
			t.Error(diff)
		}
	}
}

func TestMySQLOptions(t *testing.T) {
	database := &backup.Database{Options: []string{"--skip-opt", "--ssl-ca=/ca", "--defaults-extra-file=/x", "--login-path=me"}}
	c, err := mysql{}.client(t.Context(), mysqlMaker(io.Discard), database, mysqlClient, []string{"--batch"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"--defaults-extra-file=/x", "--login-path=me", "--ssl-ca=/ca", "--batch"}, c.args); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"--skip-opt", "--ssl-ca=/ca"}, plainOptions(database)); diff != "" {
		t.Error(diff)
	}
}

// The real client reads option files as they are written here.
func TestMySQLOptionFile(t *testing.T) {
	for _, password := range []string{"x", ` "a'b\c\\nd"#;= `, "tab\tline\nreturn\r", `\`, `"`, "'quoted'", "päß", "[x]"} {
		got := optionFile(password)
		value, found := strings.CutPrefix(strings.TrimSuffix(got, "\"\n"), "[client]\npassword=\"")
		if !found || strings.ContainsAny(value, "\n\r\t") {
			t.Errorf("%q", got)
		}
		if back := strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n", `\r`, "\r", `\t`, "\t").Replace(value); back != password {
			t.Errorf("%q became %q", password, back)
		}
	}
}

func TestWithoutSandbox(t *testing.T) {
	const line = "/*M!999999\\- enable the sandbox mode */ \n"
	long := strings.Repeat("INSERT INTO t VALUES (1);\n", 1000)
	for _, test := range []struct{ in, want string }{
		{"", ""},
		{line, ""},
		{line + long, long},
		{"ALTER DATABASE;\n" + line + long, "ALTER DATABASE;\n" + long},
		{"x" + line + long, "x" + line + long},
		{long + line, long + line},
		{strings.TrimSpace(line), strings.TrimSpace(line)},
	} {
		got, err := io.ReadAll(withoutSandbox(strings.NewReader(test.in)))
		if err != nil || string(got) != test.want {
			t.Errorf("%.60q became %.60q, %v", test.in, got, err)
		}
	}
	_, err := io.ReadAll(withoutSandbox(&broken{strings.NewReader(line), errBroken}))
	if err != errBroken { //nolint:errorlint // as it came
		t.Error(err)
	}
}

// What the programs say may be anything.
func FuzzMySQLFailure(f *testing.F) {
	f.Add("ERROR 1045 (28000): Access denied for user 'u'@'h' (using password: YES)", true)
	f.Add("--------------\nINSERT\n--------------\nERROR 1064 (42000) at line 3: You have an error", false)
	f.Add("you need (at least one of) the SUPER, , privilege(s) (1227)", true)
	f.Add("\x1b", true)
	f.Add("at least one of) the \x00 privilege(1227)", true)
	f.Add("Couldn't execute '\x1b[2J': x (1146)", true)
	f.Fuzz(func(t *testing.T, text string, dump bool) {
		op := "restore-database"
		if dump {
			op = "dump"
		}
		exit := &process.ExitError{Program: "mysqldump", Code: 2, Tail: strings.Split(text, "\n")}
		failure := backup.AsFailure("", mysqlCall{op, &backup.Database{}, text}.failure(exit))
		if failure.Op != op || failure.Message == "" || failure.Message != backup.CleanLine(failure.Message, 500) || failure.Hint != backup.Clean(failure.Hint) {
			t.Errorf("%+v", failure)
		}
		_, _ = unknownAccount(exit)
	})
}

// Whatever is read, nothing but a line of the beginning is left out.
func FuzzWithoutSandbox(f *testing.F) {
	f.Add([]byte("/*M!999999\\- enable the sandbox mode */ \nSELECT 1;"))
	f.Add([]byte("SET x;\n/*M!999999\\- enable\n\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := io.ReadAll(withoutSandbox(bytes.NewReader(in)))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(got, in) {
			return
		}
		at := bytes.Index(in, []byte(sandboxLine))
		end := at + bytes.IndexByte(in[at:], '\n') + 1
		if !bytes.Equal(got, append(bytes.Clone(in[:at]), in[end:]...)) {
			t.Errorf("%q became %q", in, got)
		}
	})
}
