package importer

import (
	"regexp"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// wideBraces are sequences such as {1..1000000}, of which a shell makes all their words at once.
var wideBraces = regexp.MustCompile(`\{[^{}]*\.\.[^{}]*\}`)

// mostExpansions is how often one statement may name a variable: each may stand for all that the variables hold.
const mostExpansions = 200

// refusable tells why a statement is not evaluated; "" if it is.
func refusable(statement *syntax.Stmt) (why string) {
	expansions := 0
	syntax.Walk(statement, func(node syntax.Node) bool {
		switch node := node.(type) {
		case *syntax.ProcSubst:
			why = "it wants a pipe in the file system (process substitution), and was not evaluated"
		case *syntax.CoprocClause:
			why = "it wants a program beside it (coproc), and was not evaluated"
		case *syntax.Lit:
			if wideBraces.MatchString(node.Value) {
				why = "a sequence in braces, which sh does not know: it was not evaluated"
			}
		case *syntax.ParamExp:
			if expansions++; expansions > mostExpansions {
				why = "it is too long to be evaluated"
			}
			if node.Repl != nil && node.Repl.All {
				why = "a replacement of all places in a text, which sh does not know: it was not evaluated"
			}
		}
		return why == ""
	})
	return why
}

// guard puts a colon before each statement of every list in a statement: so the evaluation is asked again before each, however a loop
// is written, and can end it. Nothing is evaluated in the background.
func guard(statement *syntax.Stmt) {
	syntax.Walk(statement, func(node syntax.Node) bool {
		switch node := node.(type) {
		case *syntax.Stmt:
			node.Background = false
		case *syntax.Block:
			node.Stmts = guarded(node.Stmts)
		case *syntax.Subshell:
			node.Stmts = guarded(node.Stmts)
		case *syntax.IfClause:
			node.Cond, node.Then = guarded(node.Cond), guarded(node.Then)
		case *syntax.WhileClause:
			node.Cond, node.Do = guarded(node.Cond), guarded(node.Do)
		case *syntax.ForClause:
			node.Do = guarded(node.Do)
		case *syntax.CaseItem:
			node.Stmts = guarded(node.Stmts)
		}
		return true
	})
}

// guarded puts the colons into one list.
func guarded(statements []*syntax.Stmt) []*syntax.Stmt {
	var all []*syntax.Stmt
	for _, statement := range statements {
		colon := &syntax.Stmt{Position: statement.Pos(), Cmd: &syntax.CallExpr{Args: []*syntax.Word{{Parts: []syntax.WordPart{
			&syntax.Lit{ValuePos: statement.Pos(), ValueEnd: statement.Pos(), Value: ":"},
		}}}}}
		all = append(all, colon, statement)
	}
	return all
}

// assigned are the names of all variables that a part of a script may set.
func assigned(node syntax.Node) map[string]syntax.Pos {
	names := map[string]syntax.Pos{}
	syntax.Walk(node, func(node syntax.Node) bool {
		switch node := node.(type) {
		case *syntax.Assign:
			if node.Name != nil && !node.Naked {
				names[node.Name.Value] = node.Pos()
			}
		case *syntax.WordIter:
			names[node.Name.Value] = node.Pos()
		case *syntax.CallExpr:
			if len(node.Args) > 1 && (node.Args[0].Lit() == "read" || node.Args[0].Lit() == "getopts") {
				for _, arg := range node.Args[1:] {
					if name := arg.Lit(); syntax.ValidName(name) {
						names[name] = arg.Pos()
					}
				}
			}
		case *syntax.ParamExp:
			if node.Exp != nil && node.Param != nil && strings.HasSuffix(node.Exp.Op.String(), "=") {
				names[node.Param.Value] = node.Pos()
			}
		}
		return true
	})
	return names
}
