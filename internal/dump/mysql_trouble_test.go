package dump

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"borgcron/internal/backup"
)

// The server is reached by each way to name it.
func (s *mysqlTest) testWays(t *testing.T) {
	for _, database := range []backup.Database{
		{Host: s.Socket},
		{Host: "127.0.0.1", Port: s.Port},
		{Host: "localhost", Port: s.Port},
		{Port: s.Port},
		{Socket: s.Socket, Program: "mysqldump"},
		{Socket: s.Socket, Program: "/usr/bin/mariadb-dump"},
	} {
		database.Type, database.User, database.Password, database.Names = "mysql", s.User, backup.Secret{Env: s.Password}, []string{"all"}
		parts, err := s.maker.Parts(t.Context(), []backup.Database{database})
		if err != nil || len(parts) != 1 || parts[0].Path() == "" {
			t.Errorf("%+v: %v, %v", database, parts, err)
			continue
		}
		s.mustDump(t, parts[0])
	}
}

// A password of the user's own in its home folder does not stand in the way, and is used if the entry has none.
func (s *mysqlTest) testOptions(t *testing.T) {
	s.SQL(t, "", "CREATE DATABASE shop; CREATE TABLE shop.one (n INT) ENGINE=InnoDB; CREATE TABLE shop.two (n INT) ENGINE=InnoDB")
	defer s.drop(t, "shop")
	home := t.TempDir()
	maker := *s.maker
	maker.Environ = append(without(maker.Environ, "HOME"), "HOME="+home)
	write := func(password string) string {
		if err := os.WriteFile(home+"/.my.cnf", []byte(optionFile(password)), 0o600); err != nil {
			t.Fatal(err)
		}
		return home + "/.my.cnf"
	}
	file := write("wrong")
	database := s.database("shop")
	database.Options = []string{"--ignore-table=shop.two", "--skip-comments"}
	var dumped bytes.Buffer
	if err := maker.Write(t.Context(), mysqlPart(database, "shop"), &dumped); err != nil {
		t.Error(explained(err))
	}
	if !strings.Contains(dumped.String(), "`one`") || strings.Contains(dumped.String(), "`two`") || strings.Contains(dumped.String(), "Dump completed") {
		t.Error("the options had no effect")
	}
	database.Password, database.Options = backup.Secret{}, nil
	_, err := maker.Parts(t.Context(), []backup.Database{*database})
	mustFail(t, err, backup.Permanent, "Access denied", "`password`")
	write(s.Password)
	if _, err = maker.Parts(t.Context(), []backup.Database{*database}); err != nil {
		t.Error(explained(err))
	}
	maker.Environ, database.Options = os.Environ(), []string{"--quote-names", "--defaults-extra-file=" + file}
	if err := maker.Write(t.Context(), mysqlPart(database, "shop"), &dumped); err != nil {
		t.Error(explained(err))
	}
}

func (s *mysqlTest) testWarnings(t *testing.T) {
	s.SQL(t, "", `CREATE DATABASE shop; CREATE TABLE shop.old (n INT) ENGINE=MyISAM; CREATE TABLE shop.older (n INT) ENGINE=Aria; CREATE TABLE shop.good (n INT) ENGINE=InnoDB;
		CREATE DATABASE other; CREATE TABLE other.good (n INT) ENGINE=InnoDB; CREATE VIEW other.v AS SELECT * FROM other.good;
		CREATE USER reader@'%' IDENTIFIED BY 'x'; GRANT SELECT ON other.good TO reader@'%'; GRANT EVENT ON other.* TO reader@'%'`)
	defer s.SQL(t, "", "DROP DATABASE shop; DROP DATABASE other; DROP USER reader@'%'")
	s.said.take()
	s.mustDump(t, mysqlPart(s.database(), "shop"))
	if said := s.said.take(); !strings.Contains(said, "MyISAM") || !strings.Contains(said, "tables=2") || strings.Contains(said, "no right") {
		t.Errorf("it says %q", said)
	}
	s.mustDump(t, mysqlPart(s.database(), "other"))
	if said := s.said.take(); said != "" {
		t.Errorf("it says %q", said)
	}
	database := s.database()
	database.User, database.Password.Env = "reader", "x"
	s.mustDump(t, mysqlPart(database, "other"))
	if said := s.said.take(); !strings.Contains(said, "no right to all") {
		t.Errorf("it says %q", said)
	}
	s.SQL(t, "", "GRANT SELECT, TRIGGER, SHOW VIEW, EVENT ON `oth%`.* TO reader@'%'")
	s.mustDump(t, mysqlPart(database, "other"))
	if said := s.said.take(); said != "" {
		t.Errorf("it says %q", said)
	}
}

