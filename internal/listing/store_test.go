package listing

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

const repository = "ssh://borg@nas.example/./laptop"

func newID() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw)
	return hex.EncodeToString(raw)
}

// items are what an archive may hold.
func items() []backup.Item {
	at := time.Date(2026, 11, 22, 2, 30, 0, 123456000, time.UTC)
	all := []backup.Item{
		{Path: "home", Mode: "drwxr-xr-x", Owner: "root:root", ModTime: at, Changed: at},
		{Path: "home/a\nb\t\xff\xfe", Mode: "-rw-r--r--", Owner: "me:me", Size: 1 << 40, ModTime: at.AddDate(-30, 0, 0), Changed: at},
		{Path: "home/" + strings.Repeat("x", 255), Mode: "-rw-r--r--", Owner: "me:me", ModTime: time.UnixMicro(-5).UTC(), Changed: at},
		{Path: "home/link", Mode: "lrwxrwxrwx", Owner: "me:me", ModTime: at, Changed: time.Time{}, Target: "a -> b"},
		{Path: "home/hard", Mode: "hrw-r--r--", Owner: "me:me", ModTime: at, Changed: at, Target: "home/a\nb\t\xff\xfe"},
		{Path: "home/" + strings.Repeat("deep/", 500), Mode: "drwx------", Owner: "1000:1000", ModTime: at, Changed: at},
		{Path: "-dash", Mode: "-rw-r--r--", Owner: "me:me", ModTime: time.Time{}, Changed: at},
		{Path: "-dash", Mode: "-rw-r--r--", Owner: "me:me", ModTime: at, Changed: at}, // a path may come twice
	}
	for i := range 3 * maxStyles {
		all = append(all, backup.Item{Path: fmt.Sprintf("owned/%07d", i), Mode: "-rw-------", Owner: fmt.Sprint(i % (maxStyles + 7)), ModTime: at, Changed: at})
	}
	return all
}

func fillWith(items []backup.Item) func(func(backup.Item) error) error {
	return func(add func(backup.Item) error) error {
		for _, item := range items {
			if err := add(item); err != nil {
				return err
			}
		}
		return nil
	}
}

func readAll(t *testing.T, s *Store, id string) (found []backup.Item) {
	t.Helper()
	listed, err := s.Items(repository, id)
	if err != nil {
		t.Fatal(err)
	}
	for item, err := range listed {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, item)
	}
	return found
}

