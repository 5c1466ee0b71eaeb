package backup_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"borgcron/internal/backup"
)

func TestMatch(t *testing.T) {
	for _, test := range []struct {
		pattern, name string
		want          bool
	}{
		{"home-*", "home-1", true},
		{"home-*", "home-", true},
		{"home-*", "xhome-1", false},
		{"home", "home-1", false},
		{"h?me", "höme", true},
		{"h?me", "hme", false},
		{"[a-c]x", "bx", true},
		{"[!a-c]x", "bx", false},
		{"[!a-c]x", "dx", true},
		{"[^a]", "^", true}, // a caret is nothing special
		{"[]a]", "]", true},
		{"[!]a]", "]", false},
		{"[!]a]", "b", true},
		{"[[]x]", "[x]", true},
		{"[/[]x", "[x", true},
		{"[/]x", "x", false},
		{"[!/]x", "ax", true},
		{"[*][?]", "*?", true},
		{"[*][?]", "ab", false},
		{"[a-]", "-", true},
		{"[--a]", "5", true},
		{"[a", "[a", true},
		{"[]", "[]", true},
		{"[!]", "[!]", true},
		{`\*`, `\x`, true},
		{`[\]`, `\`, true},
		{"sh:home", "home", false},
		{"{home}", "{home}", true},
		{"**/home", "home", true},
		{"**", "home", true},
		{"a.c", "abc", false},
		{"*a*b*", "xxaxxbxx", true},
		{"*a*b*", "xxbxxaxx", false},
		{"", "", true},
		{"", "a", false},
		{"[z-a]", "b", false}, // borg refuses it
	} {
		if got := backup.Match(test.pattern, test.name); got != test.want {
			t.Errorf("%q, %q: got %v", test.pattern, test.name, got)
		}
	}
}

func TestPatternsOverlap(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"home-*", "home-work-*", true},
		{"home-[0-9]*", "home-work-[0-9]*", false},
		{"*", "x", true},
		{"*-a", "b-*", true},
		{"a*", "b*", false},
		{"?", "", false},
		{"*", "", true},
		{"[!a]", "a", false},
		{"[!a-c]", "[b-d]", true},
		{"home", "home.checkpoint", true}, // prune with the first takes it, too
		{"home", "home.checkpoint.12", true},
		{"home.checkpoint.[0-9]", "home", true},
		{"home", "home.checkpoint.x", false},
		{"home", "home.checkpoints", false},
		{"[z-a]", "*", false},
		{"*", "[z-a]", false},
	} {
		for _, pair := range [][2]string{{test.a, test.b}, {test.b, test.a}} {
			if got := backup.PatternsOverlap(pair[0], pair[1]); got != test.want {
				t.Errorf("%q: got %v", pair, got)
			}
		}
	}
}

func TestLiteralHead(t *testing.T) {
	for pattern, want := range map[string]int{
		"":          0,
		"*":         0,
		"äbc-*":     4,
		"abc":       3,
		"ab?":       2,
		"a[*]b*":    3,
		"a[0-9]":    1,
		"a[/[]b*":   3,
		"a[bc]":     1,
		"a[":        2,
		"a[!b]":     1,
		"abcd[z-a]": 0,
	} {
		if got := backup.LiteralHead(pattern); got != want {
			t.Errorf("%q: got %d, want %d", pattern, got, want)
		}
	}
}

func TestCheckPattern(t *testing.T) {
	if err := backup.CheckPattern("home-[0-9]*["); err != nil {
		t.Error(err)
	}
	err := backup.CheckPattern("ä[z-a]")
	if err == nil || !strings.Contains(err.Error(), "character 2: the range z-a") {
		t.Error(err)
	}
}

// matches is the plainest reading of a pattern of literals, ?, * and the classes [ab] and [!ab].
func matches(pattern, name string) bool {
	switch {
	case pattern == "":
		return name == ""
	case pattern[0] == '*':
		return matches(pattern[1:], name) || name != "" && matches(pattern, name[1:])
	case name == "":
		return false
	case pattern[0] == '?':
		return matches(pattern[1:], name[1:])
	case pattern[0] == '[':
		class, rest, _ := strings.Cut(pattern[1:], "]")
		chars, negated := strings.CutPrefix(class, "!")
		return strings.Contains(chars, name[:1]) != negated && matches(rest, name[1:])
	default:
		return pattern[0] == name[0] && matches(pattern[1:], name[1:])
	}
}

// prunes tells whether a prune with the pattern takes the archive.
func prunes(pattern, name string) bool {
	complete, _, _ := strings.Cut(name, ".checkpoint")
	return matches(pattern, name) || complete != name && matches(pattern, complete)
}

// Two patterns of at most three tokens that overlap do so in a name of at most six characters, or its checkpoints.
func TestPatternsAgreeWithBruteForce(t *testing.T) {
	all := []string{""}
	for start := 0; len(all[len(all)-1]) < 6; {
		end := len(all)
		for _, name := range all[start:end] {
			all = append(all, name+"a", name+"b", name+"c")
		}
		start = end
	}
	for _, name := range all {
		all = append(all, name+".checkpoint", name+".checkpoint.1")
	}
	token := rapid.SampledFrom([]string{"a", "b", "c", "?", "*", "[ab]", "[!ab]", "[!a]"})
	pattern := rapid.Map(rapid.SliceOfN(token, 0, 3), func(tokens []string) string { return strings.Join(tokens, "") })
	rapid.Check(t, func(t *rapid.T) {
		a, b := pattern.Draw(t, "a"), pattern.Draw(t, "b")
		overlap := false
		for _, name := range all {
			if got := backup.Match(a, name); got != matches(a, name) {
				t.Fatalf("%q, %q: got %v", a, name, got)
			}
			overlap = overlap || prunes(a, name) && prunes(b, name)
		}
		if got := backup.PatternsOverlap(a, b); got != overlap {
			t.Fatalf("%q and %q: got %v", a, b, got)
		}
	})
}

func FuzzPattern(f *testing.F) {
	for _, pattern := range []string{"home-*", "[", "[!]", "[]", "[a-", "[z-a]", "**/x", "\xff[\xff-a]", "[!\U0010ffff]"} {
		f.Add(pattern, "home-1")
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		head := backup.LiteralHead(pattern)
		if head > len([]rune(pattern)) {
			t.Errorf("%q: a head of %d", pattern, head)
		}
		if backup.Match(pattern, name) && !backup.PatternsOverlap(pattern, pattern) {
			t.Errorf("%q matches %q, but does not overlap with itself", pattern, name)
		}
	})
}