func (s *mysqlTest) testRights(t *testing.T) {
	s.SQL(t, "", `CREATE DATABASE shop; CREATE TABLE shop.secret (n INT) ENGINE=InnoDB; CREATE TABLE shop.open (n INT) ENGINE=InnoDB; CREATE VIEW shop.seen AS SELECT * FROM shop.open;
		CREATE USER reader@'%' IDENTIFIED BY 'x'; GRANT EVENT, TRIGGER, SELECT ON shop.* TO reader@'%'`)
	defer s.SQL(t, "", "DROP DATABASE shop; DROP USER reader@'%'")
	database := s.database("shop")
	database.User, database.Password.Env = "reader", "x"
	fails := func(texts ...string) {
		t.Helper()
		mustFail(t, s.maker.Write(t.Context(), mysqlPart(database, "shop"), &bytes.Buffer{}), backup.Permanent, texts...)
	}
	fails("SHOW VIEW", "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `shop`.* TO 'reader'@")
	s.SQL(t, "", "REVOKE SELECT ON shop.* FROM reader@'%'; GRANT INSERT ON shop.secret TO reader@'%'")
	fails("SELECT", "`secret`", "GRANT SELECT, SHOW VIEW")
	s.SQL(t, "", "GRANT SELECT, SHOW VIEW, TRIGGER ON shop.* TO reader@'%'; REVOKE EVENT ON shop.* FROM reader@'%'")
	fails("Access denied", "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT")
	s.SQL(t, "", "GRANT EVENT ON shop.* TO reader@'%'; CREATE PROCEDURE shop.p() SELECT 1; GRANT EXECUTE ON shop.* TO reader@'%'")
	fails("insufficient privileges", "GRANT SELECT ON mysql.proc")
	all := *database
	all.Names = []string{"all"}
	_, err := s.maker.Parts(t.Context(), []backup.Database{all})
	mustFail(t, err, backup.Permanent, "may not see every database", "ON *.*")
	s.SQL(t, "", "GRANT SHOW DATABASES ON *.* TO reader@'%'")
	parts, err := s.maker.Parts(t.Context(), []backup.Database{all})
	if err != nil {
		t.Fatal(explained(err))
	}
	mustFail(t, s.maker.Write(t.Context(), parts[len(parts)-1], &bytes.Buffer{}), backup.Permanent, "denied", "GRANT SELECT ON mysql.* TO 'reader'@")
	err = s.maker.Restore(t.Context(), parts[0].DatabaseDump, Target{Database: database, Name: "elsewhere"}, strings.NewReader("SELECT 1;"))
	mustFail(t, err, backup.Permanent, "denied", "GRANT ALL PRIVILEGES ON `elsewhere`.* TO 'reader'@")
	database.Password.Env = "wrong"
	fails("Access denied", "`password`")
	_, err = s.maker.Parts(t.Context(), []backup.Database{*database})
	mustFail(t, err, backup.Permanent, "Access denied", "`password`")
	gone := s.database("gone")
	mustFail(t, s.maker.Write(t.Context(), mysqlPart(gone, "gone"), &bytes.Buffer{}), backup.Permanent, "not there any more", "dropped")
	s.SQL(t, "shop", "DROP TABLE open") // the view has lost it
	mustFail(t, s.maker.Write(t.Context(), mysqlPart(s.database(), "shop"), &bytes.Buffer{}), backup.Permanent, "seen", "--ignore-table")
}

var errBroken = errors.New("the line is cut")

