package importer_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"borgcron/internal/config"
	"borgcron/internal/importer"

	"github.com/google/go-cmp/cmp"
)

var updateBorgmatic = flag.Bool("update-borgmatic", false, "write the golden files of the imports from borgmatic anew")

const borgmaticFolder = "testdata/borgmatic"

// borgmaticCases are the imports: a file is one, and so is the folder with several files.
func borgmaticCases(t *testing.T) map[string][]string {
	t.Helper()
	cases := map[string][]string{}
	for _, pattern := range []string{"*.yaml", "several/*"} {
		files, err := filepath.Glob(filepath.Join(borgmaticFolder, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".yaml")
			if folder := filepath.Base(filepath.Dir(file)); folder == "several" {
				name = folder
			}
			cases[name] = append(cases[name], file)
		}
	}
	if len(cases) < 14 {
		t.Fatalf("only %d cases were found", len(cases))
	}
	return cases
}

func borgmaticOptions(secrets string) importer.Options {
	return importer.Options{
		SecretDir: secrets, Hostname: "laptop", FQDN: "laptop.example", User: "root", Home: "/root", ReadFile: os.ReadFile, Programs: true,
	}
}

func sourcesOf(t *testing.T, files []string) []importer.Source {
	t.Helper()
	var sources []importer.Source
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, importer.Source{Path: file, Content: content})
	}
	return sources
}

func report(notes []importer.Note) string {
	var out strings.Builder
	for _, note := range notes {
		fmt.Fprintf(&out, "%s:%d: %s: %s", strings.TrimPrefix(note.File, borgmaticFolder+"/"), note.Line, note.Key, note.Fate)
		if note.Message != "" {
			out.WriteString(": " + note.Message)
		}
		out.WriteByte('\n')
	}
	return out.String()
}

