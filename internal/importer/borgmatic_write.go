package importer

import (
	"fmt"
	"strings"

	"borgcron/internal/backup"
)

// separate gives the jobs patterns that have no archive in common on a repository of two.
func (b *borgmatic) separate() {
	all := make([]*series, len(b.jobs))
	for i, j := range b.jobs {
		all[i] = &series{names: j.o.made(j.name), archiveName: j.archiveName, match: j.match, dumps: j.node.has("databases")}
		for _, repository := range j.repositories {
			all[i].repositories = append(all[i].repositories, b.key(repository))
		}
	}
	separate(all)
	for i, j := range b.jobs {
		j.settle(all[i])
	}
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
func (j *borgmaticJob) settle(own *series) {
	told := func(format string, args ...any) {
		for _, key := range []string{"archive_name_format", "match_archives", "prefix"} {
			if s := j.top.get(key); !s.null() {
				j.note(s, Changed, format, args...)
				return
			}
		}
		j.notes = append(j.notes, Note{File: j.file, Key: "archive_name_format", Fate: Changed, Message: fmt.Sprintf(format, args...)})
	}
	if own.way == byJob {
		told("the name of the job is in the names of its archives now, because another series has the same names, or because they cannot be told apart: the archives that are there belong to no job, and are deleted by hand (`borgcron borg %s -- delete ...`)", j.name)
		j.node.set("archive_name", "{hostname}-{job}-{now}")
		return
	}
	j.node.set("archive_name", j.archiveName)
	match := own.pattern(own.way)
	if match != backup.MatchFor(j.archiveName, j.o.made(j.name)) {
		j.node.sub("prune").set("match", match)
	}
	if own.way == byDigits {
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
