package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	ownCompression = "by hand, compressed by pg_dump"
	twoAtATime     = "by hand, two at a time"
	viaFiles       = "by hand, by files"
	onDisk         = "disk besides the repository"
	inRAM          = "memory of borgcron"
)

// server is a PostgreSQL in a folder of its own, without passwords.
type server struct {
	*bench
	dir, programs string
	process       *os.Process
	who           *syscall.SysProcAttr
}

// newServer starts one, as nobody if we are root. It is to be stopped.
func (b *bench) newServer() *server {
	found := must(filepath.Glob("/usr/lib/postgresql/*/bin"))
	if len(found) == 0 {
		check(errors.New("PostgreSQL is not installed"))
	}
	s := &server{bench: b, dir: must(os.MkdirTemp("", "bench-pg-")), programs: found[len(found)-1], who: &syscall.SysProcAttr{}}
	check(os.Chmod(s.dir, 0o755)) //nolint:gosec // the socket is for everybody
	if os.Getuid() == 0 {
		check(os.Chown(s.dir, nobody, nobody))
		s.who.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	s.expect(s.command("initdb", "--pgdata="+s.dir+"/data", "--username=bench", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"))
	daemon := s.command("postgres", "-D", s.dir+"/data", "-k", s.dir, "-h", "", "-c", "max_wal_size=4GB", "-c", "shared_buffers=256MB", "-c", "fsync=off")
	check(daemon.Start())
	s.process = daemon.Process
	go func() { _ = daemon.Wait() }()
	for deadline := time.Now().Add(time.Minute); exec.Command("psql", s.args("postgres", "SELECT 1")...).Run() != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			check(errors.New("PostgreSQL does not answer"))
		}
	}
	return s
}

func (s *server) stop() {
	_ = s.process.Signal(syscall.SIGQUIT)
	check(os.RemoveAll(s.dir))
}

func (s *server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.programs, program), args...)
	cmd.Dir, cmd.SysProcAttr, cmd.Env = s.dir, s.who, []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}
	return cmd
}

func (s *server) expect(cmd *exec.Cmd) {
	if said, err := cmd.CombinedOutput(); err != nil {
		check(fmt.Errorf("%s: %w\n%s", cmd.Path, err, said))
	}
}

func (s *server) args(db, sql string) []string {
	return []string{"-XAtq", "-v", "ON_ERROR_STOP=1", "-h", s.dir, "-U", "bench", "-d", db, "-c", sql}
}

func (s *server) sql(db, sql string) { s.expect(exec.Command("psql", s.args(db, sql)...)) }

// fill makes a database with so many rows of about 512 bytes that can be compressed by half.
func (s *server) fill(db string, rows int) {
	s.sql("postgres", "CREATE DATABASE "+db)
	s.sql(db, fmt.Sprintf(`CREATE TABLE t AS SELECT i, (SELECT string_agg(md5((i * 16 + j)::text), '') FROM generate_series(1, 15) j) AS text
		FROM generate_series(1, %d) i`, rows))
	s.sql(db, "ALTER TABLE t ADD PRIMARY KEY (i)")
}

const databaseConfig = `host: bench
paths: {state: %[1]s/state, runtime: %[1]s/run}
repositories:
  local: {location: %[1]s/repository, passphrase: "1234", clients: single}
jobs:
  files:
    repository: local
    retention: keep_all
    check: {every: never}
    databases: [{type: postgresql, names: [%[3]s], host: %[2]s, user: bench}]
`

