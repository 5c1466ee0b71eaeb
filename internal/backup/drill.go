package backup

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"time"
)

// DrillMemory is how long a file that was read back counts as such.
const DrillMemory = 90 * 24 * time.Hour

// Drill is what a restore drill did. Sizes are bytes.
type Drill struct {
	Archive  string  `json:"archive"` // of files, "" if the job has databases alone
	Full     bool    `json:"full"`    // everything in it was read
	Seed     uint64  `json:"seed"`    // the same seed picks the same files of the same archive and past
	Of       int64   `json:"of"`      // regular files in the archive
	Files    int64   `json:"files"`   // that were read back
	Size     int64   `json:"size"`
	Compared int64   `json:"compared"` // of them, with a file that had not changed since
	Differ   int64   `json:"differ"`   // of those
	Dumps    int64   `json:"dumps"`    // whose beginning was read
	Recent   int64   `json:"recent"`   // files of the archive that were read back within DrillMemory, by now
	Took     Seconds `json:"seconds"`
}

// Share is the part of the archive's files that were read back within DrillMemory, 0 to 1.
func (d *Drill) Share() float64 {
	if d.Of == 0 {
		return 1
	}
	return float64(d.Recent) / float64(d.Of)
}

// Sampler picks the files of a drill while it hears of all of an archive's items; its memory is bounded by the number of files that
// are picked. Those that were never read back come first, then those whose last time is longest ago; among equals chance decides,
// and large and old files have more of it.
type Sampler struct {
	Of, Recent int64 // regular files; of them, read back within DrillMemory

	rule       VerifyRule
	now        time.Time
	read       func(path string) time.Time
	random     *rand.Rand
	candidates []candidate
}

type candidate struct {
	item   Item
	read   time.Time
	chance float64
}

// NewSampler begins a drill. read tells when a path was last read back, the zero time if never.
func NewSampler(rule VerifyRule, seed uint64, now time.Time, read func(path string) time.Time) *Sampler {
	return &Sampler{rule: rule, now: now, read: read, random: rand.New(rand.NewPCG(seed, 0))} //nolint:gosec // no secret
}

// Add hears of an item. One that is larger than a whole drill may be is left to a full one.
func (s *Sampler) Add(item Item) {
	if item.Type() != '-' {
		return
	}
	s.Of++
	read := s.read(item.Path)
	if !read.IsZero() && s.now.Sub(read) < DrillMemory {
		s.Recent++
	}
	// Efraimidis and Spirakis: of n such keys the largest are a random sample by weight.
	chance := math.Pow(s.random.Float64(), 1/s.weight(item))
	if item.Size > s.rule.Size {
		return
	}
	s.candidates = append(s.candidates, candidate{item, read, chance})
	if enough := 4*s.rule.Files + 100; len(s.candidates) >= 2*enough {
		s.sort()
		s.candidates = s.candidates[:enough]
	}
}

// weight is 1 for a small new file, and grows by 1 with each doubling of its size and of its age.
func (s *Sampler) weight(item Item) float64 {
	const small, young = 64 << 10, float64(7 * 24 * time.Hour)
	age := max(0, s.now.Sub(item.ModTime))
	return 1 + math.Log2(1+float64(item.Size)/small) + math.Log2(1+float64(age)/young)
}

func (s *Sampler) sort() {
	slices.SortStableFunc(s.candidates, func(a, b candidate) int {
		const day = 24 * time.Hour // those of one drill are equal
		return cmp.Or(a.read.Truncate(day).Compare(b.read.Truncate(day)), cmp.Compare(b.chance, a.chance))
	})
}

// Pick returns the files to read, within the limits of the rule.
func (s *Sampler) Pick() (picked []Item) {
	s.sort()
	room := s.rule.Size
	for _, c := range s.candidates {
		if len(picked) == s.rule.Files {
			break
		}
		if c.item.Size <= room {
			room -= c.item.Size
			picked = append(picked, c.item)
			if s.now.Sub(c.read) >= DrillMemory {
				s.Recent++ // by the end of the drill
			}
		}
	}
	return picked
}

