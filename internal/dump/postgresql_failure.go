package dump

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"borgcron/internal/backup"
	"borgcron/internal/process"
)

// pgTrouble are words of PostgreSQL's programs and servers (in English, see Maker.identity), what they mean and what helps.
var pgTrouble = []struct {
	words     []string
	transient bool
	hint      string
}{
	{[]string{"server version mismatch"}, false, "name the dump program of the server's version with `program`"},
	{[]string{"password authentication failed", "no password supplied", "Peer authentication failed", "Ident authentication failed", "no pg_hba.conf entry"}, false,
		"look at `user`, `password` and `run_as` of the database, and at the server's pg_hba.conf"},
	{[]string{"permission denied for", "must be owner of", "must be superuser"}, false,
		"give the user the right to read all: GRANT pg_read_all_data TO the user, or dump as the server's own user by `run_as`"},
	{[]string{"No space left on device", "disk full"}, false, "the server has no space left: make room there"},
	{[]string{"lock timeout", "canceling statement due to lock"}, true, "something holds a lock on a table for long"},
	{[]string{"Connection refused", "could not connect", "timeout expired", "No route to host", "could not translate host name", "starting up", "shutting down",
		"in recovery mode", "terminating connection", "server closed the connection", "connection to server was lost", "could not receive data from server",
		"remaining connection slots", "too many clients"}, true, "is the server running, and are `host` and `port` right?"},
	{[]string{"role", "does not exist"}, false, "correct `user`; when restoring: bring the roles back first, by the name globals"},
	{[]string{"does not exist"}, false, "was it dropped while it was dumped? Correct `names`"},
	{[]string{"No such file or directory", "connection to server"}, true, "is the server running, and is its socket there? `host` may name the socket's folder"},
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
		match := func(word string) bool { return strings.Contains(said, word) }
		all := trouble.words[len(trouble.words)-1] == "does not exist" && len(trouble.words) > 1 || trouble.words[0] == "No such file or directory"
		if all && !slices.ContainsFunc(trouble.words, func(w string) bool { return !match(w) }) || !all && slices.ContainsFunc(trouble.words, match) {
			failure.Hint = trouble.hint
			if trouble.transient {
				failure.Class = backup.Transient
			}
			break
		}
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
