package importer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A setting is a value of borgmatic's configuration, and where it stands. Includes, merges and aliases are resolved.
type setting struct {
	file   string
	line   int
	key    string // the whole, such as storage.compression or checks[0].name
	kind   yaml.Kind
	text   string // of a scalar
	tag    string // of a scalar without quotes: what it is in YAML; else !!str
	merge  string // !retain or !omit
	names  []string
	items  []*setting // of a list, or of a mapping beside its names
	joined bool       // a list of more than one file
}

// get returns the value under a name of a mapping, nil if there is none.
func (s *setting) get(name string) *setting {
	if s == nil || s.kind != yaml.MappingNode {
		return nil
	}
	if at := slices.Index(s.names, name); at >= 0 {
		return s.items[at]
	}
	return nil
}

func (s *setting) null() bool {
	return s == nil || s.kind == yaml.ScalarNode && s.tag == "!!null"
}

// at is an error of this place.
func (s *setting) at(format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", s.file, s.line, fmt.Sprintf(format, args...))
}

// What a configuration may hold at most: no real one comes near, and aliases and includes cannot make it grow without end.
const (
	maxSettings = 50_000
	maxDepth    = 50
	maxIncludes = 200
	maxText     = 1 << 16
)

// A settingReader reads files with all that they include.
type settingReader struct {
	o        Options
	settings int
	includes int
	open     []string   // the files that are being read, the innermost last
	hidden   []*setting // that another value took the place of
}

func (r *settingReader) read(path string, content []byte) (*setting, error) {
	if slices.Contains(r.open, path) {
		return nil, fmt.Errorf("%s: includes itself (%s): take one of the includes out", path, strings.Join(append(r.open, path), " -> "))
	}
	r.open = append(r.open, path)
	defer func() { r.open = r.open[:len(r.open)-1] }()
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var document, more yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: is empty: there is nothing to import", path)
	} else if err != nil {
		return nil, fmt.Errorf("%s: is not YAML: %w", path, err)
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: holds more than one document: keep one", path)
	}
	return r.value(&document, 0)
}

func (r *settingReader) value(node *yaml.Node, depth int) (*setting, error) {
	s := &setting{file: r.open[len(r.open)-1], line: node.Line, kind: node.Kind}
	if r.settings++; r.settings > maxSettings || depth > maxDepth {
		return nil, s.at("holds too much, or is nested too deeply: is an alias or an include within itself?")
	}
	switch tag := node.Tag; tag {
	case "!include":
		return r.include(node)
	case "!retain", "!omit":
		s.merge = tag
	}
	switch node.Kind {
	case yaml.DocumentNode:
		return r.value(node.Content[0], depth+1)
	case yaml.AliasNode:
		return r.value(node.Alias, depth+1)
	case yaml.ScalarNode:
		s.text, s.tag = node.Value, node.ShortTag()
		if len(s.text) > maxText {
			return nil, s.at("has a text of more than %d bytes", maxText)
		}
		return s, nil
	case yaml.SequenceNode:
		for _, item := range node.Content {
			value, err := r.value(item, depth+1)
			if err != nil {
				return nil, err
			}
			s.items = append(s.items, value)
		}
		return s, nil
	case yaml.MappingNode:
		return r.mapping(s, node, depth)
	}
	return nil, s.at("has a value that borgmatic does not know")
}

// mapping reads a mapping. What << brings in comes first: the mapping's own keys win.
func (r *settingReader) mapping(s *setting, node *yaml.Node, depth int) (*setting, error) {
	own := &setting{file: s.file, line: s.line, kind: yaml.MappingNode}
	merge := s.merge
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		value, err := r.value(node.Content[i+1], depth+1)
		if err != nil {
			return nil, err
		}
		where := &setting{file: s.file, line: key.Line}
		switch {
		case key.Kind != yaml.ScalarNode:
			return nil, where.at("has a key that is no word")
		case key.Value == "<<" && key.Tag != "!!str":
			if s, err = r.merged(s, value); err != nil {
				return nil, err
			}
			continue
		case slices.Contains(own.names, key.Value):
			return nil, where.at("has %s a second time: keep one", quoteName(key.Value))
		}
		if value.file == s.file {
			value.line = key.Line
		}
		own.names, own.items = append(own.names, key.Value), append(own.items, value)
	}
	result := r.over(s, own)
	result.merge = merge
	return result, nil
}

