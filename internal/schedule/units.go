package schedule

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// The names of our units.
const (
	RunService    = "borgcron.service"
	RunTimer      = "borgcron.timer"
	StatusService = "borgcron-status.service"
	StatusTimer   = "borgcron-status.timer"
)

// mark begins every file of ours: nothing else is overwritten or removed.
const mark = "# Written by `borgcron schedule install`"

const head = mark + ", which writes it anew.\n# What you change belongs into a drop-in: systemctl %sedit %s\n"

// Units are the four units of the plan, each with its link that enables it, in the folder that they belong into.
func (p *Plan) Units(folder string) []File {
	files := []File{
		{Path: RunService, Text: p.runService()},
		{Path: RunTimer, Text: p.timer(RunTimer, "back up what is due", p.calendars(), "2min")},
		{Path: StatusService, Text: p.statusService()},
		{Path: StatusTimer, Text: p.timer(StatusTimer, "look for backups that have become stale", []string{"hourly"}, "5min")},
	}
	for i := range files {
		files[i].Path = filepath.Join(folder, files[i].Path)
	}
	return append(files, link(folder, RunTimer), link(folder, StatusTimer))
}

// link is what `systemctl enable` makes of a timer.
func link(folder, timer string) File {
	return File{Path: filepath.Join(folder, "timers.target.wants", timer), Link: "../" + timer}
}

func (p *Plan) calendars() []string {
	if len(p.Calendars) > 0 {
		return p.Calendars
	}
	return []string{"*:0/15"}
}

func (p *Plan) header(unit string) string {
	manager := ""
	if p.Personal {
		manager = "--user "
	}
	return fmt.Sprintf(head, manager, unit)
}

func (p *Plan) timer(unit, what string, calendars []string, spread string) string {
	var u unitText
	u.raw(p.header(unit))
	u.section("Unit")
	u.set("Description", "BorgBackup: when to "+what)
	u.section("Timer")
	for _, calendar := range calendars {
		u.set("OnCalendar", calendar)
	}
	u.set("RandomizedDelaySec", spread)
	u.set("Persistent", "yes")
	u.section("Install")
	u.set("WantedBy", "timers.target")
	return u.String()
}

func (p *Plan) runService() string {
	var u unitText
	p.unit(&u, RunService, "back up what is due")
	u.set("ExecStart", execLine(p.command("run", "--due")))
	u.comment("a warning, and a lock that another run held, are no failures of the unit; both are in `borgcron status`")
	u.set("SuccessExitStatus", "1 75")
	u.set("Nice", "10")
	u.set("IOSchedulingClass", "idle")
	u.comment("borg gets 30 s to write a checkpoint and 10 s to end; hooks `after` and the records come then. Only borgcron is asked to stop")
	u.set("KillMode", "mixed")
	u.set("TimeoutStopSec", "3min")
	p.surroundings(&u, p.Open || p.OpenAlways)
	return u.String()
}

func (p *Plan) statusService() string {
	var u unitText
	p.unit(&u, StatusService, "tell of backups that have become stale")
	u.set("ExecStart", execLine(p.command("status", "--notify", "--quiet")))
	u.set("SuccessExitStatus", "1 2")
	u.set("TimeoutStartSec", "5min")
	p.surroundings(&u, p.OpenAlways)
	return u.String()
}

// unit begins a service.
func (p *Plan) unit(u *unitText, name, what string) {
	u.raw(p.header(name))
	u.section("Unit")
	u.set("Description", "BorgBackup: "+what)
	if !p.Personal { // a user's manager has no such target
		u.set("Wants", "network-online.target")
		u.set("After", "network-online.target")
	}
	u.section("Service")
	u.set("Type", "oneshot")
	if p.User != "" {
		u.set("User", specifiers(p.User))
	}
}

// surroundings are the folders, secrets and limits that both services have.
func (p *Plan) surroundings(u *unitText, open bool) {
	if p.Home != "" {
		u.set("Environment", quote("HOME="+p.Home))
	}
	for _, variable := range p.Environment {
		u.set("Environment", quote(variable))
	}
	// A user's manager would take the state folder from ~/.config, and so there would be two of them.
	if name, ok := strings.CutPrefix(p.State, "/var/lib/"); ok && !p.Personal {
		u.set("StateDirectory", quote(name))
	}
	u.set("CacheDirectory", "borgcron")
	u.set("RuntimeDirectory", "borgcron")
	u.set("RuntimeDirectoryPreserve", "yes")
	for _, credential := range p.Credentials {
		u.set("LoadCredential", specifiers(credential.Name+":"+credential.Path))
	}
	p.harden(u, open)
}

// unitText is a unit being written.
type unitText struct{ strings.Builder }

func (u *unitText) raw(text string)     { u.WriteString(text) }
func (u *unitText) comment(text string) { u.WriteString("# " + text + "\n") }

func (u *unitText) section(name string) { u.WriteString("\n[" + name + "]\n") }

func (u *unitText) set(key, value string) { u.WriteString(key + "=" + value + "\n") }

// yes sets several switches.
func (u *unitText) yes(keys ...string) {
	for _, key := range keys {
		u.set(key, "yes")
	}
}

// specifiers keeps systemd from seeing specifiers in a text.
func specifiers(text string) string { return strings.ReplaceAll(text, "%", "%%") }

// quote makes one word of a text, as systemd reads words.
func quote(text string) string {
	plain := !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune("\"'\\;", r)
	})
	if plain && text != "" {
		return specifiers(text)
	}
	var b strings.Builder
	for _, c := range []byte(specifiers(text)) {
		switch {
		case c == '"' || c == '\\':
			b.WriteString("\\" + string(rune(c)))
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, "\\x%02x", c)
		default:
			b.WriteByte(c)
		}
	}
	return `"` + b.String() + `"`
}

// execLine is a command line for ExecStart, where variables are expanded too.
func execLine(words []string) string {
	quoted := slices.Clone(words)
	for i, word := range words {
		if i > 0 { // the program's own path is taken as it is
			word = strings.ReplaceAll(word, "$", "$$")
		}
		quoted[i] = quote(word)
	}
	return strings.Join(quoted, " ")
}
