package main

import (
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"borgcron/internal/cli"
)

// The test binary is borgcron, and the borg that stands in for the real one, when it is called so.
func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){
		"borgcron": func() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
		// Not os.Exit: the race detector's last look takes a second, and what they do is not what is tested.
		"borg":     func() { syscall.Exit(standInBorg(os.Args[1:])) },
		"borg-cut": func() { syscall.Exit(cutAfterCommit(os.Args[1], os.Args[2], os.Args[3:])) },
	})
}

// noLastLook keeps a program that was built with the race detector from waiting for a second before it ends.
const noLastLook = "atexit_sleep_ms=0"

// tests runs them all. If they are run under nohup, what they start is not: signals are what some of them are about.
type tests struct{ *testing.M }

func (t tests) Run() int {
	_ = os.Setenv("GORACE", noLastLook)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) // children get the default of what is caught, and what is ignored as it is
	return t.M.Run()
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
	env.Setenv("STATE", filepath.Join(env.WorkDir, "state"))
	env.Setenv("BORGCRON_CONFIG", filepath.Join(env.WorkDir, "borgcron.yaml"))
	env.Setenv("TZ", "UTC")
	env.Setenv("GORACE", noLastLook)
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	return withState(filepath.Join(env.WorkDir, "borgcron.yaml"))
}

// withState puts the state folder into a script's configuration: for root it would be the machine's own.
func withState(path string) error {
	config, err := os.ReadFile(path)
	if err != nil {
		return nil //nolint:nilerr // the script has none, or writes its own
	}
	return os.WriteFile(path, append([]byte("paths: {state: \"${STATE}\"}\n"), config...), 0o600)
}
