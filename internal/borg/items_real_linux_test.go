package borg_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

// TestItems compares what borg lists with what is on the disk, in every byte of the names.
func TestItems(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		for i, name := range append(oddNames(), "\xff\xfelatin", "it's", "\x1b[31m", "ü€😀", "\u0085\ufeff") {
			f.write(name, strings.Repeat("y", i))
			at := time.Date(2000, 1, 1, 0, 0, i, 123456789, time.UTC)
			f.must(os.Chtimes(filepath.Join(f.source, name), at, at))
		}
		f.must(os.MkdirAll(filepath.Join(f.source, strings.Repeat("deep/", 200)), 0o700))
		f.must(os.Symlink("new\nline", filepath.Join(f.source, "symlink -> x")))
		f.must(syscall.Mkfifo(filepath.Join(f.source, "fifo"), 0o640))
		f.init()
		f.create("one")

		want, got := map[string]backup.Item{}, map[string]backup.Item{}
		f.must(filepath.Walk(f.source, func(path string, info os.FileInfo, err error) error {
			if err == nil {
				want[strings.TrimPrefix(path, "/")] = asListed(info)
			}
			return err
		}))
		f.must(f.client.Items(t.Context(), f.call(), "one", func(item backup.Item) error {
			path := item.Path
			if item.Type() == 'l' && item.Target != "new\nline" {
				t.Errorf("the link leads to %q", item.Target)
			}
			item.Path, item.Owner, item.Target = "", "", ""
			item.ModTime, item.Changed = item.ModTime.Truncate(time.Millisecond), item.Changed.Truncate(time.Millisecond)
			got[path] = item
			return nil
		}))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// asListed is what stat says, with times to the millisecond: borg rounds microseconds.
func asListed(info os.FileInfo) backup.Item {
	stat := info.Sys().(*syscall.Stat_t)
	item := backup.Item{
		Mode: info.Mode().String(), ModTime: info.ModTime().UTC().Truncate(time.Millisecond),
		Changed: time.Unix(stat.Ctim.Unix()).UTC().Truncate(time.Millisecond),
	}
	switch info.Mode().Type() {
	case 0:
		item.Size = info.Size()
	case os.ModeSymlink:
		item.Mode = "l" + item.Mode[1:]
	}
	return item
}

func TestItemsOfHardLinks(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		for _, name := range []string{"a", "b"} {
			f.must(os.Link(filepath.Join(f.source, "file"), filepath.Join(f.source, name)))
		}
		f.init()
		f.create("one")
		masters, links := map[string]int64{}, map[string]string{}
		f.must(f.client.Items(t.Context(), f.call(), "one", func(item backup.Item) error {
			switch item.Type() {
			case '-':
				masters[item.Path] = item.Size
			case 'h':
				links[item.Path] = item.Target
			}
			return nil
		}))
		if len(masters) != 1 || len(links) != 2 {
			t.Fatalf("masters %v, links %v", masters, links)
		}
		for link, target := range links {
			if size, found := masters[target]; !found || size != int64(len("some text")) {
				t.Errorf("%s leads to %q of %d bytes", link, target, size)
			}
		}
	})
}

func TestItemsFail(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.init()
		f.create("one")
		none := func(backup.Item) error {
			t.Error("there is an item")
			return nil
		}
		f.fails(f.client.Items(t.Context(), f.call(), "two", none), backup.Permanent, "Archive.DoesNotExist")

		full, calls := errors.New("no room"), 0
		err := f.client.Items(t.Context(), f.call(), "one", func(backup.Item) error {
			calls++
			return full
		})
		if !errors.Is(err, full) || calls != 1 {
			t.Errorf("after %d calls the error is %v", calls, err)
		}
	})
}

// A borg that does not stop by itself when nobody reads is ended.
func TestItemsEndsBorg(t *testing.T) {
	f := newFixture(t, "borg")
	f.standIn(`printf '%s' '` + "-rw-r--r--" + `'; printf '\0me\0me\0005\0002026-11-20T10:00:00.000000\0002026-11-20T10:00:00.000000\000%s\000%s\000' "''" "'a'"; exec sleep 600`)
	enough := errors.New("that is enough")
	if err := f.client.Items(t.Context(), f.call(), "one", func(backup.Item) error { return enough }); !errors.Is(err, enough) {
		t.Error(err)
	}
	// Words that break off are no list, even if borg says that all is well.
	f.standIn(`printf -- '-rw-r--r--\0me\0me'`)
	f.fails(f.client.Items(t.Context(), f.call(), "one", func(backup.Item) error { return nil }), backup.Permanent, "")
}
