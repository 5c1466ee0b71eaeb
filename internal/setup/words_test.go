package setup

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

func TestParseRetention(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]backup.Retention{
		"7d 4w 6m": {Daily: 7, Weekly: 4, Monthly: 6}, "24h, 2Y": {Hourly: 24, Yearly: 2}, " ALL ": {KeepAll: true}, "100000d": {Daily: 100000},
	} {
		got, err := ParseRetention(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v\n%s", text, err, diff)
		}
	}
	for _, text := range []string{"", "7", "d", "7x", "0d", "-1d", "7d 8d", "all 7d", "7 d", "100001d", "9999999999999999999d", "é"} {
		if got, err := ParseRetention(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func interval(text string) (time.Duration, error) {
	if text == "1w" {
		return 7 * 24 * time.Hour, nil
	}
	return time.ParseDuration(text)
}

func TestParseWhen(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]When{
		"24h": {Every: "24h", Install: true}, "1w": {Every: "1w", Install: true}, "02:30": {At: "02:30", Install: true}, "daily": {At: "daily", Install: true},
		"Mon..Fri 22:00": {At: "Mon..Fri 22:00", Install: true}, "no": {Every: "24h"}, " N ": {Every: "24h"},
	} {
		got, err := ParseWhen(text, interval)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v\n%s", text, err, diff)
		}
	}
	for _, text := range []string{"", "25:00", "sometimes", "0s", "59s"} {
		if got, err := ParseWhen(text, interval); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestParsePassphrase(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Passphrase{
		"new": {Kept: Made}, "Ask": {Kept: Typed}, "none": {Kept: Nowhere}, "file: /a:b": {Kept: InFile, File: "/a:b"}, "command:pass show a:b": {Kept: ByCommand, Command: "pass show a:b"},
	} {
		if got, err := ParsePassphrase(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "file:", "command: ", "new:x", "secret"} {
		if got, err := ParsePassphrase(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestSplitFolders(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]string{"/a b", "/c,d", "~"}, SplitFolders(` /a b,, /c\,d ,~,`)); diff != "" {
		t.Error(diff)
	}
}

func TestJobName(t *testing.T) {
	t.Parallel()
	for name, sources := range map[string][]string{
		"home": {"/etc", "/home"}, "system": {"/"}, "etc": {"/etc", "/srv"}, "a-b": {"/srv/a b!"}, "files": {"/srv/ü"},
	} {
		if got := JobName(sources, "/root"); got != name {
			t.Errorf("%v: %q, not %q", sources, got, name)
		}
	}
	if got := JobName([]string{"/root"}, "/root"); got != "home" {
		t.Errorf("one's own home is %q", got)
	}
}

// A passphrase has at least 128 bits: 28 letters of 32, each as likely as the others.
func TestNewPassphrase(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	counts := map[rune]int{}
	for range 2000 {
		text := NewPassphrase()
		if len(text) != 34 || seen[text] {
			t.Fatalf("%q", text)
		}
		seen[text] = true
		for _, letter := range strings.ReplaceAll(text, "-", "") {
			counts[letter]++
		}
	}
	if len(counts) != 32 {
		t.Errorf("%d letters", len(counts))
	}
	for letter, count := range counts { // 1750 of each, ten standard deviations are 410
		if !strings.ContainsRune(alphabet, letter) || count < 1340 || count > 2160 {
			t.Errorf("%q comes %d times", letter, count)
		}
	}
}

func TestParseServer(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]Server{
		"ssh://borg@nas.example:2222/./laptop": {"borg@nas.example", "2222", "laptop"},
		"ssh://nas/~/laptop":                   {"nas", "", "laptop"},
		"ssh://nas/srv/borg":                   {"nas", "", "/srv/borg"},
		"ssh://me@[fe80::1]:22/srv":            {"me@fe80::1", "22", "/srv"},
		"ssh://[::1]/srv":                      {"::1", "", "/srv"},
		"me@nas:backup/a":                      {"me@nas", "", "backup/a"},
		"nas:/srv/a:b":                         {"nas", "", "/srv/a:b"},
		"me@[fe80::1]:/srv":                    {"me@fe80::1", "", "/srv"},
	} {
		if got := ParseServer(location); got != want {
			t.Errorf("%s: %+v, not %+v", location, got, want)
		}
	}
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]error{
		"No ED25519 host key is known for nas and you have requested strict checking.\nHost key verification failed.": ErrUnknownHost,
		"@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.":                         ErrChangedHost,
		"me@nas: Permission denied (publickey,password).":                                                             ErrDenied,
	} {
		if got := refusal(said); !errors.Is(got, want) {
			t.Errorf("%q: %v", said, got)
		}
	}
	if got := refusal("a\nssh: connect to host \x1bnas port 22: Connection refused").Error(); got != "ssh cannot reach it: connect to host ?nas port 22: Connection refused" &&
		(strings.Contains(got, "\x1b") || !strings.HasSuffix(got, "Connection refused")) {
		t.Errorf("%q", got)
	}
}

func FuzzParseHostKey(f *testing.F) {
	f.Add("[127.0.0.1]:22 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO6yP9Ee\n")
	f.Add("nas ssh-rsa")
	f.Add("|1|hash|hash ecdsa-sha2-nistp256 AAAA\nmore")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := parseHostKey(text)
		if err == nil && (!strings.HasPrefix(key.Fingerprint, "SHA256:") || len(key.Fingerprint) != 50 || strings.Count(key.Line, "\n") != 1) {
			t.Errorf("%q: %+v", text, key)
		}
	})
}

func FuzzParseDF(f *testing.F) {
	f.Add("Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda1 100 40 60 40% /\n")
	f.Add("df: nothing")
	f.Add("a\nb c d -5 e f")
	f.Fuzz(func(t *testing.T, text string) {
		if free, ok := parseDF(text); ok && free < 0 {
			t.Errorf("%q: %d", text, free)
		}
	})
}

func TestParseDF(t *testing.T) {
	t.Parallel()
	free, ok := parseDF("Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/mapper/a 100 40 60 40% /mnt/with blank\n")
	if !ok || free != 60<<10 {
		t.Errorf("%d, %t", free, ok)
	}
}
