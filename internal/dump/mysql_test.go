package dump

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

// TestMySQL is all that needs a server: one for all of it.
func TestMySQL(t *testing.T) {
	s := newMySQLTest(t)
	t.Run("names", s.testNames)
	t.Run("contents", s.testContents)
	t.Run("grants", s.testGrants)
	t.Run("consistent", s.testConsistent)
	t.Run("target", s.testTarget)
	t.Run("ways", s.testWays)
	t.Run("options", s.testOptions)
	t.Run("warnings", s.testWarnings)
	t.Run("rights", s.testRights)
	t.Run("cut restore", s.testCutRestore)
	t.Run("stopped", s.testStopped)
	t.Run("container", s.testContainer)
	t.Run("down", s.testDown) // the last: the server is gone then
}

var mysqlNames = []string{
	"shop", "two words", `qu"o'te`, "back`tick", `back\slash`, `end\`, "-hyphen", "--help", "späß€", "new\nline", "100%_", "a.b", "semi;colon", "Case", "case", "# no comment", "all",
}

// All databases are found, dumped, and come back, whatever they and their tables are called.
func (s *mysqlTest) testNames(t *testing.T) {
	for _, name := range mysqlNames {
		s.create(t, name)
		s.SQL(t, name, carriedOut(fmt.Sprintf("CREATE TABLE %s (%[1]s TEXT)", quoteName(name)))+
			carriedOut(fmt.Sprintf("INSERT INTO %s VALUES (%s)", quoteName(name), literal(name))))
		defer s.drop(t, name)
	}
	database := s.database("all")
	database.Exclude = []string{"shop"}
	parts, err := s.maker.Parts(t.Context(), []backup.Database{*database})
	if err != nil {
		t.Fatal(explained(err))
	}
	var got []string
	for _, part := range parts {
		got = append(got, part.Name)
	}
	want := []string{
		"# no comment", "--help", "-hyphen", "100%_", "Case", "a.b", "all", "back\\slash", "back`tick", "case", "end\\", "new\nline", "qu\"o'te", "semi;colon", "späß€",
		"two words", "grants",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, part := range parts[:len(parts)-1] {
		dumped := s.mustDump(t, part)
		if holds, err := s.maker.Holds(t.Context(), part.DatabaseDump, Target{Database: database}); err != nil || !strings.HasSuffix(holds, " with 1 table") {
			t.Errorf("%q: holds %q, %v", part.Name, holds, err)
		}
		s.mustRestore(t, part, Target{Database: database, Replace: true}, dumped)
		if again := s.mustDump(t, part); !bytes.Equal(dumped, again) {
			t.Errorf("%q: %s", part.Name, cmp.Diff(string(dumped), string(again)))
		}
		if !strings.Contains(string(dumped), "INSERT INTO") {
			t.Errorf("%q: nothing is in the dump", part.Name)
		}
	}
	named := s.database("späß€", "-hyphen")
	if parts, err = s.maker.Parts(t.Context(), []backup.Database{*named}); err != nil || len(parts) != 2 || parts[1].Name != "-hyphen" {
		t.Errorf("%v, %v", parts, err)
	}
	named = s.database("shop", "SHOP")
	_, err = s.maker.Parts(t.Context(), []backup.Database{*named})
	mustFail(t, err, backup.Permanent, `there is no database "SHOP"`, "`names`")
}

