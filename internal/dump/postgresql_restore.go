package dump

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"borgcron/internal/backup"
)

// holds counts what is not the system's own and belongs to no extension.
func (s postgresql) holds(ctx context.Context, m *Maker, target Target) (string, error) {
	open, closed, err := s.databases(ctx, m, target.Database)
	if err == nil && slices.Contains(closed, target.Name) {
		return backup.CleanLine(fmt.Sprintf("database %q, which takes no connections", target.Name), 500), nil
	}
	if err != nil || !slices.Contains(open, target.Name) {
		return "", pgFailure("restore-database", err)
	}
	out, err := s.ask(ctx, m, target.Database, target.Name, `SELECT (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)' AND c.relkind IN ('r', 'v', 'm', 'S', 'f', 'p'))
		+ (SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
			AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e'))
		+ (SELECT count(*) FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype IN ('e', 'd', 'r') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
			AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = t.oid AND d.deptype = 'e'))
		+ (SELECT count(*) FROM pg_namespace WHERE nspname NOT IN ('public', 'information_schema') AND nspname !~ '^pg_')
		+ (SELECT count(*) FROM pg_extension WHERE extname <> 'plpgsql')
		+ (SELECT count(*) FROM pg_largeobject_metadata)`)
	if err != nil {
		return "", pgFailure("restore-database", err)
	}
	if n := strings.TrimRight(out, "\x00"); n != "0" {
		return backup.CleanLine(fmt.Sprintf("database %q with %s tables, functions and the like", target.Name, n), 500), nil
	}
	return "", nil
}

func (s postgresql) restore(ctx context.Context, m *Maker, dump backup.DatabaseDump, target Target, r io.Reader) error {
	if dump.Kind == backup.ServerWide {
		return pgFailure("restore-database", s.restoreGlobals(ctx, m, target.Database, r))
	}
	return s.replace(ctx, m, dump, target, func(c *client) { c.stdin, c.patient = r, true })
}

// restoreTree restores a dump in the directory format.
func (s postgresql) restoreTree(ctx context.Context, m *Maker, dump backup.DatabaseDump, target Target, from *os.File) error {
	return s.replace(ctx, m, dump, target, func(c *client) { c.folder, c.patient = from, true })
}

// fill restores into an empty database. Both programs end at the first error, and then leave nothing.
func (s postgresql) fill(ctx context.Context, m *Maker, dump backup.DatabaseDump, database *backup.Database, into string, feed func(*client)) error {
	program, args := "pg_restore", []string{"--exit-on-error", "--single-transaction", "--format=" + dump.Format}
	if dump.Format == "plain" {
		program, args = "psql", []string{"-Xq", "-v", "ON_ERROR_STOP=1", "--single-transaction"}
	}
	c, err := s.client(ctx, m, database, program, append(args, "--dbname="+conninfo(into)))
	if err != nil {
		return err
	}
	c.stdout = io.Discard
	feed(&c)
	return m.run(ctx, c)
}

// restoreGlobals carries the statements out one by one: that a role is there already is no error, anything else is.
func (s postgresql) restoreGlobals(ctx context.Context, m *Maker, database *backup.Database, r io.Reader) error {
	c, err := s.client(ctx, m, database, "psql", []string{"-Xq", "-v", "ON_ERROR_STOP=0", "--dbname=" + conninfo("postgres")})
	if err != nil {
		return err
	}
	var wrong []string
	c.stdin, c.stdout, c.patient = r, io.Discard, true
	c.line = func(line []byte) {
		if text := string(line); strings.Contains(text, "ERROR:") && !strings.HasSuffix(text, "already exists") {
			wrong = append(wrong, text)
		}
	}
	if err := m.run(ctx, c); err != nil {
		return err
	}
	if len(wrong) > 0 {
		return &backup.Failure{Op: "restore-database", Code: -1, Class: backup.Permanent, Message: backup.CleanLine(wrong[0], 500), Hint: "the other statements were carried out"}
	}
	return nil
}
