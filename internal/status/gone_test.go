package status

import (
	"slices"
	"testing"
	"time"

	"borgcron/internal/backup"
)

// TestNoteGone: that a job is gone is news once, and no longer true when it is back.
func TestNoteGone(t *testing.T) {
	state := t.TempDir()
	now := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	work := backup.Job{Name: "work", Repositories: []backup.Repository{{Location: "/mnt/work"}}}
	home := backup.Job{Name: "home", Repositories: []backup.Repository{{Location: "/mnt/home"}}}
	for _, step := range []struct {
		jobs []backup.Job
		want []string
	}{
		{[]backup.Job{home, work}, nil},
		{[]backup.Job{home}, []string{"work"}},
		{[]backup.Job{home}, nil},
		{[]backup.Job{home, work}, nil},
		{nil, []string{"home", "work"}},
	} {
		var names []string
		for _, job := range step.jobs {
			if err := FirstSeen(state, job, now); err != nil {
				t.Fatal(err)
			}
			names = append(names, job.Name)
		}
		got, err := NoteGone(state, names, now)
		if err != nil || !slices.Equal(got, step.want) {
			t.Errorf("configured %q: gone are %q, %v; want %q", names, got, err, step.want)
		}
	}
}
