package main

import (
	"database/sql"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"borgcron/internal/dbtest"
)

const databasesHome = `
repositories:
  local: {location: "${WORK}/repo", borg: "${BORG}", encryption: none, clients: single}
jobs:
  home:
    repository: local
    sources: ["${WORK}/data"]
    retention: {last: 100}
    check: {every: never}
    retry: {retries: 0}
    databases:
`

// TestDatabases backs real servers up with the real borg, loses everything and brings it back.
func TestDatabases(t *testing.T) {
	postgres, maria := dbtest.PostgreSQL(t), dbtest.MariaDB(t)
	postgres.SQL(t, "postgres", `CREATE DATABASE "o'dd name"`)
	postgres.SQL(t, "o'dd name", "CREATE TABLE t AS SELECT i, md5(i::text) AS text FROM generate_series(1, 100000) i")
	maria.SQL(t, "", "CREATE DATABASE `o'dd näme`")
	maria.SQL(t, "o'dd näme", "CREATE TABLE t AS SELECT seq AS i, md5(seq) AS text FROM seq_1_to_100000")
	eachBorg(t, func(t *testing.T, borg string) {
		s := newSite(t, borg, databasesHome+fmt.Sprintf(`
      - {type: postgresql, host: %s, port: %d, user: %s, password: {env: PG_SECRET}}
      - {type: mariadb, socket: %s, user: %s, password: {env: MARIA_SECRET}}
      - {type: sqlite, path: "${WORK}/app.db"}
`, postgres.Host, postgres.Port, postgres.User, maria.Socket, maria.User))
		s.env = append(s.env, "PG_SECRET="+postgres.Password, "MARIA_SECRET="+maria.Password)
		db, err := sql.Open("sqlite", "file:"+s.path("app.db")+"?_pragma=journal_mode(wal)")
		check(t, err)
		_, err = db.Exec("CREATE TABLE t (i); INSERT INTO t VALUES (1), (2), (39)")
		check(t, err)
		s.write(2, 100)
		s.must("init")
		s.must("run")
		archives := strings.Join(s.archives("home"), " ")
		if strings.Count(archives, ".dumps-") != 1 || strings.Count(archives, "home-") != 1 {
			t.Fatal(archives)
		}
		for _, args := range [][]string{{"verify", "home"}, {"verify", "home", "--full"}} {
			if s.must(args...); s.drilled().Dumps < 6 { // of three databases, PostgreSQL's own, and what belongs to the servers
				t.Errorf("%v: %+v", args, s.drilled())
			}
		}
		list := s.must("restore-database", "home", "--list")
		for _, name := range []string{"o'dd name", "globals", "o'dd näme", "grants", "app.db"} {
			if !strings.Contains(list, name) {
				t.Errorf("%s is missing:\n%s", name, list)
			}
		}
		if said := s.want(2, "restore-database", "home"); !strings.Contains(said, "--replace") {
			t.Error(said)
		}
		if said := s.want(64, "restore-database", "home", "--to", "127.0.0.1:1"); !strings.Contains(said, "--to is one server") {
			t.Error(said)
		}
		pgSum, mariaSum := "SELECT count(*), min(text) FROM t", "SELECT COUNT(*), MIN(text) FROM t"
		before := postgres.SQL(t, "o'dd name", pgSum) + maria.SQL(t, "o'dd näme", mariaSum)
		postgres.SQL(t, "postgres", `DROP DATABASE "o'dd name"`)
		maria.SQL(t, "", "DROP DATABASE `o'dd näme`")
		check(t, db.Close())
		check(t, os.Remove(s.path("app.db")))
		s.must("restore-database", "home")
		if after := postgres.SQL(t, "o'dd name", pgSum) + maria.SQL(t, "o'dd näme", mariaSum); after != before {
			t.Errorf("before %s, after %s", before, after)
		}
		db, err = sql.Open("sqlite", "file:"+s.path("app.db"))
		check(t, err)
		defer db.Close()
		var sum int
		check(t, db.QueryRow("SELECT sum(i) FROM t").Scan(&sum))
		if sum != 42 {
			t.Errorf("SQLite: %d", sum)
		}
	})
}

// A database that cannot be dumped fails the run, which makes no archive of dumps; the files' backup happens.
func TestDatabaseIsDown(t *testing.T) { oneBorg(t, databaseIsDown) }

func databaseIsDown(t *testing.T, borg string) {
	s := newSite(t, borg, databasesHome+`
      - {type: sqlite, path: "${WORK}/missing.db"}
`)
	s.write(1, 100)
	s.must("init")
	said := s.want(2, "run")
	if archives := s.archives("home"); len(archives) != 1 || strings.Contains(archives[0], ".dumps-") || !strings.Contains(said, "missing.db") {
		t.Errorf("%v\n%s", archives, said)
	}
	if state := s.want(2, "status"); strings.Contains(state, "missing.db") || !strings.Contains(state, "dump") {
		t.Error(state)
	}
	s.configure("missing.db\"", "missing.db\", on_error: warn")
	s.want(1, "run")
	if archives := s.archives("home"); len(archives) != 2 || strings.Contains(archives[1], ".dumps-") {
		t.Error(archives)
	}
}

