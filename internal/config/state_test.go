package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// state is a configuration with this state folder, as the user of the tests would have it.
func state(folder string) *Config {
	return &Config{State: folder, env: Environment{UID: os.Getuid()}}
}

func TestMakeState(t *testing.T) {
	dir := t.TempDir()
	umask := syscall.Umask(0o077)
	t.Cleanup(func() { syscall.Umask(umask) })
	folder := filepath.Join(dir, "above", "state")
	if err := state(folder).MakeState(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(folder)
	if err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("%v, %v: others cannot read the status", info, err)
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// The owner's choice stays.
	check(os.Chmod(folder, 0o700))
	if err := state(folder).MakeState(); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	// Somebody else could make history.db there before we do, also where he cannot remove it.
	for _, mode := range []fs.FileMode{0o777, 0o777 | fs.ModeSticky} {
		check(os.Chmod(folder, mode))
		if err := state(folder).MakeState(); err == nil || !strings.Contains(err.Error(), "written by everybody") {
			t.Errorf("%v: %v", mode, err)
		}
	}
	file := filepath.Join(dir, "file")
	check(os.WriteFile(file, nil, 0o600))
	if err := state(file).MakeState(); err == nil || !strings.Contains(err.Error(), "no folder") {
		t.Errorf("a file: %v", err)
	}
}

// In a folder such as /tmp somebody else may have made the state folder first.
func TestMakeStateOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give a folder to another user")
	}
	tmp := filepath.Join(t.TempDir(), "tmp")
	for _, err := range []error{os.Mkdir(tmp, 0o755), os.Chmod(tmp, 0o777|fs.ModeSticky), os.Mkdir(tmp+"/state", 0o755), os.Chown(tmp+"/state", 65534, 65534)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := state(tmp + "/state").MakeState(); err == nil || !strings.Contains(err.Error(), "belongs to") {
		t.Errorf("another user's: %v", err)
	}
	if err := os.Symlink(tmp+"/state", tmp+"/link"); err != nil {
		t.Fatal(err)
	}
	if err := state(tmp + "/link").MakeState(); err == nil {
		t.Error("a link to another user's was taken")
	}
	if err := os.Lchown(tmp+"/link", 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if err := state(tmp + "/link/deeper").MakeState(); err == nil {
		t.Error("a link of another user was followed")
	}
	if entries, _ := os.ReadDir(tmp + "/state"); len(entries) > 0 {
		t.Errorf("made in another user's folder: %v", entries)
	}
}

func TestStateUnsafeForRoot(t *testing.T) {
	files := map[string]string{"config.yaml": "paths: {state: /home/me/state}\n" + jobText("main")}
	loaded := asRoot(t, files, "", func(string, machine) {})
	if !loaded.Fatal() || len(loaded.Errors) != 1 || loaded.Errors[0].Line != 1 || !strings.Contains(loaded.Errors[0].Message, "state folder is unsafe") {
		t.Errorf("a folder that another user can replace:\n%s", report(loaded))
	}
}

// The file that was read is judged, not the one that lies there afterwards.
func TestReplacedWhileItWasRead(t *testing.T) {
	path := tree(t, map[string]string{"config.yaml": jobText("main")})
	m := replaced{safe()}
	for folder := filepath.Dir(path); folder != "/"; folder = filepath.Dir(folder) {
		m.machine[folder] = Entry{Mode: fs.ModeDir | 0o755}
	}
	m.machine[path] = Entry{Mode: 0o644} // what lies there looks safe by now
	env := someUser()
	env.UID, env.Machine = 0, m
	loaded, err := Load(path, env)
	if err != nil {
		t.Fatal(err)
	}
	if !loaded.Fatal() || len(loaded.Jobs) > 0 {
		t.Errorf("it was used:\n%s", report(loaded))
	}
}

// replaced is a machine on which what was opened was another user's.
type replaced struct{ machine }

func (replaced) Opened(fs.FileInfo) Entry { return Entry{UID: 1000, Mode: 0o644} }

// A list of patterns that another user can write decides what is left out of root's backups.
func TestListsOfOthers(t *testing.T) {
	text := "jobs:\n  home:\n    repository: /mnt/nas\n    sources: [/home]\n    retention: keep_all\n" +
		"    exclude_from: [/etc/config.yaml, /home/me/mine]\n    patterns_from: [/srv/config]\n"
	loaded := asRoot(t, map[string]string{"config.yaml": text}, "", func(string, machine) {})
	if len(loaded.Errors) > 0 || len(loaded.Warnings) != 2 || loaded.Warnings[0].Line != 6 || loaded.Warnings[1].Line != 7 {
		t.Errorf("got:\n%s", report(loaded))
	}
}

// A mistake is printed as the lines that it is meant to be, whatever the file holds.
func TestMistakeCannotEscape(t *testing.T) {
	m := Mistake{Place: Place{File: "a\x1b[2J", Line: 1, Column: 1, Source: "b\x1b]0;x\a\u009b"}, Message: "c\x1b[31m\nborgcron: all is well"}
	var out strings.Builder
	if err := m.Print(&out, "error: "); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\a\u009b") || strings.Count(out.String(), "\n") != 3 {
		t.Errorf("%q", &out)
	}
}

// Another user's $TMPDIR has no part in what is kept.
func TestKeepHostDoesNotUseTMPDIR(t *testing.T) {
	dir, tmp := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", tmp)
	before, err := os.Stat(tmp)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(tmp, before.ModTime().Add(-1e12), before.ModTime().Add(-1e12)); err != nil {
		t.Fatal(err)
	}
	before, _ = os.Stat(tmp)
	c := &Config{State: dir, keepHost: "laptop"}
	if err := c.KeepHost(); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(tmp); err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("something was in $TMPDIR: %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "host")); err != nil || string(text) != "laptop\n" {
		t.Errorf("%q, %v", text, err)
	}
}

// Root does not write among the records of the user that --config-owner names; a state of its own in such a user's folder is a
// container's.
func TestMakeStateWithRecordsOfTheSecondOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give a folder to another user")
	}
	for records, want := range map[int]string{0: "", 65534: "has the records of another user"} {
		folder := filepath.Join(t.TempDir(), "state")
		for _, err := range []error{os.MkdirAll(folder+"/locks", 0o700), os.Chown(folder, 65534, 65534), os.Chown(folder+"/locks", records, records)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		c := state(folder)
		c.env.Owner, c.env.Machine = "backup", backupUser{}
		if err := c.MakeState(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("records of %d: %v, want %q", records, err, want)
		}
	}
}

// backupUser is a machine on which the user backup has the number 65534.
type backupUser struct{ thisMachine }

func (backupUser) UserID(string) (int, error) { return 65534, nil }