// merged puts a mapping, or each of a list of them, over what there is.
func (r *settingReader) merged(s, value *setting) (*setting, error) {
	values := []*setting{value}
	if value.kind == yaml.SequenceNode {
		values = value.items
	}
	for _, one := range values {
		switch {
		case one.null():
		case one.kind != yaml.MappingNode:
			return nil, one.at("<< wants a mapping, or !include FILE")
		default:
			s = r.over(s, one)
		}
	}
	return s, nil
}

// over merges two values of one key: mappings key by key, lists one after the other, else the upper one wins. In lists !omit
// takes an item of the lower one out, and !retain keeps the lower one out.
func (r *settingReader) over(lower, upper *setting) *setting {
	if lower.kind != upper.kind || lower.kind == yaml.ScalarNode || upper.merge == "!retain" {
		r.hidden = append(r.hidden, lower)
		return upper
	}
	result := *upper
	if lower.kind == yaml.SequenceNode {
		result.items, result.joined = nil, true
		omitted := func(item *setting) bool {
			return slices.ContainsFunc(upper.items, func(o *setting) bool { return o.merge == "!omit" && o.text == item.text && o.kind == item.kind })
		}
		for _, item := range slices.Concat(lower.items, upper.items) {
			if item.merge != "!omit" && !omitted(item) {
				result.items = append(result.items, item)
			}
		}
		return &result
	}
	result.names, result.items = slices.Clone(lower.names), slices.Clone(lower.items)
	for i, name := range upper.names {
		if at := slices.Index(result.names, name); at >= 0 {
			if result.items[at].key == "" {
				result.items[at].key = quoteName(name)
			}
			if upper.items[i].merge == "!omit" {
				result.names, result.items = slices.Delete(result.names, at, at+1), slices.Delete(result.items, at, at+1)
				continue
			}
			result.items[at] = r.over(result.items[at], upper.items[i])
			continue
		}
		result.names, result.items = append(result.names, name), append(result.items, upper.items[i])
	}
	return &result
}

// include reads a file, or each of a list of files.
func (r *settingReader) include(node *yaml.Node) (*setting, error) {
	here := &setting{file: r.open[len(r.open)-1], line: node.Line, kind: yaml.SequenceNode}
	switch node.Kind {
	case yaml.ScalarNode:
		return r.includeFile(here, node.Value)
	case yaml.SequenceNode:
		for _, item := range node.Content {
			if item.Kind != yaml.ScalarNode {
				return nil, here.at("!include wants a file or a list of files")
			}
			value, err := r.includeFile(here, item.Value)
			if err != nil {
				return nil, err
			}
			here.items = append(here.items, value)
		}
		return here, nil
	}
	return nil, here.at("!include wants a file or a list of files")
}

func (r *settingReader) includeFile(here *setting, name string) (*setting, error) {
	if r.includes++; r.includes > maxIncludes || len(r.open) > maxDepth {
		return nil, here.at("includes more than %d files", maxIncludes)
	}
	path := name
	switch rest, home := strings.CutPrefix(name, "~/"); {
	case name == "":
		return nil, here.at("!include wants the name of a file")
	case home && r.o.Home != "":
		path = filepath.Join(r.o.Home, rest)
	case !filepath.IsAbs(name):
		path = filepath.Join(filepath.Dir(here.file), name)
	}
	if r.o.ReadFile == nil {
		return nil, here.at("includes a file, and no file can be read here")
	}
	content, err := r.o.ReadFile(path)
	if err != nil {
		return nil, here.at("the included file cannot be read: %v: correct its name, or put its contents here", err)
	}
	return r.read(path, content)
}

// quoteName makes a name of the file fit for a message and for a comment.
func quoteName(name string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_.-[]<", r)
	}
	if name != "" && len(name) <= 100 && !strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) {
		return name
	}
	return fmt.Sprintf("%.100q", name)
}
