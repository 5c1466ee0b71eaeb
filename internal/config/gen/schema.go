package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"borgcron/internal/config"

	"go.yaml.in/yaml/v4"
)

// object is a schema or a part of one. Its keys are written in their byte order.
type object = map[string]any

// variable is a text whose value is known only when the file is read.
const variable = `\$\{`

// generator collects the definitions of the types.
type generator struct {
	comments    comments
	definitions object
}

func makeSchema(c comments) ([]byte, error) {
	g := generator{comments: c, definitions: object{}}
	root := g.structure(reflect.TypeFor[config.File](), "")
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "borgcron configuration"
	root["$defs"] = g.definitions
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(root)
	return out.Bytes(), err
}

// structure describes a mapping whose keys are known.
func (g *generator) structure(t reflect.Type, kind string) object {
	properties, required := object{}, []string{}
	for _, key := range keysOf(t, kind) {
		properties[key.name] = g.property(t, key)
		if needed := key.Tag.Get("required"); needed == "all" || kind != "" && contains(words(needed), kind) {
			required = append(required, key.name)
		}
	}
	if kind != "" {
		properties["type"] = object{"const": kind, "description": g.comments[t.Name()+".Type"]}
	}
	schema := object{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	return schema
}

func (g *generator) property(t reflect.Type, key key) object {
	schema := g.value(key.Type, key.Tag)
	if alternatives := words(key.Tag.Get("words")); alternatives != nil {
		schema = object{"anyOf": []any{object{"enum": alternatives}, schema}}
	}
	if schema["$ref"] != nil {
		schema = object{"allOf": []any{schema}}
	}
	schema["description"] = g.comments.of(t, key.StructField)
	if text := key.Tag.Get("default"); text != "" {
		schema["default"] = parseYAML(text)
	}
	if text := key.Tag.Get("example"); text != "" {
		schema["examples"] = []any{parseYAML(text)}
	}
	return schema
}

// value describes what may stand at a key.
func (g *generator) value(t reflect.Type, tag reflect.StructTag) object {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if form, ok := formOf(t); ok {
		return scalar(form)
	}
	switch t.Kind() {
	case reflect.Struct:
		return g.reference(t)
	case reflect.Map:
		schema := object{"type": "object", "additionalProperties": g.value(t.Elem(), tag)}
		if tag.Get("names") != "" {
			schema["propertyNames"] = object{"pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"}
		}
		if keys := words(tag.Get("keys")); keys != nil {
			schema["propertyNames"] = object{"enum": keys}
		}
		return schema
	case reflect.Slice:
		list := object{"type": "array", "items": g.value(t.Elem(), tag)}
		if tag.Get("single") != "" {
			return object{"anyOf": []any{list["items"], list}}
		}
		return list
	case reflect.String:
		if values := words(tag.Get("values")); values != nil {
			return orVariable(object{"enum": values})
		}
		return object{"type": "string"}
	case reflect.Bool:
		return orVariable(object{"type": "boolean"})
	case reflect.Float64:
		return orVariable(bounded("number", tag))
	default:
		return orVariable(bounded("integer", tag))
	}
}

func scalar(form config.Form) object {
	schema := object{"type": "string", "pattern": fmt.Sprintf("^(%s|.*%s.*)$", form.Pattern, variable)}
	if form.Number {
		return object{"anyOf": []any{object{"type": "integer", "minimum": 0}, schema}}
	}
	return schema
}

func orVariable(schema object) object {
	return object{"anyOf": []any{schema, object{"type": "string", "pattern": variable}}}
}

func bounded(kind string, tag reflect.StructTag) object {
	schema := object{"type": kind}
	for name, bound := range map[string]string{"minimum": tag.Get("min"), "maximum": tag.Get("max")} {
		if number, err := strconv.ParseFloat(bound, 64); err == nil {
			schema[name] = number
		}
	}
	return schema
}

// reference points to the definition of a mapping, which it makes when it comes first.
func (g *generator) reference(t reflect.Type) object {
	name := t.Name()
	if g.definitions[name] == nil {
		g.definitions[name] = object{} // stops the recursion, should there ever be one
		g.definitions[name] = g.definition(t)
	}
	return object{"$ref": "#/$defs/" + name}
}

func (g *generator) definition(t reflect.Type) object {
	if t == reflect.TypeFor[config.Secret]() {
		mapping := g.structure(t, "")
		mapping["minProperties"], mapping["maxProperties"] = 1, 1
		return object{"anyOf": []any{object{"type": "string", "minLength": 1}, mapping}, "description": g.comments[t.Name()]}
	}
	kinds := typesOf(t)
	if kinds == nil {
		schema := g.structure(t, "")
		schema["description"] = g.comments[t.Name()]
		return schema
	}
	var alternatives []any
	for _, kind := range slices.Clone(kinds) {
		alternatives = append(alternatives, g.structure(t, kind))
	}
	return object{"oneOf": alternatives, "description": g.comments[t.Name()]}
}

// parseYAML reads a default or an example, which stand in tags of ours.
func parseYAML(text string) any {
	var value any
	if err := yaml.Load([]byte(text), &value); err != nil {
		panic(fmt.Sprintf("%s: %v", text, err))
	}
	return value
}
