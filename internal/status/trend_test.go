package status

import (
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

// The trend in the file is that of the last run that made an archive.
func TestTrendIsKept(t *testing.T) {
	o := newObserver(t, filepath.Join(t.TempDir(), "state"), job("home", "/srv/nas"))
	end := func(outcome backup.Outcome, trend *backup.Trend) {
		t.Helper()
		event := backup.Event{Kind: backup.RunEnded, Time: o.clock, Run: o.run("r", outcome), Target: o.target, Trend: trend}
		if err := o.Observe(t.Context(), event); err != nil {
			t.Fatal(err)
		}
	}
	trend := &backup.Trend{Runs: 5, Since: now, Duration: 1.5, NewData: 1, Files: 2, OriginalSizeChange: -3, RepositorySizeChange: 4}
	for _, step := range []struct {
		name    string
		outcome backup.Outcome
		told    *backup.Trend
		want    *backup.Trend
	}{
		{"too few runs", backup.Succeeded, nil, nil},
		{"enough", backup.Succeeded, trend, trend},
		{"no archive", backup.Failed, nil, trend},
		{"not begun", backup.Skipped, nil, trend},
		{"another selection", backup.Succeeded, nil, nil},
	} {
		end(step.outcome, step.told)
		if diff := cmp.Diff(step.want, o.row().Trend); diff != "" {
			t.Errorf("%s: %s", step.name, diff)
		}
	}
}

// Everybody may read what is out of the ordinary: it is said in words and figures only.
func TestUnusualIsPublic(t *testing.T) {
	for _, figures := range []backup.Figures{
		{Files: 1, NewData: 12 << 30, Duration: 26*time.Hour + 5*time.Minute},
		{Files: 400, NewData: 8_888_888, Duration: 31*time.Minute + time.Second},
		{Files: 0, NewData: math.MaxInt64, Duration: math.MaxInt64},
	} {
		for _, usual := range []backup.Figures{{Files: 1000, Duration: 10 * time.Minute}, {Files: math.MaxInt64, NewData: 1 << 20, Duration: 1}} {
			notes := backup.Unusual([]backup.Figures{usual, usual, usual, usual, usual}, figures)
			if len(notes) < 2 {
				t.Errorf("%+v against %+v: %q", figures, usual, notes)
			}
			target := backup.Target{Job: job("home"), Repository: backup.Repository{Location: "ssh://borg@nas.example/./x"}}
			if diff := cmp.Diff(notes, notesOf(backup.Run{Notes: notes}, target)); diff != "" {
				t.Error(diff)
			}
		}
	}
}
