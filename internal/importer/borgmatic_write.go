package importer

import (
	"fmt"
	"slices"
	"strings"

	"borgcron/internal/backup"
)

// How the archives of a job are told from others, from the widest to the narrowest.
const (
	asBorgmatic = iota // by borgmatic's own pattern
	byDigits           // by the digits of the time
	byJob              // by a name of their own: the series begins anew
)

// separate gives the jobs patterns that have no archive in common on a repository of two: each would delete the other's.
func (b *borgmatic) separate() {
	ways := make([]int, len(b.jobs))
	for i, j := range b.jobs {
		for ways[i] < byJob && !usable(j, ways[i]) {
			ways[i]++
		}
	}
	for range 2 * len(b.jobs) {
		clash := make([]bool, len(b.jobs))
		for i, one := range b.jobs {
			own := one.series(ways[i])
			if one.node.has("databases") && overlaps(own, one.dumps()) {
				clash[i] = true
			}
			for k, other := range b.jobs[:i] {
				if b.shareRepository(one, other) && overlaps(append(own, one.dumps()...), append(other.series(ways[k]), other.dumps()...)) {
					clash[i], clash[k] = true, true
				}
			}
		}
		for i := range clash {
			if clash[i] && ways[i] < byJob {
				ways[i]++
			}
		}
	}
	for i, j := range b.jobs {
		j.settle(ways[i])
	}
}

// usable tells whether borgcron takes the name and the pattern of a way.
func usable(j *borgmaticJob, way int) bool {
	if j.archiveName == "" || backup.CheckArchiveName(j.archiveName) != nil {
		return false
	}
	match := j.pattern(way)
	return backup.CheckPattern(match) == nil && backup.LiteralHead(match) >= 3 && !strings.Contains(match, "${")
}

// pattern is the one by which the job prunes.
func (j *borgmaticJob) pattern(way int) string {
	switch {
	case way == asBorgmatic:
		return j.match
	case way == byJob || j.archiveName == "":
		return backup.MatchFor("{hostname}-{job}-{now}", j.made())
	}
	end := strings.Index(j.archiveName, "{now")
	if utc := strings.Index(j.archiveName, "{utcnow"); utc >= 0 {
		end = utc
	}
	if end < 0 {
		return ""
	}
	end += strings.IndexByte(j.archiveName[end:], '}') + 1
	// Behind the seconds borgmatic's names may have a fraction.
	return backup.MatchFor(j.archiveName[:end], j.made()) + "*" + backup.MatchFor(j.archiveName[end:], j.made())
}

// series are all patterns that the job's archives may match.
func (j *borgmaticJob) series(way int) []string {
	if way == byJob {
		return []string{j.pattern(way)}
	}
	return []string{j.pattern(way), backup.MatchFor(j.archiveName, j.made())}
}

// dumps is the pattern of the archives of dumps.
func (j *borgmaticJob) dumps() []string {
	if !j.node.has("databases") {
		return nil
	}
	return []string{backup.MatchFor("{hostname}-{job}.dumps-{now}", j.made())}
}

func overlaps(some, others []string) bool {
	return slices.ContainsFunc(some, func(one string) bool {
		return slices.ContainsFunc(others, func(other string) bool { return backup.PatternsOverlap(one, other) })
	})
}

func (b *borgmatic) shareRepository(one, other *borgmaticJob) bool {
	return slices.ContainsFunc(one.repositories, func(a string) bool {
		return slices.ContainsFunc(other.repositories, func(c string) bool { return b.key(a) == b.key(c) })
	})
}

// key tells which repository a name stands for, however its location is written.
func (b *borgmatic) key(name string) string {
	for _, repository := range b.repositories {
		if repository.name == name {
			return (&backup.Repository{Location: repository.location}).Key()
		}
	}
	return name
}

// settle writes the name and the pattern of a job's archives.
func (j *borgmaticJob) settle(way int) {
	told := func(format string, args ...any) {
		for _, key := range []string{"archive_name_format", "match_archives", "prefix"} {
			if s := j.top.get(key); !s.null() {
				j.note(s, Changed, format, args...)
				return
			}
		}
		j.notes = append(j.notes, Note{File: j.file, Key: "archive_name_format", Fate: Changed, Message: fmt.Sprintf(format, args...)})
	}
	if way == byJob {
		told("the name of the job is in the names of its archives now, because another series has the same names, or because they cannot be told apart: the archives that are there belong to no job, and are deleted by hand (`borgcron borg %s -- delete ...`)", j.name)
		j.node.set("archive_name", "{hostname}-{job}-{now}")
		return
	}
	j.node.set("archive_name", j.archiveName)
	match := j.pattern(way)
	if match != backup.MatchFor(j.archiveName, j.made()) {
		j.node.sub("prune").set("match", match)
	}
	if way == byDigits {
		told("pruned by the digits of the time, `%s`: borgmatic's own pattern would take archives of another series, or all", printable(match))
	}
}

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, text)
}

// write makes the configuration of the jobs.
func (b *borgmatic) write() ([]byte, error) {
	root, repositories, jobs := newMapping(), newMapping(), newMapping()
	for _, repository := range b.repositories {
		repositories.set(repository.name, repository.node)
	}
	for _, j := range b.jobs {
		if len(j.repositories) == 1 {
			j.node.set("repository", j.repositories[0])
		} else {
			j.node.node.Content[0].Value = "repositories"
			j.node.set("repositories", j.repositories)
		}
		if len(b.channels) > 0 && len(j.channels) < len(b.channels) {
			j.node.set("notify", append([]string{}, j.channels...))
		}
		jobs.set(j.name, j.node)
		jobs.comment(j.name, j.comment())
	}
	root.set("repositories", repositories)
	root.comment("repositories", "`clients: shared` is the default: borgcron never breaks a lock there. `single` promises that nobody else starts a borg on\n"+
		"that repository: no other machine, no other user, nobody by hand, not on the server either. Only then may a lock that\n"+
		"a dead run left behind be broken.")
	root.set("jobs", jobs)
	if len(b.channels) > 0 {
		channels := newMapping()
		for _, channel := range b.channels {
			channels.set(channel.name, channel.node)
		}
		root.set("notify", channels)
	}
	return root.render()
}

// comment says above a job what it was and what was left.
func (j *borgmaticJob) comment() string {
	lines := []string{"From borgmatic's " + strings.Trim(fmt.Sprintf("%q", j.file), `"`) + "."}
	var messages []string
	keys := map[string][]string{}
	for _, note := range j.notes {
		if note.Fate != Left || strings.HasPrefix(note.Message, goesWith) {
			continue
		}
		if keys[note.Message] == nil {
			messages = append(messages, note.Message)
		}
		keys[note.Message] = append(keys[note.Message], note.Key)
	}
	for _, message := range messages {
		lines = append(lines, fmt.Sprintf("Left: %s: %s.", strings.Join(keys[message], ", "), message))
	}
	return strings.Join(lines, "\n")
}
