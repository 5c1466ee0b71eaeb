package config

import _ "embed" // for the schema

//go:generate go run borgcron/internal/config/gen

// Schema is the JSON Schema of a configuration file.
//
//go:embed schema.json
var Schema []byte
