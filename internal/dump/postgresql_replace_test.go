package dump

import (
	"bytes"
	"context"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"borgcron/internal/backup"
	"borgcron/internal/dbtest"
	"borgcron/internal/process"
)

// What takes a database's place has its owner, rights, limit, settings and comment. That somebody is connected, to the old one or to the
// new one, is no obstacle; and nothing is left beside it.
func pgReplace(t *testing.T, server *dbtest.PostgresServer, maker *Maker) {
	const name = "o'ld \"shop"
	server.SQL(t, "postgres", "CREATE ROLE shopowner; CREATE ROLE guest LOGIN PASSWORD 'p'; CREATE DATABASE "+pgName(name)+" OWNER shopowner CONNECTION LIMIT 7")
	for _, statement := range []string{
		"REVOKE ALL ON DATABASE " + pgName(name) + " FROM PUBLIC", "GRANT CONNECT ON DATABASE " + pgName(name) + " TO guest WITH GRANT OPTION",
		"ALTER DATABASE " + pgName(name) + " SET search_path TO shop, \"$user\", public", "ALTER DATABASE " + pgName(name) + " SET work_mem TO '5MB'",
		"ALTER DATABASE " + pgName(name) + " SET app.colour TO 'it''s blue'", "ALTER ROLE guest IN DATABASE " + pgName(name) + " SET statement_timeout TO '9s'",
		"COMMENT ON DATABASE " + pgName(name) + " IS 'where it''s sold'",
	} {
		server.SQL(t, "postgres", statement)
	}
	server.SQL(t, name, "CREATE TABLE t AS SELECT 42 AS i")
	properties := func() string {
		return server.SQL(t, "postgres", `SELECT pg_get_userbyid(datdba), datconnlimit, datallowconn, datacl::text, shobj_description(oid, 'pg_database'),
			(SELECT string_agg(setrole || setconfig::text, ';' ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = d.oid)
			FROM pg_database d WHERE datname = `+pgLiteral(name))
	}
	before := properties()
	part := Part{DatabaseDump: backup.DatabaseDump{Kind: backup.OneDatabase, Type: "postgresql", Name: name, Format: "custom"}, Database: pgEntry(server)}
	text := pgDump(t, maker, part)
	server.SQL(t, name, "UPDATE t SET i = 0")
	busy, end := context.WithCancel(t.Context())
	defer end()
	sit := func(db string) {
		client := exec.CommandContext(busy, "psql", "-XAtq", "-h", server.Host, "-p", strconv.Itoa(server.Port), "-U", server.User, "-d", conninfo(db), "-c", "SELECT pg_sleep(60)")
		client.Env = []string{"PATH=/usr/bin:/bin", "PGPASSWORD=" + server.Password}
		check(t, client.Start())
		go func() { _ = client.Wait() }()
	}
	sit(name)
	watched := make(chan struct{})
	go func() { // an exporter that connects to every database that it finds
		defer close(watched)
		for busy.Err() == nil {
			found, err := server.Query("postgres", "SELECT datname FROM pg_database WHERE datname LIKE 'borgcron-restore-%'")
			if err == nil && found != "" {
				client := exec.CommandContext(busy, "psql", "-XAtq", "-h", server.Host, "-p", strconv.Itoa(server.Port), "-U", server.User, "-d", conninfo(strings.Fields(found)[0]), "-c", "SELECT pg_sleep(60)")
				client.Env = []string{"PATH=/usr/bin:/bin", "PGPASSWORD=" + server.Password}
				_ = client.Run()
				return
			}
			time.Sleep(time.Millisecond) // how often it looks
		}
	}()
	check(t, maker.Restore(t.Context(), part.DatabaseDump, Target{Database: part.Database, Name: name, Replace: true}, bytes.NewReader(text)))
	end()
	<-watched
	if got := server.SQL(t, name, "SELECT i FROM public.t"); got != "42" {
		t.Errorf("restored: %s", got)
	}
	if after := properties(); after != before {
		t.Errorf("before %s\nafter  %s", before, after)
	}
	if left := server.SQL(t, "postgres", "SELECT datname FROM pg_database WHERE datname LIKE 'borgcron-%'"); left != "" {
		t.Errorf("left: %s", left)
	}
}

// What the programs say, and what helps.
func TestPostgreSQLHints(t *testing.T) {
	for said, want := range map[string]string{
		`ERROR:  extension "postgis" is not available` + "\n" + `DETAIL:  Could not open extension control file "/usr/share/postgis.control": No such file or directory.`: "install the package",
		"pg_restore: error: unsupported version (1.16) in file header":                          "newer pg_dump",
		`ERROR:  unrecognized configuration parameter "transaction_timeout"`:                    "newer server",
		"ERROR:  permission denied to create database":                                          "CREATEDB",
		`ERROR:  database "shop" is being accessed by other users`:                              "end their sessions",
		`psql: error: connection to server on socket "/x/.s" failed: No such file or directory`: "is the server running",
		"pg_dump: error: could not write to output file: No space left on device":               "another folder",
		`ERROR:  could not extend file "base/1": No space left on device`:                       "the server has no space left",
		"pg_dump: error: aborting because of server version mismatch":                           "`program`",
		`psql: error: FATAL:  role "app" does not exist`:                                        "globals",
	} {
		failure := backup.AsFailure("", pgFailure("dump", &process.ExitError{Program: "psql", Code: 1, Tail: strings.Split(said, "\n")}))
		if !strings.Contains(failure.Hint, want) {
			t.Errorf("%s: %s", said, failure.Hint)
		}
		if transient := failure.Class == backup.Transient; transient != strings.Contains(said, "connection to server") {
			t.Errorf("%s: transient %v", said, transient)
		}
	}
}
