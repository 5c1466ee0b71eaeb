// Package config reads the configuration: it makes of YAML complete and valid jobs, or every mistake with its line.
package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"

	"borgcron/internal/backup"

	"go.yaml.in/yaml/v4"
)

// Config is the whole configuration.
type Config struct {
	Host    string       // {hostname} in the names of archives
	State   string       // folder of locks, history and status
	Runtime string       // folder of the private folders of running runs
	Files   []string     // all configuration files read, the main one first
	Jobs    []backup.Job // complete, in the order of the files; one with a mistake has its Problem set
	Notify  []NamedChannel
	Metrics Metrics
	Secrets []backup.Secret // all that are named anywhere, also where a mistake keeps them from being used
	// Errors and Warnings are in the order of the files and their lines.
	Errors, Warnings []Mistake

	tree     *yaml.Node // the complete configuration, for Show
	globs    []string   // of `include`, absolute
	keepHost string     // what KeepHost has to write
	env      Environment
}

// NamedChannel is a channel that can be used.
type NamedChannel struct {
	Name string
	Channel
}

// Environment is what the configuration depends on beside its files.
type Environment struct {
	Getenv   func(string) string
	UID      int
	Home     string // "": there is none
	Hostname string // the full one
	User     string // login name, {user} in archive names
	Owner    string // user who may own the configuration beside root, for --config-owner
	Machine  Machine
}

// Fatal tells whether something is wrong that concerns everything, so that nothing may run.
func (c *Config) Fatal() bool {
	return slices.ContainsFunc(c.Errors, func(m Mistake) bool { return m.Scope.Part == Whole })
}

// Load reads a configuration with all files that it includes. Whatever is wrong in it is in the result's
// Errors; an error is returned only if the file itself cannot be read.
func Load(path string, env Environment) (*Config, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	env.Machine = env.machine()
	l := &loader{
		env: env, config: &Config{env: env}, root: mapping(),
		origin: map[*yaml.Node]*document{}, documents: map[string]*document{}, repositories: map[string]*repository{},
	}
	l.walker = walker{getenv: env.Getenv, home: env.Home, mistake: l.wrong, found: l.note, place: l.placeOf, copy: l.copy}
	if err := l.readAll(path); err != nil {
		return nil, err
	}
	l.walker.structure(l.root, reflect.TypeFor[File](), "", nil)
	l.checkNames()
	l.decodePaths()
	l.decodeRepositories()
	l.decodeChannels()
	l.decodeJobs()
	l.leaveOut()
	l.checkPatterns()
	l.checkFound()
	l.bootstrap()
	return l.finish(), nil
}

// Default is the configuration of a machine that has none: without jobs, and with the state where it would be.
func Default(env Environment) (*Config, error) {
	env.Machine = env.machine()
	l := &loader{env: env, config: &Config{env: env, Files: []string{"no configuration"}}, root: mapping()}
	l.decodePaths()
	if len(l.errors) > 0 {
		return nil, errors.New(l.errors[0].Message)
	}
	return l.config, nil
}

// loader is a configuration being read.
type loader struct {
	env          Environment
	walker       walker
	config       *Config
	root         *yaml.Node // all files in one
	origin       map[*yaml.Node]*document
	documents    map[string]*document
	repositories map[string]*repository
	jobs         []*job
	found        []found
	errors       []Mistake
	warnings     []Mistake
}
