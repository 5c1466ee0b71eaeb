package borg_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
	"borgcron/internal/borg"
)

// oddNames are what a file system takes.
func oddNames() []string {
	return []string{
		"plain", "-dash", "--two", "new\nline", "tab\there", "re\rturn", "latin \xe9", "blank ", " before", "#number", "star*", "q?[a]",
		"pp:x", "back\\slash", "'\"", "{now}", "\x7f", "nbsp\u00a0", "line\u2028sep", "a: b", strings.Repeat("n", 255),
	}
}

// inDir lists what is below dir, without folders.
func inDir(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found = append(found, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// extraction is a fixture with an archive of odd names, in the folders a and b.
func (f *fixture) extraction() (stored string, out func() string) {
	f.t.Helper()
	for _, folder := range []string{"a", "b"} {
		f.must(os.Mkdir(filepath.Join(f.source, folder), 0o755))
		for _, name := range oddNames() {
			f.write(filepath.Join(folder, name), folder+name)
		}
	}
	f.init()
	f.create("host-home-1")
	n := 0
	return strings.TrimPrefix(f.source, "/"), func() string {
		n++
		dir := filepath.Join(f.dir, fmt.Sprintf("out%d", n))
		f.must(os.Mkdir(dir, 0o755))
		return dir
	}
}

func TestExtractTreeChooses(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		stored, out := f.extraction()
		all, folderA := []string{stored + "/file"}, []string{}
		for _, name := range oddNames() {
			folderA = append(folderA, stored+"/a/"+name)
			all = append(all, stored+"/a/"+name, stored+"/b/"+name)
		}
		half, others := folderA[:10], folderA[10:]
		cases := map[string]struct {
			e    borg.Extraction
			want []string
		}{
			"all":                     {borg.Extraction{}, all},
			"a folder":                {borg.Extraction{Paths: []string{stored + "/a"}}, folderA},
			"odd names as paths":      {borg.Extraction{Paths: half}, half},
			"the others as paths":     {borg.Extraction{Paths: others}, others},
			"odd names as entries":    {borg.Extraction{Entries: half}, half},
			"the others as entries":   {borg.Extraction{Entries: others}, others},
			"entries and a path":      {borg.Extraction{Entries: half, Paths: []string{stored + "/file"}}, append([]string{stored + "/file"}, half...)},
			"without odd names":       {borg.Extraction{Paths: []string{stored + "/a"}, Exclude: half}, others},
			"without the others":      {borg.Extraction{Paths: []string{stored + "/a"}, Exclude: others}, half},
			"an entry that is out":    {borg.Extraction{Entries: folderA, Exclude: half}, others},
			"a dry run":               {borg.Extraction{DryRun: true}, nil},
			"a folder alone is empty": {borg.Extraction{Entries: []string{stored + "/a"}}, nil},
		}
		for name, test := range cases {
			t.Run(name, func(t *testing.T) {
				test.e.Dir = out()
				report, err := f.client.ExtractTree(t.Context(), f.call(), "host-home-1", test.e)
				f.must(err)
				if len(report.Warnings) > 0 || len(f.warned) > 0 {
					t.Errorf("warnings: %v, %v", report.Warnings, f.warned)
				}
				want, got := slices.Sorted(slices.Values(test.want)), inDir(t, test.e.Dir)
				slices.Sort(got)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
				for _, path := range got {
					text, err := os.ReadFile(filepath.Join(test.e.Dir, path))
					f.must(err)
					if folder, file := filepath.Split(path); file != "file" && string(text) != filepath.Base(folder)+file {
						t.Errorf("%q holds %q", path, text)
					}
				}
			})
		}
	})
}

// More odd names than one command line takes are extracted by several calls.
func TestExtractTreeInBatches(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.init()
		var entries []string
		for i := range 5000 {
			name := fmt.Sprintf("new\nline%05d%s", i, strings.Repeat("x", 200))
			f.write(name, "")
			entries = append(entries, strings.TrimPrefix(f.source, "/")+"/"+name)
		}
		f.create("host-home-1")
		dir := t.TempDir()
		call := f.call()
		var last backup.Progress
		call.Progress = func(p backup.Progress) { last = p }
		_, err := f.client.ExtractTree(t.Context(), call, "host-home-1", borg.Extraction{Dir: dir, Entries: entries})
		f.must(err)
		if got := len(inDir(t, dir)); got != len(entries) || last.Files != int64(len(entries)) {
			t.Errorf("%d files are there, %d were told of, want %d", got, last.Files, len(entries))
		}
		_, err = f.client.ExtractTree(t.Context(), f.call(), "host-home-1", borg.Extraction{Dir: dir, Exclude: entries})
		f.fails(err, backup.Permanent, "")
	})
}

func TestExtractTreeProgress(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.init()
		f.write("big", strings.Repeat("0123456789abcdef", 1<<18))
		f.create("host-home-1")
		call := f.call()
		var seen []backup.Progress
		call.Progress = func(p backup.Progress) { seen = append(seen, p) }
		_, err := f.client.ExtractTree(t.Context(), call, "host-home-1", borg.Extraction{Dir: t.TempDir()})
		f.must(err)
		last := seen[len(seen)-1]
		want := backup.Progress{Files: 3, Current: 4<<20 + 9, Total: 4<<20 + 9, Message: last.Message}
		if diff := cmp.Diff(want, last); diff != "" || !strings.HasPrefix(last.Message, strings.TrimPrefix(f.source, "/")) {
			t.Errorf("%s\n%v", diff, seen)
		}
	})
}

// What cannot be written is named, and the rest is.
func TestExtractTreeWarns(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		stored, out := f.extraction()
		dir := out()
		var want []string
		for i, name := range oddNames()[:3] {
			path := filepath.Join(dir, stored, "a", name)
			f.must(os.MkdirAll(filepath.Join(path, "in the way"), 0o755))
			want = append(want, stored+"/a/"+oddNames()[i])
		}
		report, err := f.client.ExtractTree(t.Context(), f.call(), "host-home-1", borg.Extraction{Dir: dir})
		f.must(err)
		var got []string
		for _, w := range f.warned {
			got = append(got, w.Path)
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" || len(report.Warnings) != 3 || report.Counts[backup.Other] != 3 {
			t.Errorf("%s\n%+v", diff, report)
		}
		if text, err := os.ReadFile(filepath.Join(dir, stored, "b", "tab\there")); err != nil || string(text) != "btab\there" {
			t.Errorf("%q, %v", text, err)
		}
	})
}

// A borg that extracts ends at once when it is to end.
func TestExtractTreeStopped(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.init()
		for i := range 100 {
			f.write(fmt.Sprintf("file%03d", i), strings.Repeat(fmt.Sprint(i), 1<<19))
		}
		f.create("host-home-1")
		ctx, cancel := context.WithCancel(t.Context())
		call := f.call()
		call.Progress = func(p backup.Progress) {
			if p.Files > 10 {
				cancel()
			}
		}
		dir := t.TempDir()
		began := time.Now()
		_, err := f.client.ExtractTree(ctx, call, "host-home-1", borg.Extraction{Dir: dir})
		f.fails(err, backup.Transient, "")
		if got := len(inDir(t, dir)); got == 0 || got == 100 || time.Since(began) > 8*time.Second {
			t.Errorf("%d files after %v", got, time.Since(began))
		}
	})
}
