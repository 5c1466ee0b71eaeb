package backup

import (
	"strings"
	"testing"
)

// A database that has vanished from a server of which all is dumped has shrunk to nothing; one that nobody asks for any more has not.
func TestJudgeDumps(t *testing.T) {
	all := []Database{{Type: "postgresql", Names: []string{AllDatabases}, Exclude: []string{"log"}}}
	dump := func(name string, size int64, left string) DatabaseDump {
		return DatabaseDump{Kind: OneDatabase, Type: "postgresql", Server: "postgresql", Name: name, Format: "custom", Size: size, Left: left}
	}
	before := map[string]int64{"postgresql/shop.dump": 1000, "postgresql/wiki.dump": 1000, "postgresql/log.dump": 10, "mysql/old.sql": 10, "postgresql/+globals.sql": 10}
	for name, test := range map[string]struct {
		databases []Database
		dumps     []DatabaseDump
		words     string
	}{
		"as before":           {all, []DatabaseDump{dump("shop", 900, ""), dump("wiki", 1100, "")}, ""},
		"shrunk":              {all, []DatabaseDump{dump("shop", 400, ""), dump("wiki", 1000, "")}, "shop shrank"},
		"gone":                {all, []DatabaseDump{dump("shop", 1000, "")}, "wiki.dump is gone"},
		"left out":            {all, []DatabaseDump{dump("shop", 1000, ""), dump("wiki", 0, "down")}, ""},
		"another is left out": {all, []DatabaseDump{dump("shop", 1000, ""), {Kind: OneDatabase, Type: "mysql", Server: "mysql", Name: "blog", Left: "down"}}, "wiki.dump is gone"},
		"closed beside it":    {all, []DatabaseDump{dump("shop", 1000, ""), dump("attic", 0, "it takes no connections")}, "wiki.dump is gone"},
		"server not asked":    {all, []DatabaseDump{dump(AllDatabases, 0, "down")}, ""},
		"no longer wanted":    {[]Database{{Type: "postgresql", Names: []string{"shop"}}}, []DatabaseDump{dump("shop", 1000, "")}, ""},
		"nothing is wanted":   {nil, nil, ""},
	} {
		guard := Guard{MaxShrink: 0.5}
		got := strings.Join(guard.JudgeDumps(test.databases, test.dumps, before), "; ")
		if (got == "") != (test.words == "") || !strings.Contains(got, test.words) {
			t.Errorf("%s: %q", name, got)
		}
	}
}
