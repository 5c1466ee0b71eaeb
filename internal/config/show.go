package config

import (
	"encoding/json"

	"go.yaml.in/yaml/v4"
)

// shown is what Show prints in place of a secret.
const shown = "***"

// Show returns the complete configuration as YAML: all files in one, with all defaults, without secrets.
func (c *Config) Show() (string, error) { return dump(c.shownTree()) }

// ShowJSON is Show as JSON.
func (c *Config) ShowJSON() (string, error) {
	var value any
	if err := decode(c.shownTree(), &value); err != nil {
		return "", err
	}
	out, err := json.MarshalIndent(value, "", "  ")
	return string(out) + "\n", err
}

func (c *Config) shownTree() *yaml.Node {
	tree := mapping()
	for _, section := range []string{"host", "paths", "repositories", "jobs", "notify", "metrics"} {
		if node := sub(c.tree, section); node != nil {
			tree.Content = append(tree.Content, text(section), showNode(node))
		}
	}
	return tree
}

// showNode copies a tree for people: flat lists in one line, no secret, no anchors and comments.
func showNode(node *yaml.Node) *yaml.Node {
	copied := &yaml.Node{Kind: node.Kind, Tag: node.Tag, Value: node.Value}
	if node.Kind == yaml.MappingNode && len(node.Content) == 2 && node.Content[0].Value == "text" {
		return text(shown)
	}
	flat := true
	for i, child := range node.Content {
		if node.Kind == yaml.MappingNode && i%2 == 0 {
			copied.Content = append(copied.Content, text(child.Value))
			continue
		}
		flat = flat && child.Kind == yaml.ScalarNode
		copied.Content = append(copied.Content, showNode(child))
	}
	if node.Kind == yaml.SequenceNode && flat {
		copied.Style = yaml.FlowStyle
	}
	return copied
}
