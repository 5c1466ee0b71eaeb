package setup_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
	"borgcron/internal/config"
	"borgcron/internal/setup"
)

// Whatever the answers are, the configuration says just that, and nothing in them means something else there.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]setup.Answers{
		"plain": {
			Job: "home", Repository: "home", Sources: []string{"/home"}, Location: "/mnt/borg", Passphrase: setup.Passphrase{Kept: setup.Made},
			Retention: backup.Retention{Daily: 7}, When: setup.When{Every: "24h"},
		},
		"odd": {
			Job: "Null", Repository: "no", Sources: []string{"/a b", `/${HOME}`, `/q"uo'te\`, "/#x: y", "/- a", "/ü\t{[", "/a:"}, Location: "ssh://me@nas:22/./a b",
			Identity: "/k ey", HostKey: "x", RemotePath: "yes", Borg: "/opt/borg 1/borg", Passphrase: setup.Passphrase{Kept: setup.ByCommand, Command: `pass "${X}" # 'y'`},
			Retention: backup.Retention{KeepAll: true}, When: setup.When{At: "Mon..Fri 22:00"},
		},
		"adopted": {
			Job: "on", Repository: "true", Sources: []string{"/"}, Location: "me@nas:backup", Adopted: true, Passphrase: setup.Passphrase{Kept: setup.Nowhere},
			Retention: backup.Retention{Hourly: 1, Weekly: 2, Monthly: 3, Yearly: 4}, When: setup.When{Every: "12h"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "config.yaml")
			text := a.Configuration(setup.Files{Passphrase: "/p ass", KnownHosts: "/known hosts"}, true, time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC))
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			home := t.TempDir()
			loaded, err := config.Load(path, config.Environment{Getenv: func(string) string { return "" }, UID: 1, Home: home, Hostname: "host", User: "me"})
			if err != nil || len(loaded.Errors) > 0 || len(loaded.Jobs) != 1 {
				t.Fatalf("%v, %v\n%s", err, loaded.Errors, text)
			}
			if !loaded.Covers(filepath.Join(dir, "jobs.d", "next.yaml")) || loaded.Covers(filepath.Join(dir, "next.yaml")) {
				t.Error("what it includes is something else")
			}
			job := loaded.Jobs[0]
			repository := job.Repositories[0]
			var hosts, file string
			if a.HostKey != "" {
				hosts = "/known hosts"
			}
			if a.Passphrase.Ours() {
				file = "/p ass"
			}
			got := []any{
				job.Name, job.Sources, job.Retention, len(job.At) > 0, repository.Name, repository.Location, repository.Single, repository.SSH.Identity,
				repository.SSH.KnownHosts, repository.RemotePath, repository.Borg, repository.Passphrase,
			}
			want := []any{
				a.Job, a.Sources, a.Retention, a.When.At != "", a.Repository, a.Location, !a.Adopted, a.Identity,
				hosts, a.RemotePath, a.Borg, backup.Secret{File: file, Command: a.Passphrase.Command},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s\n%s", diff, text)
			}
		})
	}
}