// mysqlContents has a bit of all that a database can have.
const mysqlContents = `
SET NAMES utf8mb4;
CREATE TABLE big (id INT PRIMARY KEY, name VARCHAR(50), note TEXT, KEY (name)) ENGINE=InnoDB;
INSERT INTO big SELECT seq, CONCAT('näme ', seq), REPEAT(CHAR(97 + seq % 26), seq % 60) FROM seq_1_to_200000;
CREATE TABLE bytes (id INT AUTO_INCREMENT PRIMARY KEY, b LONGBLOB, v VARBINARY(300), f BINARY(4), bits BIT(9), t LONGTEXT CHARACTER SET utf8mb4, j JSON, d DECIMAL(30,10), x DOUBLE, ts TIMESTAMP(6) NULL) ENGINE=InnoDB;
INSERT INTO bytes (b, v, f, bits, t, j, d, x, ts) SELECT b, b, x'00ff0a0d', b'101010101', CONCAT('\\\\ '' " ', CHAR(0, 10, 13, 26 USING utf8mb4), ' 😀 -- ; # ' ), '{"a": "\\u00e4"}', 1/3, 1e300/3, '2024-03-31 00:30:00.123456'
  FROM (SELECT UNHEX(GROUP_CONCAT(LPAD(HEX(seq), 2, '0') ORDER BY seq SEPARATOR '')) b FROM seq_0_to_255) q;
INSERT INTO bytes (b) SELECT REPEAT(b, 4000) FROM bytes;
INSERT INTO bytes (t) VALUES (''), (NULL);
ANALYZE TABLE big, bytes;
CREATE TABLE parent (id INT PRIMARY KEY) ENGINE=InnoDB;
CREATE TABLE child (id INT, parent INT, FOREIGN KEY (parent) REFERENCES parent (id)) ENGINE=InnoDB;
CREATE TABLE audit (n INT) ENGINE=InnoDB;
INSERT INTO parent VALUES (0), (1); INSERT INTO child VALUES (1, 1), (2, 0);
CREATE VIEW b_view AS SELECT c.id FROM child c JOIN parent p ON p.id = c.parent;
CREATE VIEW a_view AS SELECT COUNT(*) AS n FROM b_view;
CREATE SEQUENCE numbers START WITH 7 NOCACHE; SELECT NEXT VALUE FOR numbers;
DELIMITER //
CREATE TRIGGER counted AFTER INSERT ON child FOR EACH ROW BEGIN INSERT INTO audit VALUES (NEW.id); END//
CREATE PROCEDURE twice(IN n INT) BEGIN /* a comment; with a semicolon */ SELECT n * 2, '\\'; END//
CREATE FUNCTION half(n INT) RETURNS INT DETERMINISTIC RETURN n / 2//
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO BEGIN DELETE FROM audit; END//
DELIMITER ;
CREATE FUNCTION crlf() RETURNS TEXT CHARACTER SET utf8mb4 RETURN 'a` + "\r\n" + `b;\\!';
`

// mysqlSums is what must be the same after a restore, without the help of a dump.
const mysqlSums = `CHECKSUM TABLE big, bytes, parent, child, audit EXTENDED;
SELECT COUNT(*), SUM(id), SUM(CRC32(name)), SUM(CRC32(note)) FROM big;
SELECT id, MD5(b), MD5(v), HEX(f), HEX(bits), HEX(t), j, d, x, ts FROM bytes;
SELECT * FROM a_view; SELECT NEXT VALUE FOR numbers; CALL twice(21); SELECT half(42), HEX(crlf());
SELECT default_collation_name FROM information_schema.schemata WHERE schema_name = DATABASE();
SELECT trigger_name, action_statement FROM information_schema.triggers WHERE trigger_schema = DATABASE();
SELECT event_name, event_definition, starts FROM information_schema.events WHERE event_schema = DATABASE();
SELECT table_name, constraint_name FROM information_schema.referential_constraints WHERE constraint_schema = DATABASE();`

func (s *mysqlTest) testContents(t *testing.T) {
	s.SQL(t, "", "CREATE DATABASE shop CHARACTER SET latin1 COLLATE latin1_german2_ci")
	defer s.drop(t, "shop")
	s.SQL(t, "shop", mysqlContents)
	want := strings.ReplaceAll(s.SQL(t, "shop", mysqlSums), "shop.", "")
	if lines := strings.Count(want, "\n"); lines < 15 {
		t.Fatalf("the sums have only %d lines:\n%s", lines, want)
	}
	database := s.database("shop")
	part := mysqlPart(database, "shop")
	dumped := s.mustDump(t, part)
	if size, err := s.maker.Estimate(t.Context(), part); err != nil || size < int64(len(dumped)) || size > 10*int64(len(dumped)) {
		t.Errorf("the estimate is %d, %v, the dump has %d bytes", size, err, len(dumped))
	}
	next := func(sums string) string { return strings.Replace(sums, "\n8\n", "\n9\n", 1) } // asking for the number moved it on
	for _, name := range []string{"shop", "späß"} {
		t.Run(name, func(t *testing.T) {
			if name == "shop" {
				s.drop(t, name)
			} else {
				defer s.drop(t, name)
			}
			if holds, err := s.maker.Holds(t.Context(), part.DatabaseDump, Target{Database: database, Name: name}); holds != "" || err != nil {
				t.Errorf("it holds %q, %v", holds, err)
			}
			s.mustRestore(t, part, Target{Database: database, Name: name}, dumped)
			got := strings.ReplaceAll(s.SQL(t, name, mysqlSums), name+".", "")
			if diff := cmp.Diff(next(want), next(got)); diff != "" {
				t.Errorf("(-before +after):\n%s", diff)
			}
			s.SQL(t, name, "INSERT INTO child VALUES (3, 1)")
			if n := s.SQL(t, name, "SELECT COUNT(*) FROM audit"); n != "1" {
				t.Errorf("the trigger was run %s times", n)
			}
			if holds, err := s.maker.Holds(t.Context(), part.DatabaseDump, Target{Database: database, Name: name}); err != nil || holds != `database "`+name+`" with 8 tables` {
				t.Errorf("it holds %q, %v", holds, err)
			}
		})
	}
}

