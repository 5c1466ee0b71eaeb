package importer

import (
	"bytes"
	"slices"

	"go.yaml.in/yaml/v4"
)

// A mapping is a part of the configuration in the making: keys in the order in which they were set, each with its
// comments.
type mapping struct{ node *yaml.Node }

func newMapping() mapping {
	return mapping{&yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}}
}

// set gives key its value: a scalar, a slice, a map, another mapping or a *yaml.Node. A key that is there is replaced.
func (m mapping) set(key string, value any) {
	node := toNode(value)
	if at := m.index(key); at >= 0 {
		m.node.Content[at+1] = node
		return
	}
	m.node.Content = append(m.node.Content, toNode(key), node)
}

// comment puts lines above a key that is there.
func (m mapping) comment(key, text string) {
	if at := m.index(key); at >= 0 {
		head := &m.node.Content[at].HeadComment
		if *head != "" {
			*head += "\n"
		}
		*head += text
	}
}

func (m mapping) has(key string) bool { return m.index(key) >= 0 }

// sub returns the mapping under key, made if it is not there.
func (m mapping) sub(key string) mapping {
	if at := m.index(key); at >= 0 {
		return mapping{m.node.Content[at+1]}
	}
	made := newMapping()
	m.set(key, made)
	return made
}

// order puts these keys first, as far as they are there.
func (m mapping) order(keys ...string) {
	var first, rest []*yaml.Node
	for _, key := range keys {
		if at := m.index(key); at >= 0 {
			first = append(first, m.node.Content[at:at+2]...)
		}
	}
	for i := 0; i < len(m.node.Content); i += 2 {
		if !slices.Contains(keys, m.node.Content[i].Value) {
			rest = append(rest, m.node.Content[i:i+2]...)
		}
	}
	m.node.Content = append(first, rest...)
}

func (m mapping) empty() bool { return len(m.node.Content) == 0 }

func (m mapping) index(key string) int {
	for i := 0; i < len(m.node.Content); i += 2 {
		if m.node.Content[i].Value == key {
			return i
		}
	}
	return -1
}

func toNode(value any) *yaml.Node {
	switch value := value.(type) {
	case *yaml.Node:
		return value
	case mapping:
		return value.node
	}
	node := new(yaml.Node)
	if err := node.Encode(value); err != nil { // only plain values are ever given
		panic(err)
	}
	return node
}

// render writes the configuration.
func (m mapping) render() ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(m.node); err != nil {
		return nil, err
	}
	if err := encoder.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
