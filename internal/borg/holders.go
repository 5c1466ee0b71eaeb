package borg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"borgcron/internal/backup"
	"borgcron/internal/machine"
)

// Holders tells who holds borg's own locks of a repository: those in the repository, if it is local, and those
// of its cache on this machine. repositoryID is borg's id of the repository, "" if it is not known: then the
// locks of all caches count. Whatever in a lock cannot be understood is a holder that nobody can judge; an error
// means that a lock could not be read at all.
func (c *Client) Holders(r backup.Repository, repositoryID string) ([]backup.LockHolder, error) {
	j := judge{hostID: c.HostID}
	if r.Borg != "" {
		j.programs = []string{filepath.Base(r.Borg)}
	}
	return j.holders(r, c.variables(r), repositoryID)
}

// BreakLock takes the locks of the repository and of its cache from everybody: borg asks nobody whether he
// lives. Its errors are of type *backup.Failure.
func (c *Client) BreakLock(ctx context.Context, call backup.Call) error {
	_, err := c.run(ctx, call, task{command: "break-lock", stall: call.Job.Timeout.Stall})
	return err
}

// judge says of the holder of a lock whether it lives.
type judge struct {
	machine  machine.View
	hostID   string   // BORG_HOST_ID, "": borg's default
	programs []string // more names of borg's program
}

func (j judge) holders(r backup.Repository, env map[string]string, repositoryID string) ([]backup.LockHolder, error) {
	var found []backup.LockHolder
	if r.IsLocal() {
		holders, err := readLock(r.Key(), backup.LockOfRepository)
		if err != nil {
			return nil, err
		}
		found = holders
		if id := readRepositoryID(r.Key()); id != "" {
			repositoryID = id
		}
	}
	folders, err := caches(env, repositoryID)
	if err != nil {
		return nil, err
	}
	for _, folder := range folders {
		holders, err := readLock(folder, backup.LockOfCache)
		if err != nil {
			return nil, err
		}
		found = append(found, holders...)
	}
	for i := range found {
		if found[i].PID != 0 {
			found[i].Life, found[i].Why = j.life(found[i])
		}
	}
	return found, nil
}

// slack is by how much times may be wrong: those of processes and of the boot are exact to a second.
const slack = 2 * time.Second

// life judges a holder. Times are only believed of a process that is no borg: after the clock was set forward,
// a living one seems to have begun after the lock that it made.
func (j judge) life(h backup.LockHolder) (life backup.Life, why string) {
	if !j.isOurs(h.HostID) {
		if !j.machine.IsDefaultHostID(h.HostID) {
			return backup.Unjudged, "another host"
		}
		// All containers of a machine that share its network share this id, but count their processes each
		// for itself.
		if all, reason := j.machine.SeesAll(); !all {
			return backup.Unjudged, reason
		}
		if j.machine.BorgNumbered(h.PID, j.programs...) {
			return backup.Living, fmt.Sprintf("process %d is a running borg", h.PID)
		}
	}
	if !j.machine.Exists(h.PID) {
		return backup.Dead, "no such process"
	}
	process, err := j.machine.Process(h.PID)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !j.machine.Exists(h.PID):
		return backup.Dead, "no such process"
	case err != nil:
		return backup.Unjudged, fmt.Sprintf("process %d cannot be looked at", h.PID)
	case process.Ended:
		return backup.Dead, fmt.Sprintf("process %d has ended", h.PID)
	case process.IsBorg(j.programs...):
		return backup.Living, fmt.Sprintf("process %d is a running borg", h.PID)
	}
	if h.Since.IsZero() {
		return backup.Living, fmt.Sprintf("process %d is running", h.PID)
	}
	if began, known := j.machine.StartTime(process); known && began.After(h.Since.Add(slack)) {
		return backup.Dead, fmt.Sprintf("process %d is no borg and began after the lock was made", h.PID)
	}
	if boot := j.machine.BootTime(); h.Since.Before(boot.Add(-slack)) {
		return backup.Dead, "the lock is older than this boot"
	}
	return backup.Living, fmt.Sprintf("process %d is running", h.PID)
}

// isOurs tells whether the id is one of ours: its processes are counted as we count them.
func (j judge) isOurs(id string) bool { return j.hostID != "" && id == j.hostID }
