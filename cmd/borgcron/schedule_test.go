package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// units are what `schedule install` writes, in the order in which systemd-analyze is asked.
var units = []string{"borgcron.service", "borgcron.timer", "borgcron-status.service", "borgcron-status.timer"}

// targets are units of systemd that ours name.
var targets = []string{"basic", "network", "network-online", "shutdown", "sysinit", "time-set", "time-sync", "timers"}

// The units of the machine are understood by systemd, and get no more rights than the configuration needs.
func TestScheduleOfMachine(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		missing(t, "systemd-analyze")
	}
	for name, test := range map[string]struct {
		config string
		flags  []string
		limits [2]float64 // of exposure, of the two services
	}{
		"local":  {"jobs: {home: {repository: /mnt/backup/borg, sources: [/home, /etc]}}", nil, [2]float64{4, 4}},
		"whole":  {"jobs: {all: {repository: 'ssh://b@nas/./x', sources: [/]}}", nil, [2]float64{5, 5}},
		"user":   {"jobs: {all: {repository: 'ssh://b@nas/./x', sources: [/]}}", []string{"--user", "keeper"}, [2]float64{4, 4}},
		"timed":  {"jobs: {home: {repository: /mnt/borg, sources: [/home], at: ['02:30', 'Mon..Fri 12:00:30', '*-*~1 23:00 UTC']}}", nil, [2]float64{4, 4}},
		"secret": {"repositories: {nas: {location: 'ssh://b@nas/./x', passphrase: {credential: nas}}}\njobs: {home: {repository: nas, sources: [/home]}}", nil, [2]float64{4, 4}},
		"hooks":  {"jobs: {home: {repository: /mnt/borg, sources: [/], hooks: [{when: before, run: 'true'}]}}", nil, [2]float64{8, 5}},
		"strict": {"jobs: {home: {repository: /mnt/borg, sources: [/], hooks: [{when: before, run: 'true'}]}}", []string{"--strict"}, [2]float64{5, 5}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "borg", test.config+"\n")
			installed, err := exec.LookPath("borgcron")
			check(t, err)
			text, err := os.ReadFile(installed)
			check(t, err)
			for path, data := range map[string][]byte{"usr/bin/borgcron": text, "etc/borgcron/config.yaml": []byte(test.config), "etc/borgcron/credentials/nas": nil} {
				check(t, os.MkdirAll(filepath.Dir(s.path("root", path)), 0o755))
				check(t, os.WriteFile(s.path("root", path), data, 0o755))
			}
			flags := append([]string{"schedule", "install", "--root", s.path("root"), "--config", s.path("root", "etc/borgcron/config.yaml")}, test.flags...)
			command := exec.Command(s.path("root/usr/bin/borgcron"), flags...)
			command.Env = append(os.Environ(), "HOME="+s.home, "BORGCRON_CONFIG=")
			if output, err := command.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			s.isSound(test.limits)
		})
	}
}

// isSound has systemd look at the units below root.
func (s *site) isSound(limits [2]float64) {
	s.t.Helper()
	folder := s.path("root/usr/lib/systemd/system")
	check(s.t, os.MkdirAll(folder, 0o755))
	for _, target := range targets {
		text, err := os.ReadFile("/lib/systemd/system/" + target + ".target")
		check(s.t, err)
		check(s.t, os.WriteFile(filepath.Join(folder, target+".target"), text, 0o600))
	}
	output, err := exec.Command("systemd-analyze", append([]string{"verify", "--man=no", "--root=" + s.path("root")}, units...)...).CombinedOutput()
	if err != nil || len(output) > 0 {
		s.t.Errorf("verify: %v\n%s", err, output)
	}
	for i, service := range []string{units[0], units[2]} {
		output, _ := exec.Command("systemd-analyze", "security", "--offline=yes", "--no-pager", "--root="+s.path("root"), service).CombinedOutput() // 1: medium
		found := regexp.MustCompile(`exposure level for \S+: ([0-9.]+)`).FindSubmatch(output)
		if found == nil {
			s.t.Fatalf("no verdict:\n%s", output)
		}
		level, err := strconv.ParseFloat(string(found[1]), 64)
		check(s.t, err)
		s.t.Logf("%s: %.1f", service, level)
		if level > limits[i] {
			s.t.Errorf("%s: exposure %.1f\n%s", service, level, output)
		}
	}
}

