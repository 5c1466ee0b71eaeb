package status

import (
	"errors"
	"slices"
	"time"
)

// NoteGone notes which jobs on record are no longer configured, and returns the names of those of which that is news.
func NoteGone(state string, configured []string, now time.Time) (names []string, err error) {
	files, _ := Read(state) // of those that cannot be read it is said elsewhere
	var failures []error
	for _, file := range files {
		left := slices.ContainsFunc(file.Repositories, func(r Record) bool { return !r.Gone })
		if !left || slices.Contains(configured, file.Job) {
			continue
		}
		names = append(names, file.Job)
		failures = append(failures, update(state, file.Job, now, func(file *File) {
			for i := range file.Repositories {
				file.Repositories[i].Gone = true
			}
		}))
	}
	return names, errors.Join(failures...)
}