func TestWhatIsSavedIsRead(t *testing.T) {
	s, id := &Store{Dir: filepath.Join(t.TempDir(), "state", "listings")}, newID()
	for _, want := range [][]backup.Item{items(), nil, items()[:1]} { // saving again replaces
		if err := s.Save(repository, id, fillWith(want)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, readAll(t, s, id)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestNobodyElseMayRead(t *testing.T) {
	s, id := &Store{Dir: filepath.Join(t.TempDir(), "listings")}, newID()
	if err := s.Save(repository, id, fillWith(items())); err != nil {
		t.Fatal(err)
	}
	var modes []string
	err := filepath.WalkDir(s.Dir, func(_ string, entry fs.DirEntry, err error) error {
		info, _ := entry.Info()
		modes = append(modes, info.Mode().String())
		return err
	})
	if diff := cmp.Diff([]string{"drwx------", "drwx------", "-rw-------"}, modes); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestWhatFailsLeavesWhatWas(t *testing.T) {
	s, id := &Store{Dir: t.TempDir()}, newID()
	before := items()[:3]
	if err := s.Save(repository, id, fillWith(before)); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the line is gone")
	err := s.Save(repository, id, func(add func(backup.Item) error) error {
		return errors.Join(fillWith(items())(add), broken)
	})
	if !errors.Is(err, broken) {
		t.Errorf("the error is %v", err)
	}
	if diff := cmp.Diff(before, readAll(t, s, id)); diff != "" {
		t.Error(diff)
	}
	if left, _ := filepath.Glob(filepath.Join(s.Dir, "*", "*")); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestNoListing(t *testing.T) {
	s := &Store{Dir: filepath.Join(t.TempDir(), "none")}
	if _, err := s.Items(repository, newID()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the error is %v", err)
	}
	if archives, _, err := s.Archives(repository); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("archives %v, the error is %v", archives, err)
	}
	for _, id := range []string{"", "../../etc/passwd", strings.Repeat("zz", 32), "abcd"} {
		if err := s.Save(repository, id, fillWith(nil)); err == nil {
			t.Errorf("%q was taken for an id", id)
		}
		if s.Has(repository, id) {
			t.Errorf("there is a listing of %q", id)
		}
	}
}

// Whatever happens to a file: nothing of it is given.
func TestDamageIsFound(t *testing.T) {
	s, id := &Store{Dir: t.TempDir()}, newID()
	if err := s.Save(repository, id, fillWith(items())); err != nil {
		t.Fatal(err)
	}
	name, err := s.path(repository, id)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	damaged := map[string][]byte{
		"empty": {}, "the beginning": whole[:5], "truncated": whole[:len(whole)-1], "half": whole[:len(whole)/2],
		"longer": append(bytes.Clone(whole), 0), "another version": append([]byte("borgcron listing 2\n"), whole[len(magic):]...),
	}
	for at := 0; at < len(whole); at += 1 + len(whole)/500 {
		flipped := bytes.Clone(whole)
		flipped[at] ^= 0x10
		damaged[fmt.Sprint("a bit of byte ", at)] = flipped
	}
	for what, content := range damaged {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Items(repository, id); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: the error is %v", what, err)
		}
		if !s.Has(repository, id) {
			t.Errorf("%s: it is gone", what)
		}
	}
}

func TestOnlyTheseAreKept(t *testing.T) {
	s := &Store{Dir: t.TempDir()}
	ids := []string{newID(), newID(), newID()}
	const other = "/mnt/other/laptop"
	for _, id := range ids {
		for _, of := range []string{repository, other} {
			if err := s.Save(of, id, fillWith(items()[:2])); err != nil {
				t.Fatal(err)
			}
		}
	}
	stray := filepath.Join(s.folder(repository), "123.new") // of a program that was killed
	if err := os.WriteFile(stray, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC)
	kept := []backup.Archive{{Name: "a", ID: ids[1], Time: at}, {Name: "not listed", ID: newID(), Time: at}}
	for range 2 {
		if err := s.Keep(repository, kept, at.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	for i, id := range ids {
		if s.Has(repository, id) != (i == 1) || !s.Has(other, id) {
			t.Errorf("archive %d: here %v, in the other repository %v", i, s.Has(repository, id), s.Has(other, id))
		}
	}
	if _, err := os.Lstat(stray); err == nil {
		t.Error("what a killed program left is still there")
	}
	found, seen, err := s.Archives(repository)
	if diff := cmp.Diff(kept, found); diff != "" || err != nil || !seen.Equal(at.Add(time.Hour)) {
		t.Error(err, seen, diff)
	}
	if err := os.WriteFile(filepath.Join(s.folder(repository), archivesFile), []byte(`{"seen":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Archives(repository); !errors.Is(err, ErrDamaged) {
		t.Errorf("the error is %v", err)
	}
}

func TestPrunedArchivesAreDropped(t *testing.T) {
	s := &Store{Dir: t.TempDir()}
	ids := []string{newID(), newID(), newID()}
	for _, id := range ids[:2] {
		if err := s.Save(repository, id, fillWith(items()[:2])); err != nil {
			t.Fatal(err)
		}
	}
	deleted := backup.Report{Deleted: []backup.Archive{{ID: ids[0]}, {ID: ids[2]}}} // of the last one nothing is kept
	for _, event := range []backup.Event{
		{Kind: backup.RunStarted},
		{Kind: backup.StepEnded, Step: &backup.StepResult{Step: backup.Create}},
		{Kind: backup.StepEnded, Step: &backup.StepResult{Step: backup.Prune, Report: deleted}},
	} {
		event.Target.Repository.Location = repository
		if err := s.Observe(t.Context(), event); err != nil {
			t.Error(err)
		}
	}
	if s.Has(repository, ids[0]) || !s.Has(repository, ids[1]) {
		t.Error("the wrong listing was dropped")
	}
}
