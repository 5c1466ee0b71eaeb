package backup

import (
	"fmt"
	"time"
)

// The places in which borg keeps its locks.
const (
	LockOfRepository = "repository"
	LockOfCache      = "cache" // of this machine, for one repository
)

// Life is what is known of a process.
type Life int

// Only what has been proven is Living or Dead.
const (
	Unjudged Life = iota // nobody can tell
	Living
	Dead
)

var lifeNames = [...]string{"unknown", "living", "dead"}

// String returns the word for it.
func (l Life) String() string { return lifeNames[l] }

// LockHolder is one entry in a lock of borg's: a process that took the lock, and what can be known of it here.
type LockHolder struct {
	Place     string // LockOfRepository or LockOfCache
	HostID    string // as borg wrote it, "" if it cannot be understood
	PID       int    // on its host, 0 if it cannot be understood
	Exclusive bool
	Since     time.Time // when the lock was made, at the latest; zero: not known
	Life      Life
	Why       string // what shows it, in plain words
}

// String says who holds which lock.
func (h LockHolder) String() string {
	if h.PID == 0 {
		return "somebody unknown, of the " + h.Place
	}
	return fmt.Sprintf("host %s, pid %d, of the %s", h.HostID, h.PID, h.Place)
}
