package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// spot is a key of a configuration: how to write a file that holds nothing but a value there.
type spot struct {
	name  string
	field reflect.StructField
	t     reflect.Type
	file  func(value any) any
}

// spots goes through all keys of a type and of the types in it.
func spots(name string, t reflect.Type, file func(any) any, do func(spot)) {
	switch t.Kind() {
	case reflect.Map:
		spots(name+".x", t.Elem(), func(value any) any { return file(map[string]any{"x": value}) }, do)
		return
	case reflect.Slice:
		spots(name+"[]", t.Elem(), func(value any) any { return file([]any{value}) }, do)
		return
	}
	if t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(scalarType) {
		return
	}
	for field := range fieldsOf(t) {
		key := field.Tag.Get("yaml")
		kinds := split(field.Tag.Get("for"))
		inside := func(value any) any {
			mapping := map[string]any{key: value}
			if kinds != nil {
				mapping["type"] = kinds[0]
			}
			return file(mapping)
		}
		here := spot{strings.TrimPrefix(name+"."+key, "."), field, field.Type, inside}
		do(here)
		spots(here.name, field.Type, inside, do)
	}
}

// wrongValues are values that can stand nowhere in the place of a type.
func wrongValues(s spot) []any {
	nothing, list, mapping, text := any(nil), []any{[]any{"a"}}, map[string]any{"§": []any{}}, "§ nonsense"
	t := s.t
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(scalarType) {
		return []any{nothing, list, mapping}
	}
	switch t.Kind() {
	case reflect.Slice:
		return []any{nothing, mapping, list, 5, true}
	case reflect.Struct:
		if t == secretType {
			return []any{nothing, list, mapping, 5.5, map[string]any{}}
		}
		return []any{nothing, list, mapping, text, 5, true}
	case reflect.Map:
		return []any{nothing, list, mapping, text, 5, true}
	case reflect.String:
		return []any{nothing, list, mapping, 5, 1.5, true}
	default:
		return []any{nothing, list, mapping, text, "12"}
	}
}

// Every key with a value of a wrong type is a mistake that has a line, whatever the type.
func TestWrongTypes(t *testing.T) {
	count, schema := 0, compileSchema(t)
	spots("", reflect.TypeFor[File](), func(value any) any { return value }, func(s spot) {
		count++
		for i, wrong := range wrongValues(s) {
			text, err := yaml.Dump(s.file(wrong))
			if err != nil {
				t.Fatal(err)
			}
			loaded := load(t, string(text))
			last := s.name[strings.LastIndexByte(s.name, '.')+1:]
			if !slices.ContainsFunc(loaded.Errors, func(m Mistake) bool {
				return m.Line > 0 && m.Column > 0 && m.Source != "" && strings.Contains(m.Message, last)
			}) {
				t.Errorf("%s: no mistake with its line for value %d:\n%s\n%s", s.name, i, text, report(loaded))
			}
			if schema.Validate(plain(t, string(text))) == nil {
				t.Errorf("%s: the schema takes value %d, which the program refuses:\n%s", s.name, i, text)
			}
		}
	})
	if count < 230 {
		t.Errorf("only %d keys were tried", count)
	}
}

// FuzzLoad reads anything: it never panics and never takes long, a mistake has a place, and a job that has
// none is complete.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		smallest, "jobs: {a: &x {<<: *x}}", "? [a]: b", "- - -", "a: !!binary x", "jobs: {home: {repository: nas, sources: [~/x]}}\nrepositories: {nas: {location: \"${X:-a:b}\"}}",
		"defaults: {retention: keep_all, hooks: none}\njobs: {a: {databases: [{type: sqlite, path: /x}], notify: all, at: daily}}",
		"notify: {a: {type: email, to: [a@b]}}\nmetrics: none\npaths: {state: /s}\nhost: h", "jobs:\n\ta: 1", "\xff\xfe", "%YAML 1.1\n---\n...\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "include") {
			t.Skip("it would read files of this machine")
		}
		path := write(t, text)
		loaded, err := Load(path, someUser())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range append(slices.Clone(loaded.Errors), loaded.Warnings...) {
			if m.File != path || m.Message == "" {
				t.Errorf("a mistake without its place: %+v", m)
			}
		}
		_ = report(loaded)
		if _, err := loaded.Show(); err != nil {
			t.Errorf("show: %v", err)
		}
		if loaded.Fatal() {
			return
		}
		for _, job := range loaded.Jobs {
			if job.Problem == "" && (len(job.Repositories) == 0 || job.Every <= 0 || job.StaleAfter <= 0 || job.Prune.Match == "" || job.Compression == "") {
				t.Errorf("an incomplete job: %+v", job)
			}
		}
	})
}
