package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// walker compares a tree with the types it is to be decoded into, before it is decoded: so that every mistake
// is said, in plain words and with its place, and what is right beside it can still be used. It expands
// variables, and takes out of the tree what is wrong.
type walker struct {
	getenv  func(string) string
	home    string
	mistake func(node *yaml.Node, path []string, message, suggestion string)
	found   func(thing, *yaml.Node, []string) // something that is looked at later
	place   func(*yaml.Node) Place
	copy    func(*yaml.Node) *yaml.Node // a copy that stands at the same place
}

// thing is a kind of value that is looked at once the tree is complete.
type thing int

const (
	inlineSecret thing = iota
	secretFile
	program
	commandLine
	list
)

var (
	scalarType  = reflect.TypeFor[scalar]()
	secretType  = reflect.TypeFor[Secret]()
	commandType = reflect.TypeFor[Command]()
	shellType   = reflect.TypeFor[Shell]()
	pathTypes   = []reflect.Type{
		reflect.TypeFor[Path](), reflect.TypeFor[Glob](), reflect.TypeFor[Program](), reflect.TypeFor[Location](),
	}
)

// value checks one node. It returns false if the node is to be taken out.
func (w *walker) value(node *yaml.Node, t reflect.Type, tag reflect.StructTag, path []string) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if node.ShortTag() == "!!null" {
		return w.fail(node, path, "has no value", "")
	}
	if node.Kind == yaml.ScalarNode {
		if words := split(tag.Get("words")); t.Kind() != reflect.String && slices.Contains(words, node.Value) {
			return true
		}
		if !w.expand(node, t, path) {
			return false
		}
	}
	switch {
	case reflect.PointerTo(t).Implements(scalarType):
		return w.scalar(node, t, tag, path)
	case t == secretType && node.Kind == yaml.ScalarNode:
		return w.inline(node, tag, path)
	case t.Kind() == reflect.Struct:
		return w.structure(node, t, tag, path)
	case t.Kind() == reflect.Map:
		return w.mapping(node, t, tag, path)
	case t.Kind() == reflect.Slice:
		return w.list(node, t, tag, path)
	case t.Kind() == reflect.String:
		return w.text(node, t, tag, path)
	default:
		return w.plain(node, t, tag, path)
	}
}

func (w *walker) fail(node *yaml.Node, path []string, message, suggestion string) bool {
	w.mistake(node, path, fmt.Sprintf("`%s` %s", label(path), message), suggestion)
	return false
}

// wrongType says what was wanted and what stands there.
func (w *walker) wrongType(node *yaml.Node, path []string, wants string) bool {
	return w.fail(node, path, fmt.Sprintf("wants %s, not %s", wants, describe(node)), "")
}

func (w *walker) expand(node *yaml.Node, t reflect.Type, path []string) bool {
	switch tag := node.ShortTag(); tag {
	case "!!str", "!!int", "!!float", "!!bool":
	case "!!timestamp": // a text that looks like a date
		node.Tag = "!!str"
	default:
		return w.fail(node, path, "has the tag "+quote(tag)+", which means nothing here", "")
	}
	if strings.ContainsRune(node.Value, 0) {
		return w.fail(node, path, "has a NUL character in it", "")
	}
	if t == commandType || t == shellType {
		return true
	}
	if !strings.Contains(node.Value, "${") {
		return w.tilde(node, t, path)
	}
	expanded, err := expand(node.Value, w.getenv)
	if err != nil {
		return w.fail(node, path, err.Error(), "")
	}
	if node.Value = expanded; t.Kind() != reflect.String {
		retag(node)
	}
	return w.tilde(node, t, path)
}

// tilde puts the home folder in place of a leading ~ of a path.
func (w *walker) tilde(node *yaml.Node, t reflect.Type, path []string) bool {
	if !slices.Contains(pathTypes, t) || !strings.HasPrefix(node.Value, "~/") {
		return true
	}
	if w.home == "" {
		return w.fail(node, path, "begins with ~/, but there is no home folder", "")
	}
	node.Value = w.home + node.Value[1:]
	return true
}

func (w *walker) scalar(node *yaml.Node, t reflect.Type, tag reflect.StructTag, path []string) bool {
	value := reflect.New(t).Interface().(scalar)
	if node.Kind != yaml.ScalarNode {
		return w.wrongType(node, path, value.Form().Wants)
	}
	if node.Value == "" && t == reflect.TypeFor[Path]() {
		return tag.Get("empty") != "" || w.fail(node, path, "is empty", "")
	}
	if err := value.UnmarshalText([]byte(node.Value)); err != nil {
		message := err.Error()
		if _, secret := value.(*Location); !secret && !strings.ContainsAny(message, ":;") {
			message += ", not " + describe(node)
		}
		return w.fail(node, path, message, "")
	}
	switch value.(type) {
	case *Program:
		w.found(program, node, path)
	case *SSHCommand:
		w.found(commandLine, node, path)
	case *Path:
		switch {
		case len(path) > 1 && path[len(path)-1] == "file":
			w.found(secretFile, node, path)
		case slices.Contains(path, "exclude_from"), slices.Contains(path, "patterns_from"):
			w.found(list, node, path)
		}
	}
	return true
}

