package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// borgs are the real ones: on PATH, in .tools, and in $BORGCRON_TEST_BORGS; by version.
func borgs(t *testing.T) map[string]string {
	t.Helper()
	found := findBorgs()
	if len(found) == 0 {
		missing(t, "no borg found on PATH or in .tools; make setup gets one")
	}
	return found
}

// findBorgs asks each for its version once: that takes as long as a small backup.
var findBorgs = sync.OnceValue(func() map[string]string {
	candidates := filepath.SplitList(os.Getenv("BORGCRON_TEST_BORGS"))
	for _, folder := range filepath.SplitList(os.Getenv("PATH")) { // the first one is our own stand-in
		candidates = append(candidates, filepath.Join(folder, "borg"))
	}
	tools, _ := filepath.Glob("../../.tools/borg-*/bin/borg") // the pattern is well-formed
	found := map[string]string{}
	for _, path := range append(candidates, tools...) {
		absolute, err := filepath.Abs(path)
		if err != nil {
			continue
		}
		output, err := exec.Command(absolute, "--version").Output()
		version, isBorg := strings.CutPrefix(strings.TrimSpace(string(output)), "borg ")
		if err == nil && isBorg && version != standInVersion {
			found[version] = absolute
		}
	}
	return found
})

// missing skips a test for want of a real component, or fails it where all of them must be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("BORGCRON_MUST") == "all" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// TestReal runs the scripts that need the real borg: with every version found, or in the short form each with one of them in turn.
func TestReal(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("testdata/real/*.txtar")
	check(t, err)
	found := borgs(t)
	for i, version := range slices.Sorted(maps.Keys(found)) {
		mine := slices.DeleteFunc(slices.Clone(scripts), func(script string) bool {
			return !proving() && (slices.Index(scripts, script)+seed()+i)%len(found) != 0
		})
		t.Run(version, func(t *testing.T) {
			testscript.Run(t, testscript.Params{
				Files:               mine,
				RequireExplicitExec: true,
				RequireUniqueNames:  true,
				Cmds:                commands,
				Setup: func(env *testscript.Env) error {
					env.Setenv("BORG", found[version])
					return setUp(env)
				},
			})
		})
	}
}
