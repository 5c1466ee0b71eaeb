package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"borgcron/internal/backup"

	"github.com/google/go-cmp/cmp"
)

// What is no readable file is an error at once: nothing is ever waited for.
func TestUnusableFiles(t *testing.T) {
	folder := t.TempDir()
	loop, pipe, big := filepath.Join(folder, "loop"), filepath.Join(folder, "pipe"), filepath.Join(folder, "big")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(big, []byte(strings.Repeat("# ten megabytes\n", 10<<20/16)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		folder:                          "is a folder",
		loop:                            "too many levels of symbolic links",
		pipe:                            "no regular file",
		big:                             "bigger than 1 MiB",
		"/dev/zero":                     "no regular file",
		filepath.Join(folder, "absent"): "no such file",
	} {
		loaded, err := Load(path, someUser())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v, want an error with %q", path, loaded, err, want)
		}
	}
}

func TestUnreadableFile(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root reads everything")
	}
	path := write(t, smallest)
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path, someUser()); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("got %v, want that permission is denied", err)
	}
}

func TestRubbishIsFatal(t *testing.T) {
	for name, text := range map[string]string{
		"empty":      "",
		"binary":     "\x7fELF\x02\x01\x01\x00\x00\xff\xfe\x80",
		"zeros":      strings.Repeat("\x00", 4096),
		"UTF-16":     "\xff\xfej\x00o\x00",
		"deep":       strings.Repeat("[", 200_000),
		"deep block": strings.Repeat("- ", 100_000),
		"a key":      "jobs",
		"null":       "jobs:",
	} {
		if loaded := load(t, text); !loaded.Fatal() || len(loaded.Jobs) != 0 {
			t.Errorf("%s: not fatal: %s", name, report(loaded))
		}
	}
}

// tree writes files below a new folder and returns the path of config.yaml in it.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(folder, "config.yaml")
}

