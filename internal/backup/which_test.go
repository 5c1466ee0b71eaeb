package backup_test

import (
	"testing"
	"time"

	"borgcron/internal/backup"
)

func TestWhichArchive(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	at := func(day, hour int) time.Time { return time.Date(2026, 11, day, hour, 0, 0, 0, time.UTC) }
	archives := []backup.Archive{
		{Name: "h-a-2026-11-20T02:00:00", Time: at(20, 2)},
		{Name: "h-a-2026-11-23T02:00:00", Time: at(23, 2)},
		{Name: "h-a-2026-11-22T02:00:00", Time: at(22, 2)},
		{Name: "h-a-2026-11-22T14:00:00", Time: at(22, 14)},
		{Name: "latest~1x", Time: at(1, 1)},
	}
	for text, want := range map[string]string{
		"latest": "h-a-2026-11-23T02:00:00", "latest~1": "h-a-2026-11-22T14:00:00", "latest~4": "latest~1x", "latest~5": "", "latest~1x": "latest~1x",
		"h-a-2026-11-22T02:00:00": "h-a-2026-11-22T02:00:00", "h-a-2026-11-20": "h-a-2026-11-20T02:00:00", "h-a-2026-11-22": "", "": "", "nothing": "",
		"yesterday": "h-a-2026-11-22T14:00:00", "today": "h-a-2026-11-23T02:00:00", "2026-11-22": "h-a-2026-11-22T14:00:00",
		"2026-11-21": "h-a-2026-11-20T02:00:00", "2026-11-22 13:59": "h-a-2026-11-22T02:00:00", "2026-11-22T14:00:00": "h-a-2026-11-22T14:00:00",
		"2 days ago": "h-a-2026-11-20T02:00:00", "1 day ago": "h-a-2026-11-22T14:00:00", "23 hours ago": "h-a-2026-11-22T02:00:00", "22 hours ago": "h-a-2026-11-22T14:00:00",
		"1 week ago": "latest~1x", "2026-10-31": "", "2026-13-01": "",
	} {
		found, err := backup.WhichArchive(archives, text, now)
		if found.Name != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v; want %q", text, found.Name, err, want)
		}
	}
	if _, err := backup.WhichArchive(nil, "latest", now); err == nil {
		t.Error("nothing was found among nothing")
	}
}
