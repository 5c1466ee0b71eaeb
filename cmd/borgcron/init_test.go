package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"borgcron/internal/backup"
)

// newcomer is a home without any configuration, on a machine whose state folder is empty.
type newcomer struct {
	*site
	program string
	private string // what a shell does before, in the namespace that is only borgcron's
}

func newNewcomer(t *testing.T, borg string) *newcomer {
	t.Helper()
	program, err := exec.LookPath("borgcron")
	check(t, err)
	s := &site{t: t, home: t.TempDir()}
	s.env = append(os.Environ(), "HOME="+s.home, "WORK="+s.home, "BORG="+borg, "TZ=UTC", "BORGCRON_CONFIG="+s.path("etc", "config.yaml"),
		"XDG_STATE_HOME="+s.path("var"), "XDG_CONFIG_HOME="+s.path(".config"))
	for _, folder := range []string{"data", "var", "mnt"} {
		check(t, os.Mkdir(s.path(folder), 0o755))
	}
	check(t, os.WriteFile(s.path("data", "letter"), []byte("dear\n"), 0o600))
	if os.Getuid() == 0 {
		if err := exec.Command("unshare", "-m", "true").Run(); err != nil {
			missing(t, "no namespace of mounts: "+err.Error())
		}
	}
	return &newcomer{site: s, program: program}
}

// command is one of borgcron's, with a state folder of the newcomer's own. It keeps its process id.
func (n *newcomer) command(args ...string) *exec.Cmd {
	return n.inPrivate(append([]string{n.program}, args...)...)
}

func (n *newcomer) inPrivate(words ...string) *exec.Cmd {
	if os.Getuid() == 0 {
		words = append([]string{"unshare", "-m", "sh", "-c", n.private + `mount --bind "$WORK/var" /var/lib && exec "$0" "$@"`}, words...)
	}
	command := exec.Command(words[0], words[1:]...)
	command.Env, command.Dir = n.env, n.home
	return command
}

// shell runs any command where borgcron runs.
func (n *newcomer) shell(words ...string) {
	n.t.Helper()
	if output, err := n.inPrivate(words...).CombinedOutput(); err != nil {
		n.t.Fatalf("%v: %v\n%s", words, err, output)
	}
}

// gives demands an exit code.
func (n *newcomer) gives(code int, args ...string) string {
	n.t.Helper()
	command := n.command(args...)
	output, _ := command.CombinedOutput()
	if got := command.ProcessState.ExitCode(); got != code {
		n.t.Fatalf("borgcron %s: exit code %d, not %d\n%s", strings.Join(args, " "), got, code, output)
	}
	return string(output)
}

// backsUp demands that what init has made works: a run, and a drill that finds all as it is.
func (n *newcomer) backsUp(job string) {
	n.t.Helper()
	n.gives(0, "config", "check")
	n.gives(0, "run", job)
	n.gives(0, "verify", job, "--full")
	if states := n.states(); states[job] != "ok" {
		n.t.Errorf("the states are %v", states)
	}
}

func (n *newcomer) states() map[string]string {
	n.t.Helper()
	var status struct{ Jobs []struct{ Job, State string } }
	command := n.command("status", "--json")
	output, _ := command.Output()
	check(n.t, json.Unmarshal(output, &status))
	states := map[string]string{}
	for _, row := range status.Jobs {
		states[row.Job] = row.State
	}
	return states
}

// files are all below the home that init may have made, without the state and what borg keeps for itself.
func (n *newcomer) files() (found []string) {
	n.t.Helper()
	check(n.t, filepath.WalkDir(n.home, func(path string, entry fs.DirEntry, err error) error {
		name := strings.TrimPrefix(strings.TrimPrefix(path, n.home), "/")
		switch {
		case err != nil:
			return err
		case slices.Contains([]string{"var", ".cache", ".config", "data"}, name):
			return fs.SkipDir
		case !entry.IsDir() && entry.Type()&fs.ModeSocket == 0 || strings.HasPrefix(entry.Name(), "."):
			found = append(found, name)
		}
		return nil
	}))
	return found
}

// secret demands that only its owner can read a file, and returns what is in it.
func (n *newcomer) secret(path ...string) string {
	n.t.Helper()
	info, err := os.Stat(n.path(path...))
	check(n.t, err)
	if info.Mode().Perm() != 0o600 {
		n.t.Errorf("%v has the mode %v", path, info.Mode())
	}
	text, err := os.ReadFile(n.path(path...))
	check(n.t, err)
	return string(text)
}

