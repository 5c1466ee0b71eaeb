package importer_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"borgcron/internal/importer"

	"github.com/google/go-cmp/cmp"
)

var updateShell = flag.Bool("update-shell", false, "write the golden files of the imports from the old scripts anew")

const shellFolder = "testdata/shell"

func shellCases(t *testing.T) map[string][]string {
	t.Helper()
	cases := map[string][]string{}
	for _, pattern := range []string{"*.sh", "several/*.sh"} {
		files, err := filepath.Glob(filepath.Join(shellFolder, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".sh")
			if folder := filepath.Base(filepath.Dir(file)); folder == "several" {
				name = folder
			}
			cases[name] = append(cases[name], file)
		}
	}
	if len(cases) < 12 {
		t.Fatalf("only %d cases were found", len(cases))
	}
	return cases
}

func shellOptions(secrets string) importer.Options {
	return importer.Options{SecretDir: secrets, Hostname: "laptop", FQDN: "laptop.example", User: "root", Home: "/root", Programs: true}
}

func shellReport(notes []importer.Note) string {
	var out strings.Builder
	for _, note := range notes {
		fmt.Fprintf(&out, "%s:%d: %s: %s", strings.TrimPrefix(note.File, shellFolder+"/"), note.Line, note.Key, note.Fate)
		if note.Message != "" {
			out.WriteString(": " + note.Message)
		}
		out.WriteByte('\n')
	}
	return out.String()
}

func TestShell(t *testing.T) {
	for name, files := range shellCases(t) {
		t.Run(name, func(t *testing.T) {
			result, err := importer.Shell(sourcesOf(t, files), shellOptions("/etc/borgcron/secrets"))
			if err != nil {
				t.Fatal(err)
			}
			more := ""
			for _, file := range result.Secrets {
				more += fmt.Sprintf("secret %s: %q\n", file.Path, file.Content)
			}
			for _, file := range result.Times {
				more += fmt.Sprintf("time of %s: %s\n", file.Job, file.Path)
			}
			for kind, got := range map[string]string{"result": string(result.Config), "report": shellReport(result.Notes) + more} {
				golden := filepath.Join(shellFolder, name+"."+kind)
				if *updateShell {
					if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("%s (-want +got; -update-shell writes it anew):\n%s", golden, diff)
				}
			}
		})
	}
}

// What is imported passes `config check`, with secrets in files and without.
func TestShellPassesTheCheck(t *testing.T) {
	for name, files := range shellCases(t) {
		for _, secrets := range []string{"/etc/borgcron/secrets", ""} {
			result, err := importer.Shell(sourcesOf(t, files), shellOptions(secrets))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			loaded := loadImported(t, result.Config)
			for _, mistake := range loaded.Errors {
				t.Errorf("%s (secrets %q): line %d: %s", name, secrets, mistake.Line, mistake.Message)
			}
			if len(loaded.Jobs) != len(files) {
				t.Errorf("%s: %d jobs of %d files", name, len(loaded.Jobs), len(files))
			}
		}
	}
}

// Each variable that a file sets is in the report, and no secret is anywhere but in its file.
func TestShellReportIsWhole(t *testing.T) {
	for name, files := range shellCases(t) {
		for _, folder := range []string{"/etc/borgcron/secrets", ""} {
			sources := sourcesOf(t, files)
			result, err := importer.Shell(sources, shellOptions(folder))
			if err != nil {
				t.Fatal(err)
			}
			text := shellReport(result.Notes) + string(result.Config)
			for _, secret := range []string{"correct horse", "tk_1234", "mysql-s3cret", "hunter", "tk_8765"} {
				if strings.Contains(text, secret) {
					t.Errorf("%s: the secret %s is in the report or in the configuration", name, secret)
				}
			}
			for _, source := range sources {
				for line := range strings.Lines(string(source.Content)) {
					key, _, found := strings.Cut(strings.TrimPrefix(line, "export "), "=")
					if !found || strings.ContainsAny(key, " \t#$\"'(:") || strings.Contains(line, "/never") {
						continue
					}
					if !slices.ContainsFunc(result.Notes, func(n importer.Note) bool { return n.File == source.Path && n.Key == key }) {
						t.Errorf("%s: %s: nothing in the report on %s", name, source.Path, key)
					}
				}
			}
		}
	}
}

func TestShellMistakes(t *testing.T) {
	const good = "BACKUP_NAME=a\nexport BORG_REPO=/mnt/r\nBACKUP_DIRS=/home\n"
	for _, test := range []struct{ name, text, want string }{
		{"empty", "", "/etc/borg/a.sh: no repository that borgcron can use"},
		{"no shell", "jobs: {a: (b)}\nx = = ('", "a.sh:1:"},
		{"a quote", good + "X='", "a.sh:4:3: reached EOF without closing quote"},
		{"binary", "\x7fELF\x02", "/etc/borg/a.sh:1: a control character: this is no shell configuration"},
		{"no UTF-8", good + "X='\xff'", "a.sh:4:4: invalid UTF-8"},
		{"a relative repository", "export BORG_REPO=backup\nBACKUP_DIRS=/home", "a path that depends on the folder in which the old script was started"},
		{"a repository of a program", "export BORG_REPO=$(cat /etc/repo)\nBACKUP_DIRS=/home", "it depends on what `cat` prints"},
		{"nothing to back up", "export BORG_REPO=/mnt/r\nBACKUP_DIRS=home", "nothing that borgcron can back up"},
		{"no files", "export BORG_REPO=/mnt/r", "BACKUP_DIRS with whole paths (it is not set)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			result, err := importer.Shell([]importer.Source{{Path: "/etc/borg/a.sh", Content: []byte(test.text)}}, shellOptions(""))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v\n%s", err, result.Config)
			}
		})
	}
	if _, err := importer.Shell(nil, shellOptions("")); err == nil {
		t.Error("nothing was imported, and nobody was told")
	}
}

// A file from another system ends its lines in another way, and means the same.
func TestShellLineEnds(t *testing.T) {
	const text = "BACKUP_NAME=a\nexport BORG_REPO=/mnt/r\nBACKUP_DIRS=/home\n"
	var configs []string
	for _, content := range []string{text, strings.ReplaceAll(text, "\n", "\r\n")} {
		result, err := importer.Shell([]importer.Source{{Path: "/etc/borg/a.sh", Content: []byte(content)}}, shellOptions(""))
		if err != nil {
			t.Fatal(err)
		}
		configs = append(configs, string(result.Config))
	}
	if configs[0] != configs[1] {
		t.Errorf("%q", configs)
	}
}

// Whatever stands in a file, the import ends, opens and writes nothing, and what it makes passes the check.
func FuzzShell(f *testing.F) {
	files, err := filepath.Glob(shellFolder + "/*.sh")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if !strings.Contains(file, "hostile") { // it takes its time
			f.Add(content)
		}
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) > 4096 {
			return
		}
		endless := time.AfterFunc(30*time.Second, func() { panic("the import does not end") })
		defer endless.Stop()
		result, err := importer.Shell([]importer.Source{{Path: "/etc/borg/job.sh", Content: content}}, shellOptions("/etc/borgcron/secrets"))
		if err != nil {
			return
		}
		if loaded := loadImported(t, result.Config); len(loaded.Errors) > 0 {
			t.Errorf("%s\n%s", loaded.Errors[0].Message, result.Config)
		}
	})
}
