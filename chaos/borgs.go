package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// borgProgram is a borg found on this machine.
type borgProgram struct{ path, version string }

// findBorgs finds the borg on PATH, those of $BORGCRON_TEST_BORGS, and those in .tools; one a version.
func findBorgs(source string) ([]borgProgram, error) {
	var candidates []string
	if path, err := exec.LookPath("borg"); err == nil {
		candidates = append(candidates, path)
	}
	candidates = append(candidates, filepath.SplitList(os.Getenv("BORGCRON_TEST_BORGS"))...)
	tools, err := filepath.Glob(filepath.Join(source, ".tools/borg-*/bin/borg"))
	if err != nil {
		return nil, err
	}
	var found []borgProgram
	for _, path := range append(candidates, tools...) {
		output, err := exec.Command(path, "--version").Output() //nolint:gosec // the tester names what is tried
		version, isBorg := strings.CutPrefix(strings.TrimSpace(string(output)), "borg ")
		known := slices.ContainsFunc(found, func(b borgProgram) bool { return b.version == version })
		if err == nil && isBorg && !known {
			found = append(found, borgProgram{path, version})
		}
	}
	if len(found) == 0 {
		return nil, errNoBorg
	}
	return found, nil
}

var errNoBorg = errors.New("no borg found on PATH or in .tools; make setup gets one")

func describe(borgs []borgProgram) string {
	names := make([]string, len(borgs))
	for i, borg := range borgs {
		names[i] = "borg " + borg.version
	}
	return strings.Join(names, ", ")
}
