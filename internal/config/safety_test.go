package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// safe is a machine on which all is well.
func safe() machine {
	return machine{
		"/":                {Mode: fs.ModeDir | 0o755},
		"/etc":             {Mode: fs.ModeDir | 0o755},
		"/etc/config.yaml": {Mode: 0o644},
		"/tmp":             {Mode: fs.ModeDir | fs.ModeSticky | 0o777},
		"/tmp/mine":        {Mode: 0o644},
		"/tmp/theirs":      {UID: 1000, Mode: 0o644},
		"/home":            {Mode: fs.ModeDir | 0o755},
		"/home/me":         {UID: 1000, Mode: fs.ModeDir | 0o755},
		"/home/me/mine":    {Mode: 0o644},
		"/srv":             {Mode: fs.ModeDir | 0o777},
		"/srv/config":      {Mode: 0o644},
		"/group":           {Mode: fs.ModeDir | 0o775},
		"/group/config":    {Mode: 0o644},
		"/etc/link":        {Mode: fs.ModeSymlink | 0o777, Link: "../home/me/mine"},
		"/etc/absolute":    {Mode: fs.ModeSymlink | 0o777, Link: "/srv/config"},
		"/etc/fine":        {Mode: fs.ModeSymlink | 0o777, Link: "config.yaml"},
		"/etc/loop":        {Mode: fs.ModeSymlink | 0o777, Link: "loop"},
		"/etc/open":        {Mode: 0o666},
		"/etc/keepers":     {UID: 4711, Mode: 0o644},
	}
}

func TestRisks(t *testing.T) {
	for path, want := range map[string][]string{
		"/etc/config.yaml":      nil,
		"/etc/../etc/fine":      nil,
		"/tmp/mine":             nil,
		"/tmp/theirs":           {`"/tmp/theirs" belongs to neither root`},
		"/home/me/mine":         {`"/home/me" belongs to neither root`},
		"/srv/config":           {`"/srv" can be written by everybody`},
		"/group/config":         {`"/group" can be written by its group (warning)`},
		"/etc/link":             {`"/home/me" belongs to neither root`},
		"/etc/absolute":         {`"/srv" can be written by everybody`},
		"/etc/open":             {`"/etc/open" can be written by everybody`},
		"/etc/loop":             nil, // whoever opens it says that it is a loop
		"/etc/absent/and/more":  nil,
		"/etc/keepers":          {`"/etc/keepers" belongs to neither root`},
		"/tmp/absent/../theirs": nil,
		"/etc/../tmp/theirs":    {`"/tmp/theirs" belongs to neither root`},
	} {
		var got []string
		for _, r := range risks(safe(), path, []int{0}) {
			message, _, _ := strings.Cut(r.message, " nor")
			if r.warning {
				message += " (warning)"
			}
			got = append(got, message)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, -want +got:\n%s", path, diff)
		}
	}
	if got := risks(safe(), "/etc/keepers", []int{0, 4711}); got != nil {
		t.Errorf("a file of the owner that --config-owner names: %v", got)
	}
}

// asRoot loads a configuration as root would on a machine on which its file lies safely, or not.
func asRoot(t *testing.T, files map[string]string, owner string, change func(folder string, m machine)) *Config {
	t.Helper()
	path := tree(t, files)
	m := safe()
	for folder := filepath.Dir(path); ; folder = filepath.Dir(folder) {
		m[folder] = Entry{Mode: fs.ModeDir | 0o755}
		if folder == "/" {
			break
		}
	}
	for name := range files {
		m[filepath.Join(filepath.Dir(path), name)] = Entry{Mode: 0o644}
	}
	change(filepath.Dir(path), m)
	env := someUser()
	env.UID, env.Machine, env.Owner = 0, m, owner
	loaded, err := Load(path, env)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func TestUnsafeForRoot(t *testing.T) {
	main := map[string]string{"config.yaml": "include: [more.yaml]\n" + jobText("main"), "more.yaml": jobText("more")}
	for name, test := range map[string]struct {
		owner    string
		change   func(string, machine)
		fatal    bool
		errors   int
		warnings int
		jobs     int
	}{
		"safe":            {"", func(string, machine) {}, false, 0, 0, 2},
		"main file open":  {"", func(f string, m machine) { m[f+"/config.yaml"] = Entry{Mode: 0o646} }, true, 1, 0, 0},
		"main file of me": {"", func(f string, m machine) { m[f+"/config.yaml"] = Entry{UID: 1000, Mode: 0o644} }, true, 1, 0, 0},
		"of the owner":    {"keeper", func(f string, m machine) { m[f+"/config.yaml"] = Entry{UID: 4711, Mode: 0o644} }, false, 0, 0, 2},
		"unknown owner":   {"nobody", func(string, machine) {}, true, 1, 0, 2},
		"group":           {"", func(f string, m machine) { m[f+"/config.yaml"] = Entry{Mode: 0o664} }, false, 0, 1, 2},
		"folder open":     {"", func(f string, m machine) { m[f] = Entry{Mode: fs.ModeDir | 0o777} }, true, 1, 0, 0},
		"include open":    {"", func(f string, m machine) { m[f+"/more.yaml"] = Entry{Mode: 0o646} }, false, 1, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			loaded := asRoot(t, main, test.owner, test.change)
			if loaded.Fatal() != test.fatal || len(loaded.Errors) != test.errors || len(loaded.Warnings) != test.warnings || len(loaded.Jobs) != test.jobs {
				t.Errorf("fatal %v, %d jobs:\n%s", loaded.Fatal(), len(loaded.Jobs), report(loaded))
			}
		})
	}
}

