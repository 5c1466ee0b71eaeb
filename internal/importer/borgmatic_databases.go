package importer

import (
	"path/filepath"
	"slices"
	"strings"
)

// databases converts the dumps that borgcron knows.
func (j *borgmaticJob) databases() {
	var all []mapping
	for _, kind := range []string{"postgresql", "mariadb", "mysql", "sqlite"} {
		s := j.top.get(kind + "_databases")
		if s == nil {
			continue
		}
		for _, item := range j.maps(s) {
			if database := j.database(kind, item, all); !database.empty() {
				all = append(all, database)
			}
		}
	}
	if len(all) == 0 {
		return
	}
	// borgmatic 1 reads one file system alone where it streams dumps.
	if j.old && !j.node.has("one_file_system") {
		j.node.set("one_file_system", true)
		j.node.comment("one_file_system", "borgmatic 1 did so by itself wherever it dumped databases.")
	}
	j.node.set("databases", sequence(all))
}

// database converts one database, or all of a server. It is empty if it cannot be taken.
func (j *borgmaticJob) database(kind string, item *setting, others []mapping) mapping {
	database := newMapping()
	database.set("type", kind)
	name := item.get("name")
	if name == nil || kind == "sqlite" && item.get("path") == nil {
		j.wrong(item, "wants a name%s", map[bool]string{true: " and a path"}[kind == "sqlite"])
		return newMapping()
	}
	text, ok := j.text(name)
	if !ok {
		return newMapping()
	}
	switch {
	case kind == "sqlite":
		path, why := j.path(item.get("path").text)
		if why != "" {
			j.note(item.get("path"), Left, "%s", why)
			j.note(name, Left, "%sits path", goesWith)
			return newMapping()
		}
		database.set("path", path)
		j.note(item.get("path"), Taken, "")
		j.note(name, Changed, "a database of SQLite is called by its file")
	default:
		database.set("names", []string{expandable(text)})
		if text == "all" {
			j.note(name, Changed, "each database is dumped by itself, and the roles or grants beside them")
		} else {
			j.note(name, Taken, "")
		}
	}
	options := []string{}
	for i, key := range item.names {
		value := item.items[i]
		if key != "name" && key != "path" {
			options = append(options, j.databaseKey(kind, key, item, value, database, text == "all")...)
		}
	}
	if len(options) > 0 {
		database.set("options", options)
	}
	if slices.ContainsFunc(others, func(other mapping) bool { return sameText(other, database) }) {
		j.note(name, Left, "an entry before this one dumps the same")
		return newMapping()
	}
	return database
}

// sameText tells whether two databases are of one server and have one name.
func sameText(a, b mapping) bool {
	part := func(m mapping) string {
		short := newMapping()
		for _, key := range []string{"names", "path", "host", "port", "socket", "container"} {
			if at := m.index(key); at >= 0 {
				short.set(key, m.node.Content[at+1])
			}
		}
		text, _ := short.render()
		return string(text)
	}
	family := func(m mapping) string {
		kind := m.node.Content[1].Value
		if kind == "mariadb" {
			return "mysql"
		}
		return kind
	}
	return family(a) == family(b) && part(a) == part(b)
}

