package restore_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
	"borgcron/internal/restore"
)

var modified = time.Date(2026, 11, 1, 12, 0, 0, 123456000, time.UTC)

// target is a folder that is made of lines such as "a/b text", "a/", "a -> b".
func target(t *testing.T, lines ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, line := range lines {
		name, text, _ := strings.Cut(line, " ")
		path := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		to, isLink := strings.CutPrefix(text, "-> ")
		switch {
		case isLink:
			must(t, os.Symlink(to, path))
		case strings.HasSuffix(name, "/"):
			must(t, os.MkdirAll(path, 0o755))
		default:
			must(t, os.WriteFile(path, []byte(text), 0o644))
			must(t, os.Chtimes(path, modified, modified))
		}
	}
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// archive makes entries of lines such as "a/", "a/b 4" (a file of 4 bytes), "a/l ->", "a/h = a/b".
func archive(lines ...string) []backup.Item {
	var items []backup.Item
	for _, line := range lines {
		name, text, _ := strings.Cut(line, " ")
		item := backup.Item{Path: strings.TrimSuffix(name, "/"), Mode: "-rw-r--r--", ModTime: modified}
		original, hard := strings.CutPrefix(text, "= ")
		switch {
		case strings.HasSuffix(name, "/"):
			item.Mode = "drwxr-xr-x"
		case text == "->":
			item.Mode = "lrwxrwxrwx"
		case hard:
			item.Mode, item.Target = "hrw-r--r--", original
		default:
			fmt.Sscan(text, &item.Size)
		}
		items = append(items, item)
	}
	return items
}

func plan(t *testing.T, planner *restore.Planner, items []backup.Item) (said string, made restore.Plan) {
	t.Helper()
	var lines []string
	planner.Each = func(a restore.Action) { lines = append(lines, a.Does+" "+a.Item.Path) }
	for _, item := range items {
		must(t, planner.Add(item))
	}
	return strings.Join(lines, "\n"), planner.Plan()
}

func TestWhatIsThereAlready(t *testing.T) {
	items := archive("a/", "a/new 1", "a/file 2", "a/link ->", "a/folder/", "a/folder/below 4", "a/deep/", "a/deep/file 8")
	there := []string{"a/file 12", "a/link -> /etc", "a/folder text", "a/deep/file 1"}
	cases := map[restore.Existing]string{
		restore.Refuse:    "write a, write a/new, refuse a/file, refuse a/link, refuse a/folder, write a/folder/below, write a/deep, refuse a/deep/file",
		restore.Skip:      "skip a, write a/new, skip a/file, skip a/link, skip a/folder, skip a/deep, skip a/deep/file",
		restore.Rename:    "write a, write a/new, rename a/file, rename a/link, rename a/folder, write a/folder/below, write a/deep, rename a/deep/file",
		restore.Overwrite: "write a, write a/new, overwrite a/file, overwrite a/link, overwrite a/folder, write a/folder/below, write a/deep, overwrite a/deep/file",
	}
	for _, mode := range restore.Modes {
		said, made := plan(t, &restore.Planner{Dir: target(t, there...), Existing: mode, Stamp: "S"}, items)
		if diff := cmp.Diff(strings.Split(cases[mode], ", "), strings.Split(said, "\n")); diff != "" {
			t.Errorf("%s: %s", mode, diff)
		}
		if len(made.Conflicts) != 4 {
			t.Errorf("%s: conflicts %+v", mode, made.Conflicts)
		}
		if mode == restore.Skip {
			want := []string{"a", "a/file", "a/link", "a/folder", "a/folder/below", "a/deep", "a/deep/file"}
			if diff := cmp.Diff(want, made.Leave); diff != "" || made.Bytes != 1 || made.Entries != 1 {
				t.Errorf("%s\n%+v", diff, made)
			}
		}
	}
}

func TestNothingIsWrittenThroughALink(t *testing.T) {
	outside := t.TempDir()
	for _, mode := range restore.Modes {
		dir := target(t, "a/out -> "+outside, "a/file text", "a/inside -> .")
		said, made := plan(t, &restore.Planner{Dir: dir, Existing: mode, Stamp: "S"},
			archive("a/out/x/y 1", "a/out/z 1", "a/file/below/deep 1", "a/inside/new 1", "a/fine 1"))
		if want := "refuse a/out\nrefuse a/file\nrefuse a/inside\nwrite a/fine"; said != want || len(made.Write) != 1 {
			t.Errorf("%s: %s, %v", mode, said, made.Write)
		}
		for _, conflict := range made.Conflicts {
			if conflict.Action != restore.Refuse || conflict.Why == "" {
				t.Errorf("%s: %+v", mode, conflict)
			}
		}
	}
}

func TestAFolderIsNeverOverwritten(t *testing.T) {
	dir := target(t, "a/precious/file text")
	said, _ := plan(t, &restore.Planner{Dir: dir, Existing: restore.Overwrite}, archive("a/precious 3"))
	if said != "refuse a/precious" {
		t.Error(said)
	}
	said, _ = plan(t, &restore.Planner{Dir: dir, Existing: restore.Rename, Stamp: "S"}, archive("a/precious 3"))
	if said != "rename a/precious" {
		t.Error(said)
	}
}

func TestEntriesThatLeadOut(t *testing.T) {
	for _, path := range []string{"/etc/passwd", "../x", "a/../../x", ".."} {
		planner := &restore.Planner{Dir: t.TempDir(), Existing: restore.Overwrite}
		if err := planner.Add(backup.Item{Path: path, Mode: "-rw-r--r--"}); err == nil {
			t.Errorf("%s is taken", path)
		}
	}
}

func former(before ...string) *restore.Former {
	f := &restore.Former{Before: map[string]struct{}{}, Failed: map[string]struct{}{}, Trust: func(time.Time) bool { return true }}
	for _, entry := range before {
		f.Before[entry] = struct{}{}
	}
	return f
}

func TestContinue(t *testing.T) {
	items := archive("a/", "a/whole 5", "a/part 9", "a/other 5", "a/failed 5", "a/link ->", "a/missing 1")
	dir := target(t, "a/whole 12345", "a/part 1234", "a/other 12345", "a/failed 12345", "a/link -> x")
	must(t, os.Chtimes(filepath.Join(dir, "a/other"), modified.Add(time.Millisecond), modified.Add(time.Millisecond)))
	f := former()
	f.Failed["a/failed"] = struct{}{}
	_, made := plan(t, &restore.Planner{Dir: dir, Existing: restore.Refuse, Former: f}, items)
	if diff := cmp.Diff([]string{"a", "a/part", "a/other", "a/failed", "a/link", "a/missing"}, made.Write); diff != "" || made.Done != 1 || made.DoneBytes != 5 {
		t.Errorf("%s\n%+v", diff, made)
	}
	f = former()
	f.Trust = func(time.Time) bool { return false } // the machine crashed meanwhile
	if _, made = plan(t, &restore.Planner{Dir: dir, Existing: restore.Refuse, Former: f}, items); made.Done != 0 {
		t.Errorf("%+v", made)
	}
}

// What was there before a restore began stays protected when it is continued, what the restore made does not.
func TestContinueProtects(t *testing.T) {
	dir := target(t, "a/theirs x", "a/ours x", "a/folder/")
	items := archive("a/", "a/theirs 5", "a/ours 5", "a/folder/", "a/made/")
	must(t, os.Mkdir(filepath.Join(dir, "a/made"), 0o755))
	said, _ := plan(t, &restore.Planner{Dir: dir, Existing: restore.Skip, Former: former("a", "a/theirs", "a/folder")}, items)
	if want := "skip a\nskip a/theirs\nwrite a/ours\nskip a/folder\nwrite a/made"; said != want {
		t.Error(said)
	}
	planner := func() *restore.Planner {
		return &restore.Planner{Dir: dir, Existing: restore.Rename, Stamp: "S", Former: former("a/theirs")}
	}
	if said, _ := plan(t, planner(), items[:3]); said != "write a\nrename a/theirs\nwrite a/ours" {
		t.Error(said)
	}
	must(t, restore.SetAside(dir, "a/theirs", "S"))
	if said, made := plan(t, planner(), items[:3]); said != "write a\nwrite a/theirs\nwrite a/ours" || len(made.Conflicts) > 0 {
		t.Error(said, made)
	}
	must(t, os.Remove(filepath.Join(dir, "a/theirs"))) // as borg does
	must(t, os.WriteFile(filepath.Join(dir, "a/theirs"), []byte("12345"), 0o644))
	must(t, os.Chtimes(filepath.Join(dir, "a/theirs"), modified, modified))
	if said, _ := plan(t, planner(), items[:3]); said != "write a\ndone a/theirs\nwrite a/ours" {
		t.Error(said)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "a/theirs.before-restore-S")); err != nil || string(text) != "x" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestHardLinksAreContinuedTogether(t *testing.T) {
	items := archive("a 5", "b = a", "c = a", "x 5", "y = x")
	dir := target(t, "a 12345", "x 12345")
	for from, to := range map[string]string{"b": "a", "y": "x"} {
		must(t, os.Link(filepath.Join(dir, to), filepath.Join(dir, from)))
	}
	_, made := plan(t, &restore.Planner{Dir: dir, Former: former()}, items)
	slices.Sort(made.Write)
	if diff := cmp.Diff([]string{"a", "b", "c"}, made.Write); diff != "" || made.Done != 2 || made.Entries != 3 {
		t.Errorf("c is missing: %s\n%+v", diff, made)
	}
	must(t, os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "c")))
	if _, made = plan(t, &restore.Planner{Dir: dir, Former: former()}, items); len(made.Write) != 0 || made.Done != 5 {
		t.Errorf("all are there: %+v", made)
	}
	must(t, os.WriteFile(filepath.Join(dir, "a"), []byte("1"), 0o644))
	if _, made = plan(t, &restore.Planner{Dir: dir, Former: former()}, items); !slices.Equal(made.Write, []string{"a", "b", "c"}) {
		t.Errorf("a is not whole: %+v", made.Write)
	}
}

