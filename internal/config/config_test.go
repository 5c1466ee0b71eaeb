package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"borgcron/internal/backup"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

const smallest = `jobs:
  home:
    repository: /mnt/backup/borg
    sources: [/home]
`

func TestSmallestFile(t *testing.T) {
	path := write(t, smallest)
	loaded, err := Load(path, someUser())
	if err != nil {
		t.Fatal(err)
	}
	if len(loaded.Errors) != 0 || loaded.Fatal() {
		t.Fatalf("it has mistakes:\n%s", report(loaded))
	}
	always := backup.Every{Always: true}
	want := []backup.Job{{
		Name: "home", Host: "laptop",
		Repositories: []backup.Repository{{
			Location: "/mnt/backup/borg", Encryption: "repokey-blake2", LockWait: 20 * time.Second, SSH: backup.SSH{Command: "ssh"},
		}},
		Sources: []string{"/home"}, FilesCache: "ctime,size,inode", Compression: "lz4", CheckpointInterval: 30 * time.Minute,
		ArchiveName: "{hostname}-{job}-{now}", Bootstrap: []string{path}, BootstrapNote: "borgcron configuration (host laptop, 1 file): " + path, Every: 24 * time.Hour, StaleAfter: 30 * time.Hour,
		Retry:   backup.Retry{Retries: 3, Wait: 5 * time.Minute, Backoff: 1, MaxWait: time.Hour},
		Timeout: backup.Timeout{Stall: 30 * time.Minute, StallServer: 6 * time.Hour},
		Prune: backup.PruneRule{
			Every: always, Retries: 3,
			Match: "laptop-home-[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]",
		},
		Compact:  backup.CompactRule{Every: always, Threshold: 10},
		Check:    backup.CheckRule{Every: backup.Every{Interval: 30 * 24 * time.Hour}, Repository: true, Archives: true},
		Verify:   backup.VerifyRule{Every: backup.Every{Never: true}, Files: 50, Size: 1 << 30},
		Guard:    backup.Guard{MinFiles: 1, MaxShrink: 0.5},
		Tolerate: []backup.WarningKind{backup.Changed, backup.Vanished},
	}}
	if diff := cmp.Diff(want, loaded.Jobs, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(loaded.Warnings) != 1 || !strings.Contains(loaded.Warnings[0].Message, "nothing is ever deleted") {
		t.Errorf("warnings: %v, want the one of a missing retention", loaded.Warnings)
	}
}

// The documented defaults, as `config show` prints them.
func TestDefaults(t *testing.T) {
	want := `
host: laptop
paths:
  state: /home/me/.local/state/borgcron
  runtime: /home/me/.local/state/borgcron/run
repositories:
  nas: {location: /mnt/nas, encryption: repokey-blake2, clients: shared, lock_wait: 20s, ssh: {command: ssh}, upload_limit: none, min_free: none}
jobs:
  home:
    repository: nas
    sources: [/home]
    optional_sources: []
    patterns: []
    patterns_from: []
    keep_exclude_tags: false
    exclude_caches: false
    exclude_nodump: false
    one_file_system: false
    read_special: false
    files_cache: ctime,size,inode
    compression: lz4
    chunker: ""
    checkpoint_interval: 30m
    comment: ""
    archive_name: "{hostname}-{job}-{now}"
    bootstrap: true
    borg_options: {create: [], prune: [], compact: [], check: []}
    every: 24h
    stale_after: 30h
    retry: {retries: 3, wait: 5m, backoff: 1, max_wait: 1h}
    timeout: {run: none, stall: 30m, stall_server: 6h}
    prune: {every: always, retries: 3, match: "laptop-home-[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]"}
    compact: {every: always, threshold: 10}
    check: {every: 30d, parts: [repository, archives], last: none, max_duration: none}
    verify: {every: never, files: 50, size: 1GiB}
    guard: {mounted: [], min_files: 1, min_size: none, max_shrink: 50%}
    tolerate: [changed, vanished]
    spool: ""
notify:
  desk: {type: desktop, on: [failed, warning, recovered, stale, alarm]}
`
	loaded := load(t, "repositories: {nas: {location: /mnt/nas}}\njobs: {home: {repository: nas, sources: [/home]}}\nnotify: {desk: {type: desktop}}\n")
	shown, err := loaded.Show()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plain(t, want), plain(t, shown)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func plain(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := yaml.Load([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// A file with nearly every key has no mistake, and keeps to the schema.
func TestEveryKey(t *testing.T) {
	text, err := os.ReadFile("testdata/whole.yaml")
	if err != nil {
		t.Fatal(err)
	}
	loaded := load(t, string(text))
	for _, m := range loaded.Errors {
		t.Errorf("mistake: %s: %s", m.Place, m.Message)
	}
	if loaded.Fatal() {
		t.Error("it is fatal")
	}
	if err := compileSchema(t).Validate(plain(t, string(text))); err != nil {
		t.Errorf("schema: %v", err)
	}
	job := loaded.Jobs[0]
	if got := job.Retention; got != (backup.Retention{Within: "2d", Last: 3, Hourly: 24, Daily: 14, Weekly: 8, Monthly: 6, Yearly: 2}) {
		t.Errorf("retention: %+v", got)
	}
	if got := job.Conditions; !got.OnAC || got.BatteryAbove != 20 || !got.Unmetered || !got.Reachable || got.Command != "/usr/local/bin/may-i" || got.Mounted[0] != "/mnt/usb" {
		t.Errorf("conditions: %+v", got)
	}
	wantHooks := []backup.Hook{
		{When: backup.Before, Run: "apt-mark showmanual > /var/backups/apt.list", Timeout: 10 * time.Minute},
		{When: backup.After, Run: "logger done", Timeout: time.Hour, States: []backup.Outcome{backup.Failed, backup.Warned}},
	}
	if diff := cmp.Diff(wantHooks, job.Hooks); diff != "" {
		t.Errorf("hooks, -want +got:\n%s", diff)
	}
	wantRepository := backup.Repository{
		Name: "nas", Location: "ssh://borg@nas.example:22/./laptop", Passphrase: backup.Secret{File: "/etc/borgcron/nas.key"},
		Encryption: "repokey-blake2", LockWait: 20 * time.Second, RemotePath: "borg1", Borg: "/usr/bin/borg", UploadLimit: 5 << 20,
		Cache: "/var/cache/borg", Keys: "/etc/borgcron/keys", MinFree: 2 << 30, Env: map[string]string{"BORG_FILES_CACHE_TTL": "30"},
		SSH: backup.SSH{Command: "ssh", Identity: "/home/me/.ssh/borg", Port: 22, KnownHosts: "/etc/borgcron/known_hosts", Options: []string{"Compression=no"}},
	}
	if diff := cmp.Diff(wantRepository, job.Repositories[0]); diff != "" {
		t.Errorf("repository, -want +got:\n%s", diff)
	}
	if len(job.At) != 1 || job.At[0].Text != "02:30" || job.Nice != 10 || len(job.Databases) != 3 {
		t.Errorf("at, nice or databases: %+v", job)
	}
}

// What `config show` prints is itself a configuration, and the same one.
func TestShowIsReadAgain(t *testing.T) {
	loaded := load(t, `
defaults: {every: 12h, retention: {daily: 14}, hooks: [{when: before, run: "echo '${HOME}' $$"}]}
repositories: {nas: {location: "borg@nas:laptop", passphrase: {env: NAS}, env: {A: "1"}}}
jobs:
  home: {repositories: [nas, /mnt/usb], sources: [~/x], at: daily, guard: {min_size: 1.5GB}, conditions: {power: {on_ac: true}}}
  work: {repository: nas, sources: [/work], retention: keep_all, hooks: none}
`)
	if len(loaded.Errors) > 0 {
		t.Fatal(report(loaded))
	}
	shown, err := loaded.Show()
	if err != nil {
		t.Fatal(err)
	}
	again := load(t, shown)
	ignore := cmpopts.IgnoreFields(backup.Job{}, "Bootstrap", "BootstrapNote")
	if diff := cmp.Diff(loaded.Jobs, again.Jobs, ignore, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(backup.Calendar{})); diff != "" {
		t.Errorf("%s\n-first +second:\n%s", shown, diff)
	}
	asJSON, err := loaded.ShowJSON()
	if err != nil {
		t.Fatal(err)
	}
	var fromJSON any
	if err := json.Unmarshal([]byte(asJSON), &fromJSON); err != nil {
		t.Errorf("it is not JSON: %v", err)
	}
}

func TestShowHidesSecrets(t *testing.T) {
	loaded := load(t, `
repositories: {nas: {location: /mnt/nas, passphrase: hunter2}}
jobs: {home: {repository: nas, sources: [/home]}}
notify: {hook: {type: webhook, url: "https://x/hunter2", headers: {Authorization: "Bearer hunter2"}}}
`)
	for name, show := range map[string]func() (string, error){"yaml": loaded.Show, "json": loaded.ShowJSON} {
		shown, err := show()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(shown, "hunter") || strings.Count(shown, "***") != 3 {
			t.Errorf("%s: %s", name, shown)
		}
	}
	if got := loaded.Jobs[0].Repositories[0].Passphrase.Text; got != "hunter2" {
		t.Errorf("the passphrase is %q", got)
	}
	if got := loaded.Jobs[0].Bootstrap; len(got) != 0 {
		t.Errorf("a file with a secret would be backed up: %v", got)
	}
}

var yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")

// Every configuration in the documentation is one that works.
func TestDocumentation(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	schema := compileSchema(t)
	checked := 0
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range yamlBlock.FindAllStringSubmatch(string(text), -1) {
			if !strings.HasPrefix(block[1], "# borgcron.yaml") && !strings.Contains(block[1], "jobs:") {
				continue
			}
			checked++
			if loaded := load(t, block[1]); len(loaded.Errors) > 0 {
				t.Errorf("%s:\n%s\n%s", page, block[1], report(loaded))
			}
			if err := schema.Validate(plain(t, block[1])); err != nil {
				t.Errorf("%s:\n%s\nschema: %v", page, block[1], err)
			}
		}
	}
	if checked == 0 {
		t.Error("no example was found")
	}
}
