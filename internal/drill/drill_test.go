package drill

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"borgcron/internal/backup"
)

// archive stands in for a repository with one archive: what it lists, and what comes out of it.
type archive struct {
	items    []backup.Item
	content  map[string]string // by path; none: borg says that it was extracted, and it is not there
	warnings []backup.Warning
	asked    []string
}

func (a *archive) List(context.Context, backup.Call, string) ([]backup.Archive, error) {
	return []backup.Archive{{Name: "old", Time: time.Unix(1, 0)}, {Name: "new", Time: time.Unix(2, 0)}}, nil
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

func (a *archive) Extract(_ context.Context, _ backup.Call, _, dir string, paths []string) (backup.Report, error) {
	a.asked = append(a.asked, paths...)
	for _, path := range paths {
		content, there := a.content[path]
		if !there {
			continue
		}
		target := filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(target), 0o700), os.WriteFile(target, []byte(content), 0o600), os.Chtimes(target, made, made)); err != nil {
			return backup.Report{}, err
		}
	}
	return backup.Report{Warnings: a.warnings}, nil
}

func (a *archive) Stream(_ context.Context, _ backup.Call, _, path string, w io.Writer) error {
	content, there := a.content[path]
	if !there {
		return &backup.Failure{Op: "extract", Class: backup.Permanent, Message: path + " is not there"}
	}
	_, err := io.Copy(w, struct{ io.Reader }{strings.NewReader(content)})
	return err
}

var made = time.Unix(1_790_000_000, 123_456_789)

