package borg

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

const listedItem = "-rw-r--r--\x00me\x00users\x005\x002026-11-20T10:00:00.000001\x002026-11-21T10:00:00.500000\x00''\x00'a'\x00"

func collect(text string, chunk int) (items []backup.Item, err error) {
	w := &cutter{broken: func() {}, take: func(text []byte) ([]byte, error) {
		item, after, err := nextItem(text)
		if err == nil && after != nil {
			items = append(items, item)
		}
		return after, err
	}}
	for len(text) > 0 && err == nil {
		n := min(chunk, len(text))
		_, err = w.Write([]byte(text[:n]))
		text = text[n:]
	}
	if err == nil && len(w.pending) > 0 {
		err = errors.New("it breaks off")
	}
	return items, err
}

func TestItemsComeInPieces(t *testing.T) {
	text := listedItem + strings.Replace(listedItem, "'a'", `"it's\n\\ \udcff\xfc\u20ac\U0001f600\t\r\'\""`, 1) +
		strings.Replace(strings.Replace(listedItem, "-rw", "lrw", 1), "''", `'../x -> y'`, 1)
	file := backup.Item{
		Path: "a", Mode: "-rw-r--r--", Owner: "me:users", Size: 5,
		ModTime: time.Date(2026, 11, 20, 10, 0, 0, 1000, time.UTC), Changed: time.Date(2026, 11, 21, 10, 0, 0, 5e8, time.UTC),
	}
	odd, link := file, file
	odd.Path = "it's\n\\ \xffü€😀\t\r'\""
	link.Mode, link.Size, link.Target = "lrw-r--r--", 0, "../x -> y"
	for _, chunk := range []int{1, 2, 7, 100, 1 << 20} {
		items, err := collect(text, chunk)
		if diff := cmp.Diff([]backup.Item{file, odd, link}, items); diff != "" || err != nil {
			t.Errorf("in pieces of %d: %v\n%s", chunk, err, diff)
		}
	}
}

func TestItemsThatAreNone(t *testing.T) {
	for name, change := range map[string][2]string{
		"mode": {"-rw-r--r--", "-rw"}, "size": {"\x005\x00", "\x00x\x00"}, "negative size": {"\x005\x00", "\x00-5\x00"},
		"mtime": {"2026-11-20T10:00:00.000001", "Mon"}, "ctime": {"2026-11-21T", "2026-13-21T"},
		"no literal": {"'a'", "a"}, "other quotes": {"'a'", "'a\""}, "nothing": {"'a'", ""}, "one quote": {"'a'", "'"}, "empty path": {"'a'", "''"},
		"backslash": {"'a'", `'a\'`}, "escape": {"'a'", `'\q'`}, "short": {"'a'", `'\x1'`}, "no hex": {"'a'", `'\xzz'`}, "too large": {"'a'", `'\U00110000'`},
		"link": {"''", "x"}, "breaks off": {"'a'\x00", "'a'"}, "another field": {"me\x00", "me\x00me\x00"},
	} {
		text := strings.Replace(listedItem, change[0], change[1], 1)
		if text == listedItem {
			t.Fatalf("%s changes nothing", name)
		}
		if items, err := collect(text, 10); err == nil || len(items) > 0 {
			t.Errorf("%s: %v was taken", name, items)
		}
	}
	if _, err := collect(strings.Repeat("x", 2*maxRecord), 1<<15); err == nil {
		t.Error("an item without an end was taken")
	}
}

// However long the list is, no more than what is just being read is held.
func TestItemsTakeNoMemory(t *testing.T) {
	items := 0
	w := &cutter{broken: func() {}, take: func(text []byte) ([]byte, error) {
		_, after, err := nextItem(text)
		if after != nil {
			items++
		}
		return after, err
	}}
	text := []byte(strings.Repeat(listedItem, 1000))
	for range 300 {
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	if items != 300_000 || cap(w.pending) > 4*len(text) {
		t.Errorf("%d items, %d bytes are held", items, cap(w.pending))
	}
}

// literal writes bytes as borg writes a path: as Python's ascii() of its text.
func literal(path string) string {
	var b strings.Builder
	for rest := path; rest != ""; {
		r, width := utf8.DecodeRuneInString(rest)
		raw := rest[0]
		rest = rest[width:]
		switch {
		case r == utf8.RuneError && width == 1:
			fmt.Fprintf(&b, `\udc%02x`, raw)
		case r == '\\' || r == '\'':
			b.WriteString(`\` + string(r))
		case r < 0x20 || r >= 0x7f && r <= 0xff:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		case r > 0x7f:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return "'" + b.String() + "'"
}

// FuzzPath: whatever bytes a path has, they come back.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"home/a", "\xff\xfe", "new\nline", `back\slash`, `it's "it"`, "ü€😀", "\x7f\x80"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got, err := unquote([]byte(literal(path)))
		if err != nil || got != path {
			t.Errorf("%q came back as %q: %v", path, got, err)
		}
	})
}

// FuzzItems: however borg's words are cut, they mean the same.
func FuzzItems(f *testing.F) {
	f.Add(listedItem+listedItem, 3)
	f.Add(listedItem[:20], 1)
	f.Add(strings.Replace(listedItem, "'a'", `'\udc80'`, 1), 50)
	f.Fuzz(func(t *testing.T, text string, chunk int) {
		whole, failed := collect(text, len(text)+1)
		pieces, failedToo := collect(text, max(chunk, 1))
		if diff := cmp.Diff(whole, pieces); diff != "" || (failed == nil) != (failedToo == nil) {
			t.Errorf("%v, %v\n%s", failed, failedToo, diff)
		}
		for _, item := range whole {
			if item.Path == "" || item.Size < 0 || item.Type() == '?' {
				t.Errorf("%+v was taken", item)
			}
		}
	})
}
