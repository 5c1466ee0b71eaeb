package config

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"borgcron/internal/backup"
)

// finish sorts what was found, adds the source lines, and tells the jobs what stops them.
func (l *loader) finish() *Config {
	for _, mistakes := range [][]Mistake{l.errors, l.warnings} {
		slices.SortStableFunc(mistakes, func(a, b Mistake) int {
			return cmp.Or(
				cmp.Compare(slices.Index(l.config.Files, a.File), slices.Index(l.config.Files, b.File)),
				cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), strings.Compare(a.Message, b.Message))
		})
		for i, m := range mistakes {
			if doc := l.documents[m.File]; doc != nil {
				mistakes[i].Source = doc.source(m.Line)
			}
		}
	}
	l.config.Errors, l.config.Warnings = unite(l.errors), unite(l.warnings)
	l.config.tree = l.root
	l.stopJobs()
	return l.config
}

// unite makes one of the mistakes that several jobs inherit from one place.
func unite(mistakes []Mistake) []Mistake {
	var united []Mistake
	for _, m := range mistakes {
		if n := len(united); n > 0 && united[n-1].Place == m.Place && united[n-1].Message == m.Message {
			if last := &united[n-1]; last.Scope.Part == m.Scope.Part {
				last.Scope.Names = append(slices.Clone(last.Scope.Names), m.Scope.Names...)
				continue
			}
		}
		united = append(united, m)
	}
	return united
}

// bootstrap adds the configuration files to what the jobs back up. Those with a secret in them are left out.
func (l *loader) bootstrap() {
	var files []string
	for _, path := range l.config.Files {
		if doc := l.documents[path]; doc.root != nil && !doc.secret { // what does not parse may hold one
			files = append(files, path)
			if target, err := filepath.EvalSymlinks(path); err == nil && isLink(path) { // borg would keep the link alone
				files = append(files, target)
			}
		}
	}
	wanted := false
	for _, j := range l.jobs {
		if node := sub(j.tree, "bootstrap"); node != nil && node.Value == "true" {
			wanted = true
			j.result.Bootstrap = files
			j.result.BootstrapNote = backup.BootstrapNote(l.config.Host, len(files), l.config.Files[0])
		}
	}
	for _, path := range l.config.Files {
		if wanted && l.documents[path].secret {
			l.warnings = append(l.warnings, Mistake{
				Place:   Place{File: path},
				Message: "this file has a secret in it and is left out of the backups (`bootstrap`); keep a copy elsewhere",
			})
		}
	}
}

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().Type() == fs.ModeSymlink
}

// stopJobs gives each job its place in the result, and the first mistake that stops it.
func (l *loader) stopJobs() {
	for _, j := range l.jobs {
		for i := range j.result.Repositories {
			r := &j.result.Repositories[i]
			if m := l.first(InRepository, r.Name); m != nil && r.Name != "" {
				r.Problem, r.ProblemWhere = m.brief(), m.Place.String()
				j.stop(Mistake{Place: m.Place, Message: fmt.Sprintf("repository %s: %s", r.Name, m.Message), Suggestion: m.Suggestion})
			}
		}
		if m := l.first(InJob, j.result.Name); m != nil {
			j.result.Problem = ""
			j.stop(*m)
		}
		l.config.Jobs = append(l.config.Jobs, j.result)
	}
}

func (j *job) stop(m Mistake) {
	if j.result.Problem == "" {
		j.result.Problem, j.result.ProblemWhere = m.brief(), m.Place.String()
	}
}

// first returns the first mistake in a job or a repository.
func (l *loader) first(part Part, name string) *Mistake {
	for i, m := range l.config.Errors {
		if m.Scope.Part == part && slices.Contains(m.Scope.Names, name) {
			return &l.config.Errors[i]
		}
	}
	return nil
}
