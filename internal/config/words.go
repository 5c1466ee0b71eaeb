package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

func bounds(tag reflect.StructTag) string {
	switch low, high := tag.Get("min"), tag.Get("max"); {
	case low != "" && high != "":
		return fmt.Sprintf(" from %s to %s", low, high)
	case low != "":
		return " of at least " + low
	}
	return ""
}

func inBounds(number float64, tag reflect.StructTag) bool {
	low, err := strconv.ParseFloat(tag.Get("min"), 64)
	if err == nil && !(number >= low) {
		return false
	}
	high, err := strconv.ParseFloat(tag.Get("max"), 64)
	return err != nil || number <= high
}

// label is how a key is called in messages: its path without what it belongs to and without the numbers of
// items. The part that it belongs to is said by its place.
func label(path []string) string {
	if len(path) > 2 && slices.Contains([]string{"jobs", "repositories", "notify"}, path[0]) {
		path = path[2:]
	} else if len(path) > 1 && path[0] == "defaults" {
		path = path[1:]
	}
	var names []string
	for _, name := range path {
		if _, err := strconv.Atoi(name); err != nil || len(names) == 0 {
			names = append(names, name)
		}
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '`' {
			return '?'
		}
		return r
	}, strings.Join(names, "."))
}

// describe says what stands at a node.
func describe(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch node.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!str":
		return quote(node.Value)
	}
	return strings.Trim(quote(node.Value), `"`)
}

func wantsText(values []string) string {
	switch len(values) {
	case 0:
		return "text"
	case 1:
		return values[0]
	}
	return strings.Join(values[:len(values)-1], ", ") + " or " + values[len(values)-1]
}

func example(tag reflect.StructTag) string {
	if text := tag.Get("example"); text != "" {
		return " such as " + text
	}
	return ""
}

// split cuts a tag's list of words.
func split(tag string) []string {
	if tag == "" {
		return nil
	}
	return strings.Split(tag, "|")
}
