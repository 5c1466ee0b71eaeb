package borg

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMountHint(t *testing.T) {
	for said, want := range map[string]string{
		"Runtime Error: borg mount not available: no FUSE support, BORG_FUSE_IMPL=pyfuse3,llfuse.":            "python3-llfuse",
		"fuse: failed to exec fusermount3: No such file or directory":                                         "install fuse3",
		"fusermount3: option allow_other only allowed if 'user_allow_other' is set in /etc/fuse.conf":         "/etc/fuse.conf",
		"passphrase supplied in BORG_PASSPHRASE, by BORG_PASSCOMMAND or via BORG_PASSPHRASE_FD is incorrect.": "",
	} {
		if got := mountHint(said); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: %q", said, got)
		}
	}
}

// The path is that of the list of mounts, through links, and also where nothing can be looked at.
func TestRealPath(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "real"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]string{"link": "real", "real/": "real", "link/gone": "real/gone", "real/../link": "real"} {
		if got, err := RealPath(dir + "/" + given); err != nil || got != filepath.Join(dir, want) {
			t.Errorf("%s: %s, %v", given, got, err)
		}
	}
	if _, err := RealPath(filepath.Join(dir, "gone", "deeper")); err == nil {
		t.Error("a path whose folder is not there")
	}
	if mounted, _, err := Mounted(dir); mounted || err != nil {
		t.Errorf("%s: mounted %v, %v", dir, mounted, err)
	}
	if mounted, ours, err := Mounted("/proc"); !mounted || ours || err != nil {
		if _, missing := os.Stat("/proc/self"); missing == nil {
			t.Errorf("/proc: mounted %v, ours %v, %v", mounted, ours, err)
		}
	}
}

func TestParseBootstraps(t *testing.T) {
	text := `{"archives": [
 {"name": "a", "id": "01", "start": "2026-03-01T02:30:00.000000", "comment": "borgcron configuration (host l, 1 file): /c", "command_line": ["borg", "/c"]},
 {"name": "b", "id": "02", "start": "2026-03-02T02:30:00.000000", "comment": "", "command_line": ["borg", "/c"]},
 {"name": "c", "id": "03", "start": "2026-03-03T02:30:00.000000", "comment": "x; borgcron configuration (host l, 1 file): /c", "command_line": ["borg", "/c"]},
 {"name": "c.checkpoint", "id": "04", "start": "2026-03-03T02:30:00.000000", "comment": "borgcron configuration (host l, 1 file): /c", "command_line": ["borg", "/c"]}
]}`
	found, err := parseBootstraps([]byte(text))
	var names []string
	for _, bootstrap := range found {
		names = append(names, bootstrap.Archive.Name)
	}
	if err != nil || strings.Join(names, " ") != "c a" {
		t.Errorf("%v, %v", names, err)
	}
	if _, err := parseBootstraps([]byte("rubbish")); err == nil {
		t.Error("rubbish is no list")
	}
}

func FuzzParseBootstraps(f *testing.F) {
	f.Add([]byte(`{"archives": [{"name": "a", "start": "2026-03-01T02:30:00", "comment": "borgcron configuration (host l, 1 file): /c", "command_line": ["/c"]}]}`))
	f.Add([]byte(`{"archives": null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		found, _ := parseBootstraps(text)
		for _, bootstrap := range found {
			if len(bootstrap.Files) == 0 || bootstrap.Main == "" {
				t.Errorf("%+v", bootstrap)
			}
		}
	})
}
