package dump

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"borgcron/internal/backup"
	"borgcron/internal/process"
)

// pgTrouble are words of PostgreSQL's programs and servers (in English, see Maker.identity), what they mean and what helps. The first
// that matches counts.
var pgTrouble = []struct {
	words     *regexp.Regexp
	transient bool
	hint      string
}{
	{regexp.MustCompile("server version mismatch"), false, "name the dump program of the server's version with `program`"},
	{regexp.MustCompile("authentication failed|no password supplied|no pg_hba.conf entry"), false,
		"look at `user`, `password` and `run_as` of the database, and at the server's pg_hba.conf"},
	{regexp.MustCompile("extension .* is not available"), false, "install the package of this extension on the server"},
	{regexp.MustCompile("unsupported version .* in file header"), false, "a newer pg_dump made this: name one of its version, or a newer one, with `program`"},
	{regexp.MustCompile("unrecognized configuration parameter"), false, "the dump is of a newer server: restore it into one of its version, or a newer one"},
	{regexp.MustCompile("permission denied to create database"), false, "let the user create databases (ALTER ROLE ... CREATEDB), or restore as the server's own user by `run_as`"},
	{regexp.MustCompile("is being accessed by other users"), false, "end their sessions, and try again"},
	{regexp.MustCompile("permission denied for|must be owner of|must be superuser"), false,
		"give the user the right to read all: GRANT pg_read_all_data TO the user, or dump as the server's own user by `run_as`"},
	{regexp.MustCompile("pg_dump: error: could not .*No space left on device"), false, "make room there, or dump to another folder"},
	{regexp.MustCompile("No space left on device|disk full"), false, "the server has no space left: make room there"},
	{regexp.MustCompile("lock timeout"), true, "something holds a lock on a table for long"},
	{regexp.MustCompile("Connection refused|could not connect|timeout expired|No route to host|could not translate host name|starting up|shutting down|" +
		"in recovery mode|terminating connection|server closed the connection|connection to server was lost|could not receive data from server|" +
		"remaining connection slots|too many clients|connection to server .*No such file or directory"), true,
		"is the server running, and are `host` and `port` right? `host` may also name the folder of its socket"},
	{regexp.MustCompile(`role ".*" does not exist`), false, "correct `user`; when restoring: bring the roles back first, by the name globals"},
	{regexp.MustCompile("does not exist"), false, "was it dropped meanwhile? When dumping, correct `names`; when restoring, bring back first what it belongs to"},
}

// pgFailure makes a failure of how a program ended; nil stays nil.
func pgFailure(op string, err error) error {
	var known *backup.Failure
	var exit *process.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case !errors.As(err, &exit):
		return &backup.Failure{Op: op, Code: -1, Class: backup.Permanent, Message: backup.CleanLine(err.Error(), 500), Err: err}
	}
	failure := &backup.Failure{Op: op, Code: exit.Code, Class: backup.Permanent, Err: err}
	for _, line := range exit.Tail {
		failure.Tail = append(failure.Tail, backup.CleanLine(line, 500))
	}
	said := strings.Join(exit.Tail, "\n")
	failure.Message = backup.CleanLine(cmp.Or(pgWords(exit.Tail), exit.Error()), 500)
	if exit.Stopped {
		failure.Message = backup.CleanLine(fmt.Sprintf("%s was stopped: %v", exit.Program, exit.Cause), 500)
		return failure
	}
	if exit.Stalled {
		failure.Class, failure.Message = backup.Transient, exit.Error()
		return failure
	}
	for _, trouble := range pgTrouble {
		if !trouble.words.MatchString(said) {
			continue
		}
		failure.Hint = trouble.hint
		if trouble.transient {
			failure.Class = backup.Transient
		}
		break
	}
	return failure
}

// pgWords is the line that says most: the first with an error, else the last.
func pgWords(tail []string) string {
	for _, line := range tail {
		if strings.Contains(line, "error:") || strings.Contains(line, "ERROR:") || strings.Contains(line, "FATAL:") {
			return line
		}
	}
	if len(tail) == 0 {
		return ""
	}
	return tail[len(tail)-1]
}
