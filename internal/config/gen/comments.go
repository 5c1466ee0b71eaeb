package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"

	"borgcron/internal/config"
)

// comments holds the comments of the types ("Job") and their fields ("Job.Every").
type comments map[string]string

// readComments reads the comments of the types that a configuration file is made of.
func readComments(folder string) (comments, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "file*.go"))
	if err != nil {
		return nil, err
	}
	found := comments{}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("read the types: %w", err)
		}
		for _, declaration := range file.Decls {
			if general, ok := declaration.(*ast.GenDecl); ok && general.Tok == token.TYPE {
				found.add(general)
			}
		}
	}
	return found, nil
}

func (c comments) add(declaration *ast.GenDecl) {
	for _, spec := range declaration.Specs {
		named := spec.(*ast.TypeSpec)
		c[named.Name.Name] = join(declaration.Doc.Text())
		structure, ok := named.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, field := range structure.Fields.List {
			for _, name := range field.Names {
				c[named.Name.Name+"."+name.Name] = join(field.Doc.Text())
			}
		}
	}
}

// join makes one paragraph of a comment's lines.
func join(text string) string { return strings.Join(strings.Fields(text), " ") }

// of returns the comment of a field of a type.
func (c comments) of(t reflect.Type, field reflect.StructField) string {
	return c[t.Name()+"."+field.Name]
}

// key is one key of a mapping in a configuration file.
type key struct {
	reflect.StructField
	name string
}

// keysOf returns the keys of a mapping, those of one type only if kind names one.
func keysOf(t reflect.Type, kind string) []key {
	var keys []key
	for i := range t.NumField() {
		field := t.Field(i)
		types := words(field.Tag.Get("for"))
		if field.Tag.Get("hidden") != "" || kind != "" && types != nil && !contains(types, kind) {
			continue
		}
		keys = append(keys, key{field, field.Tag.Get("yaml")})
	}
	return keys
}

// typesOf returns the types of a channel or a database, nil for what has none.
func typesOf(t reflect.Type) []string {
	field, found := t.FieldByName("Type")
	if !found {
		return nil
	}
	return words(field.Tag.Get("values"))
}

func words(tag string) []string {
	if tag == "" {
		return nil
	}
	return strings.Split(tag, "|")
}

func contains(list []string, word string) bool {
	for _, item := range list {
		if item == word {
			return true
		}
	}
	return false
}

// formOf returns how a scalar with a notation of its own is written.
func formOf(t reflect.Type) (config.Form, bool) {
	scalar, ok := reflect.New(t).Interface().(interface{ Form() config.Form })
	if !ok {
		return config.Form{}, false
	}
	return scalar.Form(), true
}
