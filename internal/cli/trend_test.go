package cli

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"borgcron/internal/backup"
	"borgcron/internal/history"
	"borgcron/internal/status"
)

func TestTrendIsShown(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)
	success, due := now.Add(-22*time.Hour), now.Add(2*time.Hour)
	row := status.Row{Job: "laptop", Repository: "laptop", State: status.OK, LastSuccess: &success, NextDue: &due}
	row.Archive, row.OriginalSize = "a", 118e9
	known := row
	known.Trend = &backup.Trend{Runs: 30, Since: now.AddDate(0, -1, 0), Duration: 241.3, NewData: 1.5e9, Files: 12345, OriginalSizeChange: 2.1e9, RepositorySizeChange: -3e6}
	show := func(rows ...status.Row) string {
		var stdout bytes.Buffer
		env := &environment{Stdout: &stdout, Now: func() time.Time { return now }}
		if err := env.printStatus(rows); err != nil {
			t.Fatal(err)
		}
		return stdout.String()
	}
	if text := show(row); strings.Contains(text, "TREND") {
		t.Errorf("no row has one:\n%s", text)
	}
	text := show(row, known)
	for _, want := range []string{"  SIZE    TREND                WHAT IS WRONG\n", "  118 GB  -\n", "  118 GB  +2.1 GB/30 runs, 4m\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if len(line) > 100 && !strings.HasPrefix(line, "JOB") {
			t.Errorf("%d characters: %s", len(line), line)
		}
	}
	const want = "laptop on nas, 30 runs since 2026-02-01: usually 4m, 1.5 GB new, 12,345 files; archives +2.1 GB, repository -3.0 MB"
	if got := describeTrend(history.Trend{Job: "laptop", Repository: "nas", Trend: *known.Trend}); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestUsualTime(t *testing.T) {
	for seconds, want := range map[float64]string{0: "0s", 0.28: "280ms", 61: "1m1s", 119: "1m59s", 125: "2m", 3600: "1h0m", 5400: "1h30m"} {
		if got := usualTime(&backup.Trend{Duration: seconds}); got != want {
			t.Errorf("%v s: %s", seconds, got)
		}
	}
}

func TestChange(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "+0 B", 1: "+1 B", -1: "-1 B", 2_100_000_000: "+2.1 GB", -2_100_000_000: "-2.1 GB", math.MaxInt64: "+9.2 EB", math.MinInt64: "-9.2 EB",
	} {
		if got := change(bytes); got != want {
			t.Errorf("%d: %s", bytes, got)
		}
	}
}
