package listing

import (
	"fmt"
	"testing"
	"time"

	"borgcron/internal/backup"
)

// BenchmarkSearch looks for a name in the listing of an archive of 100,000 files.
func BenchmarkSearch(b *testing.B) {
	const files = 100_000
	s, id := &Store{Dir: b.TempDir()}, newID()
	at := time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC)
	err := s.Save(repository, id, func(add func(backup.Item) error) error {
		for i := range files {
			changed := at.Add(time.Duration(i*7919%files) * 1234567 * time.Microsecond)
			item := backup.Item{
				Path: fmt.Sprintf("home/me/projects/folder%04d/sub/file-%06d.txt", i/100, i*7919%files), Mode: "-rw-r--r--", Owner: "me:users",
				Size: int64(i * 7919 % files), ModTime: changed, Changed: changed,
			}
			if err := add(item); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	pattern, err := Glob("*-000042.txt", false)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		listed, err := s.Items(repository, id)
		if err != nil {
			b.Fatal(err)
		}
		found := 0
		for item, err := range listed {
			if err != nil {
				b.Fatal(err)
			}
			if pattern.Match(item.Path) {
				found++
			}
		}
		if found != 1 {
			b.Fatalf("found %d", found)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/files, "ns/file")
}
