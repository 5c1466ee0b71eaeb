package main

import (
	"bytes"
	_ "embed" // for the introduction
	"fmt"
	"reflect"
	"strings"

	"borgcron/internal/config"
)

//go:embed introduction.md
var introduction string

// section is a mapping that the manual describes under a heading of its own.
type section struct {
	path string
	t    reflect.Type
}

// manual is the reference manual being written.
type manual struct {
	bytes.Buffer
	comments comments
	below    []section // the mappings inside the one that is being described
	done     map[reflect.Type]string
}

func makeManual(c comments) []byte {
	m := &manual{comments: c, done: map[reflect.Type]string{}}
	m.WriteString(introduction)
	m.section(section{"", reflect.TypeFor[config.File]()})
	return m.Bytes()
}

func (m *manual) section(s section) {
	if _, done := m.done[s.t]; done {
		return
	}
	m.done[s.t] = s.path
	heading, text := "`"+s.path+"`", m.comments[s.t.Name()]
	if s.path == "" {
		heading = "The file"
	}
	fmt.Fprintf(m, "\n## %s\n\n%s\n", heading, sentence(text, s.t.Name()))
	for _, key := range keysOf(s.t, "") {
		m.key(s, key)
	}
	below := m.below
	m.below = nil
	for _, next := range below {
		m.section(next)
	}
}

// sentence takes the name of the Go type off the head of its comment.
func sentence(comment, name string) string {
	for _, verb := range []string{" is ", " are "} {
		if rest, found := strings.CutPrefix(comment, name+verb); found {
			return strings.ToUpper(rest[:1]) + rest[1:]
		}
	}
	return comment
}

func (m *manual) key(s section, key key) {
	fmt.Fprintf(m, "\n### `%s`\n\n%s\n\n", join2(s.path, key.name), m.comments.of(s.t, key.StructField))
	fmt.Fprintf(m, "- Type: %s\n", m.wants(join2(s.path, key.name), key.Type, key.Tag))
	if types := key.Tag.Get("for"); types != "" {
		fmt.Fprintf(m, "- Only for: %s\n", strings.ReplaceAll(types, "|", ", "))
	}
	switch required := key.Tag.Get("required"); {
	case required == "all":
		m.WriteString("- Needed\n")
	case required != "":
		fmt.Fprintf(m, "- Needed for: %s\n", strings.ReplaceAll(required, "|", ", "))
	}
	if text := key.Tag.Get("default"); text != "" {
		fmt.Fprintf(m, "- Default: `%s`\n", text)
	} else if text := key.Tag.Get("implied"); text != "" {
		fmt.Fprintf(m, "- Default: %s\n", text)
	}
	if text := key.Tag.Get("example"); text != "" {
		fmt.Fprintf(m, "- Example: `%s: %s`\n", key.name, text)
	}
}

func join2(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// wants says in words what may stand at a key, and puts the mappings in it on the list.
func (m *manual) wants(path string, t reflect.Type, tag reflect.StructTag) string {
	text := m.plainWants(path, t, tag)
	if words := tag.Get("words"); words != "" {
		text += ", or `" + strings.ReplaceAll(words, "|", "` or `") + "`"
	}
	return text
}

func (m *manual) plainWants(path string, t reflect.Type, tag reflect.StructTag) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if form, ok := formOf(t); ok {
		return form.Wants
	}
	switch t.Kind() {
	case reflect.Struct:
		if path == "defaults" {
			return "a mapping with any keys of a job"
		}
		m.below = append(m.below, section{path, t})
		if t == reflect.TypeFor[config.Secret]() {
			return "a secret: [a mapping](#secrets), or the text itself in a file that its owner alone can read"
		}
		return "a mapping, see below"
	case reflect.Map:
		return "a mapping of names to: " + m.plainWants(path+".NAME", t.Elem(), tag)
	case reflect.Slice:
		text := "a list of: " + m.plainWants(path+"[]", t.Elem(), tag)
		if tag.Get("single") != "" {
			text += "; or one of them"
		}
		return text
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return textWants(t, tag)
	}
	return numberWants(t, tag)
}

func textWants(t reflect.Type, tag reflect.StructTag) string {
	if values := tag.Get("values"); values != "" {
		return "`" + strings.ReplaceAll(values, "|", "`, `") + "`"
	}
	switch t.Name() {
	case "Command", "Shell":
		return "a command line for the shell, in which nothing is expanded by borgcron"
	case "Glob":
		return "a pattern of paths"
	}
	return "text"
}

func numberWants(t reflect.Type, tag reflect.StructTag) string {
	text := "a whole number"
	if t.Kind() == reflect.Float64 {
		text = "a number"
	}
	low, high := tag.Get("min"), tag.Get("max")
	switch {
	case low != "" && high != "":
		text += " from " + low + " to " + high
	case low != "":
		text += " of at least " + low
	}
	return text
}
