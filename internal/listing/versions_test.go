package listing

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"borgcron/internal/backup"
)

// letters stand for a content: another size and another time; t changes the time alone, l is a link, . is nothing.
func itemOf(letter byte) (item backup.Item, there bool) {
	at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	item = backup.Item{Mode: "-rw-r--r--", Size: int64(letter), ModTime: at}
	switch letter {
	case '.':
		return item, false
	case 'A': // as a, but for its time
		item.Size, item.ModTime = 'a', at.Add(time.Microsecond)
	case 'd':
		item.Mode, item.Size = "drwxr-xr-x", 0
	case 'l':
		item.Mode, item.Size, item.Target = "lrwxrwxrwx", 0, "x"
	case 'm':
		item.Mode, item.Size, item.Target = "lrwxrwxrwx", 0, "y"
	}
	return item, true
}

func TestVersions(t *testing.T) {
	for _, test := range []struct{ archives, want string }{ // the newest first
		{"a", "3-3 1"},
		{"aaaa", "3-0 4"},
		{"aabb", "3-2 2, 1-0 2"},
		{"aaba", "3-2 2, 1-1 1, 0-0 1"},
		{"aA", "3-3 1, 2-2 1"},
		{"a.a", "3-3 1, 1-1 1"},
		{".aab", "gone since 3: 2-1 2, 0-0 1"},
		{"..a", "gone since 2: 1-1 1"},
		{"....", ""},
		{"llm", "3-2 2, 1-1 1"},
		{"ad", "3-3 1, 2-2 1"},
	} {
		var v Versions
		for i := range len(test.archives) {
			v.Next(backup.Archive{Name: fmt.Sprint(3 - i)})
			if item, there := itemOf(test.archives[i]); there {
				item.Path = "x"
				v.Add(item)
				v.Add(item) // a path may be in an archive twice
			}
		}
		var got []string
		head := ""
		for _, path := range v.Paths() {
			if path.Gone != nil {
				head = "gone since " + path.Gone.Name + ": "
			}
			for _, version := range path.Versions {
				got = append(got, fmt.Sprintf("%s-%s %d", version.Newest.Name, version.Oldest.Name, version.Count))
			}
		}
		if text := head + strings.Join(got, ", "); text != test.want {
			t.Errorf("%s: %s, not %s", test.archives, text, test.want)
		}
	}
}

func TestPathsOfTheNewestArchiveComeFirst(t *testing.T) {
	var v Versions
	for _, names := range []string{"c b", "d a b", "a 0"} {
		v.Next(backup.Archive{Name: names})
		for name := range strings.FieldsSeq(names) {
			v.Add(backup.Item{Path: name})
		}
	}
	var got []string
	for _, path := range v.Paths() {
		got = append(got, path.Path)
	}
	if text := strings.Join(got, " "); text != "b c a d 0" {
		t.Error(text)
	}
}