// Everything by flags, without a terminal, with every borg.
func TestInitUnattended(t *testing.T) {
	t.Parallel()
	eachBorg(t, func(t *testing.T, borg string) {
		n := newNewcomer(t, borg)
		all := []string{"init", "home", "--borg", borg, "--source", "data", "--location", "mnt/borg", "--keep", "2d 1y", "--at", "02:30", "--no-schedule", "--passphrase", "new"}
		for _, flag := range []string{"source", "location", "keep", "passphrase"} { // each is missed
			i := slices.Index(all, "--"+flag)
			if output := n.gives(64, slices.Concat(all[:i], all[i+2:])...); !strings.Contains(output, "--"+flag+" is missing") {
				t.Errorf("without --%s:\n%s", flag, output)
			}
		}
		if left := n.files(); len(left) > 0 {
			t.Errorf("an init that lacks an answer has made %v", left)
		}
		output := n.gives(0, all...)
		for _, words := range []string{
			"the repository is made (repokey-blake2)", "A first run would do this", "create   yes", "a copy of the key is in",
			"promises that nobody else starts a borg on that repository: no other machine, no other user, nobody by hand, not on the server either",
		} {
			if !strings.Contains(output, words) {
				t.Errorf("it does not say %q:\n%s", words, output)
			}
		}
		config := n.secret("etc", "config.yaml")
		for _, words := range []string{"clients: single", `at: "02:30"`, "retention: {daily: 2, yearly: 1}"} {
			if !strings.Contains(config, words) {
				t.Errorf("the configuration lacks %q:\n%s", words, config)
			}
		}
		passphrase := strings.TrimSpace(n.secret("etc", "home.passphrase"))
		if len(passphrase) != 34 || strings.Contains(output+config, passphrase) {
			t.Errorf("the passphrase %q", passphrase)
		}
		if !strings.HasPrefix(n.secret("etc", "home.key"), "BORG_KEY ") {
			t.Error("the copy of the key is none")
		}
		n.backsUp("home")
		if output := n.gives(0, "status"); strings.Contains(output, "key") {
			t.Errorf("status reminds of the key:\n%s", output)
		}

		// A second job on the same repository needs no more than that, and a file of its own; the first is as it was.
		n.gives(0, "init", "work", "--source", "data", "--location", "mnt/borg", "--yes", "--no-schedule")
		if n.secret("etc", "config.yaml") != config || !strings.Contains(n.secret("etc", "jobs.d", "work.yaml"), "repository: home\n") {
			t.Error("the second job is not beside the first")
		}
		n.backsUp("work")

		// For a job that is there init adopts, and wants none of this.
		if output := n.gives(0, "init"); !strings.Contains(output, "repository home was there already, and is adopted (repokey BLAKE2b, ") && !strings.Contains(output, "adopted (repokey-blake2, 2 archives") {
			t.Errorf("the second init:\n%s", output)
		}
		n.gives(64, "init", "home", "--source", "data")
		n.gives(64, "init", "home", "extra", "--yes")
	})
}

