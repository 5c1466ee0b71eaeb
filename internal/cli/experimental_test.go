package cli_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// settled are the flags whose names are promised. Those that many commands have stand under "".
var settled = map[string]string{
	"":                 "help repository wait",
	"ack":              "note",
	"archives":         "json",
	"config":           "json",
	"doctor":           "json",
	"dump":             "keep owner to",
	"history":          "json run",
	"import":           "write-secrets",
	"notify":           "test",
	"recover":          "to",
	"restore":          "archive dry-run existing in-place to yes",
	"restore-database": "archive list replace to",
	"run":              "dry-run due json log-file only progress skip yes",
	"sizes":            "cached json one-file-system save stale-after",
	"status":           "json login no-wait notify",
	"unlock":           "force",
	"verify":           "full",
}

// Every flag is either promised or on the page of names that may still change; that page names nothing else.
func TestExperimentalNames(t *testing.T) {
	page := pages(t)["docs/experimental.md"]
	named := map[string][]string{}
	for line := range strings.Lines(page) {
		if cells := strings.Split(line, "|"); len(cells) == 4 && strings.Contains(line, "`--") {
			named[strings.Trim(cells[1], " `")] = strings.Split(strings.NewReplacer("`", "", "--", "", " ", "").Replace(cells[2]), ",")
		}
	}
	if len(named) < 10 {
		t.Fatalf("only %d commands are on the page", len(named))
	}
	promised := strings.Fields(settled[""])
	for name, command := range shown(t) {
		if name == "" || strings.HasPrefix(name, "completion") {
			continue
		}
		left := slices.Concat(strings.Fields(settled[name]), named[name])
		command.NonInheritedFlags().VisitAll(func(flag *pflag.Flag) {
			experimental := slices.Contains(named[name], flag.Name)
			if fixed := slices.Contains(promised, flag.Name) || slices.Contains(strings.Fields(settled[name]), flag.Name); !flag.Hidden && fixed == experimental {
				t.Errorf("borgcron %s --%s: promised %v, in docs/experimental.md %v", name, flag.Name, fixed, experimental)
			}
			left = slices.DeleteFunc(left, func(other string) bool { return other == flag.Name })
		})
		if len(left) > 0 {
			t.Errorf("borgcron %s has no %v", name, left)
		}
		delete(named, name)
	}
	if len(named) > 0 {
		t.Errorf("no such commands: %v", named)
	}
}
