package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"borgcron/internal/cli"
)

// The test binary is borgcron, and the borg that stands in for the real one, when it is called so.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"borgcron": func() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
		"borg":     func() { os.Exit(standInBorg(os.Args[1:])) },
	})
}

// TestScripts are the behaviour that every version of borg shares, with a stand-in that answers as the
// script's table says.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setUp,
		Cmds:                commands,
	})
}

// setUp gives each script a home, a state folder and a configuration of its own, and a clock zone that all share.
func setUp(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, "home")
	env.Setenv("HOME", home)
	env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "var"))
	env.Setenv("STATE", filepath.Join(env.WorkDir, "var", "borgcron"))
	env.Setenv("BORGCRON_CONFIG", filepath.Join(env.WorkDir, "borgcron.yaml"))
	env.Setenv("TZ", "UTC")
	return os.MkdirAll(home, 0o755)
}