// inline takes the text of a secret, and hides it in a mapping like the other ways to give one.
func (w *walker) inline(node *yaml.Node, tag reflect.StructTag, path []string) bool {
	if node.Value == "" {
		return w.fail(node, path, "is empty", "")
	}
	if node.ShortTag() != "!!str" {
		return w.fail(node, path, "wants text: put it in quotes", "")
	}
	if !slices.Contains(split(tag.Get("plain")), tag.Get("is")) {
		w.found(inlineSecret, node, path)
	}
	value := w.copy(node)
	value.Tag = "!!str"
	node.Kind, node.Tag, node.Value, node.Content = yaml.MappingNode, "!!map", "", []*yaml.Node{text("text"), value}
	return true
}

func (w *walker) mapping(node *yaml.Node, t reflect.Type, tag reflect.StructTag, path []string) bool {
	if node.Kind != yaml.MappingNode {
		return w.wrongType(node, path, "a mapping"+example(tag))
	}
	known := split(tag.Get("keys"))
	w.each(node, path, func(key, value *yaml.Node, path []string) bool {
		if known != nil && !slices.Contains(known, key.Value) {
			w.unknown(key, path, known)
			return false
		}
		return w.value(value, t.Elem(), reflect.StructTag(fmt.Sprintf("values:%q", tag.Get("values"))), path)
	})
	return true
}

// each visits the keys of a mapping and takes out those for which visit returns false.
func (w *walker) each(node *yaml.Node, path []string, visit func(key, value *yaml.Node, path []string) bool) {
	first := map[string]*yaml.Node{}
	var kept []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.Value == "" || key.ShortTag() == "!!null" {
			w.mistake(key, path, "a key is wanted here, not "+describe(key), "")
			continue
		}
		here := append(slices.Clone(path), key.Value)
		if key.ShortTag() != "!!str" {
			key.Tag = "!!str" // a name such as 2024 is no number
		}
		if first[key.Value] != nil {
			w.twice(key, first[key.Value], here)
			continue
		}
		first[key.Value] = key
		if visit(key, value, here) {
			kept = append(kept, key, value)
		}
	}
	node.Content = kept
}

func (w *walker) twice(key, first *yaml.Node, path []string) {
	if len(path) <= 2 {
		path = path[len(path)-1:] // a name or a section: that concerns everything
	}
	w.mistake(key, path, fmt.Sprintf("`%s` is set twice, first in %s", label(path), w.place(first)), "")
}

func (w *walker) unknown(key *yaml.Node, path, known []string) {
	message := "unknown key " + quote(key.Value)
	if above := label(path[:len(path)-1]); above != "" {
		message += fmt.Sprintf(" in `%s`", above)
	}
	w.mistake(key, path, message, nearest(key.Value, known))
}

func (w *walker) list(node *yaml.Node, t reflect.Type, tag reflect.StructTag, path []string) bool {
	if node.Kind == yaml.ScalarNode && tag.Get("single") != "" {
		item := w.copy(node)
		node.Kind, node.Tag, node.Value, node.Content, node.Style = yaml.SequenceNode, "!!seq", "", []*yaml.Node{item}, yaml.FlowStyle
	}
	if node.Kind != yaml.SequenceNode {
		return w.wrongType(node, path, "a list"+example(tag))
	}
	item := reflect.StructTag(fmt.Sprintf("values:%q item:\"true\"", tag.Get("values")))
	var kept []*yaml.Node
	for i, child := range node.Content {
		if w.value(child, t.Elem(), item, append(slices.Clone(path), strconv.Itoa(i))) {
			kept = append(kept, child)
		}
	}
	node.Content = kept
	return true
}

func (w *walker) text(node *yaml.Node, t reflect.Type, tag reflect.StructTag, path []string) bool {
	values := split(tag.Get("values"))
	switch {
	case node.Kind == yaml.ScalarNode && node.ShortTag() == "!!str":
	case node.Kind == yaml.ScalarNode && values == nil:
		return w.fail(node, path, fmt.Sprintf("wants text: put %s in quotes", describe(node)), "")
	default:
		return w.wrongType(node, path, wantsText(values))
	}
	switch {
	case values != nil && !slices.Contains(values, node.Value):
		return w.fail(node, path, fmt.Sprintf("wants %s, not %s", wantsText(values), describe(node)), nearest(node.Value, values))
	case node.Value == "" && (tag.Get("item") != "" || t == commandType || t == shellType):
		return w.fail(node, path, "is empty", "")
	case t == commandType:
		w.found(commandLine, node, path)
	}
	return true
}

// plain checks a number or a truth value.
func (w *walker) plain(node *yaml.Node, t reflect.Type, tag reflect.StructTag, path []string) bool {
	wants, kind := "true or false", "!!bool"
	switch t.Kind() {
	case reflect.Int, reflect.Int64:
		wants, kind = "a whole number"+bounds(tag), "!!int"
	case reflect.Float64:
		wants, kind = "a number"+bounds(tag), "!!float"
	}
	got := node.ShortTag()
	if node.Kind != yaml.ScalarNode || got != kind && !(kind == "!!float" && got == "!!int") {
		return w.wrongType(node, path, wants)
	}
	if kind == "!!bool" {
		return true
	}
	number := 0.0
	if decode(node, reflect.New(t).Interface()) != nil || decode(node, &number) != nil || !inBounds(number, tag) {
		return w.wrongType(node, path, wants)
	}
	return true
}
