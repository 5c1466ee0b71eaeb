package dump

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"borgcron/internal/backup"
	"borgcron/internal/process"
)

var (
	errCut  = errors.New("the dump has no end: the program left without an error, but did not write its last line")
	errGone = errors.New("the database is not there any more")
)

// mysqlNumber finds the number of an error in what the programs say: `ERROR 1045 (28000): ...`, `Got error: 1045: "..."`, `Error 2013: ...`,
// `Couldn't execute '...': ... (1146)`.
var mysqlNumber = regexp.MustCompile(`(?:ERROR |Got error: |[Ee]rror:? )(\d{4,5})\b|\((\d{4,5})\)\s*$`)

// mysqlAtLine finds the number of an error and the line of the client's input.
var mysqlAtLine = regexp.MustCompile(`^ERROR (\d+) \([0-9A-Z]+\) at line (\d+)`)

// mysqlUser and mysqlRight find who may not do what in the messages of the server.
var (
	mysqlUser  = regexp.MustCompile(`(?:for|to) user ('[^']*'@'[^']*')`)
	mysqlRight = regexp.MustCompile(`at least one of\) the (.+?) privilege`)
)

// Numbers of errors that mean the same to us, from the lists of both servers.
var (
	mysqlUnreachable = []string{"1040", "1053", "1077", "1158", "1159", "1160", "1161", "1203", "1226", "1927", "2002", "2003", "2004", "2005", "2006", "2012", "2013", "2055"}
	mysqlPassing     = []string{"1146", "1205", "1213", "1317", "1412", "1969", "3024"}
	mysqlLogin       = []string{"1045", "1698"}
	mysqlForbidden   = []string{"1044", "1142", "1143", "1227", "1370", "1410"}
	mysqlMismatch    = []string{"1064", "1109", "1115", "1193", "1235", "1251", "1273", "1286", "1478", "1911", "2007", "2059", "2061", "3554"}
	mysqlBrokenView  = []string{"1356", "1449"}
	mysqlFull        = []string{"1021", "1030", "1114", "1041"}
)

// mysqlCall is what was attempted, for the failure of it.
type mysqlCall struct {
	op       string
	database *backup.Database
	name     string // "" if it was about the server as a whole
}

// failure says what is wrong and what to do. What ended the call stays in the chain of it.
func (c mysqlCall) failure(err error) error {
	if err == nil {
		return nil
	}
	var failure *backup.Failure
	if errors.As(err, &failure) {
		copied := *failure
		copied.Op, copied.Err = c.op, err
		return &copied
	}
	failure = &backup.Failure{Op: c.op, Code: -1, Class: backup.Permanent, Message: backup.CleanLine(err.Error(), 500), Err: err}
	var exit *process.ExitError
	switch {
	case errors.Is(err, errGone):
		failure.Hint = "was it dropped meanwhile? else correct `names`"
	case errors.Is(err, errCut):
		failure.Hint = "try the program by hand; name another with `program`"
	case errors.As(err, &exit):
		c.explain(failure, exit)
	}
	return failure
}

func (c mysqlCall) explain(f *backup.Failure, exit *process.ExitError) {
	f.Code, f.Tail = exit.Code, withoutStatement(exit.Tail)
	line, number := telling(f.Tail)
	switch {
	case exit.Stopped:
		f.Message = backup.CleanLine(exit.Program+" was stopped: "+exit.Cause.Error(), 500)
		return
	case exit.Stalled:
		f.Class, f.Hint = backup.Transient, "does the server hang, or is a table locked? SHOW PROCESSLIST tells"
		return
	case exit.Signal != nil || line == "":
		return
	}
	f.ID = number
	f.Message = cmp.Or(backup.CleanLine(line, 500), f.Message)
	if number == "" {
		f.Class, f.Hint = c.unnumbered(line)
	} else {
		f.Class, f.Hint = c.meaning(number, line)
	}
	f.Hint = backup.CleanLine(f.Hint, 500) // it may repeat what the program said
}

// withoutStatement leaves out the statement that failed, between two lines of hyphens: there is data in it.
func withoutStatement(tail []string) []string {
	for i, line := range slices.Backward(tail) {
		if line == "--------------" {
			return tail[i+1:]
		}
	}
	return tail
}

// telling is the line that says what is wrong, the last with the number of an error if there is one, and that number.
func telling(tail []string) (line, number string) {
	for _, text := range slices.Backward(tail) {
		text = strings.TrimSpace(text)
		if found := mysqlNumber.FindStringSubmatch(text); found != nil {
			return text, cmp.Or(found[1], found[2])
		}
		warning := strings.HasPrefix(strings.ToLower(text), "warning") || strings.Contains(text, "[Warning]")
		if line == "" && !warning {
			line = text
		}
	}
	return line, ""
}

