package config

import (
	"strings"
	"testing"
	"time"
)

func TestDurations(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "15m": 15 * time.Minute, "24h": day, "7d": 7 * day, "4w": 28 * day, "1d12h": 36 * time.Hour, "0s": 0, "5200w": 5200 * 7 * day,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "h", "1.5h", "-1h", "1h ", "1H", "1y", "1h1h", "6000w", "1d 2h", "99999999999999999999s"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q: got %s, want an error", text, got)
		}
	}
	for text, want := range map[string]string{"24h": "24h", "48h": "2d", "30h": "30h", "60m": "1h", "90m": "90m", "7d": "7d", "14d": "2w", "30d": "30d", "1d12h": "36h", "0s": "0s", "61s": "61s"} {
		value, _ := ParseDuration(text)
		if got := formatDuration(value); got != want {
			t.Errorf("%s is written as %s, want %s", text, got, want)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"none": 0, "1B": 1, "500MB": 500_000_000, "2GiB": 2 << 30, "1kB": 1000, "1KB": 1000, "1KiB": 1024, "1.5GB": 1_500_000_000, "1TiB": 1 << 40, "1PB": 1e15,
	} {
		var got Size
		if err := got.UnmarshalText([]byte(text)); err != nil || int64(got) != want {
			t.Errorf("%s: got %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0B", "1", "-1B", "1 GB", "1iB", "1XB", "0.1B", "9999999PB", "1e3B", "NaNB"} {
		if got := Size(0); got.UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
	var rate Rate
	if err := rate.UnmarshalText([]byte("5MiB/s")); err != nil || rate != 5<<20 {
		t.Errorf("5MiB/s: got %d, %v", rate, err)
	}
	for _, text := range []string{"5MiB", "none/s", "5/s", "1B/s", "/s"} {
		if rate.UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q: got %d, want an error", text, rate)
		}
	}
}

func TestLocations(t *testing.T) {
	for _, text := range []string{"/mnt/a", "file:///mnt/a", "ssh://nas/x", "ssh://me@nas:22/./x", "me@nas:x", "nas:/x", "ssh://[::1]/x"} {
		var got Location
		if err := got.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{"", "x", "x/y", ":x", "x:", "-oProxyCommand=x:y", "ssh://-x/y", "ssh:///x", "http://x/y", "/mnt::a", "ssh://a:b@c/d", "file://x"} {
		var got Location
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		} else if len(text) > 6 && strings.Contains(err.Error(), text) {
			t.Errorf("%q is repeated: %v", text, err)
		}
	}
}

func TestCompressions(t *testing.T) {
	for _, text := range []string{"none", "lz4", "zstd", "zstd,22", "zlib,0", "lzma,9", "auto,zstd,6", "auto,lzma", "obfuscate,110,zstd,3", "obfuscate,2,auto,zstd,10"} {
		var got Compression
		if err := got.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{"", "auto", "zstd,0", "zstd,23", "none,1", "zstd,3,4", "obfuscate", "obfuscate,x,zstd", "zstd,"} {
		var got Compression
		if got.UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestExpand(t *testing.T) {
	getenv := func(name string) string { return map[string]string{"A": "one", "B_2": "$A ${A}"}[name] }
	for text, want := range map[string]string{
		"": "", "x": "x", "${A}": "one", "a${A}b${A}": "aonebone", "$A": "$A", "$$A": "$$A", "$": "$", "$$": "$$", "$${A}": "${A}", "$$${A}": "$${A}",
		"${N:-d}": "d", "${N:-}": "", "${A:-d}": "one", "${N:-a b:-c}": "a b:-c", "$RECYCLE.BIN": "$RECYCLE.BIN", "$((1+1)) `x`": "$((1+1)) `x`", "${B_2}": "$A ${A}",
	} {
		if got, err := expand(text, getenv); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"${N}", "${", "${}", "${1}", "${A", "${A-x}", "${A:x}", "${ A}"} {
		if got, err := expand(text, getenv); err == nil {
			t.Errorf("%s: got %q, want an error", text, got)
		}
	}
}
