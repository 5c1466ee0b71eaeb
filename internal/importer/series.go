package importer

import (
	"slices"
	"strings"

	"borgcron/internal/backup"
)

// How the archives of a job are told from others, from the widest to the narrowest.
const (
	byOld    = iota // by the pattern of the tool that made them
	byDigits        // by the digits of the time
	byJob           // by a name of their own: the series begins anew
)

// A series is how the archives of one job are called, and by which pattern they are pruned.
type series struct {
	names        backup.Names
	archiveName  string   // a template of ours; "" if there can be none like the old one
	match        string   // the old tool's own pattern; "" if it cannot be used
	repositories []string // their keys
	dumps        bool     // the job has archives of dumps beside
	way          int      // how they are told from others
}

// separate gives the series patterns that have no archive in common on a repository of two: each would delete the other's.
func separate(all []*series) {
	for _, one := range all {
		for one.way < byJob && !one.usable() {
			one.way++
		}
	}
	for range 2 * len(all) {
		clash := make([]bool, len(all))
		for i, one := range all {
			clash[i] = clash[i] || overlap(one.patterns(), one.dumpPatterns())
			for k, other := range all[:i] {
				if one.shares(other) && overlap(append(one.patterns(), one.dumpPatterns()...), append(other.patterns(), other.dumpPatterns()...)) {
					clash[i], clash[k] = true, true
				}
			}
		}
		for i, one := range all {
			if clash[i] && one.way < byJob {
				one.way++
			}
		}
	}
}

// usable tells whether borgcron takes the name and the pattern.
func (s *series) usable() bool {
	if s.archiveName == "" || backup.CheckArchiveName(s.archiveName) != nil {
		return false
	}
	match := s.pattern(s.way)
	return backup.CheckPattern(match) == nil && backup.LiteralHead(match) >= 3 && !strings.Contains(match, "${")
}

// pattern is the one by which the archives are pruned.
func (s *series) pattern(way int) string {
	switch {
	case way == byOld:
		return s.match
	case way == byJob || s.archiveName == "":
		return backup.MatchFor("{hostname}-{job}-{now}", s.names)
	}
	end := strings.Index(s.archiveName, "{now")
	if utc := strings.Index(s.archiveName, "{utcnow"); utc >= 0 {
		end = utc
	}
	if end < 0 {
		return ""
	}
	end += strings.IndexByte(s.archiveName[end:], '}') + 1
	// Behind the seconds the old names may have a fraction.
	return backup.MatchFor(s.archiveName[:end], s.names) + "*" + backup.MatchFor(s.archiveName[end:], s.names)
}

// patterns are all that the archives of files may match.
func (s *series) patterns() []string {
	if s.way == byJob {
		return []string{s.pattern(byJob)}
	}
	return []string{s.pattern(s.way), backup.MatchFor(s.archiveName, s.names)}
}

func (s *series) dumpPatterns() []string {
	if !s.dumps {
		return nil
	}
	return []string{backup.MatchFor(backup.DumpsName, s.names)}
}

func (s *series) shares(other *series) bool {
	return slices.ContainsFunc(s.repositories, func(key string) bool { return slices.Contains(other.repositories, key) })
}

func overlap(some, others []string) bool {
	return slices.ContainsFunc(some, func(one string) bool {
		return slices.ContainsFunc(others, func(other string) bool { return backup.PatternsOverlap(one, other) })
	})
}
