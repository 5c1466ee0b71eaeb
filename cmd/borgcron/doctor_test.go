package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// diagnosis is what doctor has found, by check: the gravest of each.
type diagnosis map[string]finding

type finding struct{ Check, Severity, What, Why, Remedy string }

// doctor runs it and demands that its exit code is that of the gravest finding.
func (s *site) doctor(args ...string) diagnosis {
	s.t.Helper()
	output, code := s.borgcron(append([]string{"doctor", "--json"}, args...)...)
	return diagnosed(s.t, output, code)
}

func diagnosed(t *testing.T, output string, code int) diagnosis {
	t.Helper()
	var answer struct {
		Findings []finding
		Checked  int
	}
	if err := json.Unmarshal([]byte(output), &answer); err != nil {
		t.Fatalf("%v in:\n%s", err, output)
	}
	if answer.Checked != len(answer.Findings) || answer.Checked < 10 {
		t.Errorf("%d checks, %d findings", answer.Checked, len(answer.Findings))
	}
	grave := []string{"ok", "note", "warning", "failure"}
	found, worst := diagnosis{}, 0
	for _, f := range answer.Findings {
		severity := slices.Index(grave, f.Severity)
		if before, seen := found[f.Check]; !seen || severity > slices.Index(grave, before.Severity) {
			found[f.Check] = f
		}
		worst = max(worst, severity)
	}
	if code != max(worst-1, 0) {
		t.Errorf("exit code %d, not %d:\n%s", code, worst, output)
	}
	return found
}

// has demands that a check has found this, with a remedy.
func (d diagnosis) has(t *testing.T, check, severity, what, remedy string) {
	t.Helper()
	f := d[check]
	if f.Severity != severity || !strings.Contains(f.What, what) || !strings.Contains(f.Remedy, remedy) {
		t.Errorf("%s: %+v, not %s: %q, %q", check, f, severity, what, remedy)
	}
}

// fine demands that nothing is wrong with these.
func (d diagnosis) fine(t *testing.T, checks ...string) {
	t.Helper()
	for _, check := range checks {
		if d[check].Severity != "ok" {
			t.Errorf("%s is not well: %+v", check, d[check])
		}
	}
}

const doctorsFar = `
repositories:
  far: {location: "${LOCATION}", borg: "${BORG}", remote_path: "${REMOTE_BORG}", passphrase: {file: "${WORK}/pass"},
    ssh: {identity: "${IDENTITY}", known_hosts: "${KNOWN_HOSTS}"}}
defaults: {repository: far, sources: ["${WORK}/data"], retention: {daily: 7}}
jobs: {home: {}}
`

// Doctor tells over a real ssh what is wrong with the way to a repository, and nothing once that is mended.
func TestDoctorFar(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		t.Parallel()
		s, relay := newRemoteSite(t, borg, doctorsFar)
		s.env = append(s.env, "REMOTE_BORG="+borg)
		check(t, os.WriteFile(s.path("pass"), []byte("open sesame\n"), 0o600))
		s.write(2, 100)
		s.doctor().has(t, "repository", "failure", "does not exist", "borgcron init home")
		s.must("init", "home")
		s.must("run")
		s.must("key", "export", "home", "--to", s.path("key"))
		well := s.doctor()
		well.fine(t, "host-key", "login", "identity", "ssh-options", "keepalive", "passphrase", "repository", "lock", "series", "key", "cache-owner", "last-success")
		if there := well["borg-server"]; !strings.Contains(there.What, filepath.Base(versionOf(t, borg))) {
			t.Errorf("not the version of the other end: %+v", there)
		}
		s.doctor("--offline").has(t, "host-key", "note", "--offline", "")

		known := environmentOf(s, "KNOWN_HOSTS")
		line, err := os.ReadFile(known)
		check(t, err)
		with := func(path, text string, then func()) {
			before, err := os.ReadFile(path)
			check(t, err)
			check(t, os.WriteFile(path, []byte(text), 0o600))
			then()
			check(t, os.WriteFile(path, before, 0o600))
		}
		with(known, "", func() {
			d := s.doctor()
			d.has(t, "host-key", "failure", "not among those of known servers", fmt.Sprintf("ssh-keyscan -p %d HOST >> %s", relay.port, known))
			d.has(t, "repository", "note", "not looked at", "")
		})
		check(t, exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", s.path("other")).Run())
		other, err := os.ReadFile(s.path("other.pub"))
		check(t, err)
		address, _, _ := strings.Cut(string(line), " ")
		with(known, address+" "+string(other), func() {
			s.doctor().has(t, "host-key", "failure", "another key", "ssh-keygen -R")
		})
		identity := environmentOf(s, "IDENTITY")
		stranger, err := os.ReadFile(s.path("other"))
		check(t, err)
		with(identity, string(stranger), func() {
			d := s.doctor()
			d.has(t, "login", "failure", "does not let us in", "authorized_keys")
			if text := fmt.Sprint(d); strings.Contains(text, "127.0.0.1") {
				t.Errorf("it tells where the repository is: %s", text)
			}
		})
		check(t, os.Chmod(identity, 0o644))
		s.doctor().has(t, "identity", "failure", "others can read", "chmod 600 "+identity)
		check(t, os.Chmod(identity, 0o600))
		with(s.path("pass"), "open barley\n", func() {
			d := s.doctor()
			d.has(t, "passphrase", "failure", "does not open the repository", "`passphrase`")
			if text := fmt.Sprint(d); strings.Contains(text, "barley") {
				t.Errorf("it tells the passphrase: %s", text)
			}
		})
		env := s.env
		s.env = append(s.env, "REMOTE_BORG=/nonexistent/borg")
		s.doctor().has(t, "borg-server", "failure", "there is no /nonexistent/borg", "remote_path")
		s.env = env
		relay.refused.Store(true)
		s.doctor().has(t, "login", "failure", "cannot be reached", "borgcron doctor")
		relay.refused.Store(false)
		s.doctor().fine(t, "host-key", "login", "repository")
	})
}

