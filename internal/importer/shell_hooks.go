package importer

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// databasesAndHooks makes what the file would have done before the backup a part of the job: dumps of databases, and hooks.
func (j *shellJob) databasesAndHooks() {
	for _, deed := range j.deeds {
		for _, read := range deed.reads {
			j.note(deed.statement.Pos(), ".", Left, "%s: the import opens no other file: put what stands there into this one, and import it again", quoteName(read))
		}
		for _, trap := range deed.traps {
			j.trap(deed, trap)
		}
		if !j.assignsOnly(deed.statement) {
			j.deed(deed)
		}
	}
	j.functions()
	j.fromOutside()
	if len(j.hooks) > 0 {
		j.node.set("hooks", sequence(j.hooks))
	}
}

// assignsOnly tells whether a statement sets variables and does nothing else, or declares a function.
func (j *shellJob) assignsOnly(statement *syntax.Stmt) bool {
	switch command := statement.Cmd.(type) {
	case *syntax.CallExpr:
		return len(command.Args) == 0 && len(statement.Redirs) == 0
	case *syntax.DeclClause, *syntax.FuncDecl:
		return true
	}
	return false
}

// deed turns what a statement would have done into a hook, or says why not.
func (j *shellJob) deed(deed *shellDeed) {
	statement := deed.statement
	key := firstWord(j.text(statement))
	for _, call := range deed.calls {
		if name := filepath.Base(call.args[0]); strings.HasPrefix(name, "databasedump") {
			j.databases(call, key, deed)
			return
		}
	}
	acts := j.acts(statement)
	if len(deed.calls)+len(deed.writes)+len(deed.looks) == 0 && !deed.exits {
		return
	}
	codes := j.exitCodes(statement)
	switch {
	case key == "cd" || key == "pushd" || key == "popd":
		j.note(statement.Pos(), key, Left, "neither borg nor the hooks begin in that folder: whole paths need none")
	case key == "umask" || key == "ulimit":
		j.note(statement.Pos(), key, Left, "it was for borg and for commands of the file alike: `borg_options: {create: [--umask=...]}` is for borg")
	case slices.ContainsFunc(codes, func(code string) bool { return code == "" || code == "0" }):
		j.note(statement.Pos(), key, Left, "it ends the old script without a word where a backup is not wanted: `conditions: {command: ...}` does, with exit code 0 for yes and 1 for no")
	case !acts && len(codes) == 0:
		j.note(statement.Pos(), key, Changed, "it decides by what the import neither runs nor opens: it was taken as failed, or not there")
	default:
		j.hook("before", j.text(statement), statement, deed, len(codes) > 0)
	}
}

// acts tells whether a statement may run programs or write files otherwise than to find out what to do.
func (j *shellJob) acts(node syntax.Node) (found bool) {
	asked := map[syntax.Node]bool{}
	syntax.Walk(node, func(node syntax.Node) bool {
		if found || node == nil || asked[node] {
			return false
		}
		switch node := node.(type) {
		case *syntax.CmdSubst:
			return false
		case *syntax.IfClause:
			markAll(asked, node.Cond)
		case *syntax.WhileClause:
			markAll(asked, node.Cond)
		case *syntax.BinaryCmd:
			if node.Op == syntax.AndStmt || node.Op == syntax.OrStmt {
				asked[node.X] = true
			}
		case *syntax.Redirect:
			writes := node.Op != syntax.RdrIn && node.Op != syntax.Hdoc && node.Op != syntax.DashHdoc && node.Op != syntax.WordHdoc && node.Op != syntax.DplOut && node.Op != syntax.DplIn
			found = found || writes && node.Word.Lit() != "/dev/null"
		case *syntax.CallExpr:
			if len(node.Args) > 0 {
				word, declared := node.Args[0].Lit(), j.function(node.Args[0].Lit())
				switch {
				case declared != nil:
					found = found || j.actsIn(declared)
				case word == "eval" || word == "exec" || word == "kill" || !interp.IsBuiltin(word):
					found = true
				}
			}
		}
		return !found
	})
	return found
}

// actsIn tells the same of a function. One that calls itself is not asked again.
func (j *shellJob) actsIn(declared *syntax.FuncDecl) bool {
	if j.asking[declared] {
		return false
	}
	if j.asking == nil {
		j.asking = map[*syntax.FuncDecl]bool{}
	}
	j.asking[declared] = true
	defer delete(j.asking, declared)
	return j.acts(declared.Body)
}

func markAll(marks map[syntax.Node]bool, statements []*syntax.Stmt) {
	for _, statement := range statements {
		marks[statement] = true
	}
}

// exitCodes are the codes with which a statement may end the script, "" for one that is not said.
func (j *shellJob) exitCodes(node syntax.Node) (codes []string) {
	walk := func(node syntax.Node) {
		syntax.Walk(node, func(node syntax.Node) bool {
			if call, is := node.(*syntax.CallExpr); is && len(call.Args) > 0 && call.Args[0].Lit() == "exit" {
				code := ""
				if len(call.Args) > 1 {
					code = j.text(call.Args[1])
				}
				codes = append(codes, code)
			}
			return true
		})
	}
	walk(node)
	for _, declared := range j.functionsOf(node) {
		walk(declared)
	}
	return codes
}

