package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A configuration with all that may go missing: an included file, one that is a link, excludes, a secret in a file of its own.
const recoverConfig = `include: [jobs.d/*.yaml]
repositories:
  near: {location: "${WORK}/repo", borg: "${BORG}", passphrase: {file: "${WORK}/pass"}}
defaults: {repository: near, retention: keep_all, check: {every: never}, retry: {retries: 0}}
jobs:
  home: {sources: ["${WORK}/data"], exclude_from: ["${WORK}/exclude"], comment: "mine; {now}"}
`

// lost is a site whose machine has burnt: there are only the repository, its passphrase, and what its owner did before.
type lost struct {
	*site
	location string
}

func loseMachine(t *testing.T, s *site, location string, before ...[]string) *lost {
	t.Helper()
	check(t, os.Mkdir(s.path("jobs.d"), 0o755))
	check(t, os.WriteFile(s.path("elsewhere.yaml"), []byte("jobs:\n  other: {sources: [\"${WORK}/data\"], bootstrap: false}\n"), 0o600))
	check(t, os.Symlink("../elsewhere.yaml", s.path("jobs.d", "other.yaml")))
	check(t, os.WriteFile(s.path("pass"), []byte("a passphrase\n"), 0o600))
	check(t, os.WriteFile(s.path("exclude"), []byte("*.iso\n"), 0o600))
	check(t, os.WriteFile(s.path("data", "letter"), []byte("dear\n"), 0o600))
	s.must("init")
	s.must("run")
	for _, args := range before {
		s.must(args...)
	}
	for _, name := range []string{"data", "state", "borgcron.yaml", "jobs.d", "elsewhere.yaml", "exclude", "pass", ".cache", ".config"} {
		check(t, os.RemoveAll(s.path(name)))
	}
	s.env = slices.DeleteFunc(s.env, func(entry string) bool { return strings.HasPrefix(entry, "BORGCRON_CONFIG=") })
	s.env = append(s.env, "BORG_PASSPHRASE=a passphrase")
	return &lost{s, location}
}

// recover runs it where the machine's own state folder is empty and nobody else's.
func (l *lost) recover(args ...string) (string, int) {
	l.t.Helper()
	return l.bare(append([]string{"recover", l.location, "--to", l.path("back")}, args...)...)
}

func (l *lost) bare(args ...string) (string, int) {
	l.t.Helper()
	program, err := exec.LookPath("borgcron")
	check(l.t, err)
	command := exec.Command(program, args...)
	if os.Getuid() == 0 {
		if err := exec.Command("unshare", "-m", "true").Run(); err != nil {
			missing(l.t, "no namespace of mounts: "+err.Error())
		}
		script := `mount -t tmpfs tmpfs /var/lib && exec "$0" "$@"`
		command = exec.Command("unshare", append([]string{"-m", "sh", "-c", script, program}, args...)...)
	}
	command.Env, command.Dir = l.env, l.home
	output, _ := command.CombinedOutput()
	return string(output), command.ProcessState.ExitCode()
}

// From a repository and its passphrase alone to a machine that backs up again.
func TestRecover(t *testing.T) {
	t.Parallel()
	eachBorg(t, func(t *testing.T, borg string) {
		s := newSite(t, borg, recoverConfig)
		l := loseMachine(t, s, s.path("repo"))
		l.recovers(t, "--borg", borg)
	})
}

func TestRecoverFromServer(t *testing.T) {
	oneBorg(t, func(t *testing.T, borg string) {
		s, _ := newRemoteSite(t, borg, strings.Replace(recoverConfig, `location: "${WORK}/repo",`,
			`location: "${LOCATION}", remote_path: "${BORG}", ssh: {identity: "${IDENTITY}", known_hosts: "${KNOWN_HOSTS}"},`, 1))
		variable := func(name string) string {
			i := slices.IndexFunc(s.env, func(entry string) bool { return strings.HasPrefix(entry, name+"=") })
			return strings.TrimPrefix(s.env[i], name+"=")
		}
		l := loseMachine(t, s, variable("LOCATION"))
		l.recovers(t, "--borg", borg, "--remote-path", borg, "--rsh", "ssh -i "+variable("IDENTITY")+" -o UserKnownHostsFile="+variable("KNOWN_HOSTS"))
	})
}

