package main

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"borgcron/internal/config"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// readAll reads the comments as the generator does, from the folder that go generate runs in.
func readAll(t *testing.T) comments {
	t.Helper()
	found, err := readComments("..")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestOutputIsFresh(t *testing.T) {
	schema, err := makeSchema(readAll(t))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]byte{
		"../schema.json":             schema,
		"../../../docs/reference.md": makeManual(readAll(t)),
	} {
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is stale, run go generate ./internal/config (-fresh +file):\n%s", path, diff)
		}
	}
	if !bytes.Equal(schema, config.Schema) {
		t.Error("the embedded schema is another than schema.json")
	}
}

// Every key has a comment and says what it is if it is not set, or that it is nothing.
func TestEveryKeyIsDocumented(t *testing.T) {
	all := readAll(t)
	visit(reflect.TypeFor[config.File](), map[reflect.Type]bool{}, func(owner reflect.Type, key key) {
		if all.of(owner, key.StructField) == "" {
			t.Errorf("%s.%s has no comment", owner.Name(), key.Name)
		}
		if key.name == "" {
			t.Errorf("%s.%s has no key", owner.Name(), key.Name)
		}
	})
}

// Every default and every example keeps to the schema of its own key.
func TestDefaultsAndExamplesAreValid(t *testing.T) {
	var root object
	if err := json.Unmarshal(config.Schema, &root); err != nil {
		t.Fatal(err)
	}
	g := generator{comments: readAll(t), definitions: object{}}
	checked := 0
	visit(reflect.TypeFor[config.File](), map[reflect.Type]bool{}, func(owner reflect.Type, key key) {
		schema := g.property(owner, key)
		schema["$defs"] = root["$defs"]
		text, err := json.Marshal(schema)
		if err != nil {
			t.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		compiler := jsonschema.NewCompiler()
		if err := compiler.AddResource("key.json", document); err != nil {
			t.Fatal(err)
		}
		compiled, err := compiler.Compile("key.json")
		if err != nil {
			t.Fatalf("%s.%s: %v", owner.Name(), key.Name, err)
		}
		for _, tag := range []string{"default", "example"} {
			if text := key.Tag.Get(tag); text != "" {
				checked++
				if err := compiled.Validate(parseYAML(text)); err != nil {
					t.Errorf("%s.%s: %s %s: %v", owner.Name(), key.Name, tag, text, err)
				}
			}
		}
	})
	if checked < 100 {
		t.Errorf("only %d defaults and examples were checked", checked)
	}
}

// visit calls do for each key of a type and of the types in it.
func visit(t reflect.Type, seen map[reflect.Type]bool, do func(reflect.Type, key)) {
	for t.Kind() == reflect.Map || t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if _, scalar := formOf(t); t.Kind() != reflect.Struct || scalar || seen[t] {
		return
	}
	seen[t] = true
	for _, key := range keysOf(t, "") {
		do(t, key)
		visit(key.Type, seen, do)
	}
}