// As root the programs are looked at that are a whole value, and those that begin a command; not those in
// the owner's own command lines.
func TestProgramsUnsafeForRoot(t *testing.T) {
	text := `
repositories:
  nas: {location: /mnt/nas, borg: /usr/bin/borg, ssh: {command: ssh -4}, passphrase: {command: "/opt/pass show x"}}
jobs:
  home:
    repository: nas
    sources: [/home]
    retention: keep_all
    conditions: {command: may-i}
    hooks: [{when: before, run: /srv/open/hook}]
`
	folders := func(_ string, m machine) {
		for _, path := range []string{"/usr", "/usr/bin", "/opt", "/srv/open"} {
			m[path] = Entry{Mode: fs.ModeDir | 0o755}
		}
		for _, path := range []string{"/usr/bin/borg", "/usr/bin/ssh", "/usr/bin/may-i", "/opt/pass"} {
			m[path] = Entry{Mode: 0o755}
		}
	}
	for program, line := range map[string]int{"": 0, "/usr/bin/borg": 3, "/usr/bin/ssh": 3, "/usr/bin/may-i": 9, "/opt/pass": 3} {
		loaded := asRoot(t, map[string]string{"config.yaml": text}, "", func(folder string, m machine) {
			folders(folder, m)
			if program != "" {
				m[program] = Entry{Mode: 0o757}
			}
		})
		switch {
		case program == "" && len(loaded.Errors) > 0:
			t.Errorf("all is safe:\n%s", report(loaded))
		case program != "" && (len(loaded.Errors) != 1 || loaded.Errors[0].Line != line || !strings.Contains(loaded.Errors[0].Message, program) || loaded.Fatal()):
			t.Errorf("%s can be written:\n%s", program, report(loaded))
		case program != "" && (loaded.Jobs[0].Problem == "" || strings.Contains(loaded.Jobs[0].Problem, program)):
			t.Errorf("%s: the job's problem is %q, want one without the path", program, loaded.Jobs[0].Problem)
		}
	}
}

func TestSecretFiles(t *testing.T) {
	for name, test := range map[string]struct {
		mode   fs.FileMode
		path   string
		errors int
		warns  int
	}{
		"owner":      {0o600, "/etc/key", 0, 0},
		"group":      {0o640, "/etc/key", 0, 1},
		"others":     {0o644, "/etc/key", 1, 0},
		"credential": {0o644, "/run/credentials/unit/key", 0, 0},
		"container":  {0o644, "/run/secrets/key", 0, 0},
		"link":       {0o644, "/etc/link-to-key", 1, 0},
		"absent":     {0, "/etc/absent", 0, 1},
	} {
		path := write(t, "repositories: {nas: {location: /mnt/nas, passphrase: {file: "+test.path+"}}}\njobs: {home: {repository: nas, sources: [/home], retention: keep_all}}\n")
		env := someUser("CREDENTIALS_DIRECTORY", "/run/credentials/unit")
		m := machine{"/etc/link-to-key": {Mode: fs.ModeSymlink | 0o777, Link: "key"}, "/etc/key": {Mode: test.mode}}
		if name != "absent" {
			m[test.path] = Entry{Mode: test.mode}
		}
		if name == "link" {
			m[test.path] = Entry{Mode: fs.ModeSymlink | 0o777, Link: "key"}
		}
		env.Machine = m
		loaded, err := Load(path, env)
		if err != nil || len(loaded.Errors) != test.errors || len(loaded.Warnings) != test.warns || loaded.Fatal() {
			t.Errorf("%s: %v\n%s", name, err, report(loaded))
		}
	}
}

