package condition

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"borgcron/internal/backup"
)

func TestRoom(t *testing.T) {
	const gib = 1 << 30
	tests := map[string]struct {
		location string // "": /mnt/nas
		min      int64
		free     int64
		failure  error
		reason   string
		err      string
	}{
		"enough":         {min: 2 * gib, free: 3 * gib},
		"just enough":    {min: 2 * gib, free: 2 * gib},
		"too little":     {min: 2 * gib, free: gib * 13 / 10, reason: "2.0 GiB must be free on the repository's file system (min_free), 1.3 GiB are"},
		"one byte short": {min: 2 * gib, free: 2*gib - 1, reason: "2,147,483,648 bytes must be free on the repository's file system (min_free), 2,147,483,647 are"},
		"nothing":        {min: 1, free: 0, reason: "1 B must be free on the repository's file system (min_free), 0 B are"},
		"not asked":      {free: 0},
		"remote":         {location: "ssh://borg@nas/./laptop", min: gib, free: 0},
		"as a URL":       {location: "file:///mnt/nas/", min: 2 * gib, free: gib, reason: "2.0 GiB must be free on the repository's file system (min_free), 1.0 GiB are"},
		"missing":        {min: gib, failure: syscall.ENOENT},
		"below a file":   {min: gib, failure: syscall.ENOTDIR},
		"broken":         {min: gib, failure: syscall.EIO, err: "look at the free space of the repository's file system: input/output error"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			location := test.location
			if location == "" {
				location = "/mnt/nas"
			}
			c := &Checker{Free: func(path string) (int64, error) {
				if path != "/mnt/nas" {
					t.Errorf("looked at %s", path)
				}
				return test.free, test.failure
			}}
			reason, err := c.Room(t.Context(), backup.Repository{Location: location, MinFree: test.min})
			message := ""
			if err != nil {
				message = err.Error()
			}
			if reason != test.reason || message != test.err {
				t.Errorf("Room = %q, %q\nwant   %q, %q", reason, message, test.reason, test.err)
			}
		})
	}
}

func TestRoomThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		c := &Checker{Free: func(string) (int64, error) { <-release; return 0, nil }}
		repository := backup.Repository{Location: "/mnt/nfs", MinFree: 1}
		began := time.Now()
		reason, err := c.Room(t.Context(), repository)
		if reason != "" || !errors.Is(err, errNoAnswer) || strings.Contains(err.Error(), "nfs") || time.Since(began) != statTimeout {
			t.Errorf("Room = %q, %v after %v", reason, err, time.Since(began))
		}
		stopped := errors.New("stopped by the user")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(stopped) })
		if reason, err := c.Room(ctx, repository); reason != "" || !errors.Is(err, stopped) {
			t.Errorf("Room when stopped = %q, %v", reason, err)
		}
	})
}

func TestSpace(t *testing.T) {
	for _, test := range []struct {
		blocks, available, size uint64
		want                    int64
	}{
		{100, 10, 4096, 40960}, {100, 0, 4096, 0},
		{0, 0, 512, math.MaxInt64}, // it does not know
		{1 << 63, 1 << 62, 4096, math.MaxInt64}, {1 << 63, 1 << 63, 1, math.MaxInt64},
	} {
		if got := space(test.blocks, test.available, test.size); got != test.want {
			t.Errorf("space(%d, %d, %d) = %d, want %d", test.blocks, test.available, test.size, got, test.want)
		}
	}
}

func TestRoomOnDisk(t *testing.T) {
	if reason, err := new(Checker).Room(t.Context(), backup.Repository{Location: filepath.Join(t.TempDir(), "missing"), MinFree: 1}); reason != "" || err != nil {
		t.Errorf("missing: %q, %v", reason, err)
	}
	disk := smallDisk(t, 4<<20)
	const all = "4.0 MiB must be free on the repository's file system (min_free), "
	room := func(want string) {
		t.Helper()
		reason, err := new(Checker).Room(t.Context(), backup.Repository{Location: disk, MinFree: 4 << 20})
		if reason != want || err != nil {
			t.Errorf("Room = %q, %v, want %q", reason, err, want)
		}
	}
	room("")
	fill := filepath.Join(disk, "fill")
	if err := os.WriteFile(fill, make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	room(all + "1.0 MiB are")
	if err := os.WriteFile(fill, make([]byte, 5<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	room(all + "0 B are")
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	room("")
}