func (l *lost) recovers(t *testing.T, args ...string) {
	t.Helper()
	output, code := l.recover(args...)
	main := l.path("back") + l.path("borgcron.yaml")
	for _, words := range []string{
		"has 2 archives", "Its configuration", l.path("borgcron.yaml"), l.path("jobs.d", "other.yaml"), l.path("pass") + "   a secret",
		l.path("exclude") + "   excludes of job home", "home ", "other ", "--config " + main + " restore home --archive latest --to restored-home",
	} {
		if !strings.Contains(output, words) {
			t.Errorf("it does not say %q", words)
		}
	}
	if code != 0 || strings.Contains(output, "a passphrase") || strings.Contains(output, "correct `location`") {
		t.Fatalf("recover ends with %d:\n%s", code, output)
	}
	if t.Failed() {
		t.Fatal(output)
	}
	if got, code := l.recover(args...); code != 2 || !strings.Contains(got, "not empty") {
		t.Errorf("a second time into the same folder: %d\n%s", code, got)
	}

	check(t, os.WriteFile(l.path("pass"), []byte("a passphrase\n"), 0o600)) // as it is told to
	check(t, os.WriteFile(l.path("exclude"), nil, 0o600))
	check(t, os.Mkdir(l.path("restored"), 0o755))
	before := l.env
	l.env = append(slices.Clone(l.env), "BORGCRON_CONFIG="+main)
	newest := l.archives("home")[0]
	run := exec.Command("borgcron", "borg", "home", "--", "extract", "::"+newest)
	run.Dir, run.Env = l.path("restored"), l.env
	if output, err := run.CombinedOutput(); err != nil {
		t.Fatalf("extract: %v\n%s", err, output)
	}
	if text, err := os.ReadFile(l.path("restored") + l.path("data", "letter")); err != nil || string(text) != "dear\n" {
		t.Errorf("the letter: %q, %v", text, err)
	}
	check(t, os.Rename(l.path("restored")+l.path("data"), l.path("data")))
	l.must("run", "home")
	if got := l.archives("home"); len(got) != 3 {
		t.Errorf("archives afterwards: %v", got)
	}
	l.env = before
}

// On a machine of another name the archives are found nevertheless, also if the file begins as YAML files may.
func TestRecoverOnAMachineOfAnotherName(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		s := newSite(t, borg, recoverConfig)
		text, err := os.ReadFile(s.path("borgcron.yaml"))
		check(t, err)
		check(t, os.WriteFile(s.path("borgcron.yaml"), append([]byte("# the backups\n---\n"), text...), 0o600))
		check(t, os.MkdirAll(s.path("state"), 0o755))
		check(t, os.WriteFile(s.path("state", "host"), []byte("formerly\n"), 0o600))
		l := loseMachine(t, s, s.path("repo"))
		output, code := l.recover("--borg", borg)
		if code != 0 || !strings.Contains(output, "'host: formerly' was added") || !strings.Contains(output, "restore home") {
			t.Errorf("recover ends with %d:\n%s", code, output)
		}
	})
}

// What a repository cannot give is said, with what to do.
func TestRecoverFailures(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		s := newSite(t, borg, recoverConfig)
		l := loseMachine(t, s, s.path("repo"))
		check(t, os.WriteFile(l.path("wrong"), []byte("wrong\n"), 0o600))
		check(t, os.Mkdir(l.path("full"), 0o755))
		check(t, os.WriteFile(l.path("full", "mine"), []byte("mine"), 0o600))
		plain := l.path("plain")
		run(t, "env", "HOME="+l.home, borg, "init", "-e", "none", plain)
		for name, test := range map[string]struct {
			args []string
			code int
			says string
		}{
			"no repository":        {[]string{"recover"}, 64, "takes the repository"},
			"not there":            {[]string{"recover", "nowhere"}, 2, "does not exist"},
			"an archive":           {[]string{"recover", "ssh://nas/./x::y"}, 64, "without an archive"},
			"wrong passphrase":     {[]string{"recover", l.location, "--passphrase-file", "wrong"}, 2, "is it the passphrase of this repository?"},
			"no such file":         {[]string{"recover", l.location, "--passphrase-file", "nowhere"}, 2, "no passphrase"},
			"a full folder":        {[]string{"recover", l.location, "--to", "full"}, 2, "not empty"},
			"no key":               {[]string{"recover", l.location, "--key", "nowhere"}, 2, "the key: "},
			"no such archive":      {[]string{"recover", l.location, "--archive", "laptop"}, 2, `no archive is called "laptop"`},
			"an empty one":         {[]string{"recover", plain}, 2, "there is no archive"},
			"two passphrases":      {[]string{"recover", l.location, "--passphrase-file", "x", "--passphrase-command", "y"}, 64, "passphrase"},
			"a command that fails": {[]string{"recover", l.location, "--passphrase-command", "echo a passphrase >&2; false"}, 2, "no passphrase"},
		} {
			output, code := l.bare(append(test.args, "--borg", borg)...)
			if code != test.code || !strings.Contains(output, test.says) {
				t.Errorf("%s: %d, and it does not say %q:\n%s", name, code, test.says, output)
			}
			if _, err := os.Stat(l.path("borgcron-recovered")); err == nil {
				t.Errorf("%s: it left a folder behind", name)
				check(t, os.RemoveAll(l.path("borgcron-recovered")))
			}
		}
		if text, err := os.ReadFile(l.path("full", "mine")); err != nil || string(text) != "mine" {
			t.Errorf("what was in the folder: %q, %v", text, err)
		}
		run(t, "env", "HOME="+l.home, borg, "create", plain+"::a", l.path("full"))
		if output, code := l.bare("recover", plain, "--borg", borg); code != 2 || !strings.Contains(output, "no archive in this repository holds a configuration") {
			t.Errorf("without any configuration: %d\n%s", code, output)
		}
	})
}

