package main

import (
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"borgcron/internal/machine"
)

// separated is the set-up of docs/privileges.md: nobody makes the backups, root the dumps, and anybody may ask how it stands.
// The folders are called as there, below a root of their own; the service's rights come from here instead of systemd.
type separated struct {
	*site
	program string
}

const backupUserConfig = `
paths: {state: "${WORK}/lib/borgcron"}
repositories: {nas: {location: "${WORK}/repos/nas", borg: "${BORG}", passphrase: {file: "${WORK}/etc/nas.key"}, clients: single}}
jobs:
  server:
    repository: nas
    sources: ["${WORK}/data", "${WORK}/databases"]
    retention: {daily: 14}
    hooks:
      - {when: before, run: 'test -z "$(find ${WORK}/databases -type f -mmin +720)"', on_error: fail}
`

const dumpsConfig = `
paths: {state: "${WORK}/lib/borgcron-dumps"}
jobs:
  dumps:
    repository: /nonexistent
    retention: keep_all
    databases: [{type: sqlite, path: "${WORK}/data/app.db"}]
`

func newSeparated(t *testing.T, borg string) *separated {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can be several users")
	}
	s := newSite(t, borg, "")
	if output, ok := s.asNobody(borg, "--version"); !ok {
		t.Skipf("this borg is not for everybody: %s", output)
	}
	x := &separated{s, filepath.Join(t.TempDir(), "borgcron")}
	installed, err := exec.LookPath("borgcron")
	check(t, err)
	run(t, "install", "-m", "0755", installed, x.program)
	for _, folder := range []string{filepath.Dir(x.program), filepath.Dir(s.home), s.home} {
		check(t, os.Chmod(folder, 0o755))
	}
	run(t, "install", "-d", "-m", "0755", "-o", "nobody", s.path("lib"), s.path("lib/borgcron"), s.path("repos"))
	run(t, "chown", "root:", s.path("lib"))
	run(t, "install", "-d", "-m", "0750", "-g", "65534", s.path("etc"))
	for name, text := range map[string]string{"etc/config.yaml": backupUserConfig, "etc/dumps.yaml": dumpsConfig, "etc/nas.key": "a passphrase\n"} {
		check(t, os.WriteFile(s.path(name), []byte(text), 0o600))
	}
	run(t, "chown", "root:65534", s.path("etc/config.yaml"))
	run(t, "chmod", "0640", s.path("etc/config.yaml"))
	run(t, "chown", "nobody:", s.path("etc/nas.key"))
	return x
}

// by runs borgcron as a user, with the home that this one has; service gives what the unit gives.
func (x *separated) by(uid uint32, service bool, args ...string) (string, int) {
	x.t.Helper()
	command := exec.CommandContext(x.t.Context(), x.program, args...)
	home := map[uint32]string{0: x.path("root"), nobody: x.path("lib/borgcron")}[uid]
	command.Dir = "/"
	command.Env = append(x.env, "HOME="+home, "USER=", "LOGNAME=", "BORGCRON_CONFIG=", "XDG_STATE_HOME="+x.path("lib"))
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	if service {
		command.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_DAC_READ_SEARCH}
	}
	output, err := command.CombinedOutput()
	if command.ProcessState == nil {
		x.t.Fatal(err)
	}
	return string(output), command.ProcessState.ExitCode()
}

// says demands an exit code and words, and returns what was printed.
func (x *separated) says(code int, words string, uid uint32, service bool, args ...string) string {
	x.t.Helper()
	output, got := x.by(uid, service, args...)
	if got != code || !strings.Contains(output, words) {
		x.t.Fatalf("%v by %d: exit code %d, want %d and %q:\n%s", args, uid, got, code, words, output)
	}
	return output
}

