package borg_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
	"borgcron/internal/borg"
)

func TestDiff(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		in := func(name string) string { return filepath.Join(f.source, name) }
		for _, name := range []string{"same", "changed", "mode", "gone", "touched", "becomes folder", "new\nline"} {
			f.write(name, "some text")
		}
		f.must(os.Symlink("here", in("link")))
		f.init()
		f.create("one")
		f.write("changed", "quite another text")
		f.write("added", "text")
		f.write("new\nline", "x")
		f.must(os.Chmod(in("mode"), 0o600))
		f.must(os.Chtimes(in("touched"), time.Unix(1, 0), time.Unix(1, 0)))
		for _, name := range []string{"gone", "becomes folder", "link"} {
			f.must(os.Remove(in(name)))
		}
		f.must(os.Mkdir(in("becomes folder"), 0o755))
		f.must(os.Symlink("there", in("link")))
		f.create("two")

		var lines []string
		f.must(f.client.Diff(t.Context(), f.call(), "one", "two", func(d borg.Difference) error {
			line := fmt.Sprintf("%s %s", strings.TrimPrefix(d.Path, strings.TrimPrefix(f.source, "/")), d.Kind)
			if d.Added != nil {
				line += fmt.Sprintf(" +%d", *d.Added)
			}
			if d.Removed != nil {
				line += fmt.Sprintf(" -%d", *d.Removed)
			}
			lines = append(lines, line)
			return nil
		}))
		slices.SortFunc(lines, cmp.Compare[string])
		want := []string{
			" times", "/added added +4", "/becomes folder replaced", "/changed modified +18 -9", "/gone removed -9", "/link modified",
			"/mode metadata", "/new\nline modified +1 -9", "/touched times",
		}
		if diff := gocmp.Diff(want, lines); diff != "" {
			t.Error(diff)
		}

		// Where the two were cut in different ways borg reads the data, and knows no sizes.
		f.job.Chunker, lines = "10,23,16,4095", nil
		f.write("changed", "some other text")
		f.create("three")
		f.must(f.client.Diff(t.Context(), f.call(), "two", "three", func(d borg.Difference) error {
			lines = append(lines, fmt.Sprint(filepath.Base(d.Path), d.Kind, d.Added, d.Removed))
			return nil
		}))
		if diff := gocmp.Diff([]string{"changedmodified<nil> <nil>"}, lines); diff != "" {
			t.Error(diff)
		}
		f.fails(f.client.Diff(t.Context(), f.call(), "one", "four", func(borg.Difference) error { return nil }), backup.Permanent, "Archive.DoesNotExist")
	})
}