// withManager begins what a user does with a systemd of the user's own, and endManager ends it.
const withManager = `#!/bin/sh
export HOME="$WORK/home" XDG_RUNTIME_DIR="$WORK/run" DBUS_SESSION_BUS_ADDRESS="unix:path=$WORK/run/bus" BORGCRON_CONFIG= SYSTEMD_LOG_TARGET=console
unset XDG_CONFIG_HOME XDG_STATE_HOME XDG_CACHE_HOME NOTIFY_SOCKET
mkdir -p "$HOME/data" && echo content >"$HOME/data/file"
cd /
dbus-daemon --session --address="$DBUS_SESSION_BUS_ADDRESS" --nofork --nopidfile --nosyslog >"$WORK/bus.log" 2>&1 & bus=$!
timeout -k 5 300 /lib/systemd/systemd --user --log-target=console >"$WORK/manager.log" 2>&1 & manager=$!
tries=0
until systemctl --user is-system-running >"$WORK/running" 2>&1; do
	tries=$((tries + 1))
	if [ $tries -gt 100 ]; then echo "no manager: $(cat "$WORK/running" "$WORK/manager.log")"; kill $bus; exit 0; fi
	sleep 0.1
done
echo manager runs
`

const endManager = `
kill $manager; wait $manager
kill $bus
`

// scheduleAsUser is what a user does; each line that the test looks for says that something held.
const scheduleAsUser = withManager + `
"$BORG" init -e none "$HOME/repo" || exit 1
borgcron schedule install || exit 1
borgcron schedule install | grep 'nothing to change'
systemctl --user list-timers --no-legend | grep -c 'borgcron.*timer.*borgcron.*service'
borgcron status --json
systemctl --user start borgcron.service && echo "service: $(systemctl --user show -P Result borgcron.service)"
echo "locks of the service: $(ls "$HOME/.local/state/borgcron/locks")"
echo "archives: $("$BORG" list --short "$HOME/repo" | wc -l)"
borgcron run >/dev/null && borgcron history | grep -c succeeded
echo "locks: $(find "$HOME" -name '*.lock' -path '*/locks/*' | wc -l), states: $(find "$HOME" -name history.db | wc -l)"
systemctl --user start borgcron-status.service && echo "status: $(systemctl --user show -P Result borgcron-status.service)"
borgcron schedule remove
borgcron schedule remove
systemctl --user list-timers --all --no-legend | grep borgcron
find "$HOME/.config" -name 'borgcron*' -not -path '*/borgcron/*' -not -name borgcron
` + endManager

// A user's own systemd takes the units, runs them, and has one and the same lock as the user's shell.
func TestScheduleOfUser(t *testing.T) {
	oneBorg(t, func(t *testing.T, borg string) {
		s := newPerson(t, borg, scheduleAsUser)
		check(t, os.MkdirAll(s.path("home/.config/borgcron"), 0o755))
		config := "repositories: {r: {location: ~/repo, encryption: none, borg: '" + borg + "', env: {BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes'}}}\n" +
			"jobs: {home: {repository: r, sources: [~/data], retention: {daily: 7}}}\n"
		check(t, os.WriteFile(s.path("home/.config/borgcron/config.yaml"), []byte(config), 0o600))
		output := s.inManager()
		says(t, output,
			"manager runs", "loginctl enable-linger", "installed and started", "nothing to change", "\n2\n", `"name": "borgcron.timer"`, "service: success",
			"archives: 1", "locks: 1, states: 1", "status: success", "nothing is installed\n")
		if !strings.HasSuffix(strings.TrimSpace(output), "nothing is installed") {
			t.Error("something is left: " + output)
		}
	})
}

