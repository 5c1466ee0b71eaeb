package dump

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"borgcron/internal/backup"
)

// sandboxLine begins a line that newer programs of MariaDB put first into a dump: it forbids their client the commands that
// reach out of the database. Clients that do not know it stop there. The call forbids the same.
const sandboxLine = `/*M!999999\-`

// mysqlRestore: byte for byte, without the client's own commands, and rows as long as the server takes them.
var mysqlRestore = []string{"--batch", "--binary-mode", "--skip-reconnect", "--loose-sandbox", "--default-character-set=utf8mb4", "--max-allowed-packet=1G"}

func (s mysql) holds(ctx context.Context, m *Maker, target Target) (string, error) {
	call := mysqlCall{"restore-database", target.Database, target.Name}
	rows, err := s.ask(ctx, m, target.Database, "SELECT (SELECT COUNT(*) FROM information_schema.tables WHERE "+overSchema("table_schema", target.Name)+
		"), (SELECT COUNT(*) FROM information_schema.routines WHERE "+overSchema("routine_schema", target.Name)+
		"), (SELECT COUNT(*) FROM information_schema.events WHERE "+overSchema("event_schema", target.Name)+")")
	if err != nil {
		return "", call.failure(err)
	}
	if len(rows) != 1 || len(rows[0]) != 3 {
		return "", call.failure(errNoAnswer)
	}
	for i, kind := range []string{" table", " routine", " event"} {
		n := rows[0][i]
		if n == "0" {
			continue
		}
		if n != "1" {
			kind += "s"
		}
		return backup.CleanLine("database \""+target.Name+"\" with "+n+kind, 500), nil
	}
	return "", nil
}

// restore carries the dump out, and stops at its first error. The servers have no transactions around definitions, so a restore that
// breaks off leaves an incomplete database: the failure says so. With Replace the database is dropped first. Triggers, views and
// routines keep their definers, whether these exist or not.
func (s mysql) restore(ctx context.Context, m *Maker, dump backup.DatabaseDump, target Target, r io.Reader) error {
	name := cmp.Or(target.Name, dump.Name)
	if dump.Kind == backup.ServerWide {
		name = ""
	}
	call := mysqlCall{"restore-database", target.Database, name}
	begun := bufio.NewReader(withoutSandbox(r))
	if _, err := begun.Peek(1); err != nil { // before anything is dropped
		return call.failure(fmt.Errorf("read the dump: %w", err))
	}
	if name == "" {
		return call.failure(s.feed(ctx, m, target.Database, "", begun))
	}
	prepare := carriedOut("CREATE DATABASE IF NOT EXISTS " + quoteName(name) + " CHARACTER SET utf8mb4")
	if target.Replace {
		prepare = carriedOut("DROP DATABASE IF EXISTS "+quoteName(name)) + prepare
	}
	if _, err := s.ask(ctx, m, target.Database, prepare); err != nil {
		return call.failure(err)
	}
	err := call.failure(s.feed(ctx, m, target.Database, name, begun))
	if err == nil {
		return nil
	}
	failure := *backup.AsFailure(call.op, err)
	failure.Hint = strings.TrimPrefix(failure.Hint+"; the database is incomplete now: restore it again with --replace", "; ")
	return &failure
}

// feed lets the client read statements.
func (s mysql) feed(ctx context.Context, m *Maker, database *backup.Database, name string, r io.Reader) error {
	args := mysqlRestore
	if name != "" {
		args = append(args[:len(args):len(args)], "--database="+name)
	}
	c, err := s.client(ctx, m, database, mysqlClient, args)
	if err != nil {
		return err
	}
	c.stdin, c.patient = r, true
	return m.run(ctx, c)
}

// withoutSandbox leaves the line out, which is one of the first.
func withoutSandbox(r io.Reader) io.Reader {
	buffered := bufio.NewReader(r)
	head, _ := buffered.Peek(512) // an error comes again when it is read
	at := bytes.Index(head, []byte(sandboxLine))
	if at < 0 || at > 0 && head[at-1] != '\n' {
		return buffered
	}
	length := bytes.IndexByte(head[at:], '\n')
	if length < 0 {
		return buffered
	}
	before := bytes.Clone(head[:at])
	_, _ = buffered.Discard(at + length + 1)
	return io.MultiReader(bytes.NewReader(before), buffered)
}