// A file that was there before is not written anew because a link to it in the archive is missing.
func TestHardLinksOfWhatIsProtected(t *testing.T) {
	dir := target(t, "a mine")
	planner := &restore.Planner{Dir: dir, Existing: restore.Skip, Former: former("a")}
	_, made := plan(t, planner, archive("a 4", "b = a"))
	if !slices.Equal(made.Write, []string{"b"}) || !slices.Equal(made.Leave, []string{"a"}) {
		t.Errorf("%+v", made)
	}
}

func TestRoom(t *testing.T) {
	dir := target(t, "a/old "+strings.Repeat("x", 1<<20))
	_, made := plan(t, &restore.Planner{Dir: dir, Existing: restore.Overwrite}, archive("a/", "a/old 1048576", "a/new 1000"))
	if len(made.Need) != 1 || made.Bytes != 1<<20+1000 {
		t.Fatalf("%+v", made)
	}
	for _, need := range made.Need {
		if need.Bytes > 1000 {
			t.Errorf("what is overwritten makes room: %+v", need)
		}
	}
	dir = filepath.Join(dir, "not", "there")
	_, made = plan(t, &restore.Planner{Dir: dir, Existing: restore.Overwrite}, archive("a/", "a/new 1000"))
	for _, need := range made.Need {
		if need.Bytes != 1000 {
			t.Errorf("%+v", need)
		}
	}
}

