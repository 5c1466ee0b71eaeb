package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// listArchives answers `list --json`, with the id that listed gives an archive.
func (a answer) listArchives() {
	archives := []map[string]any{}
	for _, one := range a.all("archive") {
		name, at, _ := strings.Cut(one, "@")
		start, err := time.Parse("2006-01-02T15:04:05", at)
		if err != nil {
			panic(err)
		}
		archives = append(archives, map[string]any{
			"name": name, "archive": name, "barchive": name, "id": archiveID(name), "start": start.Format("2006-01-02T15:04:05.000000"),
		})
	}
	_ = json.NewEncoder(os.Stdout).Encode(map[string]any{
		"archives": archives, "repository": map[string]any{"id": strings.Repeat("cd", 32)}, "encryption": map[string]any{"mode": "none"},
	})
}

func archiveID(name string) string { return fmt.Sprintf("%064x", []byte(name))[:64] }

// listItems answers the list of an archive's items in the form that is asked for.
func (a answer) listItems() {
	for _, one := range a.all("item") {
		mode, rest, _ := strings.Cut(one, ",")
		size, rest, _ := strings.Cut(rest, ",")
		at, path, _ := strings.Cut(rest, ",")
		at += ".000000"
		for _, field := range []string{mode, "me", "users", size, at, at, "''", "'" + path + "'"} {
			fmt.Print(field, "\x00")
		}
	}
}

// extract writes files below the folder in which it is, or prints them, whatever it was asked for.
func (a answer) extract(args []string) {
	for _, one := range a.all("gives") {
		path, text, _ := strings.Cut(one, ",")
		if slices.Contains(args, "--stdout") {
			fmt.Print(text)
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			panic(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			panic(err)
		}
	}
}
