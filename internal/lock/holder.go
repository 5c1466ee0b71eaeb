package lock

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"borgcron/internal/machine"
)

// Holder is the record in a lock file: which process took the lock, and what for. It is there to be read by
// people; whether the lock is held only flock tells.
type Holder struct {
	PID    int       `json:"pid"`
	BootID string    `json:"boot_id"` // of the kernel the process runs under, "" if unknown
	Job    string    `json:"job"`
	Step   string    `json:"step"` // "" before the first one
	Since  time.Time `json:"since"`
	// Mounted is the folder where the archives are mounted, "" if they are not. A mount keeps the lock without the process
	// that took it.
	Mounted string `json:"mounted,omitempty"`
}

// HeldError says that another process kept the lock for as long as we were ready to wait. The zero value of
// a field means that it is not known.
type HeldError struct {
	PID    int
	Job    string
	Step   string
	Since  time.Time
	Orphan bool // the process that took the lock is gone, a child of it still runs and keeps it
	// Mounted is where the archives are mounted, which keeps the lock; "" if they are not.
	Mounted string
}

// Error names the holder.
func (e *HeldError) Error() string {
	if e.PID == 0 {
		return "locked by another process"
	}
	since := e.Since.Format("2006-01-02 15:04:05")
	if e.Mounted != "" {
		return fmt.Sprintf("locked by job %s: mounted at %s since %s; to go on: borgcron umount %s", e.Job, e.Mounted, since, e.Mounted)
	}
	if e.Orphan {
		return fmt.Sprintf("locked by a borg of job %s that is still running (its borgcron, pid %d, is gone) since %s",
			e.Job, e.PID, since)
	}
	return fmt.Sprintf("locked by job %s (pid %d) since %s", e.Job, e.PID, since)
}

// newHeldError judges by two looks at the record: between taking the lock and writing the record a new holder
// still has the one of the holder before, who may well be dead.
func newHeldError(first, last Holder) *HeldError {
	return &HeldError{
		PID: last.PID, Job: last.Job, Step: last.Step, Since: last.Since, Mounted: last.Mounted,
		Orphan: last.Gone() && first.PID == last.PID && first.Since.Equal(last.Since),
	}
}

// Gone tells whether the process of the record certainly lives no more.
func (h Holder) Gone() bool {
	if h.PID <= 0 {
		return false
	}
	if now := machine.BootID(); h.BootID != "" && now != "" && h.BootID != now {
		return true
	}
	return !machine.Exists(h.PID)
}

// write puts the record over the former one. A reader finds the new, the old or a damaged one, never a wait.
func (h *Held) write() error {
	record, err := json.Marshal(h.holder)
	if err != nil {
		return fmt.Errorf("write the lock's record: %w", err)
	}
	record = append(record, '\n')
	if _, err := h.file.WriteAt(record, 0); err != nil {
		return fmt.Errorf("write the lock's record: %w", err)
	}
	if err := h.file.Truncate(int64(len(record))); err != nil {
		return fmt.Errorf("write the lock's record: %w", err)
	}
	return nil
}

// readHolder reads the record in the file, the zero value if there is none that makes sense.
func readHolder(name string) Holder {
	file, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return Holder{}
	}
	defer file.Close()
	return parseHolder(file)
}

func parseHolder(r io.Reader) Holder {
	var holder Holder
	// What follows the first value is the rest of a longer record, about to be cut off.
	if err := json.NewDecoder(io.LimitReader(r, 4096)).Decode(&holder); err != nil || holder.PID <= 0 {
		return Holder{}
	}
	holder.BootID, holder.Job, holder.Step = clean(holder.BootID), clean(holder.Job), clean(holder.Step)
	holder.Mounted = clean(holder.Mounted)
	return holder
}

// clean drops what could disturb a terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, s)
}