func TestPrivilegeSeparation(t *testing.T) {
	t.Parallel()
	eachBorg(t, func(t *testing.T, borg string) {
		x := newSeparated(t, borg)
		config, dumps := "--config="+x.path("etc/config.yaml"), "--config="+x.path("etc/dumps.yaml")
		check(t, os.WriteFile(x.path("data/secret"), []byte("for root only"), 0o600))
		db, err := sql.Open("sqlite", "file:"+x.path("data/app.db")+"?_pragma=journal_mode(wal)")
		check(t, err)
		_, err = db.Exec("CREATE TABLE t (i); INSERT INTO t VALUES (42)")
		check(t, err)
		check(t, db.Close())
		check(t, os.Chmod(x.path("data"), 0o700))

		// Root dumps what only the backup user may read then.
		dump := func() (file string) {
			said := x.says(0, x.path("databases"), 0, false, "dump", dumps, "--to", x.path("databases"), "--owner", "nobody")
			file, _, _ = strings.Cut(said, "\t")
			return file
		}
		dumped := dump()
		for path, want := range map[string]os.FileMode{x.path("databases"): 0o700, dumped: 0o600} {
			info, err := os.Stat(path)
			check(t, err)
			if uid := info.Sys().(*syscall.Stat_t).Uid; uid != nobody || info.Mode().Perm() != want {
				t.Errorf("%s: of %d, %v", path, uid, info.Mode())
			}
		}

		// The backup user reads every file in the service, and only there.
		x.says(0, "", nobody, false, "init", "server", config)
		x.says(0, "succeeded", nobody, true, "run", config)
		x.says(0, "for root only", nobody, false, "borg", "server", config, "--", "extract", "--stdout", "::"+x.archive(config), "sh:**/secret")
		x.says(0, "SQLite format 3", nobody, false, "borg", "server", config, "--", "extract", "--stdout", "::"+x.archive(config), "sh:**/databases/sqlite/**")
		x.says(1, "unreadable", nobody, false, "run", config)

		x.strangersSeeStatusOnly()
		x.rootIsRefused(config)

		// Nor does the backup user's run try what cannot go well in a state of root's; it says what to do.
		for path, words := range map[string]string{"lib/borgcron": "cannot be written", "lib/borgcron/locks": "has the records of another user (root)"} {
			run(t, "chown", "root", x.path(path))
			x.says(78, words+"; as root: chown -R "+machine.UserName(nobody)+": "+x.path("lib/borgcron"), nobody, true, "run", config)
			run(t, "chown", "nobody", x.path(path))
		}

		// A dump that failed leaves the former one, which is not taken for today's.
		run(t, "touch", "-d", "13 hours ago", dumped)
		x.says(2, "failed", nobody, true, "run", config)
		dump()
		x.says(0, "succeeded", nobody, true, "run", config)
	})
}

// archive is the name of the newest.
func (x *separated) archive(config string) string {
	lines := strings.Fields(x.says(0, "", nobody, false, "borg", "server", config, "--", "list", "--short", "--last", "1"))
	return lines[len(lines)-1]
}

// Any other user sees how the backups are, and nothing else.
func (x *separated) strangersSeeStatusOnly() {
	x.t.Helper()
	const stranger = 65533
	x.says(1, "warnings: 1 unreadable", stranger, false, "status", "server") // of the run without the service's rights
	x.says(0, "borgcron: server on nas: warning", stranger, false, "status", "--login", "--no-wait")
	x.says(3, "only its owner may read it", stranger, false, "history")
	for _, path := range []string{"lib/borgcron/history.db", "lib/borgcron/locks", "etc/config.yaml", "etc/nas.key", "etc/dumps.yaml", "databases", "data", "repos/nas/data"} {
		command := exec.Command("ls", x.path(path)+"/")
		if info, err := os.Stat(x.path(path)); err == nil && !info.IsDir() {
			command = exec.Command("cat", x.path(path))
		}
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stranger, Gid: stranger}}
		if output, err := command.CombinedOutput(); err == nil || !strings.Contains(string(output), "Permission denied") {
			x.t.Errorf("a stranger reads %s: %v %s", path, err, output)
		}
	}
}

// Root does not write among the files of the backup user, however it is called.
func (x *separated) rootIsRefused(config string) {
	x.t.Helper()
	user := "sudo -u " + machine.UserName(nobody) + " borgcron"
	x.says(78, user, 0, false, "run", config)
	x.says(78, user, 0, false, "run", config, "--config-owner", "nobody")
	x.says(78, user, 0, false, "doctor", config)
	for _, folder := range []string{"lib/borgcron", "repos"} {
		if left := ofRoot(x.t, x.path(folder)); len(left) > 0 {
			x.t.Errorf("root's in %s: %v", folder, left)
		}
	}
	unit := x.says(0, "User=nobody", 0, false, "schedule", "show", "--systemd", "--user", "nobody", config)
	if !strings.Contains(unit, "AmbientCapabilities=CAP_DAC_READ_SEARCH") {
		x.t.Errorf("the service may not read every file:\n%s", unit)
	}
}
