package config

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// machine is a machine with these entries only.
type machine map[string]Entry

func (m machine) Lstat(path string) (Entry, error) {
	if entry, there := m[path]; there {
		return entry, nil
	}
	return Entry{}, &fs.PathError{Op: "lstat", Path: path, Err: fs.ErrNotExist}
}

func (m machine) Opened(info fs.FileInfo) Entry { return Entry{Mode: info.Mode()} }

func (m machine) LookPath(program string) (string, error) { return "/usr/bin/" + program, nil }

func (m machine) UserID(name string) (int, error) {
	if name == "keeper" {
		return 4711, nil
	}
	return 0, fs.ErrNotExist
}

// someUser is an environment with nothing special about it.
func someUser(variables ...string) Environment {
	return Environment{
		UID: 1000, Home: "/home/me", Hostname: "laptop.lan", User: "me", Machine: machine{},
		Getenv: func(name string) string {
			for i := 0; i+1 < len(variables); i += 2 {
				if variables[i] == name {
					return variables[i+1]
				}
			}
			return ""
		},
	}
}

// write puts a configuration into a file of its own that only its owner can read.
func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t testing.TB, text string) *Config {
	t.Helper()
	loaded, err := Load(write(t, text), someUser())
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// report writes all that was found the way people see it, and what it stops.
func report(c *Config) string {
	var text strings.Builder
	for _, m := range c.Errors {
		_ = m.Print(&text, "error: ")
	}
	for _, m := range c.Warnings {
		_ = m.Print(&text, "warning: ")
	}
	switch {
	case c.Fatal():
		text.WriteString("nothing runs\n")
	default:
		for _, job := range c.Jobs {
			if job.Problem != "" {
				text.WriteString("stopped: " + job.Name + ": " + job.Problem + " (" + job.ProblemWhere + ")\n")
			}
		}
	}
	return strings.ReplaceAll(text.String(), filepath.Dir(c.Files[0])+"/", "")
}

var fileMode = regexp.MustCompile(`^# mode ([0-7]+)\n`)

func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/mistakes/*.yaml")
	if err != nil || len(files) < 60 {
		t.Fatalf("only %d cases found (%v)", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			path := write(t, string(text))
			if parts := fileMode.FindSubmatch(text); parts != nil {
				mode, _ := strconv.ParseUint(string(parts[1]), 8, 32)
				if err := os.Chmod(path, fs.FileMode(mode)); err != nil {
					t.Fatal(err)
				}
			}
			loaded, err := Load(path, someUser())
			if err != nil {
				t.Fatal(err)
			}
			got := report(loaded)
			if len(loaded.Errors)+len(loaded.Warnings) == 0 {
				t.Error("no mistake was found")
			}
			if strings.Contains(got, "hunter") {
				t.Errorf("a secret is shown:\n%s", got)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
