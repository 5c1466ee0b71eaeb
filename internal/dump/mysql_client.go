package dump

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"borgcron/internal/backup"
	"borgcron/internal/process"
)

var errNoAnswer = errors.New("the server's answer is not what was asked for")

// mysqlRole is what a program is for. Both servers have one for each, and both sets understand both servers, more or less.
type mysqlRole int

const (
	mysqlDump   mysqlRole = iota
	mysqlClient           // for questions, and to restore
)

var mysqlPrograms = map[string][2]string{"mysql": {"mysqldump", "mysql"}, "mariadb": {"mariadb-dump", "mariadb"}}

// mysqlProgram names a program: the one that the entry says, or one beside it; else those of the server's kind, or where these are
// not installed, of the other.
func mysqlProgram(database *backup.Database, role mysqlRole, pathList string) string {
	own, other := mysqlPrograms["mysql"], mysqlPrograms["mariadb"]
	if database.Type == "mariadb" {
		own, other = other, own
	}
	if program := database.Program; program != "" {
		if role == mysqlDump {
			return program
		}
		if own = mysqlPrograms["mysql"]; strings.HasPrefix(filepath.Base(program), "mariadb") {
			own = mysqlPrograms["mariadb"]
		}
		return sibling(program, own[role])
	}
	if database.Container == "" {
		_, missing := process.LookPath(own[role], pathList)
		if _, err := process.LookPath(other[role], pathList); missing != nil && err == nil {
			return other[role]
		}
	}
	return own[role]
}

// client is a call of one of the programs, with all that it needs to reach the server.
func (mysql) client(ctx context.Context, m *Maker, database *backup.Database, role mysqlRole, args []string) (client, error) {
	c := client{database: database, program: mysqlProgram(database, role, lookup(m.Environ, "PATH"))}
	c.args = slices.Concat(firstOptions(database), mysqlAddress(database))
	if role == mysqlClient {
		c.args = append(c.args, connectOptions(database)...)
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
		text: optionFile(string(password)),
		args: func(path string) []string { return []string{"--defaults-extra-file=" + path} },
		// The option files in the home folder are read after ours, and a password there would win: with a home that is
		// no folder there are none.
		env: func(path string) []string { return []string{"HOME=" + path} },
	}
	return c, nil
}

// optionFile is an option file with a password. What it escapes are the escapes that such files know.
func optionFile(password string) string {
	escaped := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(password)
	return "[client]\npassword=\"" + escaped + "\"\n"
}

// mysqlAddress says where the server is. The programs take the socket for localhost, whatever port was named: here a port
// means TCP.
func mysqlAddress(d *backup.Database) []string {
	var args []string
	host, socket := d.Host, d.Socket
	if strings.HasPrefix(host, "/") && socket == "" {
		host, socket = "", host
	}
	switch {
	case socket != "":
		args = append(args, "--protocol=socket", "--socket="+socket)
	case host != "" && host != "localhost" || d.Port != 0:
		args = append(args, "--protocol=tcp")
	}
	if host != "" {
		args = append(args, "--host="+host)
	}
	if d.Port != 0 {
		args = append(args, "--port="+strconv.Itoa(d.Port))
	}
	if d.User != "" {
		args = append(args, "--user="+d.User)
	}
	return args
}

// isFirst tells whether an option counts only in front of all others: which option files are read.
func isFirst(option string) bool {
	name, _, _ := strings.Cut(option, "=")
	return slices.Contains([]string{"--defaults-file", "--defaults-extra-file", "--defaults-group-suffix", "--no-defaults", "--login-path"}, name)
}

func firstOptions(d *backup.Database) []string {
	return slices.DeleteFunc(slices.Clone(d.Options), func(option string) bool { return !isFirst(option) })
}

func plainOptions(d *backup.Database) []string {
	return slices.DeleteFunc(slices.Clone(d.Options), isFirst)
}

// connectOptions are those of the dump program that say how to reach the server: the client needs them too.
func connectOptions(d *backup.Database) []string {
	prefixes := []string{"--ssl", "--skip-ssl", "--tls", "--default-auth", "--plugin-dir", "--get-server-public-key", "--server-public-key-path", "--protocol"}
	return slices.DeleteFunc(slices.Clone(d.Options), func(option string) bool {
		return !slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(option, prefix) })
	})
}

// ask lets the server answer statements: rows with their columns.
func (s mysql) ask(ctx context.Context, m *Maker, database *backup.Database, statements string) ([][]string, error) {
	args := []string{"--batch", "--skip-column-names", "--skip-reconnect", "--default-character-set=utf8mb4", "--connect-timeout=30"}
	c, err := s.client(ctx, m, database, mysqlClient, args)
	if err != nil {
		return nil, err
	}
	var answer bytes.Buffer
	c.stdin, c.stdout = strings.NewReader(statements+";\n"), &answer
	if err := m.run(ctx, c); err != nil {
		return nil, err
	}
	var rows [][]string
	for line := range strings.Lines(answer.String()) {
		columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		for i, column := range columns {
			columns[i] = unescape.Replace(column)
		}
		rows = append(rows, columns)
	}
	return rows, nil
}

// unescape undoes what the client does to a column, so that each row is one line.
var unescape = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t", `\0`, "\x00")

// literal is a string for SQL, whatever is in it and whatever mode the server is in.
func literal(s string) string {
	if s == "" {
		return "''"
	}
	return "_utf8mb4 0x" + hex.EncodeToString([]byte(s))
}

// quoteName is a name for SQL.
func quoteName(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// ofSchema is the condition that a column holds the name of a schema. The comparison of the server takes upper and lower case for the same,
// but it is the one that keeps it from looking at all schemas.
func ofSchema(column, name string) string {
	return fmt.Sprintf("(%s = %s AND HEX(%[1]s) = '%[3]X')", column, literal(name), name)
}

// overSchema is the same for what a schema of that name would be written into: some servers take upper and lower case for one.
func overSchema(column, name string) string {
	return fmt.Sprintf("(%s = %s AND (HEX(%[1]s) = '%[3]X' OR @@lower_case_table_names <> 0))", column, literal(name), name)
}

// carriedOut is a statement that the client does not see as such: it gets names with a backslash wrong.
func carriedOut(statement string) string {
	return "SET @statement = " + literal(statement) + ";\nPREPARE s FROM @statement;\nEXECUTE s;\nDEALLOCATE PREPARE s;\n"
}

func unhex(s string) (string, error) {
	text, err := hex.DecodeString(s)
	if err != nil {
		return "", errNoAnswer
	}
	return string(text), nil
}
