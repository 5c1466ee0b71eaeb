package listing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"borgcron/internal/backup"
)

// archivesFile holds the archives of a repository as they were last seen.
const archivesFile = "archives.json"

type seenArchives struct {
	Seen     time.Time        `json:"seen"`
	Archives []backup.Archive `json:"archives"`
}

// Keep remembers the archives of a whole repository, as borg lists them now, and drops the listings of all others.
func (s *Store) Keep(repository string, archives []backup.Archive, now time.Time) error {
	folder := s.folder(repository)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("make the folder of the lists of files: %w", err)
	}
	failures := []error{replace(filepath.Join(folder, archivesFile), func(file io.Writer) error {
		return json.NewEncoder(file).Encode(seenArchives{now, archives})
	})}
	there := map[string]bool{archivesFile: true}
	for _, archive := range archives {
		there[archive.ID+suffix] = true
	}
	entries, err := os.ReadDir(folder)
	failures = append(failures, err)
	for _, entry := range entries {
		if there[entry.Name()] {
			continue
		}
		if err := os.Remove(filepath.Join(folder, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failures = append(failures, err)
		}
	}
	if err := errors.Join(failures...); err != nil {
		return fmt.Errorf("drop old lists of files: %w", err)
	}
	return nil
}

// Archives returns the archives of a whole repository as Keep remembers them, and when that was. The error is fs.ErrNotExist if it
// does not.
func (s *Store) Archives(repository string) ([]backup.Archive, time.Time, error) {
	data, err := os.ReadFile(filepath.Join(s.folder(repository), archivesFile))
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read the list of archives: %w", err)
	}
	var seen seenArchives
	if err := json.Unmarshal(data, &seen); err != nil {
		return nil, time.Time{}, fmt.Errorf("read the list of archives: %w: %w", ErrDamaged, err)
	}
	return seen.Archives, seen.Seen, nil
}

// Observe drops the listings of the archives that a prune deleted.
func (s *Store) Observe(_ context.Context, event backup.Event) error {
	if event.Kind != backup.StepEnded {
		return nil
	}
	var failures []error
	for _, archive := range event.Step.Report.Deleted {
		name, err := s.path(event.Target.Repository.Key(), archive.ID)
		if err == nil {
			err = os.Remove(name)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			failures = append(failures, fmt.Errorf("drop the list of an archive's files: %w", err))
		}
	}
	return errors.Join(failures...)
}
