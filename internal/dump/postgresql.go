package dump

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"borgcron/internal/backup"
)

// postgresql is PostgreSQL, by pg_dump, pg_dumpall, pg_restore and psql.
type postgresql struct{}

// globals is the dump of what belongs to no database: roles, tablespaces.
const globals = "globals"

func (s postgresql) parts(ctx context.Context, m *Maker, database *backup.Database) ([]backup.DatabaseDump, error) {
	there, closed, err := s.databases(ctx, m, database)
	if err != nil {
		return nil, pgFailure("dump", err)
	}
	part := backup.DatabaseDump{
		Kind: backup.OneDatabase, Type: database.Type, Server: database.Server(), Format: cmp.Or(database.Format, "custom"),
	}
	var parts []backup.DatabaseDump
	if !database.All() {
		for _, part.Name = range database.Names {
			if !slices.Contains(there, part.Name) {
				return nil, &backup.Failure{Op: "dump", Code: -1, Class: backup.Permanent,
					Message: backup.CleanLine(fmt.Sprintf("there is no database %q", part.Name), 500), Hint: "correct `names`"}
			}
			parts = append(parts, part)
		}
		return parts, nil
	}
	for _, part.Name = range there {
		if !slices.Contains(database.Exclude, part.Name) {
			parts = append(parts, part)
		}
	}
	for _, name := range closed {
		if left := part; !slices.Contains(database.Exclude, name) {
			left.Name, left.Left = name, "it takes no connections (allow_connections is false): open it, or put it into `exclude`"
			parts = append(parts, left)
		}
	}
	part.Kind, part.Name, part.Format = backup.ServerWide, globals, "plain"
	return append(parts, part), nil
}

// databases are those of the server but for the templates of a new one, in the order of their bytes; those that are closed to connections, which
// nobody can dump, apart.
func (s postgresql) databases(ctx context.Context, m *Maker, database *backup.Database) (open, closed []string, err error) {
	out, err := s.ask(ctx, m, database, "postgres",
		"SELECT CASE WHEN datallowconn THEN '+' ELSE '-' END || datname FROM pg_database WHERE datname NOT IN ('template0', 'template1') AND datname NOT LIKE 'borgcron-restore-%'")
	for row := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		if name, found := strings.CutPrefix(row, "+"); found {
			open = append(open, name)
		} else if name, found := strings.CutPrefix(row, "-"); found {
			closed = append(closed, name)
		}
	}
	slices.Sort(open)
	slices.Sort(closed)
	return open, closed, err
}

// ask puts a question with one column to a database; rows end with NUL.
func (s postgresql) ask(ctx context.Context, m *Maker, database *backup.Database, in, question string) (string, error) {
	var out bytes.Buffer
	c, err := s.client(ctx, m, database, "psql", []string{"-XAtq0", "-v", "ON_ERROR_STOP=1", "--dbname=" + conninfo(in), "-c", question})
	if err != nil {
		return "", err
	}
	c.stdout = &out
	err = m.run(ctx, c)
	return out.String(), err
}

// client is a call of one of the programs, with all that it needs to reach the server.
func (postgresql) client(ctx context.Context, m *Maker, database *backup.Database, program string, args []string) (client, error) {
	name := sibling(database.Program, program)
	if program == "pg_dump" && database.Program != "" {
		name = database.Program
	}
	c := client{database: database, program: name, args: []string{"-w"}, env: []string{"PGCONNECT_TIMEOUT=30"}} // -w: never ask for a password
	if database.Host != "" {
		c.args = append(c.args, "--host="+database.Host)
	}
	if database.Port != 0 {
		c.args = append(c.args, "--port="+strconv.Itoa(database.Port))
	}
	if database.User != "" {
		c.args = append(c.args, "--username="+database.User)
	}
	c.args = append(c.args, args...)
	if database.Password.IsZero() {
		return c, nil
	}
	password, err := m.Secret(ctx, database.Password)
	if err != nil {
		return c, err
	}
	c.secret = &handover{
		text: "*:*:*:*:" + strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace(string(password)) + "\n",
		env:  func(path string) []string { return []string{"PGPASSFILE=" + path} },
	}
	return c, nil
}

// conninfo names a database so that no character of its name means anything else.
func conninfo(name string) string {
	return "dbname='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(name) + "'"
}

// dump writes a dump that borg can find the same parts in again: pg_dump's own compression would hide them, and borg compresses
// anyway.
func (s postgresql) dump(ctx context.Context, m *Maker, part Part, w io.Writer) error {
	program, args := "pg_dump", s.dumpArgs(m, part)
	if part.Kind == backup.ServerWide {
		program, args = "pg_dumpall", []string{"--globals-only", "--dbname=" + conninfo("postgres")}
	}
	c, err := s.client(ctx, m, part.Database, program, args)
	if err != nil {
		return pgFailure("dump", err)
	}
	made := &counter{to: w}
	c.stdout = made
	if err := m.run(ctx, c); err != nil {
		return pgFailure("dump", err)
	}
	if made.n == 0 {
		return &backup.Failure{Op: "dump", Code: -1, Class: backup.Permanent, Message: program + " ended well and wrote nothing", Hint: "look at `program` and `options` of the database"}
	}
	return nil
}

// dumpTree writes a dump in the directory format into an empty folder.
func (s postgresql) dumpTree(ctx context.Context, m *Maker, part Part, into *os.File) error {
	c, err := s.client(ctx, m, part.Database, "pg_dump", s.dumpArgs(m, part))
	if err != nil {
		return pgFailure("dump", err)
	}
	c.folder, c.named, c.patient = into, "--file=", true
	return pgFailure("dump", m.run(ctx, c))
}

func (postgresql) dumpArgs(m *Maker, part Part) []string {
	args := []string{"--format=" + part.Format}
	if part.Format == "custom" || part.Format == backup.DirectoryFormat {
		args = append(args, "--compress=0")
	}
	if lockWait := m.Stall / 2; lockWait > 0 { // else nobody would know what it waits for
		args = append(args, fmt.Sprintf("--lock-wait-timeout=%d", lockWait.Milliseconds()))
	}
	return append(append(args, part.Database.Options...), "--dbname="+conninfo(part.Name))
}

func (s postgresql) estimate(ctx context.Context, m *Maker, part Part) (int64, error) {
	if part.Kind == backup.ServerWide {
		return 0, nil
	}
	out, err := s.ask(ctx, m, part.Database, "postgres", "SELECT pg_database_size("+pgLiteral(part.Name)+")")
	if err != nil {
		return 0, pgFailure("dump", err)
	}
	return strconv.ParseInt(strings.TrimRight(out, "\x00"), 10, 64)
}

func pgLiteral(text string) string {
	return " E'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(text) + "'"
}

func pgName(text string) string { return `"` + strings.ReplaceAll(text, `"`, `""`) + `"` }