func TestFind(t *testing.T) {
	home := t.TempDir()
	own := filepath.Join(home, ".config", "borgcron", "config.yaml")
	env := someUser()
	env.Home = home
	if _, err := Find("", env); err == nil && !exists("/etc/borgcron/config.yaml") || err != nil && (!strings.Contains(err.Error(), own) || !strings.Contains(err.Error(), "/etc/borgcron/config.yaml") || !strings.Contains(err.Error(), "borgcron init")) {
		t.Errorf("got %v, want the places and `borgcron init`", err)
	}
	if err := os.MkdirAll(filepath.Dir(own), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(own, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	other := write(t, "")
	named := someUser("BORGCRON_CONFIG", other, "XDG_CONFIG_HOME", filepath.Join(home, ".config"))
	named.Home = "/nowhere"
	xdg := someUser("XDG_CONFIG_HOME", filepath.Join(home, ".config"))
	root := named
	root.UID = 0
	for name, test := range map[string]struct {
		explicit string
		env      Environment
		want     string
	}{
		"home":     {"", env, own},
		"xdg":      {"", xdg, own},
		"variable": {"", named, other},
		"explicit": {own, named, own},
		"root":     {"", root, other},
	} {
		if got, err := Find(test.explicit, test.env); err != nil || got != test.want {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, test.want)
		}
	}
	for _, missing := range []struct {
		explicit string
		env      Environment
	}{{"/no/such/file", env}, {"", someUser("BORGCRON_CONFIG", "/no/such/file")}} {
		if got, err := Find(missing.explicit, missing.env); err == nil || !strings.Contains(err.Error(), "/no/such/file") {
			t.Errorf("got %s, %v, want an error that names the file", got, err)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestPaths(t *testing.T) {
	for name, test := range map[string]struct {
		uid            int
		owned          int // who owns /var/lib/borgcron, -1: it is not there
		text           string
		variables      []string
		state, runtime string
		wrong          string
	}{
		"root":              {0, -1, "", nil, "/var/lib/borgcron", "/run/borgcron", ""},
		"user":              {1000, 0, "", nil, "/home/me/.local/state/borgcron", "/home/me/.local/state/borgcron/run", ""},
		"owner":             {1000, 1000, "", nil, "/var/lib/borgcron", "/var/lib/borgcron/run", ""},
		"XDG":               {1000, -1, "", []string{"XDG_STATE_HOME", "/xdg/state", "XDG_RUNTIME_DIR", "/run/user/1000"}, "/xdg/state/borgcron", "/run/user/1000/borgcron", ""},
		"runtime directory": {1000, 1000, "", []string{"RUNTIME_DIRECTORY", "/run/unit:/run/other", "XDG_RUNTIME_DIR", "/run/user/1000"}, "/var/lib/borgcron", "/run/unit", ""},
		"file":              {0, -1, "paths: {state: /srv/state/, runtime: /srv/run}\n", []string{"RUNTIME_DIRECTORY", "/run/unit"}, "/srv/state", "/srv/run", ""},
		"same state":        {0, -1, "", []string{"STATE_DIRECTORY", "/var/lib/other:/var/lib/borgcron/"}, "/var/lib/borgcron", "/run/borgcron", ""},
		"other state":       {0, -1, "", []string{"STATE_DIRECTORY", "/var/lib/private/borgcron"}, "/var/lib/borgcron", "/run/borgcron", "$STATE_DIRECTORY names another"},
	} {
		t.Run(name, func(t *testing.T) {
			env := someUser(test.variables...)
			m := machine{}
			if test.owned >= 0 {
				m["/var/lib/borgcron"] = Entry{UID: test.owned, Mode: fs.ModeDir | 0o755}
			}
			env.UID, env.Machine = test.uid, m
			loaded, err := Load(write(t, test.text+jobText("home")), env)
			if err != nil {
				t.Fatal(err)
			}
			if loaded.State != test.state || loaded.Runtime != test.runtime {
				t.Errorf("got %s and %s, want %s and %s", loaded.State, loaded.Runtime, test.state, test.runtime)
			}
			if loaded.Fatal() != (test.wrong != "") || test.wrong != "" && !strings.Contains(loaded.Errors[0].Message, test.wrong) {
				t.Errorf("want %q, got:\n%s", test.wrong, report(loaded))
			}
		})
	}
}

// The name of the machine stays what it was at the first run.
func TestHostIsKept(t *testing.T) {
	state := t.TempDir()
	path := write(t, "paths: {state: "+state+"}\n"+jobText("home"))
	env := someUser()
	host := func() string {
		t.Helper()
		loaded, err := Load(path, env)
		if err != nil {
			t.Fatal(err)
		}
		if err := loaded.KeepHost(); err != nil {
			t.Fatal(err)
		}
		return loaded.Host
	}
	if got := host(); got != "laptop" {
		t.Fatalf("got %s, want the short name", got)
	}
	env.Hostname = "renamed.lan"
	if got := host(); got != "laptop" {
		t.Errorf("got %s, want the name of the first run", got)
	}
	if err := os.WriteFile(path, []byte("host: chosen\npaths: {state: "+state+"}\n"+jobText("home")), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := host(); got != "chosen" {
		t.Errorf("got %s, want the name in the file", got)
	}
	if err := os.WriteFile(filepath.Join(state, "host"), []byte("../rubbish\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("paths: {state: "+state+"}\n"+jobText("home")), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := host(); got != "renamed" {
		t.Errorf("got %s, want the machine's name in place of rubbish", got)
	}
}
