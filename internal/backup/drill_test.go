package backup

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var drillNow = time.Date(2026, 11, 1, 3, 0, 0, 0, time.UTC)

func never(string) time.Time { return time.Time{} }

func drillItems(n int) (items []Item) {
	for i := range n {
		items = append(items, Item{Path: fmt.Sprint(i), Mode: "-rw-r--r--", Size: int64(i) * 1000, ModTime: drillNow.AddDate(0, 0, -i)})
	}
	return items
}

func sample(items []Item, rule VerifyRule, seed uint64, read func(string) time.Time) (*Sampler, []Item) {
	sampler := NewSampler(rule, seed, drillNow, read)
	for _, item := range items {
		sampler.Add(item)
	}
	return sampler, sampler.Pick()
}

// Whatever there is: the limits are kept, nothing is picked twice, and the same seed picks the same.
func TestSamplerKeepsItsLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule := VerifyRule{Files: rapid.IntRange(1, 30).Draw(t, "files"), Size: rapid.Int64Range(0, 100_000).Draw(t, "size")}
		seed := rapid.Uint64().Draw(t, "seed")
		items := drillItems(rapid.IntRange(0, 500).Draw(t, "items"))
		sampler, picked := sample(items, rule, seed, never)
		_, again := sample(items, rule, seed, never)
		size, seen := int64(0), map[string]bool{}
		for i, item := range picked {
			if seen[item.Path] || again[i].Path != item.Path {
				t.Fatalf("%s comes twice, or not again", item.Path)
			}
			seen[item.Path] = true
			size += item.Size
		}
		if len(picked) > rule.Files || size > rule.Size || sampler.Of != int64(len(items)) || len(again) != len(picked) {
			t.Fatalf("%d files, %d bytes of %d", len(picked), size, sampler.Of)
		}
		if len(picked) < rule.Files && len(items) > 0 && len(picked) == 0 { // the empty file always fits
			t.Fatal("nothing was picked")
		}
	})
}

// Drill after drill everything is read, before anything is read twice.
func TestSamplerReadsEverything(t *testing.T) {
	items, read := drillItems(1000), map[string]time.Time{}
	for day := range 25 {
		sampler, picked := sample(items, VerifyRule{Files: 40, Size: 1 << 30}, uint64(day), func(path string) time.Time { return read[path] })
		for _, item := range picked {
			if !read[item.Path].IsZero() {
				t.Fatalf("day %d: %s was read before, and others never", day, item.Path)
			}
			read[item.Path] = drillNow.Add(-time.Duration(100-day) * time.Hour)
		}
		if want := int64(40 * (day + 1)); sampler.Recent != want {
			t.Fatalf("day %d: %d files were read back, want %d", day, sampler.Recent, want)
		}
	}
	_, picked := sample(items, VerifyRule{Files: 40, Size: 1 << 30}, 99, func(path string) time.Time { return read[path] })
	for _, item := range picked { // of the first days, in steps of a day
		if age := drillNow.Sub(read[item.Path]); age < 72*time.Hour {
			t.Errorf("%s was read %v ago, and others longer ago", item.Path, age)
		}
	}
}

// Old and large files come more often than small and new ones, which come too.
func TestSamplerWeighs(t *testing.T) {
	items := []Item{}
	for i := range 100 {
		item := Item{Path: fmt.Sprint(i), Mode: "-rw", Size: 100, ModTime: drillNow}
		if i%2 == 0 {
			item.Size, item.ModTime = 10<<20, drillNow.AddDate(-2, 0, 0)
		}
		items = append(items, item)
	}
	heavy, light := 0, 0
	for seed := range uint64(300) {
		_, picked := sample(items, VerifyRule{Files: 5, Size: 1 << 30}, seed, never)
		for _, item := range picked {
			if item.Size > 100 {
				heavy++
			} else {
				light++
			}
		}
	}
	if heavy < 4*light || light == 0 {
		t.Errorf("%d old and large ones, %d small and new ones", heavy, light)
	}
}

