package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// dpkg calls the real dpkg on a system of its own, in which it runs the package's scripts.
type dpkg struct{ root string }

func newDpkg(t *testing.T) dpkg {
	t.Helper()
	need(t, "dpkg", "dpkg-deb")
	root := chroot(t)
	for _, name := range []string{"status", "available", "info/format", "updates/.keep", "triggers/.keep"} {
		content := ""
		if name == "info/format" {
			content = "1\n"
		}
		write(t, filepath.Join(root, "var/lib/dpkg", name), content, 0o644)
	}
	_ = os.Remove(filepath.Join(root, "var/lib/dpkg/updates/.keep"))
	return dpkg{root}
}

func (d dpkg) do(t *testing.T, arguments ...string) string {
	t.Helper()
	return do(t, "dpkg", append([]string{"--root=" + d.root, "--force-depends"}, arguments...)...)
}

func (d dpkg) path(name string) string { return filepath.Join(d.root, name) }

// older makes a package of an earlier version out of this one: with another sample, and a file that is no more.
func older(t *testing.T, deb string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "unpacked")
	do(t, "dpkg-deb", "-R", deb, folder)
	control := filepath.Join(folder, "DEBIAN/control")
	write(t, control, strings.Replace(string(read(t, control)), "Version: 1.2.3", "Version: 0.9.0", 1), 0o644)
	write(t, filepath.Join(folder, "etc/borgcron/jobs.d/example.yaml.sample"), "# of the older version\n", 0o644)
	write(t, filepath.Join(folder, "usr/share/doc/borgcron/gone.md"), "gone\n", 0o644)
	old := filepath.Join(t.TempDir(), "old.deb")
	do(t, "dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", folder, old)
	return old
}

// yours are files that no package may ever touch.
var yours = []string{
	"etc/borgcron/config.yaml", "etc/borgcron/nas.key", "etc/borgcron/jobs.d/home.yaml", "etc/borgcron/keys/nas",
	"srv/borg/config", "root/.config/borg/keys/nas", "var/lib/borgcron/notes.txt",
}

// ours is the state, which a purge alone removes.
var ours = []string{
	"var/lib/borgcron/history.db", "var/lib/borgcron/status/home.json", "var/lib/borgcron/locks/nas.lock", "var/lib/borgcron/alarms/nas.json",
	"var/log/borgcron.log", "var/log/borgcron.log.1", "var/log/borgcron.log.2.gz",
}

func (d dpkg) check(t *testing.T, when string, files []string, there bool) {
	t.Helper()
	for _, name := range files {
		content, err := os.ReadFile(d.path(name))
		if there && (err != nil || string(content) != name) {
			t.Errorf("%s: %s is not what it was: %q, %v", when, name, content, err)
		}
		if !there && err == nil {
			t.Errorf("%s: %s is still there", when, name)
		}
	}
}

func checkDebian(t *testing.T, deb string) {
	d := newDpkg(t)
	d.do(t, "-i", older(t, deb))
	for _, name := range append(yours, ours...) {
		write(t, d.path(name), name, 0o600)
	}
	d.check(t, "in the beginning", append(yours, ours...), true)

	d.do(t, "-i", deb)
	d.check(t, "after the upgrade", append(yours, ours...), true)
	if exists(d.path("usr/share/doc/borgcron/gone.md")) {
		t.Error("after the upgrade: a file of the old version is still there")
	}
	if sample := read(t, d.path("etc/borgcron/jobs.d/example.yaml.sample")); !strings.Contains(string(sample), "jobs:") {
		t.Errorf("after the upgrade the sample is the old one: %s", sample)
	}
	if answer := do(t, "chroot", d.root, "/usr/bin/borgcron", "version"); !strings.HasPrefix(answer, "borgcron 1.2.3") {
		t.Errorf("installed is %q", answer)
	}
	if exists(d.path("etc/systemd/system")) {
		t.Error("the timer was enabled unasked")
	}
	checkPapers(t, d.root)

	const conffile = "etc/logrotate.d/borgcron"
	write(t, d.path(conffile), conffile, 0o644) // the user's change
	d.do(t, "-i", older(t, deb))
	d.do(t, "-i", deb)
	d.check(t, "after an upgrade with a changed conffile", []string{conffile}, true)

	d.do(t, "-r", "borgcron")
	d.check(t, "after the removal", append(append([]string{conffile}, yours...), ours...), true)
	if exists(d.path("usr/bin/borgcron")) {
		t.Error("after the removal the program is still there")
	}

	d.do(t, "-i", deb)
	d.check(t, "installed again", append(append([]string{conffile}, yours...), ours...), true)
	d.purge(t)
}

