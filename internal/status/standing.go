package status

import (
	"slices"
	"time"

	"borgcron/internal/backup"
)

// Standing says how a job on a repository stands now, for those who tell of it.
func Standing(state string, t backup.Target, now time.Time) backup.Standing {
	file, err := read(state, t.Job.Name)
	if err != nil {
		return backup.Standing{State: string(Never)}
	}
	id := recordID(t.Job, t.Repository)
	i := slices.IndexFunc(file.Repositories, func(r Record) bool { return r.ID == id })
	if i < 0 {
		return backup.Standing{State: string(Never)}
	}
	row := judge(file.Job, file.Repositories[i], now, true)
	standing := backup.Standing{
		State: string(row.State), Problem: row.Problem, Failed: row.State == Failed, Stale: row.Stale, Alarm: row.Alarm != nil,
		Well: row.State == OK || row.State == Warning && file.Repositories[i].Held == "",
	}
	if row.LastSuccess != nil {
		standing.Success = *row.LastSuccess
	}
	return standing
}
