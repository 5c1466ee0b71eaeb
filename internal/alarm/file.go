package alarm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
)

const (
	version = 1
	// mostBytes is more than a file of ours ever has.
	mostBytes = 64 << 10
	// mostWords is how many characters of a problem are kept.
	mostWords = 1000
)

// record is what a file holds.
type record struct {
	Version int    `json:"version"`
	Key     string `json:"key"` // of the repository, for whoever wonders which one it is
	backup.Alarm
}

// damageError says why a file cannot be what we wrote.
type damageError struct {
	since time.Time // its last change, as far as that is known
	err   error
}

func (e *damageError) Error() string { return "the file of the alarm is damaged: " + e.err.Error() }
func (e *damageError) Unwrap() error { return e.err }

// alarm takes the worst for granted: that of the alarm in the file which a check does not end.
func (e *damageError) alarm() *backup.Alarm {
	return &backup.Alarm{Since: e.since, Problem: backup.CleanLine(e.Error(), mostWords), Repaired: true, Findings: 1}
}

// read returns the alarm in a file, nil if there is no file. Links are not followed, and nothing is waited for.
func read(name string) (*backup.Alarm, error) {
	info, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at the file of the alarm: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, &damageError{info.ModTime(), errors.New("it is no regular file")}
	}
	file, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open the file of the alarm: %w", err)
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil {
		return nil, fmt.Errorf("look at the file of the alarm: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(file, mostBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the file of the alarm: %w", err)
	}
	parsed, err := parse(data)
	if err != nil {
		return nil, &damageError{info.ModTime(), err}
	}
	return parsed, nil
}

func parse(data []byte) (*backup.Alarm, error) {
	if len(data) > mostBytes {
		return nil, errors.New("it is too long")
	}
	var parsed record
	if err := json.Unmarshal(data, &parsed); err != nil {
		return nil, err
	}
	switch {
	case parsed.Version != version:
		return nil, fmt.Errorf("its version is %d, not %d", parsed.Version, version)
	case parsed.Since.IsZero():
		return nil, errors.New("it does not tell since when the alarm stands")
	case parsed.Findings < 1:
		return nil, errors.New("it counts no finding")
	}
	return cleaned(parsed.Alarm), nil
}

// write replaces the file whole, and comes back when that is on the disk.
func write(name, repository string, alarm *backup.Alarm) error {
	data, err := json.MarshalIndent(record{version, repository, *cleaned(*alarm)}, "", "  ")
	if err != nil {
		return fmt.Errorf("write the file of the alarm: %w", err)
	}
	err = renameio.WriteFile(name, append(data, '\n'), 0o600, renameio.WithStaticPermissions(0o600), renameio.WithTempDir(filepath.Dir(name)))
	if err != nil {
		return fmt.Errorf("write the file of the alarm: %w", err)
	}
	return syncFolder(filepath.Dir(name))
}

// cleaned is the alarm with words that can be shown, and none without end.
func cleaned(alarm backup.Alarm) *backup.Alarm {
	for _, word := range []*string{&alarm.Problem, &alarm.Job, &alarm.Repository, &alarm.Run, (*string)(&alarm.Step)} {
		*word = backup.CleanLine(*word, mostWords)
	}
	return &alarm
}
