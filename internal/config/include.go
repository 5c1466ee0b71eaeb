package config

import (
	"path/filepath"
	"reflect"
	"slices"

	"github.com/bmatcuk/doublestar/v4"
	"go.yaml.in/yaml/v4"
)

// readAll reads the main file and what it includes into one tree. Names that stand in two files are then
// found like names that stand twice in one.
func (l *loader) readAll(path string) error {
	main, err := l.read(path, Scope{})
	if err != nil {
		return err
	}
	l.include(main)
	if jobs, _ := lookup(l.root, "jobs"); jobs == nil && len(l.errors) == 0 {
		l.errors = append(l.errors, Mistake{Place: Place{File: path}, Message: "there are no jobs: a configuration needs the key `jobs`"})
	}
	return nil
}

// include adds a document to the tree, and then the documents that it names.
func (l *loader) include(doc *document) {
	if doc.root == nil {
		return
	}
	var globs []string
	for i := 0; i+1 < len(doc.root.Content); i += 2 {
		key, value := doc.root.Content[i], doc.root.Content[i+1]
		_, there := lookup(l.root, key.Value)
		switch first, _ := lookup(doc.root, key.Value); {
		case first != key && key.Kind == yaml.ScalarNode:
			l.walker.twice(key, first, []string{key.Value})
		case key.Value == "include":
			globs = append(globs, l.globs(doc, value)...)
			l.config.globs = append(l.config.globs, globs...)
		case there != nil && there.Kind == yaml.MappingNode && value.Kind == yaml.MappingNode:
			there.Content = append(there.Content, value.Content...)
		default:
			l.root.Content = append(l.root.Content, key, value)
		}
	}
	var paths []string
	for _, glob := range globs {
		matches, err := doublestar.FilepathGlob(glob, doublestar.WithFilesOnly())
		if err == nil {
			paths = append(paths, matches...)
		}
	}
	slices.Sort(paths)
	for _, path := range slices.Compact(paths) {
		l.includeFile(path)
	}
}

// Covers tells whether a file of that path, if it were there, would be included.
func (c *Config) Covers(path string) bool {
	return slices.ContainsFunc(c.globs, func(glob string) bool {
		match, err := doublestar.PathMatch(glob, path)
		return err == nil && match
	})
}

func (l *loader) includeFile(path string) {
	if l.documents[path] != nil {
		return // files that include each other
	}
	doc, err := l.read(path, Scope{Part: InFile, Names: []string{path}})
	if err != nil {
		l.errors = append(l.errors, Mistake{
			Place:   Place{File: path},
			Message: "the included file " + reading(err),
			Scope:   Scope{Part: InFile, Names: []string{path}},
		})
		return
	}
	l.include(doc)
}

// globs returns the patterns of an include, made absolute.
func (l *loader) globs(doc *document, node *yaml.Node) []string {
	field, _ := fieldOf(reflect.TypeFor[File](), "include")
	if !l.walker.value(node, field.Type, field.Tag, []string{"include"}) {
		return nil
	}
	var globs []string
	for _, item := range node.Content {
		glob := item.Value
		if !filepath.IsAbs(glob) {
			glob = filepath.Join(filepath.Dir(doc.path), glob)
		}
		if !doublestar.ValidatePathPattern(glob) {
			l.wrong(item, []string{"include"}, "`include` has a pattern that cannot be read: "+quote(item.Value), "")
			continue
		}
		globs = append(globs, glob)
	}
	return globs
}
