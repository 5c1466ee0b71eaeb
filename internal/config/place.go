package config

import (
	"go.yaml.in/yaml/v4"
)

// wrong notes an error at a node.
func (l *loader) wrong(node *yaml.Node, path []string, message, suggestion string) {
	l.errors = append(l.errors, Mistake{Place: l.placeOf(node), Message: message, Suggestion: suggestion, Scope: scopeOf(path)})
}

// doubt notes a warning at a node.
func (l *loader) doubt(node *yaml.Node, path []string, message string) {
	l.warnings = append(l.warnings, Mistake{Place: l.placeOf(node), Message: message, Scope: scopeOf(path)})
}

func (l *loader) copy(node *yaml.Node) *yaml.Node {
	copied := *node
	l.origin[&copied] = l.origin[node]
	return &copied
}

func (l *loader) placeOf(node *yaml.Node) Place {
	if doc := l.origin[node]; doc != nil {
		return doc.place(node.Line, node.Column)
	}
	return Place{File: l.config.Files[0]}
}

// scopeOf tells what a mistake at a path spoils.
func scopeOf(path []string) Scope {
	if len(path) == 1 && path[0] == "metrics" || len(path) > 1 && path[0] == "metrics" {
		return Scope{Part: InMetrics}
	}
	if len(path) < 2 {
		return Scope{}
	}
	switch path[0] {
	case "jobs":
		return Scope{Part: InJob, Names: path[1:2]}
	case "repositories":
		return Scope{Part: InRepository, Names: path[1:2]}
	case "notify":
		return Scope{Part: InChannel, Names: path[1:2]}
	}
	return Scope{}
}

// where returns the node of the deepest key of the path that stands in a file.
func (l *loader) where(tree *yaml.Node, path ...string) *yaml.Node {
	var deepest *yaml.Node
	for _, name := range path {
		key, value := lookup(tree, name)
		if value == nil {
			break
		}
		if l.origin[key] != nil {
			deepest = key
		}
		if tree = value; value.Kind != yaml.MappingNode && l.origin[value] != nil {
			deepest = value
		}
	}
	return deepest
}

// wrongAt notes an error at the deepest key of the path that stands in the file.
func (l *loader) wrongAt(scope []string, message string, path ...string) {
	if node := l.where(l.root, path...); node != nil {
		l.wrong(node, scope, message, "")
		return
	}
	l.errors = append(l.errors, Mistake{Place: Place{File: l.config.Files[0]}, Message: message, Scope: scopeOf(scope)})
}

// decode fills a value from a tree that the walker has found right. What the library finds nevertheless is
// said as it says it.
func (l *loader) decode(node *yaml.Node, value any, path ...string) {
	if err := decode(node, value); err != nil {
		for _, e := range loadErrors(err) {
			at := l.where(l.root, path...)
			if at == nil {
				at = node
			}
			l.wrong(at, path, e.Message, "")
		}
	}
}
