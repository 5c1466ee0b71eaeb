package backup_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

func TestGuardJudge(t *testing.T) {
	const changed = "the selection of files changed: the measure is set anew"
	whole := backup.Guard{MinFiles: 10, MinSize: 2048, MaxShrink: 0.5}
	measure := &backup.Measure{Files: 100, Size: 3 << 30, Fingerprint: "a"}
	for _, test := range []struct {
		name        string
		guard       backup.Guard
		files, size int64
		measure     *backup.Measure
		breaches    []string
		note        string
	}{
		{"nothing asked", backup.Guard{}, 0, 0, measure, nil, ""},
		{"all well", whole, 100, 3 << 30, measure, nil, ""},
		{"grown", whole, 1000, 30 << 30, measure, nil, ""},
		{"no measure yet", whole, 10, 2048, nil, nil, ""},
		{"exactly as much as is allowed", whole, 50, 3 << 29, measure, nil, ""},
		{"too few files", whole, 9, 2048, nil, []string{"the archive has 9 files, guard.min_files asks for at least 10"}, ""},
		{"too small", whole, 10, 2047, nil, []string{"the archive has 2047 B, guard.min_size asks for at least 2048 B"}, ""},
		{"far too small", whole, 10, 20, nil, []string{"the archive has 20 B, guard.min_size asks for at least 2.00 KiB"}, ""},
		{"fewer files", whole, 49, 3 << 30, measure, []string{"the archive shrank from 100 files to 49, guard.max_shrink allows 50%"}, ""},
		{"less data", whole, 100, 1 << 30, measure, []string{"the archive shrank from 3.00 GiB to 1.00 GiB, guard.max_shrink allows 50%"}, ""},
		{"all at once", whole, 1, 0, measure, []string{
			"the archive has 1 file, guard.min_files asks for at least 10",
			"the archive has 0 B, guard.min_size asks for at least 2.00 KiB",
			"the archive shrank from 100 files to 1, guard.max_shrink allows 50%",
			"the archive shrank from 3.00 GiB to 0 B, guard.max_shrink allows 50%",
		}, ""},
		{"another selection", whole, 20, 4096, &backup.Measure{Files: 100, Size: 3 << 30, Fingerprint: "b"}, nil, changed},
		{"another selection, and too few files", whole, 9, 4096, &backup.Measure{Files: 100, Fingerprint: "b"},
			[]string{"the archive has 9 files, guard.min_files asks for at least 10"}, changed},
		{"shrinking is not asked for", backup.Guard{MinFiles: 1}, 1, 0, &backup.Measure{Files: 100, Fingerprint: "b"}, nil, ""},
		{"an empty measure", whole, 10, 2048, &backup.Measure{Fingerprint: "a"}, nil, ""},
		{"a fine share", backup.Guard{MaxShrink: 0.125}, 87, 3 << 30, measure,
			[]string{"the archive shrank from 100 files to 87, guard.max_shrink allows 12.5%"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			report := backup.Report{Files: test.files, OriginalSize: test.size}
			breaches, note := test.guard.Judge(report, test.measure, "a")
			if diff := cmp.Diff(test.breaches, breaches); diff != "" || note != test.note {
				t.Errorf("note %q, breaches %s", note, diff)
			}
		})
	}
}
