package alarm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
)

// Whatever stands at the place of the file is an alarm that a check does not end; the next finding goes on
// from there, and what was damaged is kept.
func TestDamagedFile(t *testing.T) {
	text := func(text string) func(string) error {
		return func(name string) error { return os.WriteFile(name, []byte(text), 0o600) }
	}
	tests := map[string]struct {
		spoil func(name string) error
		want  string
	}{
		"empty":           {text(""), "unexpected end of JSON input"},
		"no JSON":         {text("\x00\x00"), "invalid character"},
		"another version": {text(`{"version": 2, "since": "2026-03-01T02:00:00Z", "findings": 1}`), "its version is 2, not 1"},
		"no time":         {text(`{"version": 1, "findings": 1}`), "since when"},
		"no finding":      {text(`{"version": 1, "since": "2026-03-01T02:00:00Z"}`), "no finding"},
		"too long":        {text(`{"version": 1` + strings.Repeat(" ", mostBytes)), "too long"},
		"symbolic link":   {func(name string) error { return os.Symlink("/dev/zero", name) }, "no regular file"},
		"pipe":            {func(name string) error { return unix.Mkfifo(name, 0o600) }, "no regular file"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			must(t, os.MkdirAll(s.Dir, 0o700))
			must(t, test.spoil(s.path(repository)))
			check := func(problem string, findings int) {
				t.Helper()
				got := standing(t, s)
				if got == nil || !strings.Contains(got.Problem, problem) || got.EndsWithCheck() || got.Since.IsZero() || got.Findings != findings {
					t.Fatalf("Standing = %+v, want %q", got, problem)
				}
			}
			check(test.want, 1)
			must(t, s.Repaired(repository))
			check(test.want, 1)
			must(t, s.Raise(repository, finding))
			check(finding.Problem, 2)
			if kept := files(t, s, "*.damaged-*.json"); len(kept) != 1 {
				t.Errorf("kept: %v", kept)
			}
		})
		t.Run(name+", settled", func(t *testing.T) {
			s := newStore(t)
			must(t, os.MkdirAll(s.Dir, 0o700))
			must(t, test.spoil(s.path(repository)))
			must(t, s.Settle(repository))
			if got := standing(t, s); got != nil {
				t.Errorf("Standing = %+v", got)
			}
		})
	}
}

// A folder in the place of the file cannot be replaced: the finding is not taken, the alarm stands.
func TestFolderForAFile(t *testing.T) {
	s := newStore(t)
	must(t, os.MkdirAll(s.path(repository), 0o700))
	if err := s.Raise(repository, finding); err == nil {
		t.Error("Raise found nothing wrong")
	}
	if got := standing(t, s); got == nil || got.EndsWithCheck() {
		t.Errorf("Standing = %+v", got)
	}
	must(t, s.Settle(repository))
	if got := standing(t, s); got != nil {
		t.Errorf("Standing = %+v", got)
	}
}

// Every mistake is refused with what is wrong, by readers as well.
func TestUnsafeFolder(t *testing.T) {
	tests := map[string]struct {
		spoil func(t *testing.T, dir string) error
		want  string
	}{
		"writable by others": {func(_ *testing.T, dir string) error { return os.Chmod(dir, 0o770) }, "can be written by others: chmod 700 "},
		"symbolic link": {func(t *testing.T, dir string) error {
			must(t, os.Remove(dir))
			return os.Symlink(t.TempDir(), dir)
		}, "is no folder or a symbolic link"},
		"file": {func(t *testing.T, dir string) error {
			must(t, os.Remove(dir))
			return os.WriteFile(dir, nil, 0o600)
		}, "is no folder or a symbolic link"},
		"of another owner": {func(t *testing.T, dir string) error {
			if os.Geteuid() != 0 {
				t.Skip("only root can give a folder away")
			}
			return os.Chown(dir, 65534, -1)
		}, "belongs to user 65534, not to user 0"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			must(t, os.MkdirAll(s.Dir, 0o700))
			must(t, test.spoil(t, s.Dir))
			_, err := s.Standing(repository)
			for what, err := range map[string]error{"Standing": err, "Raise": s.Raise(repository, finding), "Settle": s.Settle(repository), "Repaired": s.Repaired(repository)} {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%s: %v, want %q", what, err, test.want)
				}
			}
		})
	}
}

func TestLockIsNoTrap(t *testing.T) {
	s := newStore(t)
	must(t, os.MkdirAll(s.Dir, 0o700))
	target := filepath.Join(t.TempDir(), "target")
	must(t, os.Symlink(target, filepath.Join(s.Dir, ".lock")))
	if err := s.Raise(repository, finding); err == nil {
		t.Error("Raise followed a symbolic link")
	}
	if _, err := os.Lstat(target); !os.IsNotExist(err) {
		t.Errorf("the link's target: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version": 1, "key": "/mnt/nas", "since": "2026-03-01T02:00:00+01:00", "problem": "a chunk is missing", "job": "home", "repository": "nas", "run": "r1", "step": "check", "repaired": true, "findings": 3}`))
	f.Add([]byte(`{"version": 1, "since": "2026-03-01T02:00:00Z", "problem": "\u001b[2J\n\u202e", "findings": 1}`))
	f.Add([]byte(`{"version": 1, "since": "0001-01-01T00:00:00Z", "findings": -1}`))
	f.Add([]byte(``))
	f.Add([]byte(`[]`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		alarm, err := parse(data)
		if (err == nil) != (alarm != nil) {
			t.Fatalf("parse = %v, %v", alarm, err)
		}
		if err != nil {
			return
		}
		if alarm.Since.IsZero() || alarm.Findings < 1 || alarm.Problem != backup.Clean(alarm.Problem) || alarm.Job != backup.Clean(alarm.Job) {
			t.Fatalf("parse took %+v", alarm)
		}
		name := filepath.Join(dir, "alarm.json")
		must(t, write(name, repository, alarm))
		again, err := read(name)
		must(t, err)
		if diff := cmp.Diff(alarm, again); diff != "" {
			t.Errorf("written and read, -want +got:\n%s", diff)
		}
	})
}
