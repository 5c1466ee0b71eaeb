package schedule

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

var update = flag.Bool("update", false, "write the golden files anew")

func calendar(t *testing.T, text string) backup.Calendar {
	t.Helper()
	c, err := backup.ParseCalendar(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func plans(t *testing.T) map[string]Plan {
	base := Plan{Program: "/usr/bin/borgcron", Home: "/root", State: "/var/lib/borgcron", Environment: []string{"PATH=" + Path()}, Write: []string{"/run/borgcron"}}
	local := []backup.Repository{{Location: "/mnt/backup/borg"}}
	remote := []backup.Repository{{Location: "ssh://borg@nas/./laptop"}}
	take := func(p Plan, jobs ...backup.Job) Plan { p.Take(jobs); return p }
	user := base
	user.User, user.Home = "borgcron", "/var/lib/borgcron"
	personal := base
	personal.Personal, personal.Home, personal.State = true, "/home/me", "/home/me/.local/state/borgcron"
	odd := base
	odd.Program, odd.Config, odd.State = "/opt/my progs/borg$cron", `/etc/100%/a "b".yaml`, "/srv/state"
	secrets := base
	secrets.Credentials = []Credential{{"nas", "/etc/borgcron/credentials/nas"}}
	night, noon := calendar(t, "02:30"), calendar(t, "Mon..Fri 12:00")
	hook := []backup.Hook{{Run: "true"}}
	strict := base
	strict.Strict = true
	return map[string]Plan{
		"local":    take(base, backup.Job{Sources: []string{"/home", "/etc"}, Repositories: local}),
		"whole":    take(secrets, backup.Job{Sources: []string{"/"}, Repositories: remote}),
		"user":     take(user, backup.Job{Sources: []string{"/"}, Repositories: remote}),
		"personal": take(personal, backup.Job{Sources: []string{"/home/me"}, Repositories: local}),
		"timed":    take(base, backup.Job{At: []backup.Calendar{night}, Sources: []string{"/home"}}, backup.Job{At: []backup.Calendar{night, noon}, Sources: []string{"/srv"}}),
		"some":     take(base, backup.Job{At: []backup.Calendar{night}, Sources: []string{"/home"}}, backup.Job{Sources: []string{"/tmp/x"}}),
		"hooks":    take(base, backup.Job{Sources: []string{"/home"}, Hooks: hook}),
		"strict":   take(strict, backup.Job{Sources: []string{"/home"}, Hooks: hook}),
		"odd":      take(odd, backup.Job{Sources: []string{"/home"}, Databases: []backup.Database{{Type: "sqlite", Path: "/srv/app/a.db"}}}),
	}
}

func TestUnits(t *testing.T) {
	for name, plan := range plans(t) {
		t.Run(name, func(t *testing.T) {
			var all strings.Builder
			for _, file := range plan.Units("/units") {
				all.WriteString("==> " + file.Path + " " + file.Link + "\n" + file.Text)
			}
			all.WriteString("==> cron\n" + plan.CronFile("/etc/cron.d/borgcron").Text + plan.CronBlock())
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(all.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), all.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What hides a folder from a service would make an archive incomplete without a word.
func TestNothingIsHidden(t *testing.T) {
	for _, test := range []struct{ source, hider string }{
		{"/tmp/mine", "PrivateTmp"}, {"/", "PrivateTmp"}, {"/var", "PrivateTmp"}, {"/var/tmp", "PrivateTmp"},
		{"/dev/sda", "PrivateDevices"}, {"/dev/sda", "ProtectClock"}, {"/", "PrivateDevices"},
		{"/usr", "ProtectKernelModules"}, {"/lib/modules/6.1", "ProtectKernelModules"}, {"/proc", "ProtectKernelLogs"},
	} {
		hides := func(source string) bool {
			p := Plan{Program: "/usr/bin/borgcron", Home: "/root", State: "/var/lib/borgcron"}
			p.Take([]backup.Job{{Sources: []string{source}}})
			text := p.runService()
			if strings.Contains(text, "\nPrivateTmp=yes\n") == strings.Contains(text, "\nReadWritePaths=/tmp /var/tmp\n") {
				t.Errorf("%s: borg has no place for temporary files", source)
			}
			return strings.Contains(text, "\n"+test.hider+"=yes\n")
		}
		if hides(test.source) {
			t.Errorf("%s: %s hides it", test.source, test.hider)
		}
		if !hides("/home") {
			t.Errorf("%s is never set", test.hider)
		}
	}
}

func TestDirectoriesOfUsers(t *testing.T) {
	if text := (&Plan{Personal: true, State: "/var/lib/borgcron"}).runService(); strings.Contains(text, "StateDirectory") {
		t.Error("a user's unit has a state folder of its own")
	}
}

func TestCrontabBlock(t *testing.T) {
	block := (&Plan{Program: "/usr/bin/borgcron", Config: "/etc/50%.yaml"}).CronBlock()
	if !strings.Contains(block, `/etc/50\%.yaml`) {
		t.Errorf("a percent sign ends the command:\n%s", block)
	}
	for _, old := range []string{"", "0 1 * * * true\n", "MAILTO=me\n\n# a comment\r\n0 1 * * * date +\\%d\n\n"} {
		with := WithBlock(old, block)
		if with != old+block || WithBlock(with, block) != with || Block(with) != block {
			t.Errorf("%q became %q", old, with)
		}
		if WithBlock(with, "") != old {
			t.Errorf("without the block %q became %q", old, WithBlock(with, ""))
		}
		if after := WithBlock(with+"# more\n", "new\n"); after != old+"new\n# more\n" {
			t.Errorf("replaced: %q", after)
		}
	}
	if broken := cronBegin + "\n0 1 * * * mine\n"; WithBlock(broken, "") != broken {
		t.Error("lines were removed although their end is not marked")
	}
}

func FuzzCrontab(f *testing.F) {
	f.Add("a\n", "b")
	f.Add(cronBegin+"\nx\n"+cronEnd+"\n", "")
	f.Fuzz(func(t *testing.T, before, after string) {
		if Block(before) != "" || Block(after) != "" || strings.Contains(before+after, "borgcron schedule") {
			t.Skip()
		}
		if before != "" && !strings.HasSuffix(before, "\n") {
			before += "\n"
		}
		block := new(Plan).CronBlock()
		if got := WithBlock(before+block+after, ""); got != before+after {
			t.Errorf("%q is left of %q", got, before+after)
		}
	})
}

func TestFiles(t *testing.T) {
	folder := t.TempDir()
	files := (&Plan{Program: "/usr/bin/borgcron", State: "/var/lib/borgcron"}).Units(folder)
	changes, err := Compare(files)
	if err != nil || len(changes) != 6 {
		t.Fatal(changes, err)
	}
	if err := Write(changes); err != nil {
		t.Fatal(err)
	}
	if again, err := Compare(files); err != nil || len(again) != 0 {
		t.Error("not as written:", again, err)
	}
	foreign := files[0].Path
	if err := os.WriteFile(foreign, []byte("[Service]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	changes, err = Compare(files)
	if err != nil || len(changes) != 1 || !changes[0].Foreign || changes[0].Old != "[Service]\n" {
		t.Error("somebody else's unit:", changes, err)
	}
	present, err := Present(files)
	if err != nil || len(present) != 5 {
		t.Error("ours:", present, err)
	}
	if err := Remove(present); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 1 || left[0].Name() != RunService {
		t.Error("left:", left, err)
	}
}

// A package brings units of its own: its link is the same, and it stays when nothing of ours was there.
func TestLinkOfPackage(t *testing.T) {
	folder := t.TempDir()
	files := (&Plan{Program: "/usr/bin/borgcron"}).Units(folder)
	wants := filepath.Join(folder, "timers.target.wants")
	if err := os.Mkdir(wants, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/lib/systemd/system/borgcron.timer", filepath.Join(wants, RunTimer)); err != nil {
		t.Fatal(err)
	}
	if present, err := Present(files); err != nil || len(present) != 0 {
		t.Error(present, err)
	}
	if changes, err := Compare(files); err != nil || len(changes) != 5 {
		t.Error(changes, err)
	}
}

func TestDifference(t *testing.T) {
	if diff := cmp.Diff(" a\n-b\n+x\n c\n+d\n", Difference("a\nb\nc\n", "a\nx\nc\nd\n")); diff != "" {
		t.Error(diff)
	}
	if got := Difference("", "a\n"); got != "+a\n" {
		t.Error(got)
	}
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"/usr/bin/x": "/usr/bin/x", "": `""`, "a b": `"a b"`, "50%": "50%%", `a"b\`: `"a\"b\\"`, "a\nb": `"a\x0ab"`, "ä;": `"ä;"`,
	} {
		if got := quote(text); got != want {
			t.Errorf("quote(%q) is %s, not %s", text, got, want)
		}
	}
}

func TestParseTimer(t *testing.T) {
	for _, row := range []struct {
		text                            string
		loaded, boots, waiting, enabled bool
		next                            string
	}{
		{"LoadState=loaded\nUnitFileState=enabled\nActiveState=active\nNextElapseUSecRealtime=Tue 2029-11-20 02:30:00 UTC\n", true, true, true, true, "2029-11-20T02:30:00Z"},
		{"LoadState=loaded\nUnitFileState=enabled\nActiveState=inactive\nNextElapseUSecRealtime=\n", true, true, false, false, ""},
		{"LoadState=loaded\nUnitFileState=disabled\nActiveState=active\n", true, false, true, false, ""},
		{"LoadState=loaded\nUnitFileState=disabled\nActiveState=inactive\nNextElapseUSecRealtime=\n", true, false, false, false, ""},
		{"LoadState=not-found\nUnitFileState=\nActiveState=inactive\n", false, false, false, false, ""},
		{"LoadState=loaded\nUnitFileState=enabled-runtime\nActiveState=active\nNextElapseUSecRealtime=n/a", true, true, true, true, ""},
		{"", false, false, false, false, ""},
	} {
		got, loaded := parseTimer(RunTimer, row.text)
		next := ""
		if got.Next != nil {
			next = got.Next.UTC().Format(time.RFC3339)
		}
		if loaded != row.loaded || got.Boots != row.boots || got.Waiting != row.waiting || got.Enabled != row.enabled || next != row.next {
			t.Errorf("%q: %v %+v", row.text, loaded, got)
		}
	}
}

func FuzzParseTimer(f *testing.F) {
	f.Add("LoadState=loaded\nNextElapseUSecRealtime=Tue 2029-11-20 02:30:00 UTC\n")
	f.Fuzz(func(t *testing.T, text string) {
		if _, loaded := parseTimer(RunTimer, text); loaded && !strings.Contains(text, "loaded") {
			t.Errorf("%q", text)
		}
	})
}

// Whoever is thorough finds also what is nowhere to be seen on the disk, and learns whether anybody could be asked.
func TestLook(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil { //nolint:gosec // some are programs
			t.Fatal(err)
		}
		return path
	}
	write("systemctl", "#!/bin/sh\necho LoadState=loaded; echo UnitFileState=enabled; echo ActiveState=active\n")
	write("crontab", "#!/bin/sh\necho '5 * * * * borgcron run --due'\n")
	mine := write("mine", "1 2 * * * root /usr/bin/borgcron status --notify\n")
	ours := write("ours", mark+", which writes it anew.\n*/15 * * * * root borgcron run --due\n7 * * * * root borgcron status --notify\n")
	only := func(programs ...string) func(string) (string, error) {
		return func(program string) (string, error) {
			if slices.Contains(programs, program) {
				return filepath.Join(dir, program), nil
			}
			return "", fs.ErrNotExist
		}
	}
	for name, test := range map[string]struct {
		places   Places
		programs []string
		want     string
		asked    bool
	}{
		"nothing":              {Places{System: []string{"/nowhere"}, Thorough: true}, nil, "", false},
		"a crontab":            {Places{System: []string{"/nowhere"}}, []string{"systemctl", "crontab"}, "crontab[run] ", true},
		"timers elsewhere":     {Places{System: []string{"/nowhere"}, Thorough: true}, []string{"systemctl"}, "borgcron.timer[run] borgcron-status.timer[status] ", true},
		"all of it":            {Places{System: []string{"/nowhere"}, Thorough: true}, []string{"systemctl", "crontab"}, "borgcron.timer[run] borgcron-status.timer[status] crontab[run] ", true},
		"files of cron":        {Places{CronFiles: []string{mine, ours, "/nowhere"}}, []string{"crontab"}, "mine[status] ours[run status]! ", false},
		"a user's own as well": {Places{Personal: []string{"/nowhere"}, System: []string{"/nowhere"}, Thorough: true}, []string{"systemctl"}, "borgcron.timer[run]p borgcron-status.timer[status]p borgcron.timer[run] borgcron-status.timer[status] ", true},
	} {
		t.Run(name, func(t *testing.T) {
			look := only(test.programs...)
			found, asked := Look(t.Context(), test.places, Manager{Look: look, Environ: os.Environ()}, Crontab{Look: look, Environ: os.Environ()}, time.Now())
			got := ""
			for _, installed := range found {
				got += filepath.Base(installed.Name) + fmt.Sprint(installed.Verbs)
				if installed.Personal {
					got += "p"
				}
				if installed.Next != nil {
					got += "!"
				}
				got += " "
			}
			if got != test.want || asked != test.asked {
				t.Errorf("%q, %v", got, asked)
			}
		})
	}
}

func TestStartsVerb(t *testing.T) {
	for text, want := range map[string]bool{
		"*/15 * * * * root borgcron run --due --quiet\n":                     true,
		"MAILTO=x\n5 * * * * /usr/bin/borgcron --config /etc/x run --due":    true,
		"# */15 * * * * borgcron run --due\n":                                false,
		"*/15 * * * * borgcron status --notify\n":                            false,
		"*/15 * * * * other run\n":                                           false,
		"*/15 * * * * nice -n 10 '/opt/my own/borgcron' run --due --quiet\n": true,
		"": false,
		"0 1 * * * borgmatic\n0 2 * * * flock x nice borgcron run home || true\n": true,
	} {
		if got := startsVerb(text, "run"); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
