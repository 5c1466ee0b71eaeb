package config

import (
	"fmt"
	"slices"
	"strings"

	"borgcron/internal/backup"
)

// series are archives that belong together: what one job makes, or takes for its own.
type series struct {
	job      *job
	patterns []string
	what     string // how it is called in messages
}

// checkPatterns finds two series on one repository that can have an archive in common: the prune of the one
// would delete archives of the other.
func (l *loader) checkPatterns() {
	var all []series
	for _, j := range l.jobs {
		all = append(all, seriesOf(j)...)
	}
	for i, a := range all {
		for _, b := range all[:i] {
			if !overlap(a.patterns, b.patterns) || !shareRepository(a.job, b.job) {
				continue
			}
			scope := Scope{Part: InJob, Names: []string{a.job.result.Name, b.job.result.Name}}
			message := fmt.Sprintf("%s can match the same archives as %s in one repository: each would delete the other's; put {job} into `archive_name`", a.what, b.what)
			if a.job == b.job {
				scope.Names = scope.Names[:1]
				message = fmt.Sprintf("`prune.match` of job %s can match its archives of dumps too: they are a series of their own", a.job.result.Name)
			}
			at := l.on(a.job, "prune", "match")
			if at == a.job.key {
				at = l.on(a.job, "archive_name")
			}
			l.errors = append(l.errors, Mistake{Place: l.placeOf(at), Message: message, Scope: scope})
		}
	}
}

// seriesOf returns the archives of files of a job, and those of dumps if they are streamed.
func seriesOf(j *job) []series {
	var all []series
	name := j.result.Name
	if backup.CheckArchiveName(j.result.ArchiveName) == nil && j.result.Prune.Match != "" {
		made := backup.MatchFor(j.result.ArchiveName, j.names)
		all = append(all, series{j, slices.Compact([]string{j.result.Prune.Match, made}), "`prune.match` of job " + name})
	}
	if len(j.result.Databases) > 0 && j.result.Spool == "" {
		dumps := backup.MatchFor("{hostname}-{job}.dumps-{now}", j.names)
		all = append(all, series{j, []string{dumps}, "the archives of dumps of job " + name})
	}
	return all
}

func shareRepository(a, b *job) bool {
	for _, one := range a.result.Repositories {
		for _, other := range b.result.Repositories {
			if one.Location != "" && one.Key() == other.Key() {
				return true
			}
		}
	}
	return false
}

// overlap tells whether one pattern of each list can match the same archive.
func overlap(a, b []string) bool {
	for _, one := range a {
		for _, other := range b {
			if headsAgree(one, other) && backup.PatternsOverlap(one, other) {
				return true
			}
		}
	}
	return false
}

// headsAgree is a quick look at what two patterns begin with: few of many jobs have to be compared in full.
func headsAgree(a, b string) bool {
	a, b = head(a), head(b)
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

// head is what stands before the first character of a pattern that may not be literal.
func head(pattern string) string {
	if end := strings.IndexAny(pattern, "*?["); end >= 0 {
		return pattern[:end]
	}
	return pattern
}