// Whenever a dump is made, the money is all there.
func (s *mysqlTest) testConsistent(t *testing.T) {
	s.create(t, "bank")
	defer s.drop(t, "bank")
	s.SQL(t, "bank", `CREATE TABLE a_left (id INT PRIMARY KEY, n INT) ENGINE=InnoDB; CREATE TABLE z_right LIKE a_left; CREATE TABLE m_bulk (id INT PRIMARY KEY, t TEXT) ENGINE=InnoDB;
		CREATE TABLE z_moves (n INT) ENGINE=InnoDB; INSERT INTO z_moves VALUES (0);
		INSERT INTO a_left SELECT seq, 1000 FROM seq_1_to_100; INSERT INTO z_right SELECT seq, 1000 FROM seq_1_to_100; INSERT INTO m_bulk SELECT seq, REPEAT('x', 100) FROM seq_1_to_100000`)
	moves := strings.Repeat(`START TRANSACTION; SET @from = 1 + FLOOR(RAND() * 100), @n = 1 + FLOOR(RAND() * 9); UPDATE a_left SET n = n - @n WHERE id = @from;
		UPDATE z_right SET n = n + @n WHERE id = @from; UPDATE z_moves SET n = n + 1; COMMIT;`, 50)
	stop, stopped := make(chan struct{}), make(chan error)
	go func() {
		for {
			select {
			case <-stop:
				close(stopped)
				return
			default:
			}
			if _, err := s.Query("bank", moves); err != nil {
				stopped <- err
				return
			}
		}
	}()
	database := s.database("bank")
	var during int
	for range 4 {
		before := s.SQL(t, "bank", "SELECT n FROM z_moves")
		part := mysqlPart(database, "bank")
		dumped := s.mustDump(t, part)
		if s.SQL(t, "bank", "SELECT n FROM z_moves") != before {
			during++
		}
		s.mustRestore(t, part, Target{Database: database, Name: "bank 2", Replace: true}, dumped)
		if sum := s.SQL(t, "bank 2", "SELECT (SELECT SUM(n) FROM a_left) + (SELECT SUM(n) FROM z_right)"); sum != "200000" {
			t.Errorf("the sum is %s", sum)
		}
	}
	s.drop(t, "bank 2")
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if during == 0 {
		t.Error("nothing was written while the dumps were made")
	}
}

func (s *mysqlTest) testTarget(t *testing.T) {
	database := s.database("shop")
	part := mysqlPart(database, "shop")
	s.SQL(t, "", "CREATE DATABASE shop; CREATE TABLE shop.kept (n INT) ENGINE=InnoDB")
	defer s.drop(t, "shop")
	dumped := s.mustDump(t, part)
	s.SQL(t, "shop", "DROP TABLE kept; CREATE TABLE foreign_one (n INT) ENGINE=InnoDB")
	s.mustRestore(t, part, Target{Database: database, Replace: true}, dumped)
	if got := s.SQL(t, "shop", "SHOW TABLES"); got != "kept" {
		t.Errorf("there is %q", got)
	}
	for _, test := range []struct{ name, sql, want string }{
		{"no such", "", ""},
		{"nothing", "", ""},
		{"view", "CREATE VIEW v AS SELECT 1", `database "view" with 1 table`},
		{"routine", "CREATE FUNCTION f() RETURNS INT RETURN 1; CREATE FUNCTION g() RETURNS INT RETURN 1", `database "routine" with 2 routines`},
		{"event", "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1", `database "event" with 1 event`},
	} {
		if test.name != "no such" {
			s.create(t, test.name)
			defer s.drop(t, test.name)
			s.SQL(t, test.name, test.sql)
		}
		got, err := s.maker.Holds(t.Context(), part.DatabaseDump, Target{Database: database, Name: test.name})
		if err != nil || got != test.want {
			t.Errorf("%s holds %q, %v", test.name, got, err)
		}
	}
}
