// Package metrics writes how the jobs stand into a file that Prometheus gets through the node exporter's textfile
// collector.
package metrics

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"borgcron/internal/backup"
)

// Row is a job on one of its repositories. What is not known has no series: a 0 in its place would be a lie.
type Row struct {
	Job, Repository string
	ID              string // tells apart rows of one name
	Standing        *Standing
	Outcomes        []backup.Outcome // of the last run, and skipped or locked if those since were; none: it never ran
	LastRun         *Run             // the last one that was not skipped or locked
	LastSuccess     time.Time        // its end
	Archive         *Archive         // of the last success
	Steps           map[backup.Step]time.Time
}

// Standing is what follows from the records. Without a record there is none.
type Standing struct {
	Stale, Alarm bool
	StaleAfter   time.Duration
}

// Run is how a run went.
type Run struct {
	Ended    time.Time
	Duration time.Duration
	Attempts int // at the step that was tried most
}

// Archive has the figures of an archive; sizes are bytes.
type Archive struct {
	Files, OriginalSize, DeduplicatedSize int64
	RepositorySize                        int64 // 0: not known
}

// Build is which borgcron writes: its version, and as which user. Each user of a machine has a file of his own.
type Build struct{ Version, User string }

// mode lets the node exporter, which is another user, read the file.
const mode = 0o644

// Write replaces the file by one with the metrics of these rows. It does so inside the folder as it is found now, and
// never writes into a file that is there: others may have put a link in its place. Until then the new one has
// a name that the collector, which reads *.prom, does not look at.
func Write(path string, rows []Row, build Build) error {
	folder, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("write the metrics to %s: %w", path, explain(err))
	}
	defer func() { _ = folder.Close() }() // it was only looked through
	if err := replace(folder, filepath.Base(path), Format(rows, build)); err != nil {
		return fmt.Errorf("write the metrics to %s: %w", path, explain(err))
	}
	return nil
}

// replace puts a file in the place of another one, whose permissions do not count (renameio.WriteFile would keep them).
func replace(folder *os.Root, name string, text []byte) error {
	file, err := renameio.NewPendingFile(name, renameio.WithStaticPermissions(mode), renameio.WithRoot(folder))
	if err != nil {
		return err
	}
	defer func() { _ = file.Cleanup() }() // it has nothing to do once the file is in its place
	if _, err := file.Write(text); err != nil {
		return err
	}
	return file.CloseAtomicallyReplace()
}

// explain says what to do about a folder that cannot be used.
func explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("its folder does not exist: create it, or change metrics.textfile (%w)", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the user who runs this may not write there: let it, or change metrics.textfile (%w)", err)
	}
	return err
}

// distinct gives rows of one name, as repositories without a name have, names of their own: one series that stands there
// twice makes the collector drop all.
func distinct(rows []Row) []Row {
	type name struct{ job, repository string }
	times := map[name]int{}
	for _, row := range rows {
		times[name{row.Job, row.Repository}]++
	}
	seen := map[name]bool{}
	apart := make([]Row, 0, len(rows))
	for _, row := range rows {
		if times[name{row.Job, row.Repository}] > 1 {
			row.Repository = fmt.Sprintf("%s (%s)", row.Repository, row.ID) // no name has a space in it
		}
		if key := (name{row.Job, row.Repository}); !seen[key] {
			seen[key] = true
			apart = append(apart, row)
		}
	}
	return apart
}
