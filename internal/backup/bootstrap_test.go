package backup

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBootstrapIsFoundAgain(t *testing.T) {
	for name, test := range map[string]struct {
		before string
		main   string
		files  []string
		known  bool
	}{
		"one file":                 {"", "/etc/borgcron/config.yaml", []string{"/etc/borgcron/config.yaml"}, true},
		"behind the user's words":  {"mine; borgcron configuration (host x, 9 files): /x; ", "/etc/b.yaml", []string{"/etc/b.yaml", "/etc/c.yaml"}, true},
		"blanks and other letters": {"", "/home/ä b/c (1): d.yaml", []string{"/home/ä b/c (1): d.yaml"}, true},
		"the main file left out":   {"", "/etc/b.yaml", []string{"/etc/jobs.d/c.yaml"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			note := BootstrapNote("laptop", len(test.files), test.main)
			command := append([]string{"borg", "create", "--", "::name", "/home"}, test.files...)
			got, ok := ParseBootstrap(test.before+note, command)
			want := Bootstrap{Host: "laptop", Main: test.main, Files: test.files}
			if diff := cmp.Diff(want, got); !ok || diff != "" || got.Known() != test.known {
				t.Errorf("%q: %v, known %v\n%s", note, ok, got.Known(), diff)
			}
		})
	}
}

func TestNoBootstrap(t *testing.T) {
	for _, note := range []string{BootstrapNote("laptop", 0, "/x"), BootstrapNote("laptop", 1, "x"), BootstrapNote("laptop", 1, "/a\nb"), BootstrapNote("a, b", 1, "/x")} {
		if note != "" {
			t.Errorf("%q", note)
		}
	}
	command := []string{"borg", "create", "/etc/x.yaml"}
	for _, comment := range []string{
		"", "/etc/x.yaml", "borgcron configuration (host a, 0 files): /etc/x.yaml", "borgcron configuration (host a, 4 files): /etc/x.yaml",
		"borgcron configuration (host a, 2 files): /etc/x.yaml", "borgcron configuration (host a, 1 file): /etc/../x.yaml",
	} {
		if got, ok := ParseBootstrap(comment, command); ok {
			t.Errorf("%q: %v", comment, got)
		}
	}
}

func FuzzParseBootstrap(f *testing.F) {
	f.Add("borgcron configuration (host a, 1 file): /etc/x.yaml", "create\x00/etc/x.yaml")
	f.Add("x; borgcron configuration (host a, 2 files): /etc/../x", "/x\x00/../../y")
	f.Fuzz(func(t *testing.T, comment, command string) {
		got, ok := ParseBootstrap(comment, strings.Split(command, "\x00"))
		for _, path := range got.Files {
			if inside := filepath.Join("/to", path); !ok || !strings.HasPrefix(inside, "/to/") && inside != "/to" {
				t.Errorf("%q leads out", path)
			}
		}
	})
}