// site is a tree of live files and an archive of them.
func site(t *testing.T, live map[string]string) (*archive, *Driller, backup.Call) {
	t.Helper()
	root := t.TempDir()
	a := &archive{content: map[string]string{}}
	for _, path := range slices.Sorted(mapKeys(live)) {
		target := filepath.Join(root, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(target), 0o700), os.WriteFile(target, []byte(live[path]), 0o600), os.Chtimes(target, made, made)); err != nil {
			t.Fatal(err)
		}
		a.items = append(a.items, backup.Item{Path: path, Mode: "-rw-------", Size: int64(len(live[path])), ModTime: made.Round(time.Microsecond)})
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

func TestVerdicts(t *testing.T) {
	for name, test := range map[string]struct {
		change func(t *testing.T, a *archive, d *Driller, call backup.Call)
		class  backup.Class // 0: it ends well
		words  string
		warns  int
		read   int64
		same   int64
	}{
		"all is well":         {read: 2, same: 2},
		"the disk has rotted": {func(_ *testing.T, a *archive, _ *Driller, _ backup.Call) { a.content["data/a"] = "ALPHA" }, 0, "", 1, 2, 2},
		"changed since": {func(t *testing.T, _ *archive, d *Driller, _ backup.Call) {
			if err := os.WriteFile(filepath.Join(d.Root, "data/a"), []byte("Alpha"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, 0, "", 0, 2, 1},
		"gone since": {func(t *testing.T, _ *archive, d *Driller, _ backup.Call) {
			if err := os.Remove(filepath.Join(d.Root, "data/a")); err != nil {
				t.Fatal(err)
			}
		}, 0, "", 0, 2, 1},
		"another ctime": {func(_ *testing.T, a *archive, _ *Driller, _ backup.Call) { a.items[0].Changed = made }, 0, "", 0, 2, 1},
		"a link now": {func(t *testing.T, _ *archive, d *Driller, _ backup.Call) {
			path := filepath.Join(d.Root, "data/a")
			if err := errors.Join(os.Rename(path, path+"2"), os.Symlink("a2", path)); err != nil {
				t.Fatal(err)
			}
		}, 0, "", 0, 2, 1},
		"not extracted": {func(_ *testing.T, a *archive, _ *Driller, _ backup.Call) { delete(a.content, "data/a") }, backup.Alarming, "not there", 0, 1, 1},
		"too short":     {func(_ *testing.T, a *archive, _ *Driller, _ backup.Call) { a.content["data/a"] = "al" }, backup.Alarming, "it has 2 bytes, the archive lists 5", 0, 1, 1},
		"zeros for a lost chunk": {func(_ *testing.T, a *archive, _ *Driller, _ backup.Call) {
			a.warnings = []backup.Warning{{Kind: backup.Other, Message: "File data/a has damaged (all-zero) chunks. Try running borg check --repair."}}
		}, backup.Alarming, "all-zero", 0, 1, 1},
		"a name that cannot be here": {func(_ *testing.T, a *archive, _ *Driller, _ backup.Call) {
			delete(a.content, "data/a")
			a.warnings = []backup.Warning{{Kind: backup.Other, Path: "data/a", Message: "data/a: [Errno 36] File name too long"}}
		}, backup.Permanent, "File name too long", 0, 1, 1},
		"an attribute that cannot be here": {func(_ *testing.T, a *archive, _ *Driller, _ backup.Call) {
			a.warnings = []backup.Warning{{Kind: backup.Other, Path: "data/a", Message: "data/a: when setting extended attribute"}}
		}, 0, "", 0, 2, 2},
		"a source is missing": {func(_ *testing.T, _ *archive, _ *Driller, call backup.Call) {
			call.Job.Sources = append(call.Job.Sources, "/srv")
		}, backup.Permanent, "/srv", 0, 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			a, d, call := site(t, map[string]string{"data/a": "alpha", "data/b": "beta"})
			if test.change != nil {
				test.change(t, a, d, call)
			}
			for _, full := range []bool{false, true} {
				report, err := d.Verify(t.Context(), call, full, 7)
				if (err != nil) != (test.words != "") {
					t.Fatalf("full %v: %v", full, err)
				}
				if err != nil {
					if failure := backup.AsFailure("", err); failure.Class != test.class || !strings.Contains(failure.Message, test.words) {
						t.Errorf("full %v: %v", full, err)
					}
				}
				if len(report.Warnings) != test.warns || report.Drill.Files != test.read || report.Drill.Compared != test.same {
					t.Errorf("full %v: %d warnings, %+v", full, len(report.Warnings), report.Drill)
				}
			}
		})
	}
}

func TestNoSpace(t *testing.T) {
	a, d, call := site(t, map[string]string{"data/a": "alpha"})
	a.items[0].Size = 1 << 61
	call.Job.Verify.Size = 1 << 62
	_, err := d.Verify(t.Context(), call, false, 1)
	if failure := backup.AsFailure("", err); failure == nil || failure.Class != backup.Permanent || !strings.Contains(failure.Hint, "verify.size") {
		t.Error(err)
	}
}

// A full drill takes the files in parts that are no larger than a drill.
func TestFullInParts(t *testing.T) {
	live := map[string]string{}
	for _, name := range strings.Split("abcdefghij", "") {
		live["data/"+name] = strings.Repeat(name, 400)
	}
	a, d, call := site(t, live)
	call.Job.Verify.Size = 1000
	report, err := d.Verify(t.Context(), call, true, 1)
	if err != nil || report.Drill.Files != 10 || report.Drill.Compared != 10 || len(a.asked) != 10 {
		t.Errorf("%+v, %v", report.Drill, err)
	}
}

func TestDumps(t *testing.T) {
	contents := backup.Contents{Version: 1, Dumps: []backup.DatabaseDump{
		{Kind: backup.OneDatabase, Type: "postgresql", Server: "postgresql", Name: "shop", Format: "custom", Size: 9000},
		{Kind: backup.OneDatabase, Type: "postgresql", Server: "postgresql", Name: "soft", Format: "custom", Left: "down"},
	}}
	text, err := json.Marshal(contents)
	if err != nil {
		t.Fatal(err)
	}
	dump := "PGDMP" + strings.Repeat("x", 8995)
	for name, test := range map[string]struct {
		dump, names string
		sampled     bool // whether a drill that is not full finds it
		class       backup.Class
	}{
		"well":      {dump: dump, names: "shop"},
		"no dump":   {"\x00" + dump[1:], "shop", true, backup.Alarming},
		"too short": {dump[:8000], "shop", false, backup.Alarming},
		"missing":   {dump, "other", true, backup.Permanent},
		"left out":  {dump, "soft", true, backup.Permanent},
	} {
		a, d, call := site(t, map[string]string{"data/a": "alpha"})
		call.Job.Databases = []backup.Database{{Type: "postgresql", Names: []string{test.names}}}
		a.content["contents.json"], a.content["postgresql/shop.dump"] = string(text), test.dump
		for _, full := range []bool{false, true} {
			report, err := d.Verify(t.Context(), call, full, 1)
			if fails := test.class != 0 && (test.sampled || full); fails != (err != nil) || fails && backup.AsFailure("", err).Class != test.class || report.Drill.Dumps != 1 {
				t.Errorf("%s, full %v: %v, %+v", name, full, err, report.Drill)
			}
		}
	}
}