func TestSamplerRecent(t *testing.T) {
	read := map[string]time.Time{"0": drillNow.AddDate(0, 0, -89), "1": drillNow.AddDate(0, 0, -91), "2": drillNow.AddDate(0, 0, -1)}
	items := append(drillItems(3), Item{Path: "folder", Mode: "drwx"}, Item{Path: "link", Mode: "hrw-"})
	sampler, picked := sample(items, VerifyRule{Files: 1, Size: 1 << 20}, 1, func(path string) time.Time { return read[path] })
	if len(picked) != 1 || picked[0].Path != "1" || sampler.Of != 3 || sampler.Recent != 3 {
		t.Errorf("%v, %d of %d", picked, sampler.Recent, sampler.Of)
	}
}

func TestFindings(t *testing.T) {
	for name, test := range map[string]struct {
		findings Findings
		class    Class
		fails    bool
		warnings int
	}{
		"well":              {},
		"damage is gravest": {Findings{Damaged: []string{"a"}, Missing: []string{"b"}, Differ: []string{"c"}}, Alarming, true, 0},
		"missing":           {Findings{Missing: []string{"/srv"}, Differ: []string{"c"}}, Permanent, true, 0},
		"a failure of ours": {Findings{Failed: []string{"x"}}, Permanent, true, 0},
		"source differs":    {Findings{Differ: []string{"c", "d"}}, 0, false, 2},
	} {
		warnings, err := test.findings.Judge()
		var failure *Failure
		if errors.As(err, &failure) != test.fails || test.fails && (failure.Class != test.class || failure.Hint == "") || len(warnings) != test.warnings {
			t.Errorf("%s: %v, %v", name, warnings, err)
		}
	}
}

func TestMissingRoots(t *testing.T) {
	m := NewMissingRoots(&Job{
		Sources: []string{"/home", "/srv//data/", "/etc/fstab", "/", "/home2"}, OptionalSources: []string{"/mnt"}, Patterns: []string{"R /opt", "R /lost", "- /lost/x"},
	})
	for _, path := range []string{"home/a", "srv/data", "etc/fstab", "opt/x"} {
		m.Saw(path)
	}
	if got := m.All(); !slices.Equal(got, []string{"/home2", "/lost"}) {
		t.Errorf("missing: %v", got)
	}
}

func TestMissingDatabases(t *testing.T) {
	job := &Job{Databases: []Database{
		{Type: "postgresql", Names: []string{"shop", "lost", "soft"}}, {Type: "mysql", Host: "db2", Names: []string{AllDatabases}},
		{Type: "mariadb", Names: []string{AllDatabases}}, {Type: "sqlite", Path: "/a//b.db"},
	}}
	got := MissingDatabases(job, Contents{Dumps: []DatabaseDump{
		{Server: "postgresql", Name: "shop"}, {Server: "postgresql", Name: "soft", Left: "down"}, {Server: "mysql@db2", Name: "x"}, {Server: "sqlite", Name: "/a/b.db"},
	}})
	want := "[database lost of postgresql database soft of postgresql database all of mariadb]"
	if fmt.Sprint(got) != want {
		t.Errorf("%v\nwant %s", got, want)
	}
}

func TestLooksLikeDump(t *testing.T) {
	tar := make([]byte, 512)
	copy(tar[257:], "ustar")
	for _, test := range []struct {
		format, head string
		want         bool
	}{
		{"custom", "PGDMP\x01", true}, {"custom", "\x00\x00\x00\x00\x00", false}, {"directory", "PGDMP", true}, {"plain", "--\n-- PostgreSQL", true},
		{"tar", string(tar), true}, {"tar", "ustar", false}, {"sqlite", "SQLite format 3\x00", true}, {"sqlite", "", false},
		{"sql", "/*M!999999\\- enable the sandbox mode */", true}, {"sql", "\x00", false},
	} {
		dump := DatabaseDump{Format: test.format, Size: 1}
		if got := dump.LooksLikeDump([]byte(test.head)); got != test.want {
			t.Errorf("%s %.20q: %v", test.format, test.head, got)
		}
	}
}
