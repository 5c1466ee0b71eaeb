package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// borgs are the real ones: on PATH, in .tools, and in $BORGCRON_TEST_BORGS; by version.
func borgs(t *testing.T) map[string]string {
	t.Helper()
	candidates := filepath.SplitList(os.Getenv("BORGCRON_TEST_BORGS"))
	for _, folder := range filepath.SplitList(os.Getenv("PATH")) { // the first one is our own stand-in
		candidates = append(candidates, filepath.Join(folder, "borg"))
	}
	tools, err := filepath.Glob("../../.tools/borg-*/bin/borg")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, path := range append(candidates, tools...) {
		absolute, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		output, err := exec.Command(absolute, "--version").Output()
		version, isBorg := strings.CutPrefix(strings.TrimSpace(string(output)), "borg ")
		if err == nil && isBorg && version != standInVersion {
			found[version] = absolute
		}
	}
	if len(found) == 0 {
		missing(t, "no borg found on PATH or in .tools; make setup gets one")
	}
	return found
}

// missing skips a test for want of a real component, or fails it where all of them must be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("BORGCRON_MUST") == "all" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// TestReal runs the scripts that need the real borg, with every version found.
func TestReal(t *testing.T) {
	t.Parallel()
	for version, path := range borgs(t) {
		t.Run(version, func(t *testing.T) {
			testscript.Run(t, testscript.Params{
				Dir:                 "testdata/real",
				RequireExplicitExec: true,
				RequireUniqueNames:  true,
				Cmds:                commands,
				Setup: func(env *testscript.Env) error {
					env.Setenv("BORG", path)
					return setUp(env)
				},
			})
		})
	}
}