// Findings is what a drill found wrong.
type Findings struct {
	Damaged []string // what the repository no longer gives back whole, and why
	Missing []string // what belongs into the archive and is not in it
	Failed  []string // what could not be read back for a reason that lies here
	Differ  []string // paths whose live file is not what the archive has, though it looks unchanged
}

// Judge makes the end of a drill. Damage is an alarm; a difference is a warning, as it is the live file that may have rotted.
func (f *Findings) Judge() (warnings []Warning, err error) {
	switch {
	case len(f.Damaged) > 0:
		return nil, &Failure{Op: string(Verify), Code: -1, Class: Alarming, Message: "cannot be brought back: " + some(f.Damaged),
			Hint: "do not delete anything; older archives may still have it whole: borgcron find"}
	case len(f.Missing) > 0:
		return nil, &Failure{Op: string(Verify), Code: -1, Class: Permanent, Message: "not in the archive: " + some(f.Missing),
			Hint: "was it added since, or is it excluded?"}
	case len(f.Failed) > 0:
		return nil, &Failure{Op: string(Verify), Code: -1, Class: Permanent, Message: "not read back: " + some(f.Failed),
			Hint: "this says nothing about the backup; look at the folder of the state"}
	}
	for _, path := range f.Differ {
		warnings = append(warnings, Warning{Kind: Other, Path: path, Message: "source differs from the archive though it looks unchanged: " + CleanLine(path, 300)})
	}
	return warnings, nil
}

// some are the first of several texts, and how many there are.
func some(texts []string) string {
	shown := CleanLine(strings.Join(texts[:min(3, len(texts))], "; "), 400)
	if len(texts) > 3 {
		return fmt.Sprintf("%s, and %d more", shown, len(texts)-3)
	}
	return shown
}

// MissingRoots are the sources of the job of which an archive has nothing. It is told of each of the archive's paths by Saw.
type MissingRoots struct{ left []string }

// NewMissingRoots begins with all sources that have to be there, also those that are patterns ("R PATH").
func NewMissingRoots(job *Job) *MissingRoots {
	m := &MissingRoots{}
	add := func(root string) { m.left = append(m.left, strings.Trim(path.Clean(root), "/")) }
	for _, source := range job.Sources {
		add(source)
	}
	for _, pattern := range job.Patterns {
		if root, ok := strings.CutPrefix(strings.TrimSpace(pattern), "R "); ok {
			add(strings.TrimSpace(root))
		}
	}
	return m
}

// Saw takes note of a path of the archive.
func (m *MissingRoots) Saw(path string) {
	m.left = slices.DeleteFunc(m.left, func(root string) bool {
		return root == "" || path == root || strings.HasPrefix(path, root) && path[len(root)] == '/'
	})
}

// All are the sources that were not seen.
func (m *MissingRoots) All() (roots []string) {
	for _, root := range m.left {
		roots = append(roots, "/"+root)
	}
	return roots
}

// MissingDatabases are those that the job names and an archive of dumps does not hold, or holds not.
func MissingDatabases(job *Job, contents Contents) (missing []string) {
	for i := range job.Databases {
		database := &job.Databases[i]
		of := func(name string) func(DatabaseDump) bool {
			return func(dump DatabaseDump) bool {
				return dump.Server == database.Server() && (dump.Name == name || name == AllDatabases) && dump.Left == ""
			}
		}
		names := database.Names
		if database.Type == "sqlite" {
			names = []string{path.Clean(database.Path)}
		}
		for _, name := range names {
			if !slices.ContainsFunc(contents.Dumps, of(name)) {
				missing = append(missing, fmt.Sprintf("database %s of %s", name, database.Server()))
			}
		}
	}
	return missing
}

// LooksLikeDump tells whether the first bytes of a dump are those of its format. In doubt they are.
func (d *DatabaseDump) LooksLikeDump(head []byte) bool {
	text := string(head)
	if d.Size == 0 {
		return text == ""
	}
	switch d.Format {
	case "custom", DirectoryFormat:
		return strings.HasPrefix(text, "PGDMP")
	case "tar":
		return len(text) > 262 && text[257:262] == "ustar"
	case "sqlite":
		return strings.HasPrefix(text, "SQLite format 3\x00")
	}
	return text != "" && !strings.Contains(text, "\x00") // how statements begin is up to the dump program and its options
}