// TestDumpsAreWhole kills borgcron, borg, a dump program or the server at random moments: an archive of dumps is whole or is not there,
// and no run is green without one.
func TestDumpsAreWhole(t *testing.T) { oneBorg(t, dumpsAreWhole) }

func dumpsAreWhole(t *testing.T, borg string) {
	rounds, seed := 60, uint64(time.Now().UnixNano())
	if !proving() {
		rounds = 6
	}
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d, %d rounds", seed, rounds)
	postgres := dbtest.PostgreSQL(t)
	var entries strings.Builder
	for i := range 3 {
		name := fmt.Sprintf("db%d", i)
		postgres.SQL(t, "postgres", "CREATE DATABASE "+name)
		postgres.SQL(t, name, "CREATE TABLE t AS SELECT i, md5(i::text) || md5((i * 7)::text) AS text FROM generate_series(1, 60000) i")
	}
	fmt.Fprintf(&entries, "      - {type: postgresql, names: [db0, db1, db2], host: %s, port: %d, user: %s, password: {env: PG_SECRET}}\n",
		postgres.Host, postgres.Port, postgres.User)
	s := newSite(t, borg, databasesHome+entries.String())
	s.env = append(s.env, "PG_SECRET="+postgres.Password)
	s.write(1, 100)
	s.must("init")
	began := time.Now()
	s.must("run")
	whole := time.Since(began)
	green, victims := 1, []string{"borgcron", "borg", "pg_dump", "server"}
	for range rounds {
		run := s.start("run", "--wait", "20s")
		time.Sleep(time.Duration(random.Int64N(int64(whole)))) // the moment is what is tried, not waited for
		victim := victims[random.IntN(len(victims))]
		if victim == "server" {
			postgres.Stop()
		} else {
			killOf(run.pid, victim)
		}
		if run.wait() == 0 {
			green++
		}
		if victim == "server" {
			postgres.Start(t)
		}
	}
	found := 0
	for _, archive := range s.archives("home") {
		if !strings.Contains(archive, ".dumps-") {
			continue
		}
		if strings.Contains(archive, "checkpoint") {
			t.Errorf("%s: a part of dumps was kept", archive)
			continue
		}
		found++
		for _, name := range []string{"db0", "db1", "db2"} {
			s.must("restore-database", "home", name, "--archive", archive, "--as", "proof", "--replace")
			if got := postgres.SQL(t, "proof", "SELECT count(*), max(i) FROM t"); got != "60000|60000" {
				t.Errorf("%s of %s: %s", name, archive, got)
			}
		}
	}
	if found < green {
		t.Errorf("%d runs were green, and there are %d archives of dumps", green, found)
	}
	t.Logf("%d of %d runs were green, %d archives", green, rounds+1, found)
}

// killOf kills the borgcron with that number, or the processes that it has started and that are called so.
func killOf(pid int, name string) {
	if name == "borgcron" {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		return
	}
	_ = filepath.WalkDir("/proc", func(path string, _ fs.DirEntry, _ error) error {
		number, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			if path == "/proc" {
				return nil
			}
			return fs.SkipDir
		}
		status, _ := os.ReadFile(filepath.Join(path, "stat"))
		fields := strings.Fields(string(status[strings.LastIndexByte(string(status), ')')+1:]))
		command, _ := os.ReadFile(filepath.Join(path, "comm"))
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) && strings.TrimSpace(string(command)) == name {
			_ = syscall.Kill(number, syscall.SIGKILL)
		}
		return fs.SkipDir
	})
}

// A job of databases alone: its archives of dumps are its success, pruned by the retention, and guarded.
func TestDatabasesAlone(t *testing.T) { oneBorg(t, databasesAlone) }

func databasesAlone(t *testing.T, borg string) {
	s := newSite(t, borg, `
repositories:
  local: {location: "${WORK}/repo", borg: "${BORG}", encryption: none, clients: single}
jobs:
  home: {repository: local, retention: {last: 2}, databases: [{type: sqlite, path: "${WORK}/app.db"}]}
`)
	db, err := sql.Open("sqlite", "file:"+s.path("app.db"))
	check(t, err)
	defer db.Close()
	_, err = db.Exec("CREATE TABLE t AS WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 20000) SELECT i, randomblob(20) AS r FROM c")
	check(t, err)
	s.must("init")
	for range 3 {
		s.must("run")
	}
	if archives := s.archives("home"); len(archives) != 2 || !strings.Contains(archives[0], "home.dumps-") {
		t.Error(archives)
	}
	s.must("status")
	_, err = db.Exec("DELETE FROM t; VACUUM")
	check(t, err)
	if said := s.want(1, "run"); !strings.Contains(said, "shrank") || len(s.archives("home")) != 3 {
		t.Error(said)
	}
	s.must("ack", "home", "--yes")
	s.must("run")
	if archives := s.archives("home"); len(archives) != 2 {
		t.Error(archives)
	}
}
