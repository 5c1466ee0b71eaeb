package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"go.yaml.in/yaml/v4"
)

// maxFile is the most bytes that a configuration file may have.
const maxFile = 1 << 20

// document is one configuration file that was read.
type document struct {
	path   string
	file   fs.FileInfo // as it was when it was read
	lines  []string
	secret bool         // it has a secret in it
	starts map[int]bool // the lines in which something begins
	root   *yaml.Node   // nil if it is empty
}

// readFile reads a regular file of bounded size. It never waits: a pipe without a writer is opened at once,
// and refused.
func readFile(path string) ([]byte, fs.FileInfo, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("read the configuration: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("read the configuration: %w", err)
	}
	if info.IsDir() {
		return nil, nil, fmt.Errorf("read the configuration: %s is a folder, not a file", path)
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("read the configuration: %s is no regular file", path)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read the configuration: %w", err)
	}
	if len(text) > maxFile {
		return nil, nil, fmt.Errorf("read the configuration: %s is bigger than 1 MiB", path)
	}
	return text, info, nil
}

// read reads and parses a file, and says as mistakes of the given scope what does not parse.
func (l *loader) read(path string, scope Scope) (*document, error) {
	text, file, err := readFile(path)
	if err != nil {
		return nil, err
	}
	l.config.Files = append(l.config.Files, path)
	doc := &document{path: path, file: file, lines: splitLines(string(text)), starts: map[int]bool{}}
	l.documents[path] = doc
	if l.unsafeFile(path, file, scope) {
		return doc, nil // what others can write decides nothing here
	}
	doc.root, err = parse(text)
	if err != nil {
		for _, e := range loadErrors(err) {
			l.errors = append(l.errors, Mistake{
				Place:   doc.place(e.Mark.Line, e.Mark.Column),
				Message: "this is not YAML: " + strings.TrimPrefix(e.Message, "yaml: "),
				Scope:   scope,
			})
		}
		return doc, nil
	}
	if doc.root != nil && doc.root.Kind != yaml.MappingNode {
		l.errors = append(l.errors, Mistake{
			Place:   doc.place(doc.root.Line, doc.root.Column),
			Message: "a configuration is a mapping that begins with a key such as `jobs:`, not " + kindOf(doc.root),
			Scope:   scope,
		})
		doc.root = nil
		return doc, nil
	}
	l.own(doc, doc.root)
	return doc, nil
}

// kindOf is describe without the value, which may be anything.
func kindOf(node *yaml.Node) string {
	if node.Kind == yaml.ScalarNode {
		return "a single value"
	}
	return describe(node)
}

// own remembers which file each node comes from.
func (l *loader) own(doc *document, node *yaml.Node) {
	if node == nil {
		return
	}
	l.origin[node] = doc
	doc.starts[node.Line] = true
	for _, child := range node.Content {
		l.own(doc, child)
	}
}

// splitLines cuts a text as YAML counts its lines.
func splitLines(text string) []string {
	return strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n").Replace(text), "\n")
}

// place is a place in the file. Its source line is added at the very end, when all secrets are known.
func (d *document) place(line, column int) Place {
	return Place{File: d.path, Line: line, Column: max(column, min(line, 1))}
}

// source returns a line without what is secret in it.
func (d *document) source(line int) string {
	if line < 1 || line > len(d.lines) {
		return ""
	}
	return maskLine(d.lines[line-1])
}

// hide takes a secret out of all lines that can be shown: it goes on until something else begins.
func (d *document) hide(node *yaml.Node) {
	i := node.Line - 1
	if i < 0 || i >= len(d.lines) {
		return
	}
	runes := []rune(d.lines[i])
	if node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 && strings.Contains(d.lines[i], node.Value) {
		d.lines[i] = strings.ReplaceAll(d.lines[i], node.Value, "***")
	} else {
		d.lines[i] = string(runes[:min(max(node.Column-1, 0), len(runes))]) + "***"
	}
	for i++; i < len(d.lines) && !d.starts[i+1]; i++ {
		d.lines[i] = "***"
	}
}

// reading says in a word of ours why a file cannot be read.
func reading(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist"
	case errors.Is(err, fs.ErrPermission):
		return "may not be read"
	case errors.Is(err, syscall.ELOOP):
		return "is a symbolic link that leads to itself"
	}
	return err.Error()
}