// inGroup has a shell make a control group of its own, for a systemd in it, and take it away in the end.
const inGroup = `group=borgcron-test-$$
for base in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
	[ -e $base/cgroup.procs ] && mkdir $base/$group && chown -R nobody $base/$group && groups="$groups $base/$group"
done 2>/dev/null
joinGroup() { for at in $groups; do sh -c 'echo $PPID' >$at/cgroup.procs; done; }
leaveGroup() {
	for try in 1 2 3 4 5 6 7 8 9 10; do # the last processes may still be ending
		for at in /sys/fs/cgroup/$group /sys/fs/cgroup/*/$group; do [ ! -d $at ] || find $at -depth -type d -exec rmdir {} \; ; done 2>/dev/null
		sleep 0.1
	done
}
`

// newPerson is a site of nobody's, with a borgcron that is for everybody, for inManager.
func newPerson(t *testing.T, borg, script string) *site {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can start a user's systemd beside the machine's own")
	}
	for _, program := range []string{"/lib/systemd/systemd", "/usr/bin/dbus-daemon", "/usr/bin/systemctl"} {
		if _, err := os.Stat(program); err != nil {
			missing(t, program)
		}
	}
	s := newSite(t, borg, "")
	check(t, os.WriteFile(s.path("as-user"), []byte(script), 0o755))
	check(t, os.Mkdir(s.path("run"), 0o700))
	program, err := exec.LookPath("borgcron")
	check(t, err)
	text, err := os.ReadFile(program)
	check(t, err)
	check(t, os.Mkdir(s.path("bin"), 0o755))
	check(t, os.WriteFile(s.path("bin/borgcron"), text, 0o755))
	for path := s.home; path != "/tmp" && path != "/"; path = filepath.Dir(path) {
		check(t, os.Chmod(path, 0o755))
	}
	return s
}

// inManager runs the script as nobody where systemd believes that it runs the machine, in a group of its own for its processes.
func (s *site) inManager() string {
	const script = inGroup + `mount -t tmpfs tmpfs /run/systemd && mkdir /run/systemd/system || { echo "no manager: no mounts"; exit 0; }
(
	joinGroup
	exec setpriv --reuid 65534 --regid 65534 --clear-groups "$WORK/as-user"
)
leaveGroup
exit 0`
	run(s.t, "chown", "-R", "65534:65534", s.home)
	command := exec.Command("unshare", "-m", "sh", "-c", script)
	command.Env = append(s.env, "PATH="+s.path("bin")+":"+os.Getenv("PATH"), "groups=")
	output, err := command.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%v\n%s", err, output)
	}
	if strings.Contains(string(output), "no manager") {
		missing(s.t, "a user's systemd that starts here: "+string(output))
	}
	if text := string(output); strings.Contains(text, "Permission denied: '") || strings.Contains(text, "borg: Permission denied") {
		s.t.Skip("this borg is not for everybody")
	}
	return string(output)
}

// says demands that all of these are in the output.
func says(t *testing.T, output string, all ...string) {
	t.Helper()
	for _, words := range all {
		if !strings.Contains(output, words) {
			t.Errorf("it does not say %q", words)
		}
	}
	if t.Failed() {
		t.Log(output)
	}
}

