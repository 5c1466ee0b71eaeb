package backup

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Database is one entry of a job's `databases`: what to dump of one server, or one file of SQLite.
type Database struct {
	Type                             string // postgresql, mysql, mariadb, sqlite
	Host, Socket, User, Format, Path string // Host of PostgreSQL may be the folder of its socket; Path: sqlite
	Program, RunAs, Container        string // Program: of the dump, "" for the one on PATH; RunAs: system user
	Port                             int    // 0: the server's own
	Names, Exclude, Options          []string
	Password                         Secret
	Warn                             bool // on_error: warn
}

// AllDatabases is the name that stands for every database of a server.
const AllDatabases = "all"

// All tells whether every database of the server is meant.
func (d *Database) All() bool { return len(d.Names) == 1 && d.Names[0] == AllDatabases }

// Server is what the server is called in paths of dumps and in messages: its type and, unless it is this machine's
// own at its usual place, where it is. No character of it needs escaping in a path.
func (d *Database) Server() string {
	place := d.Host
	if d.Socket != "" {
		place = d.Socket
	}
	if d.Container != "" {
		place = d.Container + ":" + place
	}
	if d.Port != 0 {
		place += ":" + strconv.Itoa(d.Port)
	}
	if place == "" || place == "localhost" || place == "/run/postgresql" || place == "/var/run/postgresql" {
		return d.Type
	}
	return d.Type + "@" + escapeName(place)
}

// DumpKind is what a dump holds.
type DumpKind string

// The kinds of dumps.
const (
	OneDatabase DumpKind = "database"
	ServerWide  DumpKind = "server" // what belongs to no database: roles, grants
)

// DatabaseDump is one dump: of one database, or of what belongs to its server as a whole.
type DatabaseDump struct {
	Kind   DumpKind `json:"kind"`
	Type   string   `json:"type"`           // of the database: postgresql, mysql, mariadb, sqlite
	Server string   `json:"server"`         // see Database.Server
	Name   string   `json:"name"`           // of the database as its server knows it, or the path of the file; ServerWide: globals, grants
	Format string   `json:"format"`         // custom, plain, tar, directory, sql, sqlite
	Size   int64    `json:"size"`           // bytes, 0 until it was made
	Took   Seconds  `json:"seconds"`        // from its first to its last byte
	Left   string   `json:"left,omitempty"` // why it was left out, "" if it is there: an entry with on_error: warn
}

// Seconds is a duration that is written as a number of seconds.
type Seconds time.Duration

// MarshalJSON writes seconds with three digits behind the point.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return []byte(strconv.FormatFloat(time.Duration(s).Seconds(), 'f', 3, 64)), nil
}

// UnmarshalJSON reads a number of seconds.
func (s *Seconds) UnmarshalJSON(text []byte) error {
	value, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return fmt.Errorf("a number of seconds: %w", err)
	}
	*s = Seconds(value * float64(time.Second))
	return nil
}

// DirectoryFormat is the one format that is a folder of files: PostgreSQL's, for a spool.
const DirectoryFormat = "directory"

// suffixes are the endings of dumps by their format.
var suffixes = map[string]string{DirectoryFormat: ".dir", "custom": ".dump", "plain": ".sql", "tar": ".tar", "sql": ".sql", "sqlite": ".sqlite"}

// Path is where the dump lies in an archive of dumps and below a folder of dumps: SERVER/NAME.SUFFIX. It is relative,
// and two dumps of one run have different ones. What would be no file name is written as %XX.
func (d *DatabaseDump) Path() string {
	name := escapeName(d.Name)
	if d.Type == "sqlite" { // the path of a file stays one
		parts := strings.Split(strings.TrimPrefix(d.Name, "/"), "/")
		for i, part := range parts {
			parts[i] = escapeName(part)
		}
		name = strings.Join(parts, "/")
	}
	if d.Kind == ServerWide {
		name = "+" + name // escapeName leaves no plus in the name of a database
	}
	return d.Server + "/" + name + suffixes[d.Format]
}

// escapeName makes a file name of any name: ASCII letters, digits, `_-.,=@:` and whatever is printable beyond ASCII
// stand for themselves, a leading hyphen or point and all else as %XX.
func escapeName(name string) string {
	var b strings.Builder
	for i, r := range name {
		plain := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '=' || r == '@' || r == ':' ||
			r == ',' || i > 0 && (r == '-' || r == '.') || r > 0xA0 && r != utf8.RuneError && strconv.IsPrint(r)
		size := utf8.RuneLen(r)
		if r == utf8.RuneError {
			size = 1
		}
		if plain {
			b.WriteRune(r)
			continue
		}
		for _, c := range []byte(name[i:min(len(name), i+size)]) {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