// loadImported reads a configuration as borgcron does and returns its mistakes.
func loadImported(t *testing.T, text []byte) *config.Config {
	t.Helper()
	folder := t.TempDir()
	path := filepath.Join(folder, "config.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{"DATA": "/data", "SSH_USER": "me", "XDG_STATE_HOME": folder, "XDG_RUNTIME_DIR": folder}
	loaded, err := config.Load(path, config.Environment{
		Getenv: func(name string) string { return variables[name] }, UID: 1000, Home: "/root", Hostname: "laptop.example", User: "root",
	})
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func TestBorgmatic(t *testing.T) {
	for name, files := range borgmaticCases(t) {
		t.Run(name, func(t *testing.T) {
			result, err := importer.Borgmatic(sourcesOf(t, files), borgmaticOptions("/etc/borgcron/secrets"))
			if err != nil {
				t.Fatal(err)
			}
			secrets := ""
			for _, file := range result.Secrets {
				secrets += fmt.Sprintf("secret %s: %q\n", file.Path, file.Content)
			}
			for kind, got := range map[string]string{"result": string(result.Config), "report": report(result.Notes) + secrets} {
				golden := filepath.Join(borgmaticFolder, name+"."+kind)
				if *updateBorgmatic {
					if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("%s (-want +got; -update-borgmatic writes it anew):\n%s", golden, diff)
				}
			}
		})
	}
}

// What is imported passes `config check`, with secrets in files and without.
func TestBorgmaticPassesTheCheck(t *testing.T) {
	for name, files := range borgmaticCases(t) {
		for _, secrets := range []string{"/etc/borgcron/secrets", ""} {
			result, err := importer.Borgmatic(sourcesOf(t, files), borgmaticOptions(secrets))
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

// Each key of the input is in the report once, and no secret is.
func TestBorgmaticReportIsWhole(t *testing.T) {
	secrets := []string{"correct horse", "trustsome1", "alices-secret", "p4ss", "same as before", "tk_AgQdq", "abcd1234", "11111111-2222", "d3x0c1",
		"a177cad45", "secret-password", "secretsecret", "ping/1234", "hc.example/1", "5f80ec@"}
	for name, files := range borgmaticCases(t) {
		for _, folder := range []string{"/etc/borgcron/secrets", ""} {
			result, err := importer.Borgmatic(sourcesOf(t, files), borgmaticOptions(folder))
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for _, note := range result.Notes {
				where := fmt.Sprintf("%s:%d:%s", note.File, note.Line, note.Key)
				if seen[where] {
					t.Errorf("%s: %s is in the report twice", name, where)
				}
				seen[where] = true
			}
			text := report(result.Notes) + string(result.Config)
			for _, secret := range secrets {
				if strings.Contains(text, secret) {
					t.Errorf("%s: the secret %s is in the report or in the configuration", name, secret)
				}
			}
			for _, key := range keysOf(t, files) {
				if !slices.ContainsFunc(result.Notes, func(n importer.Note) bool {
					return n.File == key.File && n.Line == key.Line || n.Key == key.Key
				}) {
					t.Errorf("%s: %s:%d: nothing in the report on %s", name, key.File, key.Line, key.Key)
				}
			}
		}
	}
}

// keysOf finds the lines of keys that hold a value, by their looks.
func keysOf(t *testing.T, files []string) []importer.Note {
	t.Helper()
	var keys []importer.Note
	for _, source := range sourcesOf(t, files) {
		for i, line := range strings.Split(string(source.Content), "\n") {
			key, value, found := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "- "), ": ")
			if found && value != "" && !strings.ContainsAny(key, " '\"#<{[/") {
				keys = append(keys, importer.Note{File: source.Path, Line: i + 1, Key: key})
			}
		}
	}
	return keys
}

func TestBorgmaticMistakes(t *testing.T) {
	included := map[string]string{
		"/etc/borgmatic/loop.yaml": "<<: !include loop.yaml\n", "/etc/borgmatic/a.yaml": "<<: !include b.yaml\n", "/etc/borgmatic/b.yaml": "<<: !include a.yaml\n",
		"/etc/borgmatic/list.yaml": "- a\n",
	}
	const good = "source_directories: [/home]\nrepositories: [/mnt/r]\n"
	for _, test := range []struct{ name, text, want string }{
		{"no YAML", "a: [\n", "c.yaml: is not YAML"},
		{"empty", "", "c.yaml: is empty"},
		{"two documents", good + "---\na: 1\n", "holds more than one document"},
		{"a list", "- a\n", "c.yaml:1: is no configuration of borgmatic"},
		{"a key twice", good + "keep_daily: 1\nkeep_daily: 2\n", "c.yaml:4: has keep_daily a second time"},
		{"an include that is missing", "x: 1\n<<: !include absent.yaml\n", "c.yaml:2: the included file cannot be read"},
		{"an include of itself", "<<: !include loop.yaml\n", "loop.yaml: includes itself"},
		{"includes in a circle", "<<: !include a.yaml\n", "/etc/borgmatic/a.yaml -> /etc/borgmatic/b.yaml -> /etc/borgmatic/a.yaml"},
		{"an include that is a list", "<<: !include list.yaml\n", "list.yaml:1: << wants a mapping"},
		{"an alias within itself", "a: &a [*a]\n", "c.yaml:1: "},
		{"no number", good + "keep_daily: many\n", "c.yaml:3: keep_daily: wants a whole number"},
		{"no list of texts", "source_directories: [[/home]]\nrepositories: [/mnt/r]\n", "c.yaml:1: source_directories[0]: wants a text"},
		{"no truth", good + "one_file_system: perhaps\n", "c.yaml:3: one_file_system: wants true or false"},
		{"a mapping for a text", good + "compression: {a: b}\n", "c.yaml:3: compression: wants a text"},
		{"within", good + "keep_within: soon\n", "keep_within: wants a number and H, d, w, m or y"},
		{"a check without a name", good + "checks: [{frequency: always}]\n", "checks[0]: wants the name of a check"},
		{"an unknown check", good + "checks: [everything]\n", "checks[0]: is no check"},
		{"a frequency", good + "checks: [{name: data, frequency: fortnightly}]\n", "wants always, or a number and a unit"},
		{"a hook without a command", good + "commands: [{before: action}]\n", "commands[0]: wants `before` or `after`, and `run`"},
		{"a database without a name", good + "mysql_databases: [{port: 1}]\n", "mysql_databases[0]: wants a name"},
		{"no repository", "source_directories: [/home]\n", "has no repository that borgcron can use"},
		{"a repository of another kind", "source_directories: [/home]\nrepositories: ['s3:x']\n", "has no repository that borgcron can use"},
		{"no source", "repositories: [/mnt/r]\n", "has nothing that borgcron can back up"},
		{"two mistakes", good + "keep_daily: many\nkeep_weekly: few\n", "c.yaml:4: keep_weekly"},
		{"a section that is a list", "location: [a]\n", "location: wants keys with values"},
		{"a constant without end", "constants: {a: '" + strings.Repeat("{b}", 4000) + "', b: '" + strings.Repeat("x", 1000) + "'}\n", "more than 65536 bytes"},
	} {
		o := borgmaticOptions("")
		o.ReadFile = func(path string) ([]byte, error) {
			if text, ok := included[path]; ok {
				return []byte(text), nil
			}
			return nil, os.ErrNotExist
		}
		_, err := importer.Borgmatic([]importer.Source{{Path: "/etc/borgmatic/c.yaml", Content: []byte(test.text)}}, o)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
}

// Names of jobs come from the files, and are valid and different.
func TestBorgmaticNames(t *testing.T) {
	for _, test := range []struct {
		paths []string
		want  []string
	}{
		{[]string{"/etc/borgmatic/config.yaml"}, []string{"laptop"}},
		{[]string{"/etc/borgmatic.d/a.yaml", "/x/A.yml", "/y/a.yaml"}, []string{"a", "A-2", "a-3"}},
		{[]string{"/etc/borgmatic.d/Müllers Bücher.yaml"}, []string{"M-llers-B-cher"}},
		{[]string{"/etc/borgmatic.d/x.dumps.yaml"}, []string{"x-dumps"}},
		{[]string{"/etc/borgmatic.d/-.yaml"}, []string{"laptop"}},
		{[]string{"/etc/borgmatic.d/" + strings.Repeat("long", 40) + ".yaml"}, []string{strings.Repeat("long", 14)}},
	} {
		var sources []importer.Source
		for i, path := range test.paths {
			sources = append(sources, importer.Source{Path: path, Content: fmt.Appendf(nil, "source_directories: [/home]\nrepositories: [/mnt/%d]\n", i)})
		}
		result, err := importer.Borgmatic(sources, borgmaticOptions(""))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, job := range loadImported(t, result.Config).Jobs {
			got = append(got, job.Name)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.paths, diff)
		}
	}
}

// Whatever stands in a file, the import ends, and what it makes passes the check.
func FuzzBorgmatic(f *testing.F) {
	files, err := filepath.Glob(borgmaticFolder + "/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Add([]byte("a: &a [*a, *a]\n<<: !include x\n? [b]\n: c\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		o := borgmaticOptions("/etc/borgcron/secrets")
		o.ReadFile = func(string) ([]byte, error) { return content, nil }
		result, err := importer.Borgmatic([]importer.Source{{Path: "/etc/borgmatic.d/job.yaml", Content: content}}, o)
		if err != nil || strings.Contains(string(content), "${") {
			return
		}
		if loaded := loadImported(t, result.Config); len(loaded.Errors) > 0 {
			t.Errorf("%s\n%s", loaded.Errors[0].Message, result.Config)
		}
	})
}