// A key agent of the session is no help to a timer; a server that runs nothing but borg serve is fine.
func TestDoctorServer(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		s, _ := newRemoteSite(t, borg, strings.Replace(doctorsFar, `identity: "${IDENTITY}"`, "options: [\"IdentityFile=${KEY}\"]", 1))
		identity := environmentOf(s, "IDENTITY")
		s.env = append(s.env, "REMOTE_BORG="+borg, "KEY="+identity)
		check(t, os.WriteFile(s.path("pass"), []byte("open sesame\n"), 0o600))
		s.write(2, 100)
		s.must("init", "home")
		s.doctor().fine(t, "login", "repository")

		socket := s.path("agent")
		agent := exec.Command("ssh-agent", "-D", "-a", socket)
		check(t, agent.Start())
		t.Cleanup(func() { _ = agent.Process.Kill(); _ = agent.Wait() })
		eventually(t, func() bool { _, err := os.Stat(socket); return err == nil }, func() string { return "no key agent" })
		s.env = append(s.env, "SSH_AUTH_SOCK="+socket)
		add := exec.Command("ssh-add", identity)
		add.Env = s.env
		check(t, add.Run())
		s.env = append(s.env, "KEY=/nonexistent")
		s.doctor().has(t, "login", "warning", "the key agent of this session only", "ssh.identity")
		s.env = append(s.env, "KEY="+identity)

		keys := filepath.Join(filepath.Dir(identity), "authorized_keys")
		public, err := os.ReadFile(keys)
		check(t, err)
		check(t, os.WriteFile(keys, []byte(fmt.Sprintf("restrict,command=\"%s serve --restrict-to-path %s\" %s", borg, s.home, public)), 0o600))
		d := s.doctor()
		d.fine(t, "login", "repository")
		if there := d["borg-server"]; there.Severity == "failure" {
			t.Errorf("borg serve only: %+v", there)
		}
		check(t, os.WriteFile(keys, []byte("command=\"echo no shell for you\" "+string(public)), 0o600))
		d = s.doctor()
		d.has(t, "borg-server", "note", "not known", "")
		d.has(t, "repository", "failure", "", "")
	})
}

func versionOf(t *testing.T, borg string) string {
	t.Helper()
	for version, path := range borgs(t) {
		if path == borg {
			return version
		}
	}
	t.Fatalf("no borg at %s", borg)
	return ""
}

// environmentOf is the value of a variable in which the site runs.
func environmentOf(s *site, name string) (value string) {
	for _, assignment := range s.env {
		if found, ok := strings.CutPrefix(assignment, name+"="); ok {
			value = found
		}
	}
	return value
}

const doctorsNear = `
repositories:
  near: {location: "${WORK}/disk/repo", borg: "${BORG}", encryption: none, clients: single, lock_wait: 1s}
defaults: {repository: near, sources: ["${WORK}/data"], retention: {daily: 7}, bootstrap: false}
jobs: {home: {}}
notify:
  mail: {type: email, server: "smtp://127.0.0.1:${SMTP}", tls: none, from: a@example.org, to: [b@example.org]}
  phone: {type: ntfy, url: "http://127.0.0.1:${NTFY}/backups"}
`

