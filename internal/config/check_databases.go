package config

import (
	"fmt"
	"slices"
	"strings"

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
		for n, given := range database.Options {
			if message := refuseDumpOption(given, database); message != "" {
				l.wrong(sub(at, "options").Content[n], j.path, "`options` "+message, "")
			}
		}
		if database.Socket != "" && database.Host != "" {
			wrong("socket", "`socket` and `host` both say where the server is: keep one")
		}
		if slices.ContainsFunc(j.result.Databases[:i], func(other backup.Database) bool { return sameDump(other, database) }) {
			wrong("names", "an entry before this one dumps the same: each dump would take the place of the other")
		}
	}
}

// dumpOptions are options of the dump programs that borgcron sets itself, and those by which a dump would not be what a
// restore takes it for: of another place, of more or fewer databases, without data, with orders to drop or create.
var dumpOptions = map[string][]option{
	"postgresql": {
		{"--host -h", "host"},
		{"--port -p", "port"},
		{"--username -U", "user"},
		{"--format -F", "format"},
		{"--password -W --no-password -w", "password"},
		{"--dbname -d --file -f --compress -Z --create -C --clean -c --schema-only -s --section", ""},
	},
	"mysql": {
		{"--host -h", "host"},
		{"--port -P", "port"},
		{"--socket -S --protocol", "socket"},
		{"--user -u", "user"},
		{"--password -p", "password"},
		{"--databases -B --all-databases -A --result-file -r --tab -T --no-data -d --no-create-info -t --add-drop-database", ""},
		{"--defaults-file --defaults-extra-file --no-defaults --print-defaults --help --version -V", ""},
	},
}

// refuseDumpOption tells why an option must not be given, "" if it may.
func refuseDumpOption(given string, database backup.Database) string {
	kind := database.Type
	if kind == "mariadb" {
		kind = "mysql"
	}
	name, _, _ := strings.Cut(given, "=")
	for _, same := range []func(name, refused string) bool{sameOption, joinedOption} {
		for _, option := range dumpOptions[kind] {
			for _, refused := range strings.Fields(option.names) {
				switch {
				case !same(name, refused):
				case option.key != "":
					return fmt.Sprintf("must not have %s: say it with `%s`", refused, option.key)
				default:
					return fmt.Sprintf("must not have %s: the dump would not be what a restore takes it for", refused)
				}
			}
		}
	}
	return ""
}

// sameOption tells whether an option is the refused one. Long ones may be cut short, short ones have their value behind them.
func sameOption(name, refused string) bool {
	if strings.HasPrefix(name, "--") {
		return len(name) > 3 && strings.HasPrefix(refused, name)
	}
	return len(refused) == 2 && strings.HasPrefix(name, refused)
}

// joinedOption tells whether a group of short options may have the refused one among them. What is meant otherwise can be said by its
// long name.
func joinedOption(name, refused string) bool {
	return len(refused) == 2 && strings.HasPrefix(name, "-") && !strings.HasPrefix(name, "--") && strings.Contains(name[1:], refused[1:])
}

// sameDump tells whether two entries surely dump one database.
func sameDump(a, b backup.Database) bool {
	if a.Server() != b.Server() || a.Path != b.Path {
		return false
	}
	return a.Type == "sqlite" || slices.ContainsFunc(a.Names, func(name string) bool { return slices.Contains(b.Names, name) })
}
