package backup_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"borgcron/internal/backup"
)

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "",
		"plain  text, äöü 漢字":           "plain  text, äöü 漢字",
		"a\nb\r\n\tc":                   "a b c",
		"\x1b[31mred\x1b[0m":            "[31mred [0m",
		"\n leading and trailing\x00\n": " leading and trailing",
		"bell\a, del\x7f, c1\u009b2J":   "bell , del , c1 2J",
		"\u202etxt.exe\u2069":           "txt.exe",
		"a\u2028b\u2029c\ufeffd\u200be": "a b c d e",
		"bad\xffutf\xc3":                "bad\ufffdutf\ufffd",
		"\xed\xa0\x80":                  "\ufffd\ufffd\ufffd", // half of a surrogate pair
		"\U000e0041tag":                 "tag",
	} {
		if got := backup.Clean(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestCleanLine(t *testing.T) {
	for _, test := range []struct {
		text  string
		limit int
		want  string
	}{
		{"äöü", 3, "äöü"},
		{"äöüß", 3, "äö…"},
		{"a\nb", 3, "a b"},
		{"ab", 1, "…"},
		{"ab", 0, ""},
		{"ab", -1, ""},
		{"", 0, ""},
	} {
		if got := backup.CleanLine(test.text, test.limit); got != test.want {
			t.Errorf("%q, %d: got %q, want %q", test.text, test.limit, got, test.want)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, text := range []string{"a\x1b[2Jb", "\xff\xfe", "\u202eevil", "x\r\ny", "\u0085", strings.Repeat("ä", 100)} {
		f.Add(text, 20)
	}
	f.Fuzz(func(t *testing.T, text string, limit int) {
		clean := backup.Clean(text)
		if !utf8.ValidString(clean) {
			t.Errorf("%q: %q is not UTF-8", text, clean)
		}
		for _, r := range clean {
			if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || unicode.In(r, unicode.Zl, unicode.Zp) {
				t.Errorf("%q: %q holds %q", text, clean, r)
			}
		}
		if again := backup.Clean(clean); again != clean {
			t.Errorf("%q: cleaned again %q becomes %q", text, clean, again)
		}
		if line := backup.CleanLine(text, limit); utf8.RuneCountInString(line) > max(limit, 0) {
			t.Errorf("%q: %q is longer than %d", text, line, limit)
		}
	})
}