// dumper is a contender that dumps databases.
func (s *server) dumper(name string, names []string) *contender {
	c := &contender{world: &world{bench: s.bench, dir: s.temp}, home: must(os.MkdirTemp(s.temp, "dumper-"))}
	c.log = must(os.Create(filepath.Join(c.home, "log")))
	c.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.home, "LANG=C.UTF-8", "BORG_REPO=" + c.home + "/repository", "BORG_PASSPHRASE=1234"}
	check(os.WriteFile(c.home+"/config.yaml", fmt.Appendf(nil, databaseConfig, c.home, s.dir, strings.Join(names, ", ")), 0o600))
	script := map[string]string{
		byHand:         `pg_dump -h %[1]s -U bench -Fc -Z0 %[2]s | borg create --compression=lz4 "::$(date +%%s)" -`,
		ownCompression: `pg_dump -h %[1]s -U bench -Fc %[2]s | borg create --compression=lz4 "::$(date +%%s)" -`,
		viaFiles: `mkdir dumps && for db in %[2]s; do pg_dump -h %[1]s -U bench -Fc -Z0 -f dumps/$db $db || exit 1; done &&
			borg create --compression=lz4 "::$(date +%%s)" dumps && rm -r dumps`,
		twoAtATime: `mkdir dumps && printf '%%s\n' %[2]s | xargs -P2 -I DB pg_dump -h %[1]s -U bench -Fc -Z0 -f dumps/DB DB &&
			borg create --compression=lz4 "::$(date +%%s)" dumps && rm -r dumps`,
	}[name]
	words := []string{"sh", "-c", fmt.Sprintf(script, s.dir, strings.Join(names, " "))}
	if name == borgcron {
		words = []string{c.program, "--config", c.home + "/config.yaml", "run", "files"}
	}
	c.commands = func(bool) [][]string { return [][]string{words} }
	init := c.command([]string{"borg", "init", "--encryption=repokey-blake2"})
	c.expect(init, init.Run())
	return c
}

// database is part p: a run that dumps one database of 1 GB, a hundredth of which has changed since the last, and what it takes
// besides time.
func (b *bench) database() {
	s := b.newServer()
	defer s.stop()
	say("filling a database of 1 GB")
	s.fill("large", 2_000_000)
	columns := []string{borgcron, byHand, ownCompression}
	var contenders []*contender
	for _, name := range columns {
		contenders = append(contenders, s.dumper(name, []string{"large"}))
	}
	size := must(exec.Command("psql", s.args("large", "SELECT pg_size_pretty(pg_database_size('large'))")...).Output())
	times := &series{name: "p", unit: "seconds", note: "the database takes " + strings.TrimSpace(string(size)) + "; " + machine(), columns: columns}
	change := func(round int) {
		s.sql("large", fmt.Sprintf("UPDATE t SET text = reverse(text) WHERE i %% 100 = %d", round%100))
		s.sql("large", "VACUUM t")
	}
	times.measure(b.docs, b.rounds, func(round int, row []float64) {
		change(round)
		for _, i := range order(round, len(columns)) {
			row[i] = contenders[i].backup(false)
		}
	})
	use := &series{name: "p-use", unit: "MiB", note: machine(), columns: []string{inRAM, onDisk}}
	use.measure(b.docs, 3, func(round int, row []float64) {
		change(round)
		row[0], row[1] = contenders[0].uses()
	})
}

// uses makes a backup and returns the peaks, in MiB, of the program's own memory and of what it and borg have on the disk besides the
// repository and borg's cache.
func (c *contender) uses() (memory, disk float64) {
	c.settle()
	cmd := c.command(c.commands(true)[0])
	temp := filepath.Join(c.home, "tmp")
	check(os.MkdirAll(temp, 0o700))
	cmd.Env = append(cmd.Env, "TMPDIR="+temp)
	before := c.besides()
	check(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			c.expect(cmd, err)
			return memory, disk
		case <-time.After(50 * time.Millisecond):
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)) // gone at the end
			if m := highWater.FindSubmatch(status); m != nil {
				memory = float64(must(strconv.Atoi(string(m[1])))) / 1024
			}
			disk = max(disk, float64(c.besides()-before)/(1<<20))
		}
	}
}

// besides is what lies in the contender's home but for the repository and borg's caches, in bytes on the disk.
func (c *contender) besides() (bytes int64) {
	_ = filepath.WalkDir(c.home, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil //nolint:nilerr // gone meanwhile
		case path == c.home+"/repository" || path == c.home+"/.cache":
			return fs.SkipDir
		}
		if info, err := entry.Info(); err == nil {
			bytes += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return nil
	})
	return bytes
}

// manyDatabases is part q: 20 small databases, which borg reads one after the other while they are dumped.
func (b *bench) manyDatabases() {
	s := b.newServer()
	defer s.stop()
	var names []string
	for i := range 20 {
		names = append(names, fmt.Sprintf("db%d", i))
		s.fill(names[i], 10_000)
	}
	columns := []string{borgcron, viaFiles, twoAtATime}
	var contenders []*contender
	for _, name := range columns {
		contenders = append(contenders, s.dumper(name, names))
	}
	times := &series{name: "q", unit: "seconds", note: machine(), columns: columns}
	times.measure(b.docs, b.rounds, func(round int, row []float64) {
		for _, i := range order(round, len(columns)) {
			row[i] = contenders[i].backup(false)
		}
	})
}
