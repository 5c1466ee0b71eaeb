package listing

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

func encode(tb testing.TB, items []backup.Item) []byte {
	tb.Helper()
	var packed bytes.Buffer
	e := newEncoder(&packed)
	for _, item := range items {
		if err := e.add(item); err != nil {
			tb.Fatal(err)
		}
	}
	if err := e.end(); err != nil {
		tb.Fatal(err)
	}
	return packed.Bytes()
}

// FuzzDecode: whatever is read ends, either well or with one error at the end; and what is read can be written and read again.
func FuzzDecode(f *testing.F) {
	f.Add(encode(f, items()[:8]))
	f.Add(encode(f, nil))
	f.Add(encode(f, items()[:8])[:40])
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add([]byte{9, 1, 'a'})
	f.Fuzz(func(t *testing.T, data []byte) {
		var found []backup.Item
		failed := false
		decode(bytes.NewReader(data), func(item backup.Item, err error) bool {
			if failed {
				t.Fatal("something came after an error")
			}
			if failed = err != nil; failed {
				if !errors.Is(err, ErrDamaged) {
					t.Fatal(err)
				}
				return true
			}
			found = append(found, item)
			return true
		})
		var again []backup.Item
		decode(bytes.NewReader(encode(t, found)), func(item backup.Item, err error) bool {
			if err != nil {
				t.Fatal(err)
			}
			again = append(again, item)
			return true
		})
		if diff := cmp.Diff(found, again); diff != "" {
			t.Error(diff)
		}
	})
}
