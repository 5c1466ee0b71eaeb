package listing

import (
	"path"
	"strings"
	"testing"
)

func TestGlob(t *testing.T) {
	for _, test := range []struct {
		pattern, path string
		want          bool
	}{
		{"report.odt", "home/me/report.odt", true},
		{"report.odt", "home/me/report.odt/x", false},
		{"report", "home/me/report.odt", false},
		{"*.odt", "home/me/report.odt", true},
		{"*.odt", "a.odt", true},
		{"re*", "home/report.odt", true},
		{"re*t", "home/report.od", false},
		{"*", "", true},
		{"**port*", "report", true},
		{"a*b*c", "aXbXbXc", true},
		{"a*b*c", "aXbXbX", false},
		{"?", "x/ü", true},
		{"?", "x/üü", false},
		{"?", "x/\xff", true},
		{"\xff*", "x/\xffabc", true},
		{"\xfe*", "x/\xffabc", false},
		{"\uFFFD", "\xff", false},
		{"[a-c]x", "bx", true},
		{"[!a-c]x", "bx", false},
		{"[^a-c]x", "dx", true},
		{"[!a-c]x", "\xffx", true},
		{"[\x00-\U0010FFFF]x", "\xffx", false},
		{"[]x]", "]", true},
		{"[x", "[x", true},
		{"[", "[", true},
		{"[!", "[!", true},
		{`\*`, "*", true},
		{`\*`, "x", false},
		{`a\[b]`, "a[b]", true},
		{"-dash", "src/-dash", true},
		{"new\nline", "src/new\nline", true},
		{"/etc", "etc", true},
		{"/etc", "home/etc", false},
		{"etc/", "etc", true},
		{"etc/*", "etc/a/b", true},
		{"/home/*/x", "home/a/b/x", true},
		{"home/me", "home/me", true},
		{"home/me", "old/home/me", false},
		{"*/home/me", "old/home/me", true},
		{"Report*", "report", false},
	} {
		p, err := Glob(test.pattern, false)
		if err != nil {
			t.Errorf("%q: %v", test.pattern, err)
			continue
		}
		if got := p.Match(test.path); got != test.want {
			t.Errorf("%q matches %q: %v", test.pattern, test.path, got)
		}
	}
	for pattern, name := range map[string]string{"REPORT*": "x/report.odt", "ärger": "ÄRGER", "[A-C]x": "bX", "[a-c]x": "BX", `\Q`: "q"} {
		if p, err := Glob(pattern, true); err != nil || !p.Match(name) {
			t.Errorf("%q does not match %q without case: %v", pattern, name, err)
		}
	}
	for _, wrong := range []string{"", "/", "//", `a\`, "[z-a]"} {
		if _, err := Glob(wrong, false); err == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
}

func TestRegexp(t *testing.T) {
	p, err := Regexp(`me/.*\.od[ts]$`, false)
	if err != nil || !p.Match("home/me/x/report.odt") || p.Match("home/me/x/report.odt2") || p.Match("HOME/ME/x.ods") {
		t.Error("the expression matches what it should not, or does not what it should", err)
	}
	if p, err = Regexp(`me/.*\.od[ts]$`, true); err != nil || !p.Match("HOME/ME/x.ODS") {
		t.Error("without case it does not match", err)
	}
	if _, err := Regexp("(", false); err == nil {
		t.Error("a wrong expression was taken")
	}
}

// FuzzGlob compares with the standard library's patterns, which are the same within one name.
func FuzzGlob(f *testing.F) {
	for _, seed := range [][2]string{{"*.odt", "a.odt"}, {"[a-c]?", "bx"}, {"a*b*c", "aabbcc"}, {`\*`, "*"}, {"[!a]", "b"}, {"\xff?", "\xff\xfe"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		p, err := Glob(pattern, false)
		if err != nil {
			return
		}
		got := p.Match(name)
		// In classes the two differ: in the brackets themselves, in what they escape, and in what is not UTF-8.
		if strings.ContainsAny(pattern, "/[") || strings.Contains(name, "/") {
			return
		}
		if strings.ContainsRune(pattern+name, '\uFFFD') { // for the standard library the same as any byte that is no UTF-8
			return
		}
		want, err := path.Match(pattern, name)
		if err == nil && got != want {
			t.Errorf("%q matches %q: %v, for the standard library %v", pattern, name, got, want)
		}
	})
}
