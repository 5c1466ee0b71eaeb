// Package config reads the configuration: it makes of YAML complete and valid jobs, or every mistake with its line.
package config

import (
	"cmp"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"borgcron/internal/backup"

	"github.com/bmatcuk/doublestar/v4"
	"go.yaml.in/yaml/v4"
)

// Config is the whole configuration.
type Config struct {
	Host    string       // {hostname} in the names of archives
	State   string       // folder of locks, history and status
	Runtime string       // folder of the private folders of running runs
	Files   []string     // all configuration files read, the main one first
	Jobs    []backup.Job // complete, in the order of the files; one with a mistake has its Problem set
	Notify  []NamedChannel
	Metrics Metrics
	// Errors and Warnings are in the order of the files and their lines.
	Errors, Warnings []Mistake

	tree     *yaml.Node // the complete configuration, for Show
	keepHost string     // what KeepHost has to write
}

// NamedChannel is a channel that can be used.
type NamedChannel struct {
	Name string
	Channel
}

// Environment is what the configuration depends on beside its files.
type Environment struct {
	Getenv   func(string) string
	UID      int
	Home     string // "": there is none
	Hostname string // the full one
	User     string // login name, {user} in archive names
	Owner    string // user who may own the configuration beside root, for --config-owner
	Machine  Machine
}

// Fatal tells whether something is wrong that concerns everything, so that nothing may run.
func (c *Config) Fatal() bool {
	return slices.ContainsFunc(c.Errors, func(m Mistake) bool { return m.Scope.Part == Whole })
}

// Load reads a configuration with all files that it includes. Whatever is wrong in it is in the result's
// Errors; an error is returned only if the file itself cannot be read.
func Load(path string, env Environment) (*Config, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	if env.Machine == nil {
		env.Machine = thisMachine{}
	}
	l := &loader{
		env: env, config: &Config{}, root: mapping(),
		origin: map[*yaml.Node]*document{}, documents: map[string]*document{}, repositories: map[string]*repository{},
	}
	l.walker = walker{getenv: env.Getenv, home: env.Home, mistake: l.wrong, found: l.note, place: l.placeOf, copy: l.copy}
	if err := l.readAll(path); err != nil {
		return nil, err
	}
	l.walker.structure(l.root, reflect.TypeFor[File](), "", nil)
	l.checkNames()
	l.decodePaths()
	l.decodeRepositories()
	l.decodeChannels()
	l.decodeJobs()
	l.checkUnavailable()
	l.leaveOut()
	l.checkPatterns()
	l.checkFound()
	l.bootstrap()
	return l.finish(), nil
}

// loader is a configuration being read.
type loader struct {
	env          Environment
	walker       walker
	config       *Config
	root         *yaml.Node // all files in one
	origin       map[*yaml.Node]*document
	documents    map[string]*document
	repositories map[string]*repository
	jobs         []*job
	found        []found
	errors       []Mistake
	warnings     []Mistake
}

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