// A repository that is there is adopted if its passphrase is known, and left as it is.
func TestInitAdopts(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		n := newNewcomer(t, borg)
		before := func(passphrase string, args ...string) {
			command := exec.Command(borg, args...)
			command.Env = append(n.env, "BORG_PASSPHRASE="+passphrase, "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes")
			if output, err := command.CombinedOutput(); err != nil {
				t.Fatalf("borg %v: %v\n%s", args, err, output)
			}
		}
		before("right", "init", "-e", "repokey", n.path("mnt", "old"))
		before("right", "create", n.path("mnt", "old")+"::first", n.path("data"))
		before("", "init", "-e", "none", n.path("mnt", "open"))
		check(t, os.WriteFile(n.path("pass"), []byte("wrong\n"), 0o600))
		args := []string{"init", "home", "--borg", borg, "--source", "data", "--location", "mnt/old", "--yes", "--no-schedule", "--passphrase"}
		n.gives(64, append(args, "new")...)
		n.gives(64, append(args, "none")...)
		if output := n.gives(2, append(args, "file:pass")...); !strings.Contains(output, "not the passphrase of the repository") {
			t.Errorf("with a wrong passphrase:\n%s", output)
		}
		if left := n.files(); slices.ContainsFunc(left, func(name string) bool { return strings.HasPrefix(name, "etc") }) {
			t.Errorf("it has made %v", left)
		}
		check(t, os.WriteFile(n.path("pass"), []byte("right\n"), 0o600))
		if output := n.gives(0, append(args, "file:pass")...); !strings.Contains(output, "it opens the repository (repokey, one archive)") {
			t.Errorf("with the right passphrase:\n%s", output)
		}
		if !strings.Contains(n.secret("etc", "config.yaml"), "clients: shared") {
			t.Error("an adopted repository is not ours alone")
		}
		n.backsUp("home")
		if listed := n.gives(0, "borg", "home", "--", "list", "--short"); !strings.Contains(listed, "first") {
			t.Errorf("what was there is gone:\n%s", listed)
		}
		output := n.gives(0, "init", "open", "--borg", borg, "--source", "data", "--location", "mnt/open", "--yes", "--no-schedule")
		if !strings.Contains(output, "not encrypted") || n.path("etc", "open.passphrase") == "" {
			t.Errorf("one that is not encrypted:\n%s", output)
		}
		n.backsUp("open")

		// A job that is configured, with a wrong passphrase for what is there.
		check(t, os.WriteFile(n.path("pass"), []byte("wrong\n"), 0o600))
		if output := n.gives(2, "init", "home"); !strings.Contains(output, "is there already, and cannot be adopted") {
			t.Errorf("the wrong passphrase of a job that is configured:\n%s", output)
		}
	})
}

// On a server that nobody knows yet, its key is taken only if it is the one that was named.
func TestInitUnattendedOnServer(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		n := newNewcomer(t, borg)
		server := startSSH(t)
		args := []string{
			"init", "home", "--borg", borg, "--remote-path", borg, "--source", "data", "--location", server.location(n.path("mnt", "far")),
			"--ssh-identity", server.identity, "--yes", "--no-schedule",
		}
		fingerprint := server.fingerprint(t)
		if output := n.gives(64, args...); !strings.Contains(output, "--accept-host-key "+fingerprint) {
			t.Errorf("without the fingerprint:\n%s", output)
		}
		n.gives(2, append(args, "--accept-host-key", "SHA256:other")...)
		if left := n.files(); len(left) > 0 {
			t.Errorf("it has made %v", left)
		}
		n.gives(0, append(args, "--accept-host-key", fingerprint)...)
		if known := n.secret("etc", "known_hosts"); strings.Count(known, "\n") != 1 {
			t.Errorf("known_hosts:\n%s", known)
		}
		n.backsUp("home")

		// The server is known now. Another key of it is refused.
		next := slices.Clone(args)
		next[1], next[9] = "more", server.location(n.path("mnt", "more"))
		n.gives(0, next...)
		if known := n.secret("etc", "known_hosts"); strings.Count(known, "\n") != 1 {
			t.Errorf("known_hosts:\n%s", known)
		}
		other := startSSH(t)
		otherKey, err := os.ReadFile(other.knownHosts)
		check(t, err)
		_, key, _ := strings.Cut(string(otherKey), " ")
		check(t, os.WriteFile(n.path("etc", "known_hosts"), fmt.Appendf(nil, "[127.0.0.1]:%d %s", server.relay.port, key), 0o600))
		next[1], next[9] = "third", server.location(n.path("mnt", "third"))
		if output := n.gives(2, next...); !strings.Contains(output, "another key than the one that is known") {
			t.Errorf("with another key:\n%s", output)
		}
	})
}

// fingerprint is what ssh-keygen says of the server's key.
func (s *sshServer) fingerprint(t *testing.T) string {
	t.Helper()
	return strings.Fields(run(t, "ssh-keygen", "-lf", s.knownHosts))[1]
}

// What `clients: single` promises is said everywhere in the same words.
func TestSinglePromise(t *testing.T) {
	t.Parallel()
	pages := map[string]string{"the help of init": run(t, "borgcron", "init", "--help")}
	for _, page := range []string{"README.md", "docs/quickstart.md", "docs/running.md", "docs/reference.md"} {
		text, err := os.ReadFile(filepath.Join("../..", page))
		check(t, err)
		pages[page] = string(text)
	}
	for page, text := range pages {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), backup.SinglePromise) {
			t.Errorf("%s has other words", page)
		}
	}
}
