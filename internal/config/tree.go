package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxNodes bounds what aliases can blow a file up to.
const maxNodes = 100_000

// parse reads one document of YAML and returns its root, in which every alias is replaced by a copy of what
// it stands for and every merge key by the keys that it merges, so that nobody else has to know of them.
func parse(text []byte) (*yaml.Node, error) {
	loader, err := yaml.NewLoader(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	var document, second yaml.Node
	if err := loader.Load(&document); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if err := loader.Load(&second); err == nil {
		return nil, errorAt(&second, "a second document begins here; a configuration file holds one")
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	if document.Kind != yaml.DocumentNode || len(document.Content) == 0 {
		return nil, nil
	}
	flat := flattener{open: map[*yaml.Node]bool{}}
	return flat.copy(document.Content[0])
}

// flattener copies a tree without aliases and merge keys.
type flattener struct {
	open  map[*yaml.Node]bool // the aliases that are being copied
	count int
}

func (f *flattener) copy(node *yaml.Node) (*yaml.Node, error) {
	if f.count++; f.count > maxNodes {
		return nil, errorAt(node, fmt.Sprintf("the file has more than %d values, all aliases replaced by what they stand for", maxNodes))
	}
	if node.Kind == yaml.AliasNode {
		if f.open[node.Alias] {
			return nil, errorAt(node, fmt.Sprintf("the alias *%s contains itself", node.Value))
		}
		f.open[node.Alias] = true
		defer delete(f.open, node.Alias)
		return f.copy(node.Alias)
	}
	if node.Anchor != "" && !f.open[node] {
		f.open[node] = true
		defer delete(f.open, node)
	}
	flat := &yaml.Node{Kind: node.Kind, Style: node.Style, Tag: node.Tag, Value: node.Value, Line: node.Line, Column: node.Column}
	for _, child := range node.Content {
		copied, err := f.copy(child)
		if err != nil {
			return nil, err
		}
		flat.Content = append(flat.Content, copied)
	}
	if flat.Kind == yaml.MappingNode {
		return flat, mergeKeys(flat)
	}
	return flat, nil
}

// mergeKeys replaces `<<` keys by the keys of the mappings that they name; keys that stand there win.
func mergeKeys(node *yaml.Node) error {
	for i := 0; i < len(node.Content); {
		key, value := node.Content[i], node.Content[i+1]
		if key.Value != "<<" || key.ShortTag() != "!!merge" {
			i += 2
			continue
		}
		node.Content = slices.Delete(node.Content, i, i+2)
		sources := []*yaml.Node{value}
		if value.Kind == yaml.SequenceNode {
			sources = value.Content
		}
		for _, source := range sources {
			if source.Kind != yaml.MappingNode {
				return errorAt(value, "<< wants a mapping, or a list of mappings")
			}
			for j := 0; j < len(source.Content); j += 2 {
				if _, there := lookup(node, source.Content[j].Value); there == nil {
					node.Content = append(node.Content, source.Content[j], source.Content[j+1])
				}
			}
		}
	}
	return nil
}

func errorAt(node *yaml.Node, message string) error {
	return yaml.NewLoadError(yaml.ComposerStage, message, yaml.Mark{Line: node.Line, Column: node.Column}, nil)
}

// loadErrors returns the single errors in what the library says.
func loadErrors(err error) []*yaml.LoadError {
	var several *yaml.LoadErrors
	if errors.As(err, &several) {
		return several.Errors
	}
	var one *yaml.LoadError
	if errors.As(err, &one) {
		return []*yaml.LoadError{one}
	}
	return []*yaml.LoadError{{Message: err.Error()}}
}

// decode fills a value from a tree. This is the only place where trees become Go values, so that none is
// decoded without these options: an unknown or a double key would pass.
func decode(node *yaml.Node, value any) error {
	return node.Load(value, yaml.WithKnownFields(), yaml.WithUniqueKeys())
}

// lookup returns the node of a key and of its value, nil if the mapping does not have it.
func lookup(mapping *yaml.Node, key string) (*yaml.Node, *yaml.Node) {
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i], mapping.Content[i+1]
		}
	}
	return nil, nil
}

// merge lays a tree over another and returns the result: mappings merge, all else replaces. The result has
// mappings of its own, and shares the nodes below them with both.
func merge(under, over *yaml.Node) *yaml.Node {
	if over.Kind != yaml.MappingNode {
		return over
	}
	merged := *over
	merged.Content = nil
	for i := 0; i+1 < len(over.Content); i += 2 {
		key, value := over.Content[i], over.Content[i+1]
		_, below := lookup(under, key.Value)
		merged.Content = append(merged.Content, key, merge(below, value))
	}
	for i := 0; under != nil && under.Kind == yaml.MappingNode && i+1 < len(under.Content); i += 2 {
		if key, value := under.Content[i], under.Content[i+1]; !slices.Contains(keys(over), key.Value) {
			merged.Content = append(merged.Content, key, merge(nil, value))
		}
	}
	return &merged
}

// keys returns the keys of a mapping in their order.
func keys(mapping *yaml.Node) []string {
	var names []string
	if mapping != nil && mapping.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(mapping.Content); i += 2 {
			names = append(names, mapping.Content[i].Value)
		}
	}
	return names
}

// set gives a key of a mapping a value.
func set(mapping *yaml.Node, key string, value *yaml.Node) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			mapping.Content[i+1] = value
			return
		}
	}
	mapping.Content = append(mapping.Content, text(key), value)
}

// text returns a scalar that is read back as this very text.
func text(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
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

func mapping() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"} }

// retag gives a scalar whose text has changed the tag that it would have had if it had been written like this.
func retag(node *yaml.Node) {
	node.Tag, node.Style = "", 0
	var value any
	if decode(node, &value) != nil {
		node.Tag = "!!str"
		return
	}
	switch value.(type) {
	case bool:
		node.Tag = "!!bool"
	case int, int64, uint64:
		node.Tag = "!!int"
	case float64:
		node.Tag = "!!float"
	default:
		node.Tag = "!!str"
	}
}

// dump writes a tree as YAML.
func dump(node *yaml.Node) (string, error) {
	var out strings.Builder
	dumper, err := yaml.NewDumper(&out, yaml.WithIndent(2))
	if err != nil {
		return "", err
	}
	if err := dumper.Dump(node); err != nil {
		return "", err
	}
	return out.String(), dumper.Close()
}
