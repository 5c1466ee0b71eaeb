package backup

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// DumpsName is the template of the names of archives of dumps.
const DumpsName = "{hostname}-{job}.dumps-{now}"

// ContentsPath is the last file of an archive of dumps: what is in it, as JSON of type Contents. An archive without it is
// not complete.
const ContentsPath = "contents.json"

// SpoolContents is the file in a spool that says what the job has there: several jobs may share one.
func SpoolContents(job string) string { return job + "." + ContentsPath }

// Contents says what an archive of dumps holds.
type Contents struct {
	Version int            `json:"version"` // 1
	Job     string         `json:"job"`
	Dumps   []DatabaseDump `json:"dumps"`
}

// DumpStream offers dumps as named pipes in a private folder that holds nothing else.
type DumpStream struct {
	Dir   string
	Paths []string // relative to Dir, in the order in which they are to be read
	// Feed makes the dumps, each when its pipe is opened by a reader. Without an error all were made, and what was
	// written is whole. With one the pipe in hand is left open, so that its reader sees no end: it has to be ended
	// before Close.
	Feed func(ctx context.Context) ([]DatabaseDump, error)
	// Soft returns the path of the dump that made Feed fail if that only costs this dump (on_error: warn), else "".
	Soft  func() string
	Close func()
}

// Streamed tells whether the job has dumps that go into an archive of their own.
func (j *Job) Streamed() bool { return len(j.Databases) > 0 && j.Spool == "" }

// Spooled tells whether the job has dumps that are files first.
func (j *Job) Spooled() bool { return len(j.Databases) > 0 && j.Spool != "" }

// OnlyDumps tells whether the job makes archives of dumps alone.
func (j *Job) OnlyDumps() bool {
	root := func(line string) bool { return strings.HasPrefix(line, "R ") }
	return j.Streamed() && len(j.Sources)+len(j.OptionalSources)+len(j.PatternsFrom) == 0 && !slices.ContainsFunc(j.Patterns, root)
}

// DumpsMatch is the pattern of the job's archives of dumps.
func (j *Job) DumpsMatch() string { return MatchFor(DumpsName, Names{Hostname: j.Host, Job: j.Name}) }

// LastDumps is what the records know of a job's archives of dumps: what Last says of those of files.
type LastDumps struct {
	Failed  bool             `json:"failed"`            // the last run's dumps failed: its archive of files is no last success
	Listing *Listing         `json:"listing,omitempty"` // nil: not known
	Sizes   map[string]int64 `json:"sizes,omitempty"`   // of the dumps that passed the guard, by path
	Held    string           `json:"held,omitempty"`    // why prune and compact wait until a guard passes or is acknowledged
	Breach  map[string]int64 `json:"breach,omitempty"`  // the sizes that breached it; acknowledged, they are the measure
	Refused string           `json:"refused,omitempty"` // as in Last
	Allowed bool             `json:"allowed,omitempty"`
}

// JudgeDumps tells which dumps are smaller than the last ones that passed by more than the guard allows.
// A database that has vanished from a server that is to be dumped with all that it has, has shrunk to nothing.
func (g Guard) JudgeDumps(databases []Database, dumps []DatabaseDump, before map[string]int64) (breaches []string) {
	if g.MaxShrink == 0 {
		return nil
	}
	for _, path := range slices.Sorted(maps.Keys(before)) {
		// One whose server could not be asked is not known to be gone: then the entry itself was left out, under the name that the
		// configuration has. A single database that was left out says nothing of the others.
		here := func(dump DatabaseDump) bool {
			return dump.Path() == path || dump.Left != "" && dump.Name == AllDatabases && strings.HasPrefix(path, dump.Server+"/")
		}
		if wanted(databases, path) && !slices.ContainsFunc(dumps, here) {
			breaches = append(breaches, fmt.Sprintf("the database of %s is gone from its server", CleanLine(path, 80)))
		}
	}
	for _, dump := range dumps {
		if was := before[dump.Path()]; dump.Left == "" && g.shrank(dump.Size, was) {
			first, second := sizes(was, dump.Size)
			breaches = append(breaches, fmt.Sprintf("the dump of %s shrank from %s to %s, guard.max_shrink allows %s",
				CleanLine(dump.Name, 80), first, second, g.allowed()))
		}
	}
	return breaches
}

// wanted tells whether a dump of that path still belongs to an entry that asks for all of its server.
func wanted(databases []Database, path string) bool {
	return slices.ContainsFunc(databases, func(database Database) bool {
		name, of := strings.CutPrefix(path, database.Server()+"/")
		return of && database.All() && !strings.HasPrefix(name, "+") && !slices.ContainsFunc(database.Exclude, func(excluded string) bool {
			return strings.HasPrefix(name, escapeName(excluded)+".")
		})
	})
}

// endDumps folds the result of the dumps into the knowledge.
func (l *Last) endDumps(job *Job, result StepResult, ok bool) {
	d := &l.Dumps
	d.Failed = !ok || result.Breached
	if !job.Streamed() {
		d.Listing = nil
	} else if archive := result.Report.Archive; !ok || archive == nil || result.Attempts > 1 {
		if result.Attempts > 0 {
			d.Listing = nil
		}
	} else {
		l.Meet(result.Report)
		if d.Listing == nil && l.Empty {
			d.Listing = &Listing{Learned: result.Started}
		}
		d.Listing = d.Listing.with(*archive)
	}
	if !ok {
		return
	}
	sizes := map[string]int64{}
	for _, dump := range result.Report.Dumps {
		if dump.Left == "" {
			sizes[dump.Path()] = dump.Size
		} else if was, known := d.Sizes[dump.Path()]; known {
			sizes[dump.Path()] = was
		}
	}
	if result.Breached {
		d.Held, d.Breach = result.Problem, sizes
		return
	}
	d.Held, d.Breach, d.Sizes = "", nil, sizes
	if job.OnlyDumps() && result.Report.Archive != nil { // else all were left out, and there is nothing to go back to
		l.Held, l.Breach = "", nil
		l.succeeded(result)
	}
}

// with returns the list with one more archive, the newest; an unknown list stays unknown.
func (l *Listing) with(archive Archive) *Listing {
	if l == nil {
		return nil
	}
	return &Listing{Learned: l.Learned, Archives: append([]Archive{archive}, l.Archives...)}
}

// Unlist notes that the archives of the repository are not known.
func (l *Last) Unlist() { l.Listing, l.Dumps.Listing, l.Empty = nil, nil, false }
