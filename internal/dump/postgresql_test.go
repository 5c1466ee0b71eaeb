package dump

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"borgcron/internal/backup"
	"borgcron/internal/dbtest"
)

// pgFill makes a database with all kinds of things in it, and pgSum what they are, independent of any dump.
const (
	pgFill = `
CREATE TABLE account (id serial PRIMARY KEY, name text NOT NULL, data bytea);
INSERT INTO account (name, data) SELECT 'näme ' || i, decode(md5(i::text), 'hex') FROM generate_series(1, 200000) i;
CREATE TABLE logged (id int, at timestamptz DEFAULT now());
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO logged VALUES (NEW.id); RETURN NEW; END $$;
CREATE TRIGGER noted AFTER UPDATE ON account FOR EACH ROW EXECUTE FUNCTION note();
CREATE VIEW few AS SELECT * FROM account WHERE id < 10;
SELECT lo_from_bytea(4711, decode('00ff10', 'hex'));
GRANT SELECT ON few TO reader;
UPDATE account SET name = 'x' WHERE id = 3;`
	pgSum = `SELECT count(*), sum(hashtext(name || encode(data, 'hex'))) FROM account; SELECT count(*) FROM logged; SELECT count(*) FROM few;
SELECT encode(lo_get(4711), 'hex'); SELECT has_table_privilege('reader', 'few', 'SELECT'); SELECT tgname FROM pg_trigger WHERE NOT tgisinternal;`
)

func pgEntry(s *dbtest.PostgresServer) *backup.Database {
	return &backup.Database{
		Type: "postgresql", Host: s.Host, Port: s.Port, User: s.User, Password: backup.Secret{Env: s.Password},
		Names: []string{backup.AllDatabases}, Format: "custom",
	}
}

