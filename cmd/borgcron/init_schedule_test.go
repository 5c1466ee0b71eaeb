package main

import (
	"os"
	"strings"
	"testing"
)

// initAsUser sets a backup up with its schedule, as a user with a systemd of the user's own, and has systemd run it.
const initAsUser = withManager + `
borgcron init home --yes --borg "$BORG" --source "$HOME/data" --location "$HOME/repo" --passphrase new --keep 7d || exit 1
borgcron schedule install | grep 'nothing to change'
systemctl --user list-timers --no-legend | grep -c 'borgcron.*timer.*borgcron.*service'
borgcron doctor --verbose | grep ' schedule: '
systemctl --user start borgcron.service && echo "service: $(systemctl --user show -P Result borgcron.service)"
borgcron history | grep -c succeeded
borgcron status
borgcron schedule remove
` + endManager

// An init that installs the schedule leaves timers that wait, and a service that backs up.
func TestInitInstallsTimers(t *testing.T) {
	oneBorg(t, func(t *testing.T, borg string) {
		output := newPerson(t, borg, initAsUser).inManager()
		if strings.Contains(output, "ExecStart=") {
			t.Error("all of the units are shown where only a few lines are wanted")
		}
		says(t, output, "manager runs", "installed and started", "A first run would do this", "\nnothing to change", "\n2\n",
			"ok: schedule: systemd timer borgcron.timer", "service: success\n1\n", "home", "Schedule: systemd borgcron.timer, next ")
	})
}

// withoutManager is a machine that has no systemd, and a folder for cron of its own.
const withoutManager = `mount -t tmpfs tmpfs /run/systemd 2>/dev/null; mkdir -p /etc/cron.d && mount --bind "$WORK/cron.d" /etc/cron.d; `

// Without systemd, init writes lines of cron; what they run backs up.
func TestInitInstallsCron(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root has a folder of cron's")
	}
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		flags := []string{"init", "home", "--borg", borg, "--source", "data", "--location", "mnt/borg", "--keep", "7d", "--passphrase", "new"}
		for name, set := range map[string]func(*newcomer) string{
			"by flags": func(n *newcomer) string { return n.gives(0, append(flags, "--every", "24h", "--schedule")...) },
			"by yes":   func(n *newcomer) string { return n.gives(0, append(flags, "--yes")...) },
			"by hand": func(n *newcomer) string {
				x := n.sits(flags...)
				x.answers(whenQuestion, "")
				x.answers(agreeQuestion, "")
				x.sees("exit code 0")
				return x.screen()
			},
		} {
			t.Run(name, func(t *testing.T) {
				n := newNewcomer(t, borg)
				n.private = withoutManager
				check(t, os.Mkdir(n.path("cron.d"), 0o755))
				says(t, set(n), "written\n", "A first run would do this")
				text, err := os.ReadFile(n.path("cron.d", "borgcron"))
				check(t, err)
				var due string
				for line := range strings.Lines(string(text)) {
					if rest, ok := strings.CutPrefix(line, "*/15 * * * * root "); ok {
						due = strings.ReplaceAll(strings.TrimSpace(rest), `\%`, "%")
					}
				}
				n.shell("env", "-i", "HOME="+n.home, "/bin/sh", "-c", due) // as cron would
				if states := n.states(); states["home"] != "ok" {
					t.Errorf("cron's line has made %v:\n%s", states, text)
				}
				if status := n.gives(0, "status"); !strings.Contains(status, "Schedule: cron /etc/cron.d/borgcron, next ") {
					t.Error(status)
				}
				if output := n.gives(0, "schedule", "remove"); !strings.Contains(output, "removed") {
					t.Error(output)
				}
			})
		}
	})
}
