package config

import (
	"slices"

	"borgcron/internal/backup"
)

// checkDatabases checks what the entries of a job's databases mean together.
func (l *loader) checkDatabases(j *job) {
	for i, database := range j.result.Databases {
		at := sub(j.tree, "databases").Content[i]
		wrong := func(key, message string) {
			place := sub(at, key)
			if place == nil {
				place = at
			}
			l.wrong(place, j.path, message, "")
		}
		all := slices.Contains(database.Names, backup.AllDatabases)
		switch {
		case all && len(database.Names) > 1:
			wrong("names", "`names` has `all` beside other names: all is all")
		case len(database.Names) == 0 && database.Type != "sqlite":
			wrong("names", "`names` is empty: name the databases, or `all`")
		case !all && len(database.Exclude) > 0:
			wrong("exclude", "`exclude` only means something beside `names: [all]`")
		}
		switch {
		case database.Format != backup.DirectoryFormat:
		case j.result.Spool == "":
			wrong("format", "`format: directory` is many files, which cannot be streamed: say `spool`, or another format")
		case database.Container != "":
			wrong("format", "`format: directory` would be written inside the container: say another format")
		}
		if database.Socket != "" && database.Host != "" {
			wrong("socket", "`socket` and `host` both say where the server is: keep one")
		}
		if slices.ContainsFunc(j.result.Databases[:i], func(other backup.Database) bool { return sameDump(other, database) }) {
			wrong("names", "an entry before this one dumps the same: each dump would take the place of the other")
		}
	}
}

// sameDump tells whether two entries surely dump one database.
func sameDump(a, b backup.Database) bool {
	if a.Server() != b.Server() || a.Path != b.Path {
		return false
	}
	return a.Type == "sqlite" || slices.ContainsFunc(a.Names, func(name string) bool { return slices.Contains(b.Names, name) })
}