// hook adds a hook that runs a part of the file, with the variables and functions of the file that it uses. In the old scripts it
// mattered to nobody whether it failed, unless it ended the script.
func (j *shellJob) hook(when, text string, node syntax.Node, deed *shellDeed, fails bool) {
	key := firstWord(text)
	before, why := j.needs(node, deed)
	if why != "" {
		j.note(deed.statement.Pos(), key, Left, "%s", why)
		return
	}
	run := strings.Join(append(before, text), "\n")
	if name := j.secretValueIn(run); name != "" {
		j.note(deed.statement.Pos(), key, Left, "what %s holds stands in it, a secret, which is not copied into a hook: write the hook yourself", name)
		return
	}
	if !strings.Contains(run, "<<") {
		run = strings.ReplaceAll(run, "\t", "    ")
	}
	if _, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(run), ""); err != nil {
		run = "bash -c " + shellQuote(run)
	}
	hook := newMapping()
	hook.set("when", when)
	hook.set("run", run)
	if when == "before" && !fails {
		hook.set("on_error", "warn")
	}
	j.hooks = append(j.hooks, hook)
	message := "a hook `" + when + "` the backup"
	if len(before) > 0 {
		message += ", with what it uses of the file"
	}
	fate := Taken
	if when == "before" && mounts.MatchString(text) {
		fate, message = Changed, message+"; a run looks for its sources before its hooks, so what is mounted here to be backed up has to be mounted before the run"
	}
	j.note(deed.statement.Pos(), key, fate, "%s", message)
}

// mounts are commands that bring a file system into its place.
var mounts = regexp.MustCompile(`\b(mount|sshfs|zfs|btrfs|cryptsetup|guestmount|rclone)\b`)

// trap reads what the shell is told to do at its end.
func (j *shellJob) trap(deed *shellDeed, args []string) {
	for len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) < 2 || args[0] == "-" || args[0] == "" || strings.HasPrefix(args[0], "-") {
		j.note(deed.statement.Pos(), "trap", Taken, "borgcron goes its own way at a signal: it lets borg end well")
		return
	}
	if !slices.ContainsFunc(args[1:], func(signal string) bool { return signal == "EXIT" || signal == "0" }) {
		j.note(deed.statement.Pos(), "trap", Left, "borgcron goes its own way at a signal: hooks `after` run then, too")
		return
	}
	parsed, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(args[0]), "")
	if err != nil || marked(args[0]) {
		j.note(deed.statement.Pos(), "trap", Left, "a command that the import cannot read: write a hook `after`")
		return
	}
	j.hook("after", args[0], parsed, deed, false)
}

// The old script's own functions, which a configuration may replace.
var guiFunction = regexp.MustCompile(`^(gui[A-Z]\w*|zenityProxy)$`)

func (j *shellJob) function(name string) *syntax.FuncDecl {
	for _, statement := range j.file.Stmts {
		if declared, is := statement.Cmd.(*syntax.FuncDecl); is && name != "" && declared.Name != nil && declared.Name.Value == name {
			return declared
		}
	}
	return nil
}

// functionsOf are the functions of the file that a part of it may call, and those that these call.
func (j *shellJob) functionsOf(node syntax.Node) (all []*syntax.FuncDecl) {
	open := []syntax.Node{node}
	for len(open) > 0 {
		node, open = open[0], open[1:]
		syntax.Walk(node, func(node syntax.Node) bool {
			if call, is := node.(*syntax.CallExpr); is && len(call.Args) > 0 {
				if declared := j.function(call.Args[0].Lit()); declared != nil && !slices.Contains(all, declared) {
					all = append(all, declared)
					open = append(open, declared)
				}
			}
			return true
		})
	}
	return all
}

func (j *shellJob) callsFunction(node syntax.Node) bool { return len(j.functionsOf(node)) > 0 }

// pipes tells whether a statement is more than one command.
func (j *shellJob) pipes(statement *syntax.Stmt) bool {
	_, simple := statement.Cmd.(*syntax.CallExpr)
	return !simple
}

// functions says what became of the functions.
func (j *shellJob) functions() {
	for _, statement := range j.file.Stmts {
		declared, is := statement.Cmd.(*syntax.FuncDecl)
		if !is || declared.Name == nil {
			continue
		}
		name := declared.Name.Value
		if guiFunction.MatchString(name) {
			j.note(statement.Pos(), name+"()", Left, "`notify` tells people: `{type: desktop}` on a screen, `{type: command, run: ...}` with a command of yours")
			continue
		}
		j.note(statement.Pos(), name+"()", Taken, "it goes with the hooks that call it")
	}
}
