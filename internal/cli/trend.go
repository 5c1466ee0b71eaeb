package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"borgcron/internal/backup"
	"borgcron/internal/history"
)

// trendCell is how much the archives grew, and what a backup usually takes.
func trendCell(trend *backup.Trend) string {
	if trend == nil {
		return "-"
	}
	return fmt.Sprintf("%s/%d runs, %s", change(trend.OriginalSizeChange), trend.Runs, usualTime(trend))
}

// usualTime is what a backup usually takes, from two minutes on without the seconds.
func usualTime(trend *backup.Trend) string {
	usual := time.Duration(trend.Duration * float64(time.Second))
	if usual < 2*time.Minute {
		return took(usual)
	}
	return strings.TrimSuffix(usual.Round(time.Minute).String(), "0s")
}

// change prints a difference of sizes with its sign.
func change(bytes int64) string {
	if bytes < 0 {
		return "-" + humanize.Bytes(-uint64(bytes)) //nolint:gosec // right for the smallest number, too
	}
	return "+" + humanize.Bytes(uint64(bytes))
}

// describeTrend says how a job usually goes and where its sizes go, in one line.
func describeTrend(trend history.Trend) string {
	return fmt.Sprintf("%s, %d runs since %s: usually %s, %s new, %s files; archives %s, repository %s",
		backup.Clean(rowName(trend.Job, trend.Repository)), trend.Runs, trend.Since.Local().Format("2006-01-02"),
		usualTime(&trend.Trend), size(trend.NewData), humanize.Comma(trend.Files), change(trend.OriginalSizeChange),
		change(trend.RepositorySizeChange))
}