func TestPostgreSQL(t *testing.T) {
	server := dbtest.PostgreSQL(t)
	maker := mysqlMaker(t.Output())
	server.SQL(t, "postgres", "CREATE ROLE reader")
	names := []string{"plain", "with space", `quo"te'd`, "-dash", "a=b", "ünïcode", `back\slash`}
	for _, name := range names {
		server.SQL(t, "postgres", "CREATE DATABASE "+pgName(name))
		server.SQL(t, name, "CREATE TABLE t AS SELECT "+pgLiteral(name)+"::text AS name")
	}
	server.SQL(t, "plain", pgFill)
	parts, err := maker.Parts(t.Context(), []backup.Database{*pgEntry(server)})
	if err != nil || len(parts) != len(names)+2 { // and postgres, and the globals
		t.Fatalf("%d parts: %v", len(parts), err)
	}
	for _, format := range []string{"custom", "plain", "tar"} {
		t.Run(format, func(t *testing.T) { pgRoundTrip(t, server, maker, format, names) })
	}
	t.Run("directory", func(t *testing.T) { pgTree(t, server, maker) })
	t.Run("globals", func(t *testing.T) {
		part := parts[len(parts)-1]
		server.SQL(t, "postgres", "CREATE ROLE lost PASSWORD 'x'")
		text := pgDump(t, maker, part)
		server.SQL(t, "postgres", "DROP ROLE lost")
		if err := maker.Restore(t.Context(), part.DatabaseDump, Target{Database: pgEntry(server)}, bytes.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		if got := server.SQL(t, "postgres", "SELECT count(*) FROM pg_roles WHERE rolname = 'lost'"); got != "1" {
			t.Error(got)
		}
	})
	t.Run("consistent", func(t *testing.T) { pgConsistent(t, server, maker) })
	t.Run("identity", func(t *testing.T) { pgIdentity(t, server, maker) })
	t.Run("replace", func(t *testing.T) { pgReplace(t, server, maker) })
	t.Run("closed", func(t *testing.T) { pgClosed(t, server, maker) })
	t.Run("cut off", func(t *testing.T) { pgCut(t, server, maker) })
	t.Run("trouble", func(t *testing.T) { pgTroubles(t, server, maker) })
}

// A database that nobody can connect to is named, unless it is excluded, and never overwritten unasked.
func pgClosed(t *testing.T, server *dbtest.PostgresServer, maker *Maker) {
	server.SQL(t, "postgres", "CREATE DATABASE attic ALLOW_CONNECTIONS false")
	defer server.SQL(t, "postgres", "DROP DATABASE attic")
	entry := *pgEntry(server)
	parts, err := maker.Parts(t.Context(), []backup.Database{entry})
	check(t, err)
	at := slices.IndexFunc(parts, func(p Part) bool { return p.Name == "attic" })
	if at < 0 || !strings.Contains(parts[at].Left, "takes no connections") {
		t.Fatalf("%+v", parts)
	}
	what, err := maker.Holds(t.Context(), parts[at].DatabaseDump, Target{Database: &entry})
	if err != nil || !strings.Contains(what, "no connections") {
		t.Errorf("it holds %q, %v", what, err)
	}
	entry.Exclude = []string{"attic"}
	parts, err = maker.Parts(t.Context(), []backup.Database{entry})
	if err != nil || slices.ContainsFunc(parts, func(p Part) bool { return p.Name == "attic" }) {
		t.Errorf("excluded: %v, %+v", err, parts)
	}
}

func pgDump(t *testing.T, maker *Maker, part Part) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := maker.Write(t.Context(), part, &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func pgRoundTrip(t *testing.T, server *dbtest.PostgresServer, maker *Maker, format string, names []string) {
	entry := pgEntry(server)
	entry.Format = format
	before := server.SQL(t, "plain", pgSum)
	for _, name := range names {
		part := Part{DatabaseDump: backup.DatabaseDump{Kind: backup.OneDatabase, Type: "postgresql", Name: name, Format: format}, Database: entry}
		text := pgDump(t, maker, part)
		server.SQL(t, name, "DROP TABLE t")
		target := Target{Database: entry, Name: name, Replace: true}
		if what, err := maker.Holds(t.Context(), part.DatabaseDump, target); err != nil || (what != "") != (name == "plain") {
			t.Errorf("%s holds %q, %v", name, what, err)
		}
		if err := maker.Restore(t.Context(), part.DatabaseDump, target, bytes.NewReader(text)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := server.SQL(t, name, "SELECT name FROM t"); got != name {
			t.Errorf("%s: %q came back", name, got)
		}
	}
	if after := server.SQL(t, "plain", pgSum); after != before {
		t.Errorf("before %s, after %s", before, after)
	}
}

// A restore that breaks off leaves what was there, and nothing else.
func pgCut(t *testing.T, server *dbtest.PostgresServer, maker *Maker) {
	lost := errors.New("the line is gone")
	for _, format := range []string{"custom", "plain"} {
		entry := pgEntry(server)
		entry.Format = format
		part := Part{DatabaseDump: backup.DatabaseDump{Kind: backup.OneDatabase, Type: "postgresql", Name: "plain", Format: format}, Database: entry}
		text := pgDump(t, maker, part)
		before := server.SQL(t, "plain", pgSum)
		broken := io.MultiReader(bytes.NewReader(text[:len(text)/2]), failing{lost})
		if err := maker.Restore(t.Context(), part.DatabaseDump, Target{Database: entry, Replace: true}, broken); err == nil {
			t.Error(format + ": half a dump was restored")
		}
		if after := server.SQL(t, "plain", pgSum); after != before {
			t.Errorf("before %s, after %s", before, after)
		}
		if left := server.SQL(t, "postgres", "SELECT datname FROM pg_database WHERE datname LIKE 'borgcron%'"); left != "" {
			t.Error("left behind: " + left)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// A dump shows one moment, whatever is written meanwhile.
func pgConsistent(t *testing.T, server *dbtest.PostgresServer, maker *Maker) {
	server.SQL(t, "postgres", "CREATE DATABASE bank")
	server.SQL(t, "bank", "CREATE TABLE a AS SELECT i, 100 AS sum FROM generate_series(1, 20000) i; CREATE TABLE b AS SELECT * FROM a")
	stop, stopped := make(chan struct{}), make(chan error)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if _, err := server.Query("bank", fmt.Sprintf("BEGIN; UPDATE a SET sum = sum - 1 WHERE i = %[1]d; UPDATE b SET sum = sum + 1 WHERE i = %[1]d; COMMIT", n%20000+1)); err != nil {
				stopped <- err
				return
			}
		}
	}()
	part := Part{DatabaseDump: backup.DatabaseDump{Kind: backup.OneDatabase, Type: "postgresql", Name: "bank", Format: "custom"}, Database: pgEntry(server)}
	for range 5 {
		text := pgDump(t, maker, part)
		if err := maker.Restore(t.Context(), part.DatabaseDump, Target{Database: part.Database, Name: "copy", Replace: true}, bytes.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		if got := server.SQL(t, "copy", "SELECT (SELECT sum(sum) FROM a) + (SELECT sum(sum) FROM b)"); got != "4000000" {
			t.Errorf("the sum is %s", got)
		}
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if moved := server.SQL(t, "bank", "SELECT 2000000 - sum(sum) FROM a"); moved == "0" {
		t.Error("nothing was written meanwhile")
	}
}

func pgTroubles(t *testing.T, server *dbtest.PostgresServer, maker *Maker) {
	server.SQL(t, "postgres", "CREATE ROLE poor LOGIN PASSWORD 'p'")
	for name, test := range map[string]struct {
		change func(*backup.Database)
		class  backup.Class
		words  string
	}{
		"password":   {func(d *backup.Database) { d.Password.Env = "wrong" }, backup.Permanent, "password authentication failed"},
		"down":       {func(d *backup.Database) { d.Host, d.Port = "127.0.0.1", 1 }, backup.Transient, "refused"},
		"no socket":  {func(d *backup.Database) { d.Host = "/nonexistent" }, backup.Transient, "No such file"},
		"no program": {func(d *backup.Database) { d.Program = "/nonexistent/pg_dump" }, backup.Permanent, "cannot be started"},
		"no such":    {func(d *backup.Database) { d.Names = []string{"nothing"} }, backup.Permanent, "there is no database"},
		"no right":   {func(d *backup.Database) { d.User, d.Password.Env = "poor", "p" }, backup.Permanent, "permission denied"},
		"no user":    {func(d *backup.Database) { d.User = "nobody" }, backup.Permanent, "authentication failed"},
	} {
		entry := pgEntry(server)
		entry.Names = []string{"plain"}
		test.change(entry)
		parts, err := maker.Parts(t.Context(), []backup.Database{*entry})
		if err == nil {
			err = maker.Write(t.Context(), parts[0], io.Discard)
		}
		var failure *backup.Failure
		if !errors.As(err, &failure) || failure.Class != test.class || !strings.Contains(failure.Message, test.words) || failure.Hint == "" {
			t.Errorf("%s: %v (%+v)", name, err, failure)
		}
	}
	entry := pgEntry(server)
	entry.User, entry.Password.Env = "poor", "p"
	parts, err := maker.Parts(t.Context(), []backup.Database{*entry})
	check(t, err)
	globals := parts[len(parts)-1]
	err = maker.Write(t.Context(), globals, io.Discard)
	var failure *backup.Failure
	if !errors.As(err, &failure) || !strings.Contains(failure.Message, "pg_authid") || !strings.Contains(failure.Hint, "pg_read_all_data") {
		t.Errorf("the globals without right: %v (%+v)", err, failure)
	}
	server.SQL(t, "postgres", "GRANT pg_read_all_data TO poor") // the hint helps
	check(t, maker.Write(t.Context(), globals, io.Discard))
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if _, err := maker.Parts(ctx, []backup.Database{*pgEntry(server)}); !errors.Is(err, why) {
		t.Errorf("ended: %v", err)
	}
}

// A dump in the directory format is a folder that belongs to its owner, takes the place of the former one, and comes back.
func pgTree(t *testing.T, server *dbtest.PostgresServer, maker *Maker) {
	entry := pgEntry(server)
	entry.Format, entry.Options = backup.DirectoryFormat, []string{"--jobs=2"}
	part := Part{DatabaseDump: backup.DatabaseDump{Kind: backup.OneDatabase, Type: "postgresql", Server: "here", Name: "plain", Format: backup.DirectoryFormat}, Database: entry}
	folder := Folder{Dir: t.TempDir(), Keep: 1}
	path := filepath.Join(folder.Dir, "here", "plain.dir")
	before := server.SQL(t, "plain", pgSum)
	for round := range 3 {
		written, err := maker.WriteFiles(t.Context(), []Part{part}, folder)
		if err != nil || written[0].Failure != nil || written[0].Size < 1<<20 {
			t.Fatalf("round %d: %+v, %v", round, written, err)
		}
	}
	there, err := filepath.Glob(filepath.Join(folder.Dir, "here", "*"))
	if err != nil || !slices.Equal(there, []string{path, path + ".1"}) {
		t.Errorf("%v, %v", there, err)
	}
	server.SQL(t, "plain", "DROP TABLE account CASCADE")
	if err := maker.RestoreTree(t.Context(), part.DatabaseDump, Target{Database: entry, Name: "plain", Replace: true}, path); err != nil {
		t.Fatal(err)
	}
	if after := server.SQL(t, "plain", pgSum); after != before {
		t.Errorf("before %s, after %s", before, after)
	}
	// One that fails leaves the former one, and nothing else.
	entry.Options = []string{"--table=none.such"}
	written, err := maker.WriteFiles(t.Context(), []Part{part}, folder)
	if err != nil || written[0].Failure == nil {
		t.Fatalf("%+v, %v", written, err)
	}
	entries, err := os.ReadDir(filepath.Join(folder.Dir, "here"))
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
	if _, err := os.Stat(filepath.Join(path, "toc.dat")); err != nil {
		t.Error(err)
	}
}
