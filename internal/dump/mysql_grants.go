package dump

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"borgcron/internal/backup"
	"borgcron/internal/process"
)

// mysqlOwn are accounts that the servers make themselves.
var mysqlOwn = []string{"mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema"}

// rootProxy is a right that root has of each new server, and that none but root can give.
var rootProxy = regexp.MustCompile("^GRANT PROXY ON .* TO [`']root[`']@")

// account is who may do something at a server: a user from some host, or a role.
type account struct {
	user, host string
	role       bool // of MariaDB; those of MySQL are users that are locked
}

// String is the account for SQL in the mode that asks for no mode: see grantsMode.
func (a account) String() string {
	quote := func(s string) string {
		return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\r", `\r`, "\x00", `\0`).Replace(s) + "'"
	}
	switch {
	case a.user == "PUBLIC" && a.role: // a word, no name
		return "PUBLIC"
	case a.role:
		return quote(a.user)
	}
	return quote(a.user) + "@" + quote(a.host)
}

// grantsMode makes the server quote as everywhere else, and MySQL write the hashes of passwords so that they survive being text.
const grantsMode = "SET SESSION sql_mode = ''; /*!80017 SET SESSION print_identified_with_as_hex = ON */; "

// grants writes the accounts, roles and their rights as statements. An account that exists when they are carried out is no
// error. The servers are asked themselves: MySQL has no program for this, and that of MariaDB gives up at an account that the server
// cannot use, and leaves out what is granted to all.
func (s mysql) grants(ctx context.Context, m *Maker, database *backup.Database, w io.Writer) error {
	accounts, err := s.accounts(ctx, m, database)
	if err != nil {
		return err
	}
	rows, err := s.askOf(ctx, m, database, accounts)
	if err != nil {
		return err
	}
	var create, withRoles, give []string
	for _, a := range accounts {
		if a.role && a.user != "PUBLIC" {
			create = append(create, "CREATE ROLE IF NOT EXISTS "+a.String())
		}
	}
	for _, row := range rows {
		statement := row[0]
		if rootProxy.MatchString(statement) {
			continue
		}
		rest, isAccount := strings.CutPrefix(statement, "CREATE USER ")
		switch {
		case isAccount && strings.Contains(rest, " DEFAULT ROLE "): // the role has to be there
			withRoles = append(withRoles, "CREATE USER IF NOT EXISTS "+rest)
		case isAccount:
			create = append(create, "CREATE USER IF NOT EXISTS "+rest)
		case !slices.Contains(give, statement): // those to a role within a role come twice
			give = append(give, statement)
		}
	}
	statements := slices.Concat([]string{"SET NAMES utf8mb4", "SET SESSION sql_mode = ''"}, create, withRoles, give)
	_, err = io.WriteString(w, strings.Join(statements, ";\n")+";\n-- Dump completed\n")
	if err != nil {
		return fmt.Errorf("write the dump: %w", err)
	}
	return nil
}

// accounts are all but the server's own, roles first.
func (s mysql) accounts(ctx context.Context, m *Maker, database *backup.Database) ([]account, error) {
	version, err := s.ask(ctx, m, database, "SELECT VERSION()")
	if err != nil {
		return nil, err
	}
	role := "'N'"
	if len(version) == 1 && strings.Contains(strings.ToLower(version[0][0]), "mariadb") {
		role = "is_role"
	}
	rows, err := s.ask(ctx, m, database, "SELECT CONCAT('=', HEX(user)), CONCAT('=', HEX(host)), "+role+" FROM mysql.user ORDER BY 3 DESC, 1, 2")
	if err != nil {
		return nil, err
	}
	var accounts []account
	for _, row := range rows {
		if len(row) != 3 {
			return nil, errNoAnswer
		}
		user, err1 := unhex(strings.TrimPrefix(row[0], "="))
		host, err2 := unhex(strings.TrimPrefix(row[1], "="))
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		if !slices.Contains(mysqlOwn, user) {
			accounts = append(accounts, account{user, host, row[2] == "Y"})
		}
	}
	return accounts, nil
}

// askOf asks for the statements that make the accounts and give them their rights. An account that the server has a row for but does not
// know (a host's name, where it looks no names up) is of no use there, and left out.
func (s mysql) askOf(ctx context.Context, m *Maker, database *backup.Database, accounts []account) ([][]string, error) {
	accounts = slices.Clone(accounts)
	for {
		lines := make([]string, len(accounts)) // one each: the client names the line of an error
		for i, a := range accounts {
			lines[i] = "SHOW GRANTS FOR " + a.String()
			if !a.role {
				lines[i] = "SHOW CREATE USER " + a.String() + "; " + lines[i]
			}
		}
		rows, err := s.ask(ctx, m, database, grantsMode+strings.Join(lines, ";\n"))
		i, unknown := unknownAccount(err)
		if !unknown || i >= len(accounts) {
			return rows, err
		}
		m.Log.Warn("an account that the server does not know is not in the dump", "account", accounts[i].String(), "hint", "DROP USER, if it is of no use")
		accounts = slices.Delete(accounts, i, i+1)
	}
}

// unknownAccount tells which line the client failed at, as there is no such account.
func unknownAccount(err error) (line int, unknown bool) {
	var exit *process.ExitError
	if !errors.As(err, &exit) || exit.Stopped {
		return 0, false
	}
	for _, text := range exit.Tail {
		found := mysqlAtLine.FindStringSubmatch(text)
		if found == nil || found[1] != "1133" && found[1] != "1141" {
			continue
		}
		if n, err := strconv.Atoi(found[2]); err == nil && n > 0 {
			return n - 1, true
		}
	}
	return 0, false
}
