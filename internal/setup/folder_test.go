package setup

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCheckFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "file"), "")
	put(t, filepath.Join(dir, "repo", "config"), "[repository]\nversion = 1\n")
	put(t, filepath.Join(dir, "repo", "data", "0"), "")
	put(t, filepath.Join(dir, "other", "config"), "[repository]\n")
	for name, want := range map[string]string{
		"new": "", "repo": "repository", "other": "there are other things", "file": "is no folder", "file/x": "is no folder", "away/x": "is a disk not mounted?",
	} {
		present, err := CheckFolder(filepath.Join(dir, name))
		got := ""
		if present {
			got = "repository"
		}
		if err != nil {
			got = err.Error()
		}
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 3 {
		t.Errorf("trying has left something: %v", entries)
	}
}

func TestWithin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "data", "sub", "x"), "")
	if err := os.Symlink(filepath.Join(dir, "data"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	for path, inside := range map[string]bool{
		"data": true, "data/sub/new/borg": true, "link/borg": true, "data2": false, "borg": false,
	} {
		if got := Within(filepath.Join(dir, path), []string{"/nowhere", data}); (got == data) != inside {
			t.Errorf("%s: %q", path, got)
		}
	}
	if Within("/mnt/borg", []string{"/"}) != "/" {
		t.Error("all lies in /")
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "a", "b"), strings.Repeat("x", 1000))
	put(t, filepath.Join(dir, "c"), "12345")
	if size, whole := Size(t.Context(), []string{dir, filepath.Join(dir, "c")}, time.Minute); size != 1010 || !whole {
		t.Errorf("%d, %t", size, whole)
	}
	if _, whole := Size(t.Context(), []string{dir}, -1); whole {
		t.Error("without any time it came to the end")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, whole := Size(ended, []string{dir}, time.Minute); whole {
		t.Error("it came to the end after the end")
	}
}

// Only what a borg init leaves is removed, and only as long as there is next to nothing in it.
func TestRemoveHalfMade(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]map[string]string{
		"gone":    {"README": "x", "data/0/1": "y", "lock.exclusive/host": ""},
		"strange": {"README": "x", "letter": "dear"},
		"big":     {"data/0/1": strings.Repeat("x", mostHalfMade+1)},
	} {
		dir := filepath.Join(t.TempDir(), "repo")
		for path, text := range files {
			put(t, filepath.Join(dir, path), text)
		}
		if err := RemoveHalfMade(dir, true); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(dir); (err != nil) != (name == "gone") {
			t.Errorf("%s: %v", name, err)
		}
		for path := range files {
			if _, err := os.Stat(filepath.Join(dir, path)); (err != nil) != (name == "gone") {
				t.Errorf("%s: %s: %v", name, path, err)
			}
		}
	}
}

func TestDraft(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "etc")
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	answers := Answers{Job: "home", Location: "/mnt/borg", Passphrase: Passphrase{Kept: Made, File: filepath.Join(dir, "home.passphrase")}}
	d, err := Prepare(dir, answers, "secret", "nas key\n", now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Prepare(dir, answers, "other", "", now); err == nil {
		t.Error("a second draft took the place of the first")
	}
	put(t, filepath.Join(dir, ".new-1", "passphrase"), "old")
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(filepath.Join(dir, ".new-1"), old, old); err != nil {
		t.Fatal(err)
	}
	left, err := Left(dir, "home")
	if err != nil || len(left) != 1 || left[0].Dir != d.Dir || left[0].Answers.Passphrase != answers.Passphrase || !left[0].Begun.Equal(now) {
		t.Fatalf("%+v, %v", left, err)
	}
	if other, err := Left(dir, "work"); err != nil || len(other) != 0 {
		t.Errorf("of another job: %v, %v", other, err)
	}
	if _, err := os.Stat(filepath.Join(dir, ".new-1")); err == nil {
		t.Error("what was not yet a draft is still there")
	}
	text, err := os.ReadFile(filepath.Join(d.Dir, "draft.json"))
	if err != nil || strings.Contains(string(text), "secret") {
		t.Errorf("the draft tells the passphrase: %s, %v", text, err)
	}
	for range 2 { // who goes on finds it in its place already
		if err := Place(d.Passphrase(), answers.Passphrase.File); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(answers.Passphrase.File)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := Place(d.KnownHosts(), answers.Passphrase.File); err == nil {
		t.Error("another file was overwritten")
	}
	put(t, filepath.Join(dir, TrialPrefix+"old", "known_hosts"), "")
	put(t, filepath.Join(dir, TrialPrefix+"new", "known_hosts"), "")
	if err := os.Chtimes(filepath.Join(dir, TrialPrefix+"old"), old, old); err != nil {
		t.Fatal(err)
	}
	if err := Sweep(dir); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, TrialPrefix+"*")); len(left) != 1 || left[0] != filepath.Join(dir, TrialPrefix+"new") {
		t.Errorf("after sweeping there is %v", left)
	}
	if err := d.Remove(); err != nil {
		t.Fatal(err)
	}
	if left, err := Left(dir, ""); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}
