package importer

import (
	"fmt"
	"strings"

	"borgcron/internal/backup"
)

// separate gives the jobs patterns that have no archive in common on one repository.
func (i *shellImport) separate() {
	all := make([]*series, len(i.jobs))
	for k, j := range i.jobs {
		all[k] = j.series
	}
	separate(all)
	for _, j := range i.jobs {
		j.settle()
	}
}

// write makes the configuration of the jobs.
func (i *shellImport) write() ([]byte, error) {
	root, repositories, jobs := newMapping(), newMapping(), newMapping()
	for _, repository := range i.repositories {
		repositories.set(repository.name, repository.node)
	}
	for _, j := range i.jobs {
		j.node.order("repository", "sources", "exclude", "exclude_from", "patterns", "patterns_from", "exclude_if_present", "compression", "archive_name", "retention",
			"prune", "retry", "databases", "spool", "hooks")
		jobs.set(j.name, j.node)
		jobs.comment(j.name, j.comment())
	}
	root.set("repositories", repositories)
	root.comment("repositories", fold("`clients: single` promises that "+backup.SinglePromise+".\nOnly then may a lock that a dead run left behind be broken, as the old script did; else write `shared`."))
	root.set("jobs", jobs)
	return root.render()
}

// comment says above a job what it was and what was left.
func (j *shellJob) comment() string {
	text := "From " + strings.Trim(fmt.Sprintf("%q", j.path), `"`) + ". When it runs is said by `every` or `at`; without them it is due once a day."
	for _, note := range j.notes {
		if note.Fate == Left {
			text += fmt.Sprintf("\nLeft: %s (line %d): %s.", note.Key, note.Line, note.Message)
		}
	}
	return fold(text)
}

// fold parts lines that are too long to be read, between words.
func fold(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		width := 0
		for i, word := range strings.Fields(line) {
			switch {
			case i == 0:
			case width+len(word) > 118:
				out.WriteString("\n  ")
				width = 2
			default:
				out.WriteByte(' ')
				width++
			}
			out.WriteString(word)
			width += len(word)
		}
		out.WriteByte('\n')
	}
	return strings.TrimSuffix(out.String(), "\n")
}
