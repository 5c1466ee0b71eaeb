package backup_test

import (
	"strings"
	"testing"
	"time"

	"borgcron/internal/backup"
)

var names = backup.Names{Hostname: "laptop", FQDN: "laptop.lan", User: "root", Job: "home"}

func TestExpandArchiveName(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	moment := time.Date(2027, 1, 3, 0, 5, 9, 0, berlin) // a Sunday, in UTC still Saturday
	for tmpl, want := range map[string]string{
		"{hostname}-{job}-{now}":           "laptop-home-2027-01-03T00:05:09",
		"{hostname}-{job}-{utcnow}":        "laptop-home-2027-01-02T23:05:09",
		"{fqdn}_{user} {now:%Y%m%d}":       "laptop.lan_root 20270103",
		"{now:%y-%j %H.%M.%S}x":            "27-003 00.05.09x",
		"{now:%G-W%V-%u}":                  "2026-W53-7",
		"{utcnow:%G-W%V-%u}":               "2026-W53-6",
		"ä*?[a]{now:at %H h, a:b}":         "ä*?[a]at 00 h, a:b",
		"{utcnow:%d.%m.%Y}{hostname}{job}": "02.01.2027laptophome",
	} {
		if err := backup.CheckArchiveName(tmpl); err != nil {
			t.Errorf("%s: %v", tmpl, err)
		}
		if got := backup.ExpandArchiveName(tmpl, names, moment); got != want {
			t.Errorf("%s: got %q, want %q", tmpl, got, want)
		}
		if pattern := backup.MatchFor(tmpl, names); !backup.Match(pattern, want) {
			t.Errorf("%s: the pattern %q does not match %q", tmpl, pattern, want)
		}
	}
}

func TestMatchFor(t *testing.T) {
	year, two := strings.Repeat("[0-9]", 4), strings.Repeat("[0-9]", 2)
	plain := year + "-" + two + "-" + two + "T" + two + ":" + two + ":" + two
	for tmpl, want := range map[string]string{
		"{hostname}-{job}-{now}":       "laptop-home-" + plain,
		"{hostname}-{job}-{utcnow}":    "laptop-home-" + plain,
		"*[?]{now:%Y[%j]%u}{job}":      "[*][/[][?]]" + year + "[/[]" + "[0-9][0-9][0-9]][0-9]home",
		"{user}@{fqdn}-{now:%G%V%y%S}": "root@laptop.lan-" + year + two + two + two,
	} {
		if got := backup.MatchFor(tmpl, names); got != want {
			t.Errorf("%s: got %q, want %q", tmpl, got, want)
		}
	}
	series := func(job string) string {
		return backup.MatchFor("{hostname}-{job}-{now}", backup.Names{Hostname: "laptop", Job: job})
	}
	for _, other := range []string{"home-work", "home.dumps", "hom", "home-2027"} {
		if backup.PatternsOverlap(series("home"), series(other)) {
			t.Errorf("the series of home and %s overlap", other)
		}
	}
}

func TestCheckArchiveName(t *testing.T) {
	for tmpl, want := range map[string]string{
		"":                          "empty",
		"{hostname}-{job}":          "without a time",
		"{now}{utcnow}":             "2 times",
		"{now:%Y}-{now:%m}":         "2 times",
		"ä{nwo}":                    "character 2: unknown placeholder {nwo}",
		"{hostname}-{now:%F}":       "character 12: {now:%F}: unknown %F",
		"{now:%Y%%}":                "unknown %%",
		"{now:%Y%}":                 "unknown % in",
		"{now:%":                    "character 1: a brace",
		"{now:abc}":                 "without any part of a time",
		"{now:}":                    "without any part of a time",
		"{hostname:%Y}{now}":        "unknown placeholder {hostname:%Y}",
		"{{hostname}}-{now}":        "unknown placeholder {{hostname}",
		"{now}}":                    "character 6: a brace",
		"{now":                      "character 1: a brace",
		"a/{now}":                   "character 2: a slash",
		"{now:%Y/%m}":               "a slash",
		"a\n{now}":                  `character 2: '\n'`,
		"{now}\u202e":               "not printable",
		"\xff{now}":                 "not UTF-8",
		"{now}.checkpoint":          "ends in .checkpoint",
		"{job}.checkpoint.{now:%Y}": "ends in .checkpoint",
		"{now}-x.checkpoint.7":      "ends in .checkpoint",
	} {
		err := backup.CheckArchiveName(tmpl)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", tmpl, err, want)
		}
	}
}

// Whatever is found right must make names without braces that its own pattern matches.
func FuzzArchiveName(f *testing.F) {
	for _, tmpl := range []string{"{hostname}-{job}-{now}", "{now:%Y%%}", "{", "{utcnow:%G-%V-%u}x", "a{b}", "[{now:%j]}"} {
		f.Add(tmpl, int64(1800000000))
	}
	f.Fuzz(func(t *testing.T, tmpl string, unix int64) {
		if backup.CheckArchiveName(tmpl) != nil {
			return
		}
		moment := time.Unix(unix&0x3ffffffff, 0).UTC() // up to the year 2514
		name := backup.ExpandArchiveName(tmpl, names, moment)
		if name == "" || strings.ContainsAny(name, "{}/\n") {
			t.Errorf("%q makes %q", tmpl, name)
		}
		if pattern := backup.MatchFor(tmpl, names); !backup.Match(pattern, name) {
			t.Errorf("%q makes %q, which %q does not match", tmpl, name, pattern)
		}
	})
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	location, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return location
}
