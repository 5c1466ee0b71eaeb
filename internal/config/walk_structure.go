package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// structure checks a mapping whose keys are known.
func (w *walker) structure(node *yaml.Node, t reflect.Type, tag reflect.StructTag, path []string) bool {
	if node.Kind != yaml.MappingNode {
		wants := "a mapping" + example(tag)
		if words := tag.Get("words"); words != "" {
			wants += ", or " + strings.ReplaceAll(words, "|", " or ")
		}
		return w.wrongType(node, path, wants)
	}
	kind := ""
	if _, value := lookup(node, "type"); value != nil && hasType(t) {
		kind = value.Value
	}
	present := keys(node) // also those that are about to be taken out
	w.each(node, path, func(key, value *yaml.Node, path []string) bool {
		field, known := fieldOf(t, key.Value)
		if !known {
			w.unknown(key, path, keysOf(t, kind))
			return false
		}
		if kind != "" && isType(t, kind) && !applies(field.Tag, kind) {
			w.mistake(key, path, fmt.Sprintf("`%s` is no key of type %s", key.Value, kind), nearest(key.Value, keysOf(t, kind)))
			return false
		}
		return w.value(value, field.Type, field.Tag+reflect.StructTag(fmt.Sprintf(" is:%q", kind)), path)
	})
	if t == secretType && len(present) != 1 {
		return w.fail(node, path, "wants exactly one of file, command, credential and env", "")
	}
	for field := range fieldsOf(t) {
		if name := field.Tag.Get("yaml"); needs(field.Tag, kind) && !slices.Contains(present, name) {
			w.mistake(node, path, fmt.Sprintf("`%s` is missing in `%s`", name, label(path)), "")
		}
	}
	return true
}

// fieldsOf goes through the fields of a struct that are keys of a file.
func fieldsOf(t reflect.Type) func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if field := t.Field(i); field.Tag.Get("hidden") == "" && !yield(field) {
				return
			}
		}
	}
}

func fieldOf(t reflect.Type, key string) (reflect.StructField, bool) {
	for field := range fieldsOf(t) {
		if field.Tag.Get("yaml") == key {
			return field, true
		}
	}
	return reflect.StructField{}, false
}

// keysOf returns the keys that a mapping may have, of the given type if the struct has types.
func keysOf(t reflect.Type, kind string) []string {
	var names []string
	for field := range fieldsOf(t) {
		if kind == "" || !isType(t, kind) || applies(field.Tag, kind) {
			names = append(names, field.Tag.Get("yaml"))
		}
	}
	return names
}

func hasType(t reflect.Type) bool {
	_, has := fieldOf(t, "type")
	return has
}

func isType(t reflect.Type, kind string) bool {
	field, has := fieldOf(t, "type")
	return has && slices.Contains(split(field.Tag.Get("values")), kind)
}

// applies tells whether a key belongs to a type of channel or database.
func applies(tag reflect.StructTag, kind string) bool {
	types := split(tag.Get("for"))
	return types == nil || slices.Contains(types, kind)
}

func needs(tag reflect.StructTag, kind string) bool {
	required := tag.Get("required")
	return required == "all" || kind != "" && slices.Contains(split(required), kind)
}

// fill adds the defaults of all keys that are not set. It is given a tree that the walker found right.
func fill(node *yaml.Node, t reflect.Type) {
	switch {
	case t.Kind() == reflect.Slice && node.Kind == yaml.SequenceNode:
		for _, item := range node.Content {
			fill(item, t.Elem())
		}
	case t.Kind() == reflect.Map && node.Kind == yaml.MappingNode:
		for i := 1; i < len(node.Content); i += 2 {
			fill(node.Content[i], t.Elem())
		}
	case t.Kind() == reflect.Struct && node.Kind == yaml.MappingNode && t != secretType:
		fillKeys(node, t)
	}
}

func fillKeys(node *yaml.Node, t reflect.Type) {
	kind := ""
	if _, value := lookup(node, "type"); value != nil {
		kind = value.Value
	}
	var complete []*yaml.Node // in the order of the manual
	for field := range fieldsOf(t) {
		key, value := lookup(node, field.Tag.Get("yaml"))
		if value != nil {
			fill(value, field.Type)
		} else if applies(field.Tag, kind) {
			key, value = text(field.Tag.Get("yaml")), defaultOf(field)
		}
		if value != nil {
			complete = append(complete, key, value)
		}
	}
	node.Content = complete
}

// defaultOf returns what a key is if it is not set, nil if that is nothing.
func defaultOf(field reflect.StructField) *yaml.Node {
	if value := field.Tag.Get("default"); value != "" {
		return parseDefault(value)
	}
	if field.Type.Kind() != reflect.Struct || reflect.PointerTo(field.Type).Implements(scalarType) {
		return nil
	}
	node := mapping()
	if fill(node, field.Type); len(node.Content) == 0 {
		return nil
	}
	return node
}

// parseDefault reads a default in a tag of ours. All but a few are single words, for which no parser is needed.
func parseDefault(value string) *yaml.Node {
	if !strings.ContainsAny(value[:1], `["`) {
		node := text(value)
		retag(node)
		return node
	}
	node, err := parse([]byte(value))
	if err != nil {
		panic(fmt.Sprintf("default %s: %v", value, err))
	}
	return node
}

// settle replaces the words that stand in place of lists and mappings, once nothing is laid over them any
// more: none and all are nothing set, keep_all is a key.
func settle(node *yaml.Node, t reflect.Type) {
	var kept []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		field, _ := fieldOf(t, key.Value)
		if value.Kind == yaml.ScalarNode && field.Tag.Get("words") != "" {
			if value.Value != "keep_all" {
				continue
			}
			value = mapping()
			value.Content = []*yaml.Node{text("keep_all"), {Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"}}
		}
		kept = append(kept, key, value)
	}
	node.Content = kept
}
