// Package backup holds the words that every other package speaks: job, repository, step, outcome,
// run, report. It decides (Plan, Retention, guards) and touches nothing: no file, no clock, no program.
package backup

import (
	"os"
	"time"
)

// Step is one kind of work in a run, in the words of borg where it is borg that does it.
type Step string

// The steps of a run, in the order in which they come.
const (
	Before     Step = "before" // the user's `before` hooks
	Dump       Step = "dump"   // the databases
	Create     Step = "create"
	Check      Step = "check"
	Verify     Step = "verify"
	Prune      Step = "prune"
	PruneDumps Step = "prune-dumps" // prune, of the archives of dumps
	Compact    Step = "compact"
	After      Step = "after" // the user's `after` hooks
)

// Steps are the steps that the owner can name with --only and --skip, in their order. Dumps belong to create, the prune of
// their archives to prune.
var Steps = []Step{Create, Check, Verify, Prune, Compact}

// WarningKind names what a warning is about, as in the configuration's `tolerate`.
type WarningKind string

// The kinds of warnings. Changed, vanished and unreadable may be tolerated; Other never is.
const (
	Changed    WarningKind = "changed"    // a file changed while it was read
	Vanished   WarningKind = "vanished"   // a file was gone before it was read
	Unreadable WarningKind = "unreadable" // a file could not be read
	Other      WarningKind = "other"      // anything else borg warns about
	Guarded    WarningKind = "guard"      // a guard of ours was breached
)

// Warning is something that borg, or a guard, found worth saying although the step went on.
type Warning struct {
	Kind    WarningKind `json:"kind"`
	Message string      `json:"message"`
	Path    string      `json:"path,omitempty"` // the file it is about, "" if none
}

// Archive is one archive in a repository. Time is when its creation began, in whole seconds.
type Archive struct {
	Name string    `json:"name"`
	ID   string    `json:"id"`
	Time time.Time `json:"time"`
}

// Report is what a borg command that was carried out says of itself. Sizes are bytes.
type Report struct {
	Archive          *Archive // create: the archive that was made
	RepositoryID     string   // create: borg's own id of the repository
	Encryption       string   // create: the repository's mode of encryption
	Files            int64
	OriginalSize     int64
	DeduplicatedSize int64 // what this archive added
	RepositorySize   int64 // unique compressed bytes of the whole repository
	Kept, Deleted    []Archive
	Dumps            []DatabaseDump // dump: what was made, and what was left out
	Drill            *Drill         // verify: what was read back
	// CheckedRepository tells that a check covered the repository part as a whole.
	CheckedRepository bool
	// CheckedAll tells that it covered all archives and their data as well.
	CheckedAll bool
	Warnings   []Warning           // the first of each kind, bounded
	Counts     map[WarningKind]int // all of them
	Tail       []string            // the end of borg's log
}

// Progress is where a step stands. Fields that are not known are zero.
type Progress struct {
	Files            int64  `json:"files,omitempty"`
	OriginalSize     int64  `json:"original_size,omitempty"`
	DeduplicatedSize int64  `json:"deduplicated_size,omitempty"`
	Current          int64  `json:"current,omitempty"` // of Total, in units of the operation
	Total            int64  `json:"total,omitempty"`
	Message          string `json:"message,omitempty"`
}

// Call is what one borg command needs to know beside its own parameters.
type Call struct {
	Job        *Job
	Repository Repository
	Lock       *os.File       // the held lock, inherited by borg; nil for none
	Progress   func(Progress) // nil: not asked for
	Warn       func(Warning)  // each warning as it comes; nil: not asked for
}
