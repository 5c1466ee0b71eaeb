package dump

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"borgcron/internal/backup"
)

// mysql is MySQL and MariaDB, by mysqldump or mariadb-dump, and the client that goes with it.
type mysql struct{}

// mysqlInternal are the schemas that a server makes itself. What is worth keeping of `mysql`, the accounts, is in the dump of grants.
var mysqlInternal = []string{"information_schema", "performance_schema", "mysql", "sys"}

// mysqlFlags are what every dump is made with. Programs differ in what they know: they only warn of a "loose" option that they do not.
// Off are the histograms of MySQL, which its dump program asks every server for and older ones and MariaDB do not
// have, and the GTIDs, which stand for the server as a whole.
var mysqlFlags = []string{
	"--single-transaction", "--quick", "--routines", "--events", "--triggers", "--hex-blob", "--default-character-set=utf8mb4",
	"--max-allowed-packet=1G", "--comments", "--skip-dump-date", "--no-tablespaces", "--loose-column-statistics=0", "--loose-set-gtid-purged=OFF",
}

func (s mysql) parts(ctx context.Context, m *Maker, database *backup.Database) ([]backup.DatabaseDump, error) {
	there, err := s.schemas(ctx, m, database)
	if err != nil {
		return nil, err
	}
	part := backup.DatabaseDump{Kind: backup.OneDatabase, Type: database.Type, Server: database.Server(), Format: "sql"}
	var parts []backup.DatabaseDump
	if !database.All() {
		for _, part.Name = range database.Names {
			if !slices.Contains(there, part.Name) {
				return nil, &backup.Failure{
					Op: "dump", Code: -1, Class: backup.Permanent, Message: backup.CleanLine(fmt.Sprintf("there is no database %q", part.Name), 500),
					Hint: "correct `names`; a database that the user has no right to is not shown to it",
				}
			}
			parts = append(parts, part)
		}
		return parts, nil
	}
	if err := s.seesAll(ctx, m, database); err != nil {
		return nil, err
	}
	for _, part.Name = range there {
		if !slices.Contains(database.Exclude, part.Name) && !slices.Contains(mysqlInternal, part.Name) {
			parts = append(parts, part)
		}
	}
	part.Kind, part.Name = backup.ServerWide, "grants" // the last: grants on tables can only be given when these are back
	return append(parts, part), nil
}

// seesAll demands a right that shows every database: the server hides from a user what it has no right to, and `all` would be some.
func (s mysql) seesAll(ctx context.Context, m *Maker, database *backup.Database) error {
	rows, err := s.ask(ctx, m, database, "SHOW GRANTS")
	if err != nil {
		return mysqlCall{"dump", database, ""}.failure(err)
	}
	for _, row := range rows {
		if globalRead.MatchString(row[0]) {
			return nil
		}
	}
	return &backup.Failure{
		Op: "dump", Code: -1, Class: backup.Permanent, Message: "the user may not see every database of the server, so `all` would leave some out",
		Hint: "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES ON *.* TO the user, or name the databases in `names`",
	}
}

// globalRead are rights on everything by which a user sees all databases.
var globalRead = regexp.MustCompile(`^GRANT (?:.*, ?)?(?:ALL PRIVILEGES|SELECT|SHOW DATABASES)(?:,.*)? ON \*\.\* TO `)

// schemas are all databases that the user may see, in the order of their bytes.
func (s mysql) schemas(ctx context.Context, m *Maker, database *backup.Database) ([]string, error) {
	rows, err := s.ask(ctx, m, database, "SELECT HEX(schema_name) FROM information_schema.schemata")
	if err != nil {
		return nil, mysqlCall{"dump", database, ""}.failure(err)
	}
	names := make([]string, len(rows))
	for i, row := range rows {
		if names[i], err = unhex(row[0]); err != nil {
			return nil, mysqlCall{"dump", database, ""}.failure(err)
		}
	}
	slices.Sort(names)
	return names, nil
}

// estimate takes the server's own idea of its tables, which for InnoDB is a guess from samples. A dump has no indexes, and binary
// columns twice as large; numbers become longer, but lose what a row takes beside its columns. Of compressed tables the
// size is that of the compressed data, so their dump may well be larger.
func (s mysql) estimate(ctx context.Context, m *Maker, part Part) (int64, error) {
	const perTable, least = 8 << 10, 1 << 20 // for the definitions
	if part.Kind == backup.ServerWide {
		return least, nil
	}
	call := mysqlCall{"dump", part.Database, part.Name}
	rows, err := s.ask(ctx, m, part.Database, `SELECT CAST(COALESCE(SUM(data_length * 1.2 + index_length + IF(table_name IN (
		SELECT c.table_name FROM information_schema.columns c WHERE `+ofSchema("c.table_schema", part.Name)+`
		AND c.data_type IN ('tinyblob', 'blob', 'mediumblob', 'longblob', 'binary', 'varbinary', 'bit', 'geometry')), data_length, 0)), 0) AS UNSIGNED), COUNT(*)
		FROM information_schema.tables WHERE `+ofSchema("table_schema", part.Name))
	if err != nil {
		return 0, call.failure(err)
	}
	if len(rows) != 1 || len(rows[0]) != 2 {
		return 0, call.failure(errNoAnswer)
	}
	bytes, err1 := strconv.ParseInt(rows[0][0], 10, 64)
	tables, err2 := strconv.ParseInt(rows[0][1], 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return 0, call.failure(err)
	}
	return bytes + tables*perTable + least, nil
}