// Doctor sees a lock that somebody holds, a disk that gets full, and channels that do not answer.
func TestDoctorNear(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		t.Parallel()
		s := newSite(t, borg, doctorsNear)
		s.env = append(s.env, fmt.Sprintf("SMTP=%d", freePort(t)), fmt.Sprintf("NTFY=%d", freePort(t)))
		s.write(2, 1000)
		check(t, os.Mkdir(s.path("disk"), 0o755))
		s.must("init")
		s.must("run")
		d := s.doctor()
		d.has(t, "channel", "warning", "connection refused", "borgcron notify --test")
		d.fine(t, "repository", "lock", "key", "cache-owner", "repository-owner")
		server, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		check(t, err)
		defer server.Close()
		go greet(server)
		s.env = append(s.env, fmt.Sprintf("SMTP=%d", server.Addr().(*net.TCPAddr).Port), fmt.Sprintf("NTFY=%d", server.Addr().(*net.TCPAddr).Port))
		s.doctor().fine(t, "channel")

		holder := holdByHand(t, borg, s.env, s.path("disk", "repo"), nil)
		d = s.doctor()
		d.has(t, "lock", "warning", fmt.Sprintf("process %d is a running borg", holder), "borgcron unlock home")
		d.has(t, "repository", "note", "it is locked", "")
		check(t, syscall.Kill(-holder, syscall.SIGKILL))
		eventually(t, func() bool { state := processState(holder); return state == 0 || state == 'Z' }, func() string { return "the holder does not end" })
		s.doctor().has(t, "lock", "note", "the next run breaks it", "borgcron unlock home")
		s.must("unlock", "home")
		s.doctor().fine(t, "lock", "repository")
	})
}

// greet answers as a mail server does, to whoever comes.
func greet(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			_, _ = fmt.Fprint(conn, "220 here\r\n")
			for buffer := make([]byte, 1000); ; {
				n, err := conn.Read(buffer)
				if err != nil {
					return
				}
				answer := "250 well\r\n"
				if strings.HasPrefix(string(buffer[:n]), "QUIT") {
					answer = "221 good-bye\r\n"
				}
				_, _ = fmt.Fprint(conn, answer)
			}
		}()
	}
}

// On a real file system that is nearly full it says so, and tells below min_free that the run would fail.
func TestDoctorFullDisk(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		s := newSite(t, borg, strings.Replace(doctorsNear, "lock_wait: 1s", `min_free: "${LEAST}"`, 1))
		s.env = append(s.env, "SMTP=9", "NTFY=9", "LEAST=1MiB")
		s.smallDisk("disk", "size=24m")
		s.write(2, 1000)
		s.must("init")
		s.doctor().has(t, "space", "warning", "are free where the repository is", "free space there")
		s.env = append(s.env, "LEAST=1GiB")
		s.doctor().has(t, "space", "failure", "`min_free` wants 1.0 GiB", "free space there")
	})
}

// The classic trap: one run as root leaves files in the user's cache and repository that his borg cannot write.
func TestDoctorFilesOfRoot(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can leave files of root behind")
	}
	oneBorg(t, func(t *testing.T, borg string) {
		s, program := openSite(t)
		s.env = append(s.env, "BORG="+borg)
		config := fmt.Sprintf("paths: {state: \"%s/state\"}\n", s.home) + strings.NewReplacer("${SMTP}", "9", "${NTFY}", "9").Replace(doctorsNear)
		check(t, os.WriteFile(s.path("borgcron.yaml"), []byte(config), 0o644))
		check(t, os.Mkdir(s.path("disk"), 0o755))
		s.write(2, 1000)
		check(t, exec.Command("chown", "-R", fmt.Sprint(nobody), s.home).Run())
		as := func(args ...string) (string, int) {
			command := exec.Command(program, args...)
			command.Env, command.Dir = s.env, "/"
			command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			output, err := command.Output()
			if err != nil && command.ProcessState == nil {
				t.Fatal(err)
			}
			return string(output), command.ProcessState.ExitCode()
		}
		if output, code := as("init"); code != 0 {
			if out, _ := as("doctor"); strings.Contains(out, "permission denied") {
				t.Skip("this borg is not for everybody")
			}
			t.Fatal(output)
		}
		as("run")
		output, code := as("doctor", "--json")
		diagnosed(t, output, code).fine(t, "cache-owner", "repository-owner", "state", "repository")
		check(t, os.WriteFile(s.path("disk", "repo", "data", "0", "99"), nil, 0o600))
		check(t, os.WriteFile(s.path(".cache", "borg", "of-root"), nil, 0o600))
		check(t, os.WriteFile(s.path("state", "of-root"), nil, 0o600))
		output, code = as("doctor", "--json")
		d := diagnosed(t, output, code)
		d.has(t, "cache-owner", "failure", "of user root", "chown -R nobody: "+s.path(".cache", "borg"))
		d.has(t, "repository-owner", "failure", "of user root", "chown -R nobody: ")
		d.has(t, "state", "failure", "of other users", "chown -R nobody: "+s.path("state"))
		check(t, exec.Command("chown", "-R", fmt.Sprint(nobody), s.home).Run())
		output, code = as("doctor", "--json")
		diagnosed(t, output, code).fine(t, "cache-owner", "state")
	})
}
