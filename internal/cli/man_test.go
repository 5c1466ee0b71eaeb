package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFindPage(t *testing.T) {
	pages, err := UnpackManual()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ args, want, problem string }{
		{"", "borgcron.1", ""},
		{"borgcron", "borgcron.1", ""},
		{"run", "borgcron-run.1", ""},
		{"borgcron-run", "borgcron-run.1", ""},
		{"key export", "borgcron-key-export.1", ""},
		{"borgcron.yaml", "borgcron.yaml.5", ""},
		{"rnu", "", `there is no page for "rnu", did you mean run?`},
		{"run home", "", `there is no page for "run home"`},
	} {
		got, err := findPage(pages, strings.Fields(test.args))
		problem := ""
		if err != nil {
			problem = err.Error()
		}
		if got != test.want || problem != test.problem {
			t.Errorf("man %s: %q, %q", test.args, got, problem)
		}
	}
}

func TestPlainPage(t *testing.T) {
	const page = ".nh\n.TH \"X\" \"1\" \"\" \"borgcron\"\n\n.SH NAME\nx \\- a \\fBbold\\fP word\n\n\n.SH OPTIONS\n.TP\n\\fB\\-\\-to\\fP \\fIDIR\\fP\nwrite there, C:\\\\X\n\n.PP\n\\&.dotted\n.EX\n  a  b\n.EE\n"
	const want = "NAME\n  x - a bold word\n\nOPTIONS\n\n  --to DIR\n  write there, C:\\X\n\n  .dotted\n\n        a  b\n\n"
	if diff := cmp.Diff(want, plainPage(page)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Nothing of roff is left in any of the pages that the program carries.
func TestPlainPagesAreRead(t *testing.T) {
	pages, err := UnpackManual()
	if err != nil {
		t.Fatal(err)
	}
	for name, page := range pages {
		for line := range strings.Lines(plainPage(page)) {
			if strings.Contains(line, `\f`) || strings.HasPrefix(strings.TrimSpace(line), ".I") || strings.Contains(line, `\-`) {
				t.Errorf("%s: %s", name, line)
			}
		}
	}
}
