// Package internal_test holds the layout of the house: which package may know which.
package internal_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// layers gives each package its height. Imports only point down: those of one layer do not know each other.
var layers = map[string]int{
	"machine": -1, // facts, which L0 may need
	"notice":  -1, // what is shown at login
	"bustest": -1, // for tests alone
	"dbtest":  -1,
	"backup":  0, "process": 0, "lock": 0, "retry": 0,
	"alarm": 1, "borg": 1, "condition": 1, "doctor": 1, "drill": 1, "dump": 1, "history": 1, "hook": 1, "importer": 1, "inhibit": 1, "listing": 1, "metrics": 1, "notify": 1, "restore": 1, "runner": 1, "schedule": 1, "secret": 1, "setup": 1, "sizes": 1, "status": 1,
	"config": 2,
	"cli":    3,
	"main":   4,
}

// early is all that package notice may import: its init runs before those of the rest of the program.
var early = []string{"os", "strconv", "syscall", "time"}

// reserved are packages that none but these may import (outside tests and generators), and why.
var reserved = map[string]struct {
	by  []string
	why string
}{
	"os/exec":                    {[]string{"process", "bench", "bustest", "chaos", "dbtest"}, "package process runs programs, so that none can hang or flood"},
	"html/template":              {nil, "it makes the linker keep every exported method: 3 MB"},
	"text/template":              {nil, "it makes the linker keep every exported method: 3 MB"},
	"github.com/spf13/cobra/doc": {nil, "it belongs into a generator"},
	"github.com/cpuguy83/go-md2man/v2/md2man": {nil, "it belongs into a generator"},
}

func TestImportsPointDown(t *testing.T) {
	list := exec.Command("go", "list", "-json=ImportPath,Name,GoFiles,Imports", "borgcron/...")
	list.Stderr = t.Output()
	stdout, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	var seen int
	for packages := json.NewDecoder(strings.NewReader(string(stdout))); ; seen++ {
		var p struct {
			ImportPath, Name string
			GoFiles, Imports []string
		}
		if err := packages.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if len(p.GoFiles) > 0 && !strings.HasSuffix(p.ImportPath, "/gen") {
			check(t, name(p.ImportPath), p.Imports)
		}
	}
	if seen < len(layers) {
		t.Errorf("only %d packages were looked at", seen)
	}
}

// name is how the table calls a package: the path below internal, main for the program's.
func name(path string) string {
	if path == "borgcron/cmd/borgcron" {
		return "main"
	}
	return strings.TrimPrefix(strings.TrimPrefix(path, "borgcron/"), "internal/")
}

func check(t *testing.T, importer string, imports []string) {
	t.Helper()
	layer, known := layers[importer]
	if !known && importer != "bench" && importer != "chaos" {
		t.Errorf("package %s has no layer: put it into the table", importer)
	}
	for _, path := range imports {
		if importer == "notice" && !slices.Contains(early, path) {
			t.Errorf("package notice imports %s: it would no longer be initialised before all others", path)
		}
		if rule, ok := reserved[path]; ok && !slices.Contains(rule.by, importer) {
			t.Errorf("package %s imports %s: %s", importer, path, rule.why)
		}
		if strings.HasPrefix(path, "borgcron/") && known && layers[name(path)] >= layer {
			t.Errorf("package %s (layer %d) imports %s (layer %d)", importer, layer, name(path), layers[name(path)])
		}
		if first, _, _ := strings.Cut(path, "/"); importer == "backup" && strings.Contains(first, ".") {
			t.Errorf("package backup imports %s: it is pure", path)
		}
	}
}