// databaseKey converts one key of a database. It returns options for the dump program.
func (j *borgmaticJob) databaseKey(kind, key string, item, s *setting, database mapping, all bool) []string {
	left := func(why string) []string {
		j.note(s, Left, "%s", why)
		return nil
	}
	if kind == "sqlite" {
		return left("borgcron itself reads databases of SQLite; `borgcron restore-database --to` restores elsewhere")
	}
	switch key {
	case "hostname", "username", "container", "socket_path":
		text, ok := j.text(s)
		if !ok {
			return nil
		}
		if key == "socket_path" && (kind == "postgresql" || !filepath.IsAbs(text) || database.has("host")) {
			return left("borgcron wants a whole path, and no host beside it")
		}
		if key == "hostname" && database.has("socket") {
			return left("a socket is said already")
		}
		if key == "hostname" && !item.get("container").null() {
			return left("borgmatic ignores it beside container, too")
		}
		database.set(map[string]string{"hostname": "host", "username": "user", "container": "container", "socket_path": "socket"}[key], expandable(text))
		if key == "container" {
			j.note(s, Changed, "the dump program runs inside the container, by docker (`podman:NAME` for podman): it must be there, and `host` and `port` are those inside")
		} else {
			j.note(s, Taken, "")
		}
	case "port":
		if port, ok := j.number(s); ok && (port < 1 || port > 65535) {
			j.wrong(s, "wants a port from 1 to 65535")
		} else if ok {
			database.set("port", port)
			j.note(s, Taken, "")
		}
	case "password":
		if secret := j.secret(s, j.name+"-"+kind); secret != nil {
			database.set("password", secret)
		} else if !s.null() {
			database.comment("type", leftOut("password"))
		}
	case "format":
		return j.dumpFormat(kind, s, database)
	case "skip_names":
		names, ok := j.list(s)
		switch {
		case ok && all:
			database.set("exclude", names)
			j.note(s, Taken, "")
		case ok:
			return left("it only means something beside the name all")
		}
	case "pg_dump_command", "mysql_dump_command", "mariadb_dump_command":
		text, ok := j.text(s)
		if !ok {
			return nil
		}
		if text == "" || strings.ContainsAny(text, " \t") || strings.Contains(text, "/") && !filepath.IsAbs(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) || hasVariable(text) {
			return left("borgcron wants a program without arguments; `container` runs it in a container, `run_as` as another user")
		}
		database.set("program", expandable(text))
		j.note(s, Taken, "")
	case "no_owner":
		if no, ok := j.truth(s); ok {
			j.note(s, Taken, "")
			if no {
				return []string{"--no-owner"}
			}
		}
	case "options":
		return j.dumpOptions(kind, s)
	case "label":
		return left("borgcron tells databases apart by server and name")
	case "ssl_mode", "ssl_cert", "ssl_key", "ssl_root_cert", "ssl_crl":
		return left("set PGSSLMODE, PGSSLCERT, PGSSLKEY, PGSSLROOTCERT and PGSSLCRL in the environment of borgcron")
	case "tls":
		return left("`options: [--ssl]` or what the dump program calls it")
	case "compression":
		return left("borg compresses, and finds equal parts in what is not compressed")
	case "password_transport":
		return left("borgcron gives a password in a file in memory that has no name")
	case "events", "routines", "tablespaces", "add_drop_database":
		return left("borgcron sets the options that make a dump whole, routines, events and triggers among them")
	default:
		for _, part := range []string{"restore_", "psql_", "list_options", "analyze_", "pg_restore", "mysql_command", "mariadb_command"} {
			if strings.HasPrefix(key, part) {
				return left("for restoring and listing, which borgcron does by itself (`borgcron restore-database`)")
			}
		}
	}
	return nil
}

func (j *borgmaticJob) dumpFormat(kind string, s *setting, database mapping) []string {
	text, ok := j.text(s)
	switch {
	case !ok:
	case kind != "postgresql":
		j.note(s, Taken, "it is always SQL")
	case text == "directory":
		j.note(s, Left, "many files cannot be streamed: it is `custom` now; `spool` and `format: directory` have it")
	case slices.Contains([]string{"plain", "custom", "tar"}, text):
		database.set("format", text)
		j.note(s, Taken, "")
	default:
		j.wrong(s, "wants plain, custom, directory or tar")
	}
	return nil
}

// What no dump may be given, by borgcron's own rules: what it sets itself, and what makes another dump of it.
var refusedDumpOptions = map[string]string{
	"postgresql": "--host --port --username --format --password --no-password --dbname --file --compress --create --clean --schema-only --section",
	"mysql": "--host --port --socket --protocol --user --password --databases --all-databases --result-file --tab --no-data --no-create-info " +
		"--add-drop-database --defaults-file --defaults-extra-file --no-defaults --print-defaults --help --version",
}

// dumpOptions takes long options for the dump program.
func (j *borgmaticJob) dumpOptions(kind string, s *setting) []string {
	text, ok := j.text(s)
	if !ok {
		return nil
	}
	words, whole := splitWords(text)
	if !whole {
		j.wrong(s, "has quotes that are not whole")
		return nil
	}
	if kind == "mariadb" {
		kind = "mysql"
	}
	var taken, left []string
	for len(words) > 0 {
		option := words[0]
		words = words[1:]
		if !strings.Contains(option, "=") && len(words) > 0 && !strings.HasPrefix(words[0], "-") {
			option += "=" + words[0]
			words = words[1:]
		}
		name, _, _ := strings.Cut(option, "=")
		refused := slices.ContainsFunc(strings.Fields(refusedDumpOptions[kind]), func(long string) bool { return strings.HasPrefix(long, name) })
		if !strings.HasPrefix(name, "--") || len(name) < 4 || refused {
			left = append(left, quoteName(name))
			continue
		}
		taken = append(taken, expandable(option))
	}
	if len(left) > 0 {
		j.note(s, Left, "%s: borgcron sets it, or the dump would not be what a restore takes it for, or it has no long name", strings.Join(left, ", "))
	} else {
		j.note(s, Taken, "")
	}
	return taken
}
