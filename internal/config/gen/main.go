// Command gen writes the JSON Schema and the reference manual of the configuration from its Go types. It is
// run by go generate in the folder of package config.
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run() error {
	comments, err := readComments(".")
	if err != nil {
		return err
	}
	schema, err := makeSchema(comments)
	if err != nil {
		return err
	}
	if err := os.WriteFile("schema.json", schema, 0o644); err != nil {
		return err
	}
	if err := os.MkdirAll("../../docs", 0o755); err != nil {
		return err
	}
	return os.WriteFile("../../docs/reference.md", makeManual(comments), 0o644)
}