// purge removes what is borgcron's, but not from under a backup that is running.
func (d dpkg) purge(t *testing.T) {
	t.Helper()
	lock, err := os.Open(d.path("var/lib/borgcron/locks/nas.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	said := d.do(t, "-r", "borgcron") + d.do(t, "-P", "borgcron")
	if !strings.Contains(said, "a backup is running: /var/lib/borgcron is left") {
		t.Errorf("the purge said:\n%s", said)
	}
	d.check(t, "after a purge during a backup", ours[:4], true)
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}

	deb := d.do(t, "-l") // nothing of it may be known any more
	if strings.Contains(deb, "borgcron") {
		t.Errorf("after the purge dpkg knows it still:\n%s", deb)
	}
	d.check(t, "after the purge", yours, true)
	if exists(d.path("etc/logrotate.d/borgcron")) || exists(d.path("etc/borgcron/jobs.d/example.yaml.sample")) {
		t.Error("after the purge conffiles are still there")
	}
}

// checkPurge: a purge without a running backup takes the state and the logs, and says what it leaves.
func checkPurge(t *testing.T, deb string) {
	d := newDpkg(t)
	d.do(t, "-i", deb)
	for _, name := range append(yours, ours...) {
		write(t, d.path(name), name, 0o600)
	}
	const scheduled, own = "etc/systemd/system/borgcron.timer", "etc/systemd/system/borgcron.service"
	write(t, d.path(scheduled), "# Written by `borgcron schedule install`, which writes it anew.\n[Timer]\n", 0o644)
	write(t, d.path(own), own, 0o644)
	said := d.do(t, "-P", "borgcron")
	if exists(d.path(scheduled)) {
		t.Error("after the purge a unit that borgcron wrote is still there")
	}
	d.check(t, "after the purge", []string{own}, true)
	d.check(t, "after the purge", ours, false)
	d.check(t, "after the purge", yours, true)
	for _, want := range []string{"/etc/borgcron is left", "/var/lib/borgcron is left: there are files in it"} {
		if !strings.Contains(said, want) {
			t.Errorf("the purge does not say that %s:\n%s", want, said)
		}
	}
	d.do(t, "-i", deb)
	for _, name := range []string{"etc/borgcron", "var/lib/borgcron"} {
		if err := os.RemoveAll(d.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	d.do(t, "-P", "borgcron")
	for _, name := range []string{"etc/borgcron", "var/lib/borgcron", "usr/share/doc/borgcron"} {
		if exists(d.path(name)) {
			t.Errorf("after the purge of an unused package: %s is still there", name)
		}
	}
}

// checkPapers lets the programs that read them read the installed files.
func checkPapers(t *testing.T, root string) {
	t.Helper()
	borgcron := filepath.Join(root, "usr/bin/borgcron")
	examples := filepath.Join(root, "usr/share/doc/borgcron/examples")
	passphrase := filepath.Join(t.TempDir(), "nas.key")
	write(t, passphrase, "secret\n", 0o600)
	config := filepath.Join(t.TempDir(), "config.yaml")
	state := "paths: {state: " + filepath.Join(t.TempDir(), "state") + "}\n" // not the machine's own
	write(t, config, state+strings.ReplaceAll(string(read(t, filepath.Join(examples, "config.yaml"))), "/etc/borgcron/nas.key", passphrase), 0o600)
	write(t, filepath.Join(filepath.Dir(config), "jobs.d/example.yaml"), string(read(t, filepath.Join(root, "etc/borgcron/jobs.d/example.yaml.sample"))), 0o600)
	do(t, borgcron, "--config", config, "config", "check")
	for _, shell := range []string{"bash", "zsh"} {
		if _, err := exec.LookPath(shell); err == nil {
			file := map[string]string{"bash": "bash-completion/completions/borgcron", "zsh": "zsh/site-functions/_borgcron"}[shell]
			do(t, shell, "-n", filepath.Join(root, "usr/share", file))
		}
	}
	if _, err := exec.LookPath("systemd-sysusers"); err == nil {
		do(t, "systemd-sysusers", "--root="+root, "borgcron.conf")
		do(t, "systemd-tmpfiles", "--root="+root, "--create", "borgcron.conf")
		if passwd := string(read(t, filepath.Join(root, "etc/passwd"))); !strings.Contains(passwd, "borgcron:") || !strings.Contains(passwd, "nologin") {
			t.Errorf("the user is not made: %s", passwd)
		}
	}
	if _, err := exec.LookPath("systemd-analyze"); err == nil {
		for _, unit := range []string{"borgcron.timer", "borgcron-status.timer"} { // and the services that they start
			verified := do(t, "systemd-analyze", "--root="+root, "--recursive-errors=no", "--man=no", "verify", "/usr/lib/systemd/system/"+unit,
				"/usr/lib/systemd/system/"+strings.Replace(unit, "timer", "service", 1))
			if strings.Contains(verified, "borgcron") {
				t.Errorf("systemd says of %s: %s", unit, verified)
			}
		}
	}
	if _, err := exec.LookPath("man"); err == nil {
		for _, page := range []string{"man1/borgcron.1.gz", "man5/borgcron.yaml.5.gz"} {
			if text := do(t, "man", "-l", filepath.Join(root, "usr/share/man", page)); !strings.Contains(text, "DESCRIPTION") {
				t.Errorf("%s: %s", page, text)
			}
		}
	}
	if _, err := exec.LookPath("logrotate"); err == nil {
		checkLogrotate(t, string(read(t, filepath.Join(root, "etc/logrotate.d/borgcron"))))
	}
}

func checkLogrotate(t *testing.T, rules string) {
	t.Helper()
	folder := t.TempDir()
	log := filepath.Join(folder, "borgcron.log")
	write(t, log, "a line\n", 0o640)
	write(t, filepath.Join(folder, "rules"), strings.ReplaceAll(rules, "/var/log/borgcron.log", log), 0o644)
	do(t, "logrotate", "-f", "-s", filepath.Join(folder, "state"), filepath.Join(folder, "rules"))
	if string(read(t, log+".1")) != "a line\n" || exists(log) {
		t.Error("the log was not rotated")
	}
}

func checkRPM(t *testing.T, file string) {
	need(t, "rpm")
	root := chroot(t)
	rpm := func(arguments ...string) string {
		return do(t, "rpm", append([]string{"--root", root, "--dbpath", "/var/lib/rpm"}, arguments...)...)
	}
	rpm("--initdb")
	rpm("-i", "--nodeps", "--nosignature", file)
	for path := range papers {
		if !exists(filepath.Join(root, path)) {
			t.Errorf("%s is not installed", path)
		}
	}
	config := filepath.Join(root, "etc/logrotate.d/borgcron")
	write(t, config, "mine", 0o644)
	for _, name := range append(yours, ours...) {
		write(t, filepath.Join(root, name), name, 0o600)
	}
	rpm("-U", "--force", "--nodeps", "--nosignature", file)
	if string(read(t, config)) != "mine" {
		t.Error("the upgrade has overwritten a changed configuration file")
	}
	rpm("-e", "borgcron")
	for _, name := range append(yours, ours...) {
		if string(read(t, filepath.Join(root, name))) != name {
			t.Errorf("%s did not outlive the removal", name)
		}
	}
	if exists(filepath.Join(root, "usr/bin/borgcron")) {
		t.Error("after the removal the program is still there")
	}
}