// A restore that breaks off says so, and nothing after the break is carried out.
func (s *mysqlTest) testCutRestore(t *testing.T) {
	s.SQL(t, "", "CREATE DATABASE shop; CREATE TABLE shop.one (n INT) ENGINE=InnoDB; INSERT INTO shop.one VALUES (1), (2)")
	defer s.drop(t, "shop")
	database := s.database("shop")
	part := mysqlPart(database, "shop")
	dumped := s.mustDump(t, part)
	target := Target{Database: database, Replace: true}
	err := s.maker.Restore(t.Context(), part.DatabaseDump, target, &broken{strings.NewReader(""), errBroken})
	mustFail(t, err, backup.Permanent, "the line is cut")
	if n := s.SQL(t, "shop", "SELECT COUNT(*) FROM one"); n != "2" {
		t.Errorf("a dump that cannot be read at all has cost rows: there are %s", n)
	}
	// The statement at the cut is one by itself, which the client would carry out at the end of its input.
	cut := append(bytes.Clone(dumped), "CREATE TABLE cut (n INT)"...)
	err = s.maker.Restore(t.Context(), part.DatabaseDump, target, &broken{bytes.NewReader(cut), errBroken})
	mustFail(t, err, backup.Permanent, "the line is cut", "incomplete", "--replace")
	if !errors.Is(err, errBroken) {
		t.Errorf("the cause is lost: %v", err)
	}
	if tables := s.SQL(t, "shop", "SHOW TABLES LIKE 'cut'"); tables != "" {
		t.Error("the statement at the cut was carried out")
	}
	ours := &backup.Failure{Op: "extract", Class: backup.Transient, Message: "borg is gone", Hint: "try again"}
	err = s.maker.Restore(t.Context(), part.DatabaseDump, target, &broken{bytes.NewReader(dumped[:200]), ours})
	mustFail(t, err, backup.Transient, "borg is gone", "try again", "--replace")
	if !errors.Is(err, ours) {
		t.Errorf("the cause is lost: %v", err)
	}
	bad := bytes.Replace(dumped, []byte("INSERT INTO"), []byte("INSERT ONTO"), 1)
	err = s.maker.Restore(t.Context(), part.DatabaseDump, target, bytes.NewReader(bad))
	mustFail(t, err, backup.Permanent, "ERROR 1064", "does not understand", "--replace")
	if n := s.SQL(t, "shop", "SELECT COUNT(*) FROM one"); n != "0" {
		t.Errorf("there are %s rows", n)
	}
	s.mustRestore(t, part, target, dumped)
	if n := s.SQL(t, "shop", "SELECT COUNT(*) FROM one"); n != "2" {
		t.Errorf("there are %s rows", n)
	}
}

var errStopped = errors.New("somebody said stop")

// Whoever stops a dump or a restore finds the reason in the error.
func (s *mysqlTest) testStopped(t *testing.T) {
	s.SQL(t, "", "CREATE DATABASE shop; USE shop; CREATE TABLE big (t TEXT) ENGINE=InnoDB; INSERT INTO big SELECT REPEAT('x', 1000) FROM seq_1_to_20000")
	defer s.drop(t, "shop")
	ctx, cancel := context.WithCancelCause(t.Context())
	part := mysqlPart(s.database("shop"), "shop")
	err := s.maker.Write(ctx, part, &trigger{1 << 20, func() { cancel(errStopped) }})
	mustFail(t, err, backup.Permanent, "somebody said stop")
	if !errors.Is(err, errStopped) {
		t.Errorf("the cause is lost: %v", err)
	}
	if _, err = s.maker.Parts(ctx, []backup.Database{*part.Database}); !errors.Is(err, errStopped) {
		t.Errorf("the cause is lost: %v", err)
	}
}

// A server that ends, or is not there, may be back soon.
func (s *mysqlTest) testDown(t *testing.T) {
	s.SQL(t, "", "CREATE DATABASE shop; USE shop; CREATE TABLE big (t TEXT) ENGINE=InnoDB; INSERT INTO big SELECT REPEAT('x', 1000) FROM seq_1_to_20000")
	database := s.database("shop")
	part := mysqlPart(database, "shop")
	dumped := s.mustDump(t, part)
	err := s.maker.Write(t.Context(), part, &trigger{1 << 20, s.Kill})
	mustFail(t, err, backup.Transient, "2013", "net_write_timeout")
	_, err = s.maker.Parts(t.Context(), []backup.Database{*database})
	mustFail(t, err, backup.Transient, "Can't connect", "does the server run")
	mustFail(t, s.maker.Write(t.Context(), part, &bytes.Buffer{}), backup.Transient, "Can't connect")
	database.Socket, database.Port = "", s.Port
	_, err = s.maker.Estimate(t.Context(), part)
	mustFail(t, err, backup.Transient, "Can't connect")
	_, err = s.maker.Holds(t.Context(), part.DatabaseDump, Target{Database: database})
	mustFail(t, err, backup.Transient, "Can't connect")
	mustFail(t, s.maker.Restore(t.Context(), part.DatabaseDump, Target{Database: database}, bytes.NewReader(dumped)), backup.Transient, "Can't connect")
}