// With the key in a file the exported copy opens the repository.
func TestRecoverWithAKeyFile(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		s := newSite(t, borg, strings.Replace(recoverConfig, "passphrase:", "encryption: keyfile-blake2, passphrase:", 1))
		l := loseMachine(t, s, s.path("repo"), []string{"key", "export", "home", "--to", s.path("usb.key")})
		if output, code := l.recover("--borg", borg); code != 2 || !strings.Contains(output, "name your copy with --key FILE") {
			t.Errorf("without the key: %d\n%s", code, output)
		}
		if output, code := l.recover("--borg", borg, "--key", "usb.key"); code != 0 || !strings.Contains(output, "restore home") {
			t.Errorf("with the key: %d\n%s", code, output)
		}
	})
}

// On a terminal the passphrase is asked for once, and the restore offered and done, though the file of the passphrase is lost.
func TestRecoverOnTerminal(t *testing.T) {
	t.Parallel()
	tmux, err := exec.LookPath("tmux")
	if err != nil {
		missing(t, "no tmux; make setup gets one")
	}
	oneBorg(t, func(t *testing.T, borg string) {
		s := newSite(t, borg, recoverConfig)
		l := loseMachine(t, s, s.path("repo"))
		program, err := exec.LookPath("borgcron")
		check(t, err)
		inside := program + " recover " + l.location + " --borg " + borg + " --to " + l.path("back") + "; echo exit code $?; sleep 60"
		script := "unset BORG_PASSPHRASE BORGCRON_CONFIG; export HOME=" + l.home + " WORK=" + l.home + " BORG=" + borg + "; cd " + l.home + "; " + inside
		command := []string{"sh", "-c", script}
		if os.Getuid() == 0 {
			command = []string{"unshare", "-m", "sh", "-c", "mount -t tmpfs tmpfs /var/lib; " + script}
		}
		socket := l.path("tmux")
		run(t, tmux, append([]string{"-S", socket, "-f", "/dev/null", "new-session", "-d", "-x", "250", "-y", "60"}, command...)...)
		t.Cleanup(func() { _ = exec.Command(tmux, "-S", socket, "kill-server").Run() })
		text := ""
		sees := func(words string) {
			t.Helper()
			eventually(t, func() bool {
				text = run(t, tmux, "-S", socket, "capture-pane", "-p")
				return strings.Contains(text, words)
			}, func() string { return words + " does not come:\n" + text })
		}
		sees("Passphrase of the repository")
		run(t, tmux, "-S", socket, "send-keys", "a passphrase", "Enter")
		sees("Restore the newest archive of job home into ./restored-home now? [y/N]")
		run(t, tmux, "-S", socket, "send-keys", "y", "Enter")
		sees("Restore the newest archive of job other into ./restored-other now? [y/N]")
		run(t, tmux, "-S", socket, "send-keys", "n", "Enter")
		sees("exit code 0")
		if letter, err := os.ReadFile(l.path("restored-home", s.path("data", "letter"))); err != nil || string(letter) != "dear\n" {
			t.Errorf("what was restored: %q, %v", letter, err)
		}
		if strings.Contains(text, "a passphrase") {
			t.Errorf("the passphrase is to be seen:\n%s", text)
		}
	})
}
