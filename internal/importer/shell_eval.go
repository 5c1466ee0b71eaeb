package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// What a configuration may cost: a hostile one ends, and takes no memory to speak of.
const (
	mostCalls     = 2000            // commands and turns of loops, in one statement
	mostVariables = 64 << 10        // bytes in all variables
	evaluation    = 5 * time.Second // of a whole file, beside the above
)

// A shellScript is what a shell configuration says, as far as that can be known without running a program or opening a file.
type shellScript struct {
	file      *syntax.File
	source    string
	variables map[string]expand.Variable
	deeds     []*shellDeed
	calls     []shellCall // by number: what their output would have been is marked in the values of variables
	notes     []Note      // on what was not evaluated
	path      string
}

// A shellCall is a command that would have run.
type shellCall struct {
	args []string
	pos  syntax.Pos
}

// A shellDeed is a statement that would have done something outside the shell.
type shellDeed struct {
	statement *syntax.Stmt
	calls     []shellCall // in its order, without those whose output it only reads
	writes    []string    // files
	looks     []string    // files that it wanted to know of
	reads     []string    // other scripts
	traps     [][]string
	exits     bool
	variables map[string]expand.Variable // as they were before it
}

// The output of a command that was not run is its number between these.
const markOpen, markClose = "\x02", "\x03"

// marked tells whether a value depends on the output of a command.
func marked(value string) bool { return strings.ContainsAny(value, markOpen+markClose) }

// evaluator runs a script of which nothing gets out.
type evaluator struct {
	*shellScript
	o      Options
	runner *interp.Runner

	mu    sync.Mutex // a script may have parts in the background
	steps int
	deed  *shellDeed
}

var errTooLong = errors.New("does not come to an end soon enough, or makes too much of a text")

// evaluateShell reads a configuration of the old scripts', and everything that stands in it: loops, conditions, functions.
func evaluateShell(path string, source []byte, o Options) (*shellScript, error) {
	source = bytes.ReplaceAll(source, []byte("\r\n"), []byte("\n"))
	for i, b := range source {
		if b < ' ' && b != '\n' && b != '\t' || b == 0x7f {
			return nil, fmt.Errorf("%s:%d: a control character: this is no shell configuration", path, 1+bytes.Count(source[:i], []byte("\n")))
		}
	}
	// POSIX alone would not do: that parser does not know `export X=1` for an assignment.
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(bytes.NewReader(source), path)
	if err != nil {
		return nil, fmt.Errorf("%w: the import knows shell configurations, and borgmatic's as *.yaml", err)
	}
	e := &evaluator{shellScript: &shellScript{file: file, source: string(source), path: path}, o: o}
	if err := e.start(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), evaluation)
	defer cancel()
	for _, statement := range file.Stmts {
		if !e.statement(ctx, statement) {
			break
		}
	}
	return e.shellScript, nil
}

// oldDefaults are what the old script sets before it reads its configuration.
var oldDefaults = []string{
	"BORG_BIN=borg", "LAST_BACKUP_DIR=/var/log/borg/last", "RUN_PID_DIR=/var/run/borg", "COMPRESSION=lz4", "ADD_BACKUP_PARAMS=",
	"SLEEP_TIME=5m", "RETRY_NUM=3", "PRUNE_PREFIX=null", "BATTERY_PATH=/sys/class/power_supply/BAT1",
}

func (e *evaluator) start() error {
	prelude := strings.Join(oldDefaults, "\n") + "\nHOSTNAME=" + shellQuote(e.o.FQDN) + "\nIFS=$' \\t\\n'\n"
	file, err := syntax.NewParser().Parse(strings.NewReader(prelude), "")
	if err != nil {
		return err
	}
	e.runner, err = interp.New(
		interp.Env(expand.ListEnviron("HOME="+e.o.Home, "USER="+e.o.User, "LOGNAME="+e.o.User, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")),
		interp.Dir("/"), interp.StdIO(nil, io.Discard, io.Discard),
		interp.CallHandler(e.call), interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return e.exec }),
		interp.OpenHandler(e.open), interp.ReadDirHandler2(e.readDir), interp.StatHandler(e.stat), interp.AccessHandler(e.access),
	)
	if err != nil {
		return err
	}
	e.deed = &shellDeed{}
	if err := e.runner.Run(context.Background(), file); err != nil {
		return err
	}
	e.variables = e.snapshot()
	return nil
}

func (e *evaluator) snapshot() map[string]expand.Variable {
	variables := make(map[string]expand.Variable, len(e.runner.Vars))
	for name, variable := range e.runner.Vars {
		variables[name] = variable
	}
	return variables
}

// forgetLarge unsets what a statement made too much of, so that the evaluation can go on.
func (e *evaluator) forgetLarge() {
	for name, variable := range e.runner.Vars {
		if len(variable.Str) > mostVariables/4 {
			file, err := syntax.NewParser().Parse(strings.NewReader("unset "+name), "")
			if err == nil {
				_ = e.runner.Run(context.Background(), file) // of no program
			}
			delete(e.runner.Vars, name)
		}
	}
}

// statement evaluates one statement. What it would have done is kept as a deed. It returns false if the old script would have gone
// back from its configuration there.
func (e *evaluator) statement(ctx context.Context, statement *syntax.Stmt) bool {
	if why := refusable(statement); why != "" {
		e.note(statement.Pos(), firstWord(e.text(statement)), Left, "%s", why)
		return true
	}
	if call, plain := statement.Cmd.(*syntax.CallExpr); plain && len(call.Args) > 0 {
		switch word := call.Args[0].Lit(); word {
		case "return", "exit":
			e.note(statement.Pos(), word, Changed, "what stands behind it was not read, as the old script did not read it either")
			return false
		}
	}
	deed := &shellDeed{statement: statement, variables: e.snapshot()}
	e.deed, e.steps = deed, 0
	guard(statement)
	err := e.runner.Run(ctx, statement)
	deed.exits = e.runner.Exited()
	var status interp.ExitStatus
	if err != nil && !errors.As(err, &status) {
		if ctx.Err() != nil {
			err = errTooLong
		}
		e.note(statement.Pos(), firstWord(e.text(statement)), Left, "it was not evaluated: %v", err)
		deed.exits = false
		e.forgetLarge()
	}
	e.variables = e.snapshot()
	if len(deed.calls)+len(deed.writes)+len(deed.looks)+len(deed.reads)+len(deed.traps) > 0 || deed.exits {
		e.deeds = append(e.deeds, deed)
	}
	return true
}

func (s *shellScript) note(pos syntax.Pos, key string, fate Fate, format string, args ...any) {
	s.notes = append(s.notes, Note{File: s.path, Line: int(pos.Line()), Key: key, Fate: fate, Message: fmt.Sprintf(format, args...)})
}

// text is how a part of the script stands in it.
func (s *shellScript) text(node syntax.Node) string {
	return strings.TrimRight(s.source[node.Pos().Offset():node.End().Offset()], " \t\n;")
}

// firstWord is a name for a command.
func firstWord(text string) string {
	word, _, _ := strings.Cut(strings.TrimLeft(text, " \t({!"), "\n")
	if fields := strings.Fields(word); len(fields) > 0 {
		if name, _, assigns := strings.Cut(fields[0], "="); assigns && syntax.ValidName(name) {
			return name
		}
		return quoteName(fields[0])
	}
	return "a command"
}
