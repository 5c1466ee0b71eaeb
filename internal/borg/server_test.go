package borg

import (
	"context"
	"errors"
	"strings"
	"testing"

	"borgcron/internal/backup"
	"borgcron/internal/process"
)

func TestDestination(t *testing.T) {
	for location, want := range map[string][2]string{
		"ssh://borg@nas.example:2222/./laptop": {"2222", "borg@nas.example"},
		"ssh://nas.example/x":                  {"", "nas.example"},
		"ssh://borg@[fe80::1]:22/x":            {"22", "borg@fe80::1"},
		"ssh://[::1]/x":                        {"", "::1"},
		"borg@nas.example:laptop":              {"", "borg@nas.example"},
		"nas:/abs/path:with:colons":            {"", "nas"},
		"borg@[fe80::1]:x":                     {"", "borg@fe80::1"},
	} {
		if port, login := destination(location); port != want[0] || login != want[1] {
			t.Errorf("%s: %q %q", location, port, login)
		}
	}
	if got := Port("ssh://nas:2222/x"); got != 2222 {
		t.Error(got)
	}
	if got := Port("nas:x"); got != 0 {
		t.Error(got)
	}
}

func FuzzDestination(f *testing.F) {
	for _, seed := range []string{"ssh://a@b:1/c", "a@[::1]:b", "ssh://[", "::", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, location string) {
		if port, login := destination(location); len(port)+len(login) > len(location) || strings.Contains(login, "/") {
			t.Errorf("%q: %q %q", location, port, login)
		}
	})
}

func TestJudgeLogin(t *testing.T) {
	ended := func(code int) error { return &process.ExitError{Program: "ssh", Code: code} }
	for _, row := range []struct {
		name    string
		stdout  string
		said    string
		err     error
		version string
		want    error
	}{
		{"well", "borg 1.4.1\n", "", nil, "1.4.1", nil},
		{"a banner before it", "Welcome!\nborg 1.2.8\n", "", nil, "1.2.8", nil},
		{"a forced command", "", "", ended(1), "", nil},
		{"a forced command that says something else", "no shell for you\n", "", nil, "", nil},
		{"unknown", "", "No ED25519 host key is known for nas and you have requested strict checking.\nHost key verification failed.\n", ended(255), "", ErrUnknownHost},
		{"changed", "", "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.\n", ended(255), "", ErrChangedHost},
		{"denied", "", "borg@nas: Permission denied (publickey).\n", ended(255), "", ErrDenied},
		{"too many keys", "", "Received disconnect: Too many authentication failures\n", ended(255), "", ErrDenied},
		{"down", "", "ssh: connect to host nas port 22: Connection refused\n", ended(255), "", ErrUnreachable},
		{"no borg", "", "sh: borg: command not found\n", ended(127), "", ErrNoBorg},
		{"not executable", "", "sh: borg: Permission denied\n", ended(126), "", ErrNoBorg},
		{"late", "", "", &process.ExitError{Code: -1, Stopped: true}, "", context.DeadlineExceeded},
		{"not started", "", "", errors.New("no memory"), "", ErrNoSSH},
	} {
		version, err := judgeLogin([]byte(row.stdout), strings.Split(row.said, "\n"), row.err)
		got := ""
		if version != nil {
			got = version.String()
		}
		if got != row.version || !errors.Is(err, row.want) || (err == nil) != (row.want == nil) {
			t.Errorf("%s: %q, %v", row.name, got, err)
		}
	}
}

func FuzzParseVersion(f *testing.F) {
	for _, seed := range []string{"borg 1.2.4", "borg2 2.0.0b14", "borg 1.4", "borg 99999999.1.1", "Borg"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if version, ok := parseVersion(text); ok && (version.Major < 0 || !strings.HasPrefix(strings.TrimSpace(string(text)), "borg")) {
			t.Errorf("%q: %v", text, version)
		}
	})
}

func TestFolders(t *testing.T) {
	c := &Client{Environ: []string{"HOME=/h", "PATH=/bin"}}
	for _, row := range []struct {
		env  []string
		r    backup.Repository
		want string
	}{
		{nil, backup.Repository{}, "/h/.cache/borg /h/.config/borg"},
		{[]string{"XDG_CACHE_HOME=/c", "XDG_CONFIG_HOME=/f"}, backup.Repository{}, "/c/borg /f/borg"},
		{nil, backup.Repository{Cache: "/var/cache/borg", Keys: "/keys"}, "/var/cache/borg /h/.config/borg /keys"},
	} {
		c := &Client{Environ: append(row.env, c.Environ...)}
		var got []string
		for _, folder := range c.Folders(row.r) {
			got = append(got, folder.Path)
		}
		if strings.Join(got, " ") != row.want {
			t.Errorf("%v %+v: %q", row.env, row.r, got)
		}
	}
}
