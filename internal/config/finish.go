package config

import (
	"fmt"
	"os/user"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v4"
)

// bootstrap adds the configuration files to what the jobs back up. Those with a secret in them are left out.
func (l *loader) bootstrap() {
	var files []string
	for _, path := range l.config.Files {
		if doc := l.documents[path]; doc.root != nil && !doc.secret { // what does not parse may hold one
			files = append(files, path)
		}
	}
	wanted := false
	for _, j := range l.jobs {
		if node := sub(j.tree, "bootstrap"); node != nil && node.Value == "true" {
			wanted = true
			j.result.Bootstrap = files
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

// at returns the value at a path of the whole tree, nil if there is none.
func (l *loader) at(path []string) *yaml.Node {
	node := l.root
	for _, name := range path {
		node = sub(node, name)
	}
	return node
}

// refuseAt refuses what stands at a path, unless it is switched off or nothing.
func (l *loader) refuseAt(off string, path []string) {
	node := l.at(path)
	if node == nil || node.Kind == yaml.ScalarNode && (node.Value == off || node.Value == "none") || node.Kind == yaml.SequenceNode && len(node.Content) == 0 {
		return
	}
	at := l.where(l.root, path...)
	if at == nil {
		return
	}
	l.wrong(at, path, fmt.Sprintf("`%s`: not yet available in this version", label(path)), "")
}

// user returns the login name for archive names.
func (l *loader) user() string {
	if l.env.User != "" {
		return l.env.User
	}
	if found, err := user.LookupId(strconv.Itoa(l.env.UID)); err == nil {
		return found.Username
	}
	return strconv.Itoa(l.env.UID)
}

func number(n int) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(n)}
}

func remove(mapping *yaml.Node, key string) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			mapping.Content = slices.Delete(mapping.Content, i, i+2)
			return
		}
	}
}
