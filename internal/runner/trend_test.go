package runner_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

// A run that is out of the ordinary says so in its notes, which whoever hears of its end gets, and nothing else changes.
func TestUnusualRunIsNoted(t *testing.T) {
	alike := func(n int, files int64) (recent []backup.Figures) {
		for range n {
			recent = append(recent, backup.Figures{Began: time.Unix(1, 0), Files: files, OriginalSize: 50})
		}
		return recent
	}
	made := func(context.Context, int) error { return nil }
	for _, test := range []struct {
		name   string
		fake   fake
		notes  []string
		runs   int // of the trend
		failed bool
	}{
		{"as always", fake{create: made, recent: alike(9, 5)}, nil, 10, false},
		{"far fewer files", fake{create: made, recent: alike(30, 100)}, []string{"5 files, 5% of the usual 100"}, 30, false},
		{"too few before it", fake{create: made, recent: alike(3, 100)}, nil, 0, false},
		{"the fifth", fake{create: made, recent: alike(4, 100)}, nil, 5, false},
		{"the history cannot be read", fake{create: made, recent: alike(9, 100), recentErr: errors.New("damaged")}, nil, 0, false},
		{"no archive", fake{create: func(context.Context, int) error { return lost }, recent: alike(9, 100)}, nil, 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			run := test.fake.run(t.Context(), t, backup.Job{})
			if diff := cmp.Diff(test.notes, run.Notes); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(run.Notes, test.fake.ended.Run.Notes); diff != "" {
				t.Error("the last event does not tell:", diff)
			}
			if (run.Outcome == backup.Failed) != test.failed || !test.failed && run.Outcome != backup.Succeeded {
				t.Errorf("%s: %s", run.Outcome, run.Problem)
			}
			runs := 0
			if trend := test.fake.ended.Trend; trend != nil {
				runs = trend.Runs
			}
			if runs != test.runs {
				t.Errorf("the trend is of %d runs", runs)
			}
		})
	}
}
