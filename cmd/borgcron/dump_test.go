package main

import (
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"borgcron/internal/dbtest"
)

// A job with a spool: its dumps are files, one of them a folder, that go into the archives of both repositories, and come back.
func TestSpool(t *testing.T) { oneBorg(t, spool) }

func spool(t *testing.T, borg string) {
	postgres := dbtest.PostgreSQL(t)
	for _, name := range []string{"tree", "one file"} {
		postgres.SQL(t, "postgres", `CREATE DATABASE "`+name+`"`)
		postgres.SQL(t, name, "CREATE TABLE t AS SELECT i, md5(i::text) AS text FROM generate_series(1, 20000) i")
	}
	server := fmt.Sprintf("host: %s, port: %d, user: %s, password: {env: PG_SECRET}", postgres.Host, postgres.Port, postgres.User)
	s := newSite(t, borg, `
repositories:
  first: {location: "${WORK}/repo", borg: "${BORG}", encryption: none, clients: single}
  second: {location: "${WORK}/repo2", borg: "${BORG}", encryption: none, clients: single}
jobs:
  home:
    repositories: [first, second]
    sources: ["${WORK}/data"]
    retention: {last: 100}
    check: {every: never}
    retry: {retries: 0}
    spool: "${WORK}/spool/deep"
    databases:
      - {type: postgresql, names: [tree], format: directory, `+server+`}
      - {type: postgresql, names: ["one file"], `+server+`}
      - {type: sqlite, path: "${WORK}/app.db"}
`)
	s.env = append(s.env, "PG_SECRET="+postgres.Password)
	check(t, os.Mkdir(s.path("spool"), 0o700))
	db, err := sql.Open("sqlite", "file:"+s.path("app.db"))
	check(t, err)
	_, err = db.Exec("CREATE TABLE t (i); INSERT INTO t VALUES (42)")
	check(t, err)
	check(t, db.Close())
	s.write(2, 100)
	s.must("init")
	s.must("run")
	list := s.must("restore-database", "home", "--list", "--repository", "second")
	for _, name := range []string{"tree", "directory", "one file", "custom", "app.db"} {
		if !strings.Contains(list, name) {
			t.Errorf("%s is missing:\n%s", name, list)
		}
	}
	for _, repository := range []string{"first", "second"} {
		for _, name := range []string{"tree", "one file"} {
			postgres.SQL(t, "postgres", `DROP DATABASE "`+name+`"`)
		}
		check(t, os.Remove(s.path("app.db")))
		s.must("restore-database", "home", "--repository", repository)
		for _, name := range []string{"tree", "one file"} {
			if got := postgres.SQL(t, name, "SELECT count(*) FROM t"); got != "20000" {
				t.Errorf("%s from %s: %s rows", name, repository, got)
			}
		}
		if _, err := os.Stat(s.path("app.db")); err != nil {
			t.Error(err)
		}
	}
	// A dump that fails leaves its former file, which stays known.
	check(t, os.Remove(s.path("app.db")))
	s.want(2, "run")
	if list := s.must("restore-database", "home", "--list"); !strings.Contains(list, "app.db") {
		t.Errorf("the former dump is not listed:\n%s", list)
	}
}

// The old script's variables are all that is needed: no configuration, no borg. Root dumps what the backup's user alone can read.
func TestDumpAlone(t *testing.T) {
	maria := dbtest.MariaDB(t)
	for _, name := range []string{"shop", "wi-ki", "other"} {
		maria.SQL(t, "", "CREATE DATABASE `"+name+"`")
		maria.SQL(t, name, "CREATE TABLE t AS SELECT seq AS i FROM seq_1_to_1000")
	}
	s := newSite(t, "", "")
	check(t, os.Remove(s.path("borgcron.yaml")))
	check(t, os.WriteFile(s.path("my.cnf"), []byte("[client]\nsocket="+maria.Socket+"\n"), 0o600)) // the script knew one server
	to := s.path("dumps")
	s.env = slices.DeleteFunc(s.env, func(assignment string) bool { return strings.HasPrefix(assignment, "BORGCRON_CONFIG=") })
	s.env = append(s.env, "MYSQL_HOME="+s.home, "SQL_BACKUP_DATABASES=shop wi-ki", "SQL_BACKUP_USER="+maria.User, "SQL_BACKUP_PASSPHRASE="+maria.Password)
	args := []string{"dump", "--to", to, "--keep", "1"}
	owner := os.Getuid()
	if owner == 0 {
		nobody, err := user.Lookup("nobody")
		check(t, err)
		owner, err = strconv.Atoi(nobody.Uid)
		check(t, err)
		args = append(args, "--owner", "nobody")
	}
	for range 3 {
		said := s.must(args...)
		if !strings.Contains(said, "shop") || strings.Contains(said, "other") || strings.Contains(said, maria.Password) {
			t.Fatal(said)
		}
	}
	var files []string
	check(t, filepath.WalkDir(to, func(path string, entry fs.DirEntry, err error) error {
		check(t, err)
		info, err := entry.Info()
		check(t, err)
		if got := int(info.Sys().(*syscall.Stat_t).Uid); got != owner {
			t.Errorf("%s belongs to %d, not to %d", path, got, owner)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		if !entry.IsDir() {
			files = append(files, filepath.Base(path))
		}
		return nil
	}))
	if want := []string{"shop.sql", "shop.sql.1", "wi-ki.sql", "wi-ki.sql.1"}; !slices.Equal(files, want) {
		t.Errorf("%v, want %v", files, want)
	}
	text, err := os.ReadFile(filepath.Join(to, "mysql", "shop.sql"))
	check(t, err)
	maria.SQL(t, "", "CREATE DATABASE again")
	maria.SQL(t, "again", string(text))
	if got := maria.SQL(t, "again", "SELECT COUNT(*) FROM t"); got != "1000" {
		t.Errorf("%s rows came back", got)
	}
	s.env = append(s.env, "SQL_BACKUP_DESTINATION="+to, "SQL_BACKUP_PASSCOMMAND=printf wrong")
	if said := s.want(2, "dump"); !strings.Contains(said, "password") {
		t.Error(said)
	}
	s.env = append(s.env, "SQL_BACKUP_PASSCOMMAND=printf '%s' '"+strings.ReplaceAll(maria.Password, "'", `'\''`)+"'", "SQL_BACKUP_PASSPHRASE=", "SQL_BACKUP_DATABASES=all")
	if said := s.must("dump"); !strings.Contains(said, "other") {
		t.Error(said)
	}
}