func loadTree(t *testing.T, files map[string]string) *Config {
	t.Helper()
	loaded, err := Load(tree(t, files), someUser())
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func jobText(name string) string {
	return "jobs: {" + name + ": {repository: /mnt/" + name + ", sources: [/srv], retention: keep_all}}\n"
}

func namesOf(c *Config) []string {
	var names []string
	for _, job := range c.Jobs {
		names = append(names, job.Name)
	}
	return names
}

func TestInclude(t *testing.T) {
	loaded := loadTree(t, map[string]string{
		"config.yaml":        "include: ['jobs.d/*.yaml', 'no/such/*.yaml', 'jobs.d/a.yaml', more.yaml]\n" + jobText("main"),
		"jobs.d/b.yaml":      jobText("bee"),
		"jobs.d/a.yaml":      "include: [deeper/*]\n" + jobText("aye"),
		"jobs.d/Z.yaml":      "repositories: {nas: {location: /mnt/nas}}\n" + jobText("zed"),
		"jobs.d/deeper/x":    "include: [../a.yaml, ../../config.yaml]\n" + jobText("deep"),
		"jobs.d/ignored.yml": "rubbish",
		"more.yaml":          "defaults: {every: 7d}\n" + "jobs: {more: {repository: nas, sources: [/srv], retention: keep_all}}\n",
	})
	if len(loaded.Errors) > 0 {
		t.Fatal(report(loaded))
	}
	if diff := cmp.Diff([]string{"main", "zed", "aye", "deep", "bee", "more"}, namesOf(loaded)); diff != "" {
		t.Errorf("jobs, -want +got:\n%s", diff)
	}
	var files []string
	for _, file := range loaded.Files {
		files = append(files, strings.TrimPrefix(file, filepath.Dir(loaded.Files[0])+"/"))
	}
	if diff := cmp.Diff([]string{"config.yaml", "jobs.d/Z.yaml", "jobs.d/a.yaml", "jobs.d/deeper/x", "jobs.d/b.yaml", "more.yaml"}, files); diff != "" {
		t.Errorf("files, -want +got:\n%s", diff)
	}
	for _, job := range loaded.Jobs {
		if job.Every != 7*24*time.Hour {
			t.Errorf("%s: every %s, want that of the defaults of an included file", job.Name, job.Every)
		}
		if !slices.Equal(job.Bootstrap, loaded.Files) {
			t.Errorf("%s: bootstrap %v, want all files", job.Name, job.Bootstrap)
		}
	}
	if loaded.Jobs[5].Repositories[0].Location != "/mnt/nas" {
		t.Errorf("more: %+v, want the repository of another file", loaded.Jobs[5].Repositories)
	}
}

// Of a symbolic link borg would keep the link alone.
func TestBootstrapOfALink(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "dotfiles.yaml"), filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(target, []byte("jobs: {home: {repository: /mnt/nas, sources: [/home], retention: keep_all}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("dotfiles.yaml", link); err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(link, Environment{Getenv: func(string) string { return "" }, UID: os.Getuid(), Home: dir, Hostname: "laptop"})
	if err != nil || len(loaded.Errors) > 0 {
		t.Fatal(err, report(loaded))
	}
	job := loaded.Jobs[0]
	if !slices.Equal(job.Bootstrap, []string{link, target}) || !strings.HasSuffix(job.BootstrapNote, "(host laptop, 2 files): "+link) {
		t.Errorf("bootstrap %v, %q", job.Bootstrap, job.BootstrapNote)
	}
}

// What a mistake in an included file stops.
func TestIncludeMistakes(t *testing.T) {
	for name, test := range map[string]struct {
		included string
		fatal    bool
		want     string // in the first error
		jobs     []string
	}{
		"not YAML":        {"jobs: [", false, "not YAML", []string{"main"}},
		"a list":          {"- x", false, "is a mapping", []string{"main"}},
		"empty":           {"", false, "", []string{"main"}},
		"a job's mistake": {"jobs: {bee: {repository: /mnt/b, sources: [/b], evry: 1h}}", false, "unknown key", []string{"main", "bee"}},
		"same job":        {jobText("main"), true, "`main` is set twice, first in ", []string{"main"}},
		"same host":       {"host: a\n", true, "`host` is set twice, first in ", []string{"main"}},
		"same default":    {"defaults: {every: 1h}\n", true, "`every` is set twice", []string{"main"}},
		"bad default":     {"defaults: {nice: x}\n", true, "`nice` wants", []string{"main"}},
		"unknown section": {"jbos: {}\n", true, "unknown key", []string{"main"}},
	} {
		t.Run(name, func(t *testing.T) {
			loaded := loadTree(t, map[string]string{
				"config.yaml": "host: b\ndefaults: {every: 2h}\ninclude: [x.yaml]\n" + jobText("main"), "x.yaml": test.included,
			})
			if loaded.Fatal() != test.fatal {
				t.Errorf("fatal: %v, want %v:\n%s", loaded.Fatal(), test.fatal, report(loaded))
			}
			if test.want == "" != (len(loaded.Errors) == 0) || test.want != "" && !strings.Contains(loaded.Errors[0].Message, test.want) {
				t.Errorf("want an error with %q, got\n%s", test.want, report(loaded))
			}
			for _, m := range loaded.Errors {
				if filepath.Base(m.File) != "x.yaml" || m.Line == 0 {
					t.Errorf("the error is at %s", m.Place)
				}
			}
			if diff := cmp.Diff(test.jobs, namesOf(loaded)); diff != "" {
				t.Errorf("jobs, -want +got:\n%s", diff)
			}
			if !test.fatal && loaded.Jobs[0].Problem != "" {
				t.Errorf("the other job is stopped: %s", loaded.Jobs[0].Problem)
			}
		})
	}
}

func TestIncludeThatIsNoFile(t *testing.T) {
	path := tree(t, map[string]string{"config.yaml": "include: ['*.yaml']\n" + jobText("main")})
	if err := syscall.Mkfifo(filepath.Join(filepath.Dir(path), "pipe.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(path, someUser())
	if err != nil || loaded.Fatal() || len(loaded.Errors) != 1 || loaded.Jobs[0].Problem != "" {
		t.Errorf("got %v, %v, want one error that stops no other job", loaded, err)
	}
}

// A mistake in a repository stops the jobs that use it, one in a channel stops none.
func TestScope(t *testing.T) {
	loaded := load(t, `
repositories: {bad: {location: /mnt/bad, lock_wait: x}, good: {location: /mnt/good}}
jobs:
  both: {repositories: [good, bad], sources: [/a], retention: keep_all}
  good: {repository: good, sources: [/a], retention: keep_all}
  own: {repository: good, sources: [/a], retention: keep_all, every: x}
notify: {wrong: {type: sms}}
metrics: {textfile: relative}
`)
	if loaded.Fatal() {
		t.Fatalf("fatal: %s", report(loaded))
	}
	got := map[string]string{}
	for _, job := range loaded.Jobs {
		got[job.Name] = job.Problem
	}
	want := map[string]string{
		"both": "repository bad: `lock_wait` wants a duration such as 24h", "good": "", "own": "`every` wants a duration such as 24h",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	repositories := loaded.Jobs[0].Repositories
	if len(repositories) != 2 || repositories[0].Problem != "" || repositories[1].Problem == "" || !strings.HasSuffix(repositories[1].ProblemWhere, "config.yaml:2") {
		t.Errorf("repositories: %+v", repositories)
	}
	if len(loaded.Notify) != 0 || loaded.Metrics.Textfile != "" {
		t.Errorf("a wrong channel or wrong metrics are there: %v %v", loaded.Notify, loaded.Metrics)
	}
}

// No job sees what another changed in the defaults: maps merge, lists replace, none takes away.
func TestDefaultsOfTheFile(t *testing.T) {
	loaded := load(t, `
defaults:
  repository: /mnt/all
  exclude: [a, b]
  retention: {daily: 7, weekly: 4}
  retry: {retries: 1}
  conditions: {reachable: true}
  hooks: [{when: before, run: "true"}]
jobs:
  one: {sources: [/one], exclude: [c], retention: {daily: 1, monthly: 2}, retry: {wait: 1m}, hooks: none, conditions: none}
  two: {sources: [/two]}
  three: {sources: [/three], retention: keep_all, repositories: [/mnt/x, /mnt/y]}
`)
	if len(loaded.Errors) > 0 {
		t.Fatal(report(loaded))
	}
	one, two, three := loaded.Jobs[0], loaded.Jobs[1], loaded.Jobs[2]
	if one.Retention != (backup.Retention{Daily: 1, Weekly: 4, Monthly: 2}) || two.Retention != (backup.Retention{Daily: 7, Weekly: 4}) || three.Retention != (backup.Retention{KeepAll: true}) {
		t.Errorf("retention: %+v, %+v, %+v", one.Retention, two.Retention, three.Retention)
	}
	if !slices.Equal(one.Exclude, []string{"c"}) || !slices.Equal(two.Exclude, []string{"a", "b"}) {
		t.Errorf("exclude: %v, %v", one.Exclude, two.Exclude)
	}
	if one.Retry.Retries != 1 || one.Retry.Wait != time.Minute || two.Retry.Wait != 5*time.Minute || one.Prune.Retries != 1 {
		t.Errorf("retry: %+v, %+v, prune %+v", one.Retry, two.Retry, one.Prune)
	}
	if one.Conditions.Reachable || !two.Conditions.Reachable || len(one.Hooks) != 0 || len(two.Hooks) != 1 {
		t.Errorf("conditions or hooks: %+v, %+v", one, two)
	}
	if len(three.Repositories) != 2 || len(two.Repositories) != 1 {
		t.Errorf("repositories: %v, %v", three.Repositories, two.Repositories)
	}
	if one.Prune.Match == two.Prune.Match {
		t.Errorf("two jobs have one pattern: %s", one.Prune.Match)
	}
}

func TestAliasesAndMergeKeys(t *testing.T) {
	loaded := load(t, `
jobs:
  one: &one {repository: /mnt/a, sources: &sources [/one, /two], retention: &keep {daily: 7}}
  two:
    <<: *one
    sources: *sources
    retention: {<<: [*keep, {weekly: 2}], daily: 1}
`)
	if len(loaded.Errors) > 0 {
		t.Fatal(report(loaded))
	}
	two := loaded.Jobs[1]
	if two.Repositories[0].Location != "/mnt/a" || len(two.Sources) != 2 || two.Retention != (backup.Retention{Daily: 1, Weekly: 2}) {
		t.Errorf("got %+v", two)
	}
}

func TestVariables(t *testing.T) {
	path := write(t, `
repositories: {nas: {location: "${WHERE}", passphrase: {command: "cat ${KEY}"}, ssh: {port: "${PORT:-2222}"}}}
jobs:
  home: {repository: nas, sources: ["~/x", "${WHERE}/y", /a~/b], bootstrap: "${BOOT}", hooks: [{when: before, run: "echo ${X} $Y"}], retention: keep_all}
`)
	loaded, err := Load(path, someUser("WHERE", "/mnt/nas", "BOOT", "false", "KEY", "never"))
	if err != nil || len(loaded.Errors) > 0 {
		t.Fatal(err, report(loaded))
	}
	job := loaded.Jobs[0]
	if diff := cmp.Diff([]string{"/home/me/x", "/mnt/nas/y", "/a~/b"}, job.Sources); diff != "" {
		t.Errorf("sources, -want +got:\n%s", diff)
	}
	repository := job.Repositories[0]
	if repository.Location != "/mnt/nas" || repository.SSH.Port != 2222 || repository.Passphrase.Command != "cat ${KEY}" || job.Hooks[0].Run != "echo ${X} $Y" || job.Bootstrap != nil {
		t.Errorf("got %+v", job)
	}
}
