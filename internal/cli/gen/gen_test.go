package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/cli"
)

// What is generated says what the program's help says now. Packed pages are compared unpacked: another version of Go
// may compress them otherwise.
func TestOutputIsFresh(t *testing.T) {
	tree := cli.Tree()
	page, err := os.ReadFile("../../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(reference(tree)), string(page)); diff != "" {
		t.Errorf("docs/cli.md is stale, run make generate (-fresh +file):\n%s", diff)
	}
	want, err := manual(tree, "../../../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	got, err := cli.UnpackManual()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("internal/cli/manual.json.gz is stale, run make generate (-fresh +file):\n%s", diff)
	}
}

// The source of a page can be read by man: it begins as one, knows no date, and no dash becomes a hyphen.
func TestPages(t *testing.T) {
	pages, err := manual(cli.Tree(), "../../../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, page := range pages {
		title := strings.ToUpper(name[:len(name)-2])
		if want := `.TH "` + title + `" "` + name[len(name)-1:] + `" "" "borgcron" "borgcron manual"`; !strings.Contains(page, want) {
			t.Errorf("%s has no line %s", name, want)
		}
		if !strings.Contains(page, "\n.SH NAME\n"+strings.ReplaceAll(name[:len(name)-2], "-", `\-`)+` \- `) {
			t.Errorf("%s: whatis would not find its name", name)
		}
		if strings.Contains(page, " --") {
			t.Errorf("%s has a dash that is no minus", name)
		}
	}
	if len(pages) < 30 || pages["borgcron.1"] == "" || pages["borgcron.yaml.5"] == "" {
		t.Errorf("pages are missing: there are %d", len(pages))
	}
}

func TestEscape(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"plain words, 'quoted'", "plain words, 'quoted'"},
		{"* ? [a-z] <x>", `\* ? \[a-z\] \<x\>`},
		{"- no item", `\- no item`},
		{"12. no item", `12\. no item`},
		{"a_b `c`", "a\\_b \\`c\\`"},
	} {
		if got := escape(test.text); got != test.want {
			t.Errorf("escape(%q) = %q, want %q", test.text, got, test.want)
		}
	}
}
