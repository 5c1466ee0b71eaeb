package borg_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"borgcron/internal/backup"
	"borgcron/internal/borg"
)

// borgs are the real borgs of this machine: on PATH, in BORGCRON_TEST_BORGS, and below the repository's root.
func borgs(t *testing.T) []string {
	t.Helper()
	var found []string
	if path, err := exec.LookPath("borg"); err == nil {
		found = append(found, path)
	}
	found = append(found, filepath.SplitList(os.Getenv("BORGCRON_TEST_BORGS"))...)
	local, err := filepath.Glob("../../.tools/borg-*/bin/borg")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range local {
		if path, err = filepath.Abs(path); err != nil {
			t.Fatal(err)
		}
		found = append(found, path)
	}
	if len(found) == 0 {
		if os.Getenv("BORGCRON_MUST") == "all" {
			t.Fatal("there is no borg to test with")
		}
		t.Skip("there is no borg to test with: neither on PATH, nor in BORGCRON_TEST_BORGS")
	}
	return found
}

var versions sync.Map // of each borg, asked for once

func versionOf(t *testing.T, program string) string {
	t.Helper()
	if known, ok := versions.Load(program); ok {
		return known.(string)
	}
	out, err := exec.Command(program, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	versions.Store(program, strings.TrimSpace(string(out)))
	return strings.TrimSpace(string(out))
}

// eachBorg runs a test with each borg.
func eachBorg(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	for _, program := range borgs(t) {
		t.Run(strings.ReplaceAll(versionOf(t, program), " ", "-"), func(t *testing.T) {
			test(t, newFixture(t, program))
		})
	}
}

// fixture is a client, a job with a source and a place for its repository.
type fixture struct {
	t      *testing.T
	dir    string
	source string
	client *borg.Client
	job    *backup.Job
	repo   *backup.Repository
	warned []backup.Warning
}

func newFixture(t *testing.T, program string) *fixture {
	t.Helper()
	dir := t.TempDir()
	f := &fixture{t: t, dir: dir, source: filepath.Join(dir, "source")}
	for _, folder := range []string{f.source, filepath.Join(dir, "state"), filepath.Join(dir, "home")} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f.client = &borg.Client{
		Environ: []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(dir, "home"), "TZ=Europe/Berlin",
			"BORG_REPO=/stray", "BORG_PASSPHRASE=stray",
		},
		Secret: func(_ context.Context, s backup.Secret) ([]byte, error) {
			if s.Text == "" {
				return nil, errors.New("the vault is closed")
			}
			return []byte(s.Text), nil
		},
		State: filepath.Join(dir, "state"),
	}
	f.job = &backup.Job{
		Name: "home", Sources: []string{f.source}, Compression: "lz4",
		Prune:     backup.PruneRule{Match: "host-home-[0-9]"},
		Check:     backup.CheckRule{Repository: true, Archives: true},
		Compact:   backup.CompactRule{Threshold: 10},
		Retention: backup.Retention{Last: 1},
		Repositories: []backup.Repository{{
			Name: "nas", Location: filepath.Join(dir, "repository"), Encryption: "none", Borg: program, LockWait: time.Second,
			Env: map[string]string{"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"},
		}},
	}
	f.repo = &f.job.Repositories[0]
	f.write("file", "some text")
	return f
}

func (f *fixture) write(name, text string) string {
	f.t.Helper()
	path := filepath.Join(f.source, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
	return path
}

func (f *fixture) call() backup.Call {
	return backup.Call{Job: f.job, Repository: *f.repo, Warn: func(w backup.Warning) { f.warned = append(f.warned, w) }}
}

func (f *fixture) init() {
	f.t.Helper()
	f.must(f.client.Init(f.t.Context(), f.call()))
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		failure := backup.AsFailure("", err)
		f.t.Fatalf("%v (id %q, code %d)\n%s", err, failure.ID, failure.Code, strings.Join(failure.Tail, "\n"))
	}
}

func (f *fixture) create(name string) backup.Report {
	f.t.Helper()
	report, err := f.client.Create(f.t.Context(), f.call(), name)
	f.must(err)
	return report
}

// names asks borg itself for the archives.
func (f *fixture) names() string { return f.raw("list", "--short", f.repo.Location) }

// raw runs borg by hand.
func (f *fixture) raw(args ...string) string {
	f.t.Helper()
	out, err := f.byHand(f.t.Context(), args...).Output()
	if err != nil {
		f.t.Fatalf("borg %v: %v", args, err)
	}
	return string(out)
}

func (f *fixture) byHand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, f.repo.Borg, args...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(f.dir, "home"), "LC_ALL=C.UTF-8",
		"BORG_PASSPHRASE=" + f.repo.Passphrase.Text, "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes",
	}
	return cmd
}

// fails demands a failure of this class and id that gives nothing away.
func (f *fixture) fails(err error, class backup.Class, id string) *backup.Failure {
	f.t.Helper()
	var failure *backup.Failure
	if !errors.As(err, &failure) {
		f.t.Fatalf("error is %v, want a failure of class %v", err, class)
	}
	if failure.Class != class || failure.ID != id {
		f.t.Errorf("class %v, id %q, want %v, %q: %s\n%s", failure.Class, failure.ID, class, id, failure.Message, strings.Join(failure.Tail, "\n"))
	}
	all := strings.Join(append(failure.Tail, failure.Message), "\n")
	if strings.Contains(all, f.repo.Location) || f.repo.Passphrase.Text != "" && strings.Contains(all, f.repo.Passphrase.Text) {
		f.t.Errorf("location or passphrase is shown:\n%s", all)
	}
	if failure.Message == "" || failure.Op == "" {
		f.t.Errorf("message %q, op %q", failure.Message, failure.Op)
	}
	return failure
}

// standIn makes a program that says it is borg 1.4.1 and then does as the script says.
func (f *fixture) standIn(script string) {
	f.t.Helper()
	path := filepath.Join(f.dir, "stand-in")
	text := "#!/bin/sh\nif [ \"$1\" = --version ]; then echo borg 1.4.1; exit; fi\n" + script
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		f.t.Fatal(err)
	}
	f.repo.Borg = path
}