// meaning is what an error of the server is to us.
func (c mysqlCall) meaning(number, line string) (backup.Class, string) {
	in := func(numbers []string) bool { return slices.Contains(numbers, number) }
	switch {
	case number == "2013" && strings.Contains(line, "when dumping table"):
		return backup.Transient, "did the server end? else raise its net_write_timeout: it waits no longer for what reads the dump"
	case in(mysqlUnreachable):
		return backup.Transient, "does the server run, and are host, port and socket right?"
	case number == "1049":
		return backup.Permanent, "was the database dropped meanwhile? else correct `names`"
	case c.op == "dump" && in(mysqlPassing):
		return backup.Transient, "was a table altered or dropped meanwhile? then the next try works"
	case number == "1146":
		return backup.Permanent, "restore the databases first, then the grants on them"
	case in(mysqlForbidden), in(mysqlLogin) && c.op != "dump" && mysqlAtLine.MatchString(line):
		return backup.Permanent, "let an administrator run: " + c.grant(line)
	case in(mysqlLogin):
		return backup.Permanent, "correct `user` and `password`; an account without a password may need `run_as`"
	case number == "1130":
		return backup.Permanent, "the server lets nobody in from this machine: create the user for this host"
	case in(mysqlMismatch):
		return backup.Permanent, c.mismatch()
	case number == "2026":
		return backup.Permanent, "TLS to the server fails: put the program's options for it into `options`, e.g. --ssl-ca=FILE"
	case in(mysqlBrokenView):
		return backup.Permanent, "repair or drop the view or routine, or leave it out with `options: [--ignore-table=DATABASE.VIEW]`"
	case number == "1153", number == "2020":
		return backup.Permanent, "raise max_allowed_packet of the server (a row is too long for it), at least for the restore"
	case in(mysqlFull):
		return backup.Permanent, "is the server's disk full, or its memory short? its log says more"
	case number == "1290", number == "1792", number == "1836":
		return backup.Permanent, "the server is read-only: restore to the one that it follows"
	}
	return backup.Permanent, ""
}

func (c mysqlCall) mismatch() string {
	if c.op == "dump" {
		return "the program and the server do not fit: name the dump program of the server's own version with `program`"
	}
	return "the server or its client does not understand the dump: is it older than, or of another kind than, the one that was dumped? name its own program with `program`"
}

// unnumbered is what a program says itself.
func (c mysqlCall) unnumbered(line string) (backup.Class, string) {
	lower := strings.ToLower(line)
	has := func(texts ...string) bool {
		return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(lower, text) })
	}
	switch {
	case has("no such container", "no container with name", "is not running", "container state improper", "cannot connect to the docker daemon"):
		return backup.Transient, "start the container, or correct `container`"
	case has("executable file not found", "not found in $path"):
		return backup.Permanent, "name the program of the container's image with `program`"
	case has("insuffic", "access denied"): // as the programs spell it
		return backup.Permanent, "let an administrator run: " + c.grant(line)
	case has("unknown option", "unknown variable", "plugin", "column_statistics", "unknown collation"):
		return backup.Permanent, c.mismatch()
	}
	return backup.Permanent, ""
}

// grant is the statement by which the server's administrator gives the right that is missing.
func (c mysqlCall) grant(line string) string {
	who := "the user"
	if found := mysqlUser.FindStringSubmatch(line); found != nil {
		who = found[1]
	}
	on := "*.*"
	if c.name != "" {
		on = backup.CleanLine(quoteName(c.name), 100) + ".*"
	}
	global := mysqlRight.FindStringSubmatch(line)
	switch {
	case strings.Contains(line, "insuffic"):
		return "GRANT SELECT ON mysql.proc TO the user (MariaDB before 11.3), else GRANT SHOW CREATE ROUTINE (MariaDB) or SHOW_ROUTINE (MySQL) ON *.* TO it"
	case global != nil:
		return fmt.Sprintf("GRANT %s ON *.* TO %s", firstRight(global[1]), who)
	case c.op != "dump":
		return fmt.Sprintf("GRANT ALL PRIVILEGES ON %s TO %s", on, who)
	case c.name == "":
		return "GRANT SELECT ON mysql.* TO " + who
	}
	return fmt.Sprintf("GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON %s TO %s", on, who)
}

// firstRight is one of several rights of which any will do: the least.
func firstRight(rights string) string {
	names := strings.Split(rights, ",")
	for _, name := range names {
		if name = strings.TrimSpace(name); name != "SUPER" {
			return name
		}
	}
	return names[0]
}
