package importer

import (
	"testing"

	"borgcron/internal/backup"

	"github.com/google/go-cmp/cmp"
)

func TestArchiveNameOf(t *testing.T) {
	o := Options{Hostname: "laptop", FQDN: "laptop.example.org", User: "root"}
	for _, test := range []struct{ format, want string }{
		{borgmaticName, "{hostname}-{now}"},
		{"{hostname}-{now}", "{hostname}-{now}"},
		{"{hostname}-{now:%Y-%m-%d}", "{hostname}-{now:%Y-%m-%d}"},
		{"x-{utcnow:%Y%m%dT%H%M%S.%f}", "x-{utcnow:%Y%m%dT%H%M%S}"},
		{"x-{now:%F_%T}", "x-{now:%Y-%m-%d_%H:%M:%S}"},
		{"x-{now:%s}", "x-{now:%Y%m%d%H%M%S}"},
		{"x-{now:%-d %b %Y}", "x-{now:%d %m %Y}"},
		{"x-{now:%Y-%m-%d}_{now:%H%M}-y", "x-{now:%Y-%m-%d_%H%M}-y"},
		{"x-{now:%Y}-{hostname}-{now:%d}", "x-{now:%Y}-{hostname}-"},
		{"{reverse-fqdn}-{now}", "org.example.laptop-{now}"},
		{"x-{pid}-{now}", "x--{now}"},
		{"x-{pid}", "x--{now}"},
		{"only-a-name", "only-a-name-{now}"},
		{"x-{borgversion}-{now}", "x-{borgversion}-{now}"}, // which is not taken
		{"x-{now:%", "x-{now:%-{now}"},
	} {
		got, said := archiveNameOf(o, test.format)
		if got != test.want {
			t.Errorf("%s: got %s, want %s", test.format, got, test.want)
		}
		if changed := got != test.format; changed && said == "" && test.format != "{reverse-fqdn}-{now}" {
			t.Errorf("%s: nothing said of %s", test.format, got)
		}
	}
}

// The pattern of a series holds what borgmatic made and what borgcron makes, and not what others made.
func TestSeriesGoOn(t *testing.T) {
	s := &series{names: Options{Hostname: "laptop"}.made("home"), archiveName: "{hostname}-{now}", match: "laptop-*"}
	old, made, other := "laptop-2026-11-23T21:51:08.161595", "laptop-2026-11-23T21:51:08", "laptop-home.dumps-2026-11-23T21:51:08"
	for _, test := range []struct {
		way        int
		name       string
		want       bool
		whatItIsOf string
	}{
		{byOld, old, true, "borgmatic's"}, {byOld, made, true, "borgcron's"}, {byOld, other, true, "dumps"},
		{byDigits, old, true, "borgmatic's"}, {byDigits, made, true, "borgcron's"}, {byDigits, other, false, "dumps"},
		{byJob, old, false, "borgmatic's"}, {byJob, "laptop-home-2026-11-23T21:51:08", true, "borgcron's"}, {byJob, other, false, "dumps"},
	} {
		if got := backup.Match(s.pattern(test.way), test.name); got != test.want {
			t.Errorf("way %d, %s (%s): matched %v", test.way, test.name, test.whatItIsOf, got)
		}
	}
}

func TestExpandable(t *testing.T) {
	for text, want := range map[string]string{
		"plain $HOME": "plain $HOME", "${A}": "${A}", "${A:-b}": "${A:-b}", "${A-b}": "${A:-b}", `\${A}`: "$${A}", "${1x}": "$${1x}", "${ a }": "$${ a }",
		"${A}${B}/x": "${A}${B}/x", "${": "$${", `\${A-b} ${C}`: "$${A-b} ${C}",
	} {
		if got := expandable(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestSplitWords(t *testing.T) {
	for _, test := range []struct {
		text  string
		want  []string
		whole bool
	}{
		{"", nil, true},
		{" --a  b\t", []string{"--a", "b"}, true},
		{`--a "b c" 'd e' f\ g`, []string{"--a", "b c", "d e", "f g"}, true},
		{`'' "a'b" "\"\n"`, []string{"", "a'b", `"\n`}, true},
		{`x'y'"z"`, []string{"xyz"}, true},
		{`'open`, []string{"open"}, false},
		{`a\`, []string{"a"}, false},
	} {
		got, whole := splitWords(test.text)
		if diff := cmp.Diff(test.want, got); diff != "" || whole != test.whole {
			t.Errorf("%s: whole %v (-want +got):\n%s", test.text, whole, diff)
		}
	}
}