// Whose crontab it is keeps every other line, byte by byte; the real crontab takes what it is given.
func TestScheduleInCrontab(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be another user as well")
	}
	if _, err := exec.LookPath("crontab"); err != nil {
		missing(t, "crontab")
	}
	if output, err := exec.Command("crontab", "-u", "nobody", "-l").CombinedOutput(); err == nil || !strings.Contains(string(output), "no crontab") {
		t.Skipf("nobody has a crontab: %s", output)
	}
	t.Cleanup(func() { _ = exec.Command("crontab", "-u", "nobody", "-r").Run() })
	s, program := openSite(t)
	check(t, os.Chmod(s.path(), 0o777)) // nobody's state is made there
	check(t, os.WriteFile(s.path("config.yaml"), []byte("paths: {state: "+s.path("nobodys")+"}\njobs: {home: {repository: /mnt/x, sources: [/home]}}\n"), 0o644))
	const mine = "MAILTO=me\n\n# mine \n0 1 * * * date +\\%d\n"
	check(t, os.WriteFile(s.path("mine"), []byte(mine), 0o644))
	run(t, "crontab", "-u", "nobody", s.path("mine"))
	crontab := func() string {
		output, err := exec.Command("crontab", "-u", "nobody", "-l").Output()
		check(t, err)
		return string(output)
	}
	before := crontab()
	schedule := func(words string, args ...string) {
		t.Helper()
		args = append(append([]string{"schedule"}, args...), "--config", s.path("config.yaml"))
		if output, ok := s.asNobody(program, args...); !ok || !strings.Contains(output, words) {
			t.Fatalf("%v: it does not say %q:\n%s", args, words, output)
		}
	}
	schedule("run --due", "show", "--cron")
	schedule("nothing was changed", "install", "--cron", "--dry-run")
	if crontab() != before {
		t.Error("a dry run changed something")
	}
	schedule("installed", "install", "--cron")
	if after := crontab(); !strings.HasPrefix(after, before) || !strings.Contains(after, program+" run --due --quiet --config "+s.path("config.yaml")) {
		t.Errorf("the crontab: %s", after)
	}
	schedule("nothing to change", "install", "--cron")
	output, _ := s.asNobody(program, "status", "--json", "--config", s.path("config.yaml")) // 1: never
	var answer struct {
		Schedule []struct {
			Kind, Name string
			Next       time.Time
		}
	}
	check(t, json.Unmarshal([]byte(output), &answer))
	if len(answer.Schedule) != 1 || answer.Schedule[0].Kind != "cron" || !answer.Schedule[0].Next.After(time.Now()) {
		t.Errorf("status: %+v", answer)
	}
	schedule("removed", "remove")
	if crontab() != before {
		t.Errorf("left: %q instead of %q", crontab(), before)
	}
	schedule("nothing is installed", "remove")
}

// With --user the state is that user's from the start, and none that belongs to somebody else is used.
func TestScheduleAsAnother(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can install services of others")
	}
	s, _ := openSite(t)
	config := "paths: {state: " + s.path("nobodys") + "}\njobs: {home: {repository: /mnt/x, sources: [/home], retention: {daily: 7}}}\n"
	check(t, os.WriteFile(s.path("borgcron.yaml"), []byte(config), 0o644))
	const script = `mount -t tmpfs tmpfs /etc/systemd/system || exit 1
"$WORK/borgcron" schedule install --systemd --user nobody && "$WORK/borgcron" schedule install --systemd --user nobody
echo "user: $(grep ^User= /etc/systemd/system/borgcron.service)"
echo "state: $(find "$WORK/nobodys" | xargs stat -c %U | sort -u)"
mkdir "$WORK/roots" && touch "$WORK/roots/file" && sed -i "s|nobodys|roots|" "$WORK/borgcron.yaml"
"$WORK/borgcron" schedule install --systemd --user nobody || echo "refused"
"$WORK/borgcron" schedule remove
echo "left: $(ls /etc/systemd/system)"
`
	check(t, os.MkdirAll("/etc/systemd/system", 0o755))
	command := exec.Command("unshare", "-m", "sh", "-c", script)
	command.Env = s.env
	output, err := command.CombinedOutput()
	for _, words := range []string{"written\n", "nothing to change\n", "user: User=nobody\n", "state: nobody\n", "hint: chown -R nobody: " + s.path("roots"), "refused\n", "left: \n"} {
		if err != nil || !strings.Contains(string(output), words) {
			t.Fatalf("%v; it does not say %q:\n%s", err, words, output)
		}
	}
}
