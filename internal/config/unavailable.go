package config

import (
	"fmt"

	"go.yaml.in/yaml/v4"
)

// unavailable are the keys whose feature does not exist yet. They are read and checked like all others, and
// then refused, so that nobody relies on what is not there. Whoever builds the feature deletes the line.
var unavailable = []struct {
	path []string // `*` stands for each name
	off  string   // the value that does not use the feature
}{
	{path: []string{"jobs", "*", "verify", "every"}, off: "never"},
}

// checkUnavailable refuses what does not work in this version.
func (l *loader) checkUnavailable() {
	for _, feature := range unavailable {
		l.refuse(feature.path, feature.off, nil)
	}
}

func (l *loader) refuse(pattern []string, off string, path []string) {
	if len(path) == len(pattern) {
		l.refuseAt(off, path)
		return
	}
	if next := pattern[len(path)]; next != "*" {
		l.refuse(pattern, off, append(path[:len(path):len(path)], next))
		return
	}
	for _, name := range keys(l.at(path)) {
		l.refuse(pattern, off, append(path[:len(path):len(path)], name))
	}
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