func TestSelection(t *testing.T) {
	s := restore.Select([]string{"a/b", "a/b/c", "x"})
	for path, want := range map[string]bool{"a": false, "a/b": true, "a/b/d/e": true, "a/bc": false, "x": true, "x/y": true, "xx": false} {
		if s.Covers(path) != want {
			t.Error(path)
		}
	}
	roots := s.Roots()
	slices.Sort(roots)
	if !slices.Equal(roots, []string{"a/b", "x"}) || !restore.Select(nil).Covers("any") {
		t.Error(roots)
	}
	for name, want := range map[string]string{"/home/me/": "home/me", "home/./me": "home/me", "/": "", "../../x": "x", "./-a": "-a"} {
		if got := restore.Stored(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	for path, want := range map[string]string{"a\xe9b": "a?b", "a\nb": "a b", "\uFFFD": "\uFFFD"} {
		if got := restore.Spelled(path); got != want {
			t.Errorf("%q: %q", path, got)
		}
	}
}

func TestSetAside(t *testing.T) {
	long := strings.Repeat("n", 255)
	dir := target(t, "file text", "link -> nowhere", "folder/below x", long+" long")
	for _, name := range []string{"file", "link", "folder", long, "gone"} {
		must(t, restore.SetAside(dir, name, "S"))
	}
	for _, name := range []string{"file", "link"} { // they keep their first name until borg takes it
		one, err := os.Lstat(filepath.Join(dir, name))
		must(t, err)
		two, err := os.Lstat(filepath.Join(dir, name+".before-restore-S"))
		must(t, err)
		if !os.SameFile(one, two) {
			t.Errorf("%s is another one", name)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, "folder.before-restore-S", "below")); err != nil {
		t.Error(err)
	}
	if name := restore.AsideName("d/"+long, "S"); len(name) != 257 || name == restore.AsideName("d/"+long[:254]+"m", "S") {
		t.Error(name)
	}
	must(t, os.Mkdir(filepath.Join(dir, "folder"), 0o755))
	if err := restore.SetAside(dir, "folder", "S"); err == nil {
		t.Error("what was set aside was replaced")
	}
}