func (s mysql) dump(ctx context.Context, m *Maker, part Part, w io.Writer) error {
	call := mysqlCall{"dump", part.Database, part.Name}
	if part.Kind == backup.ServerWide {
		call.name = ""
		return call.failure(s.grants(ctx, m, part.Database, w))
	}
	if err := s.lookAt(ctx, m, part); err != nil {
		return call.failure(err)
	}
	collation, err := s.collation(ctx, m, part)
	if err != nil {
		return call.failure(err)
	}
	if _, err := io.WriteString(w, collation); err != nil {
		return call.failure(fmt.Errorf("write the dump: %w", err))
	}
	c, err := s.client(ctx, m, part.Database, mysqlDump, slices.Concat(mysqlFlags, plainOptions(part.Database), []string{"--", part.Name}))
	if err != nil {
		return call.failure(err)
	}
	end := &ending{to: w}
	c.stdout = end
	if err := m.run(ctx, c); err != nil {
		return call.failure(err)
	}
	if !end.complete() && !withoutComments(part.Database.Options) {
		return call.failure(errCut)
	}
	return nil
}

// collation is a statement that gives the database to which the dump is restored the default that this one has: the program's own output
// only has it if it makes the database as well, under its old name.
func (s mysql) collation(ctx context.Context, m *Maker, part Part) (string, error) {
	rows, err := s.ask(ctx, m, part.Database, "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata WHERE "+
		ofSchema("schema_name", part.Name))
	if err != nil {
		return "", err
	}
	if len(rows) != 1 || len(rows[0]) != 2 {
		return "", errGone
	}
	return fmt.Sprintf("ALTER DATABASE CHARACTER SET %s COLLATE %s;\n", rows[0][0], rows[0][1]), nil
}

// lookAt warns of what the program says nothing of: tables that take no part in its transaction, and what the user does
// not get to see.
func (s mysql) lookAt(ctx context.Context, m *Maker, part Part) error {
	rows, err := s.ask(ctx, m, part.Database, `SELECT COUNT(*) FROM information_schema.tables t JOIN information_schema.engines e ON e.engine = t.engine
		WHERE COALESCE(e.transactions, 'NO') <> 'YES' AND `+ofSchema("t.table_schema", part.Name)+`;
		SELECT COUNT(DISTINCT privilege_type) FROM (
		SELECT privilege_type FROM information_schema.user_privileges UNION ALL
		SELECT privilege_type FROM information_schema.schema_privileges WHERE `+literal(part.Name)+` LIKE table_schema) AS p
		WHERE privilege_type IN ('SELECT', 'TRIGGER')`)
	if err != nil {
		return err
	}
	if len(rows) != 2 {
		return errNoAnswer
	}
	if n := rows[0][0]; n != "0" {
		m.Log.Warn("tables without transactions (MyISAM, Aria and the like): if they are written to meanwhile, the dump of them is not consistent",
			"database", part.Name, "tables", n, "hint", "ALTER TABLE ... ENGINE=InnoDB")
	}
	if rows[1][0] != "2" {
		m.Log.Warn("the user has no right to all of the database: a table or trigger that it cannot see is not in the dump", "database", part.Name,
			"hint", "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON "+quoteName(part.Name)+".* TO the user")
	}
	return nil
}

// ending passes a dump on, and remembers how it ends.
type ending struct {
	to   io.Writer
	last []byte
}

func (e *ending) Write(p []byte) (int, error) {
	const enough = 256
	n, err := e.to.Write(p)
	e.last = append(e.last, p[max(0, len(p)-enough):]...)
	e.last = append(e.last[:0], e.last[max(0, len(e.last)-enough):]...)
	return n, err
}

// complete tells whether the last line is the one by which the programs say that they came to their end: some of their
// versions leave with 0 also when they did not.
func (e *ending) complete() bool {
	text := bytes.TrimRight(e.last, "\r\n ")
	return bytes.HasPrefix(text[bytes.LastIndexByte(text, '\n')+1:], []byte("-- Dump completed"))
}

// withoutComments tells whether the owner's options leave that line out.
func withoutComments(options []string) bool {
	return slices.ContainsFunc(options, func(option string) bool {
		return strings.HasPrefix(option, "--compact") || strings.HasPrefix(option, "--skip-comments") || strings.HasPrefix(option, "--comments=")
	})
}
