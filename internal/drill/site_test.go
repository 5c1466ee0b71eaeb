package drill

import (
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
)

// archive stands in for a repository with one archive: what it lists, and what comes out of it.
type archive struct {
	items    []backup.Item
	content  map[string]string // by path; none: borg says that it was extracted, and it is not there
	warnings []backup.Warning
	asked    []string
	begun    time.Time
	damaged  string // a path of which chunks were replaced by zeros

	trouble   error  // of each extraction
	extracted func() // is called after an extraction
}

func (a *archive) List(context.Context, backup.Call, string) ([]backup.Archive, error) {
	return []backup.Archive{{Name: "old", Time: time.Unix(1, 0)}, {Name: "new", Time: a.begun}}, nil
}

func (a *archive) Items(_ context.Context, _ backup.Call, archive backup.Archive) (iter.Seq2[backup.Item, error], error) {
	if archive.Name != "new" {
		return nil, errors.New("not the newest archive")
	}
	return func(yield func(backup.Item, error) bool) {
		for _, item := range a.items {
			if !yield(item, nil) {
				return
			}
		}
	}, nil
}

func (a *archive) Extract(_ context.Context, _ backup.Call, _, dir string, paths []string) ([]backup.Warning, error) {
	a.asked = append(a.asked, paths...)
	if a.trouble != nil {
		return nil, a.trouble
	}
	if a.extracted != nil {
		defer a.extracted()
	}
	for _, path := range paths {
		content, there := a.content[path]
		if !there {
			continue
		}
		target := filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(target), 0o700), os.WriteFile(target, []byte(content), 0o600), os.Chtimes(target, made, made)); err != nil {
			return nil, err
		}
	}
	return a.warnings, nil
}

func (a *archive) Stream(_ context.Context, _ backup.Call, _, path string, w io.Writer) error {
	content, there := a.content[path]
	if !there {
		return &backup.Failure{Op: "extract", Class: backup.Permanent, Message: path + " is not there"}
	}
	if _, err := io.Copy(w, struct{ io.Reader }{strings.NewReader(content)}); err != nil {
		return err
	}
	if path == a.damaged {
		return &backup.Failure{Op: "extract", Class: backup.Permanent, Message: path + ": File has damaged (all-zero) chunks. Try running borg check --repair."}
	}
	return nil
}

var made = time.Unix(1_790_000_000, 123_456_789)

// site is a tree of live files and an archive of them.
func site(t *testing.T, live map[string]string) (*archive, *Driller, backup.Call) {
	t.Helper()
	root := t.TempDir()
	a := &archive{content: map[string]string{}, begun: time.Now().Add(time.Minute)}
	for _, path := range slices.Sorted(mapKeys(live)) {
		target := filepath.Join(root, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(target), 0o700), os.WriteFile(target, []byte(live[path]), 0o600), os.Chtimes(target, made, made)); err != nil {
			t.Fatal(err)
		}
		var stat unix.Stat_t
		if err := unix.Stat(target, &stat); err != nil {
			t.Fatal(err)
		}
		a.items = append(a.items, backup.Item{
			Path: path, Mode: "-rw-------", Size: int64(len(live[path])), ModTime: made.Round(time.Microsecond),
			Changed: time.Unix(stat.Ctim.Unix()).Round(time.Microsecond),
		})
		a.content[path] = live[path]
	}
	d := &Driller{
		Archives: a, Root: root, Now: time.Now, Note: func(_ context.Context, what string, err error) { t.Errorf("%s: %v", what, err) },
		Private: func() (string, func(), error) {
			dir, err := os.MkdirTemp(t.TempDir(), "")
			return dir, func() { _ = os.RemoveAll(dir) }, err
		},
	}
	job := &backup.Job{Name: "home", Sources: []string{"/data"}, Verify: backup.VerifyRule{Files: 50, Size: 1 << 20}}
	return a, d, backup.Call{Job: job}
}

func mapKeys(m map[string]string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for key := range m {
			if !yield(key) {
				return
			}
		}
	}
}

// memory notes what was read.
type memory struct{ noted []string }

func (m *memory) ReadBack(context.Context, backup.Target) (func(string) time.Time, error) {
	return func(string) time.Time { return time.Time{} }, nil
}

func (m *memory) NoteReadBack(_ context.Context, _ backup.Target, paths []string, _ time.Time) error {
	m.noted = append(m.noted, paths...)
	return nil
}
