package importer

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

var secretName = regexp.MustCompile(`(?i)(pass(word|phrase|wd)?|_pwd|secret|token|key)$`)

// needs are the statements that a part of the file cannot do without: those that set its variables, and its functions. It returns why
// they cannot be had, or "".
func (j *shellJob) needs(node syntax.Node, deed *shellDeed) (texts []string, why string) {
	wanted := map[*syntax.Stmt]bool{}
	values := map[string]string{}
	open, seen := []syntax.Node{node}, map[string]bool{}
	for len(open) > 0 && why == "" {
		node, open = open[0], open[1:]
		if name := secretIn(node); name != "" {
			return nil, "it comes with " + name + ", a secret, which is not copied into a hook: write the hook yourself"
		}
		for _, declared := range j.functionsOf(node) {
			for _, statement := range j.file.Stmts {
				if statement.Cmd == declared && !wanted[statement] {
					wanted[statement] = true
					open = append(open, statement)
				}
			}
		}
		for _, name := range usedVariables(node) {
			if _, set := j.set[name]; !set || seen[name] {
				continue
			}
			seen[name] = true
			found := j.settersOf(name, deed)
			if found == nil {
				if variable, known := deed.variables[name]; known && !slices.Contains(oldNames(), name) {
					values[name] = variable.String()
					if marked(values[name]) || secretName.MatchString(name) {
						why = "it uses $" + name + ", which the import cannot put into a hook: write the hook yourself"
					}
				}
			}
			for _, statement := range found {
				wanted[statement] = true
				open = append(open, statement)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		texts = append(texts, name+"="+shellQuote(values[name]))
	}
	for _, statement := range j.file.Stmts {
		if wanted[statement] {
			texts = append(texts, j.text(statement))
		}
	}
	return texts, why
}

// secretIn is the name of a variable that a part of a script gives a secret as it stands there; "" if there is none. What a
// program prints, or another variable holds, is no secret yet.
func secretIn(node syntax.Node) (name string) {
	syntax.Walk(node, func(node syntax.Node) bool {
		assign, is := node.(*syntax.Assign)
		if !is || assign.Name == nil || assign.Value == nil || !secretName.MatchString(assign.Name.Value) {
			return true
		}
		syntax.Walk(assign.Value, func(part syntax.Node) bool {
			switch part := part.(type) {
			case *syntax.CmdSubst, *syntax.ParamExp:
				return false
			case *syntax.Lit:
				if part.Value != "" {
					name = assign.Name.Value
				}
			case *syntax.SglQuoted:
				if part.Value != "" {
					name = assign.Name.Value
				}
			}
			return true
		})
		return name == ""
	})
	return name
}

// secretValueIn is the name of a variable whose value is a secret and stands in a text, as the shell fills it in; "" if there is none.
func (j *shellJob) secretValueIn(text string) string {
	for _, name := range slices.Sorted(maps.Keys(j.variables)) {
		value := j.variables[name].String()
		if secretName.MatchString(name) && len(value) >= 4 && !marked(value) && strings.Contains(text, value) {
			return name
		}
	}
	return ""
}

// settersOf are the statements before a deed that do nothing but set a variable; nil if others set it as well.
func (j *shellJob) settersOf(name string, deed *shellDeed) (found []*syntax.Stmt) {
	for _, statement := range j.file.Stmts {
		if !deed.statement.Pos().After(statement.Pos()) {
			break
		}
		_, sets := assigned(statement)[name]
		_, declares := statement.Cmd.(*syntax.FuncDecl)
		if !sets || declares {
			continue
		}
		if !j.assignsOnly(statement) {
			return nil
		}
		found = append(found, statement)
	}
	return found
}

// oldNames are the variables that the old script had before it read the file.
func oldNames() (names []string) {
	for _, assignment := range oldDefaults {
		name, _, _ := strings.Cut(assignment, "=")
		names = append(names, name)
	}
	return names
}

// usedVariables are the names of the variables that a part of a script asks for.
func usedVariables(node syntax.Node) (names []string) {
	syntax.Walk(node, func(node syntax.Node) bool {
		if expansion, is := node.(*syntax.ParamExp); is && expansion.Param != nil && syntax.ValidName(expansion.Param.Value) {
			names = append(names, expansion.Param.Value)
		}
		return true
	})
	return names
}

// fromOutside names the variables that the file asks for and does not set: only the environment of the old script knew them.
func (j *shellJob) fromOutside() {
	known := append(oldNames(), "HOME", "USER", "LOGNAME", "PATH", "HOSTNAME", "IFS", "PWD", "OLDPWD", "UID", "EUID", "PPID", "RANDOM", "SECONDS", "LINENO", "OPTARG", "OPTIND", "REPLY", "SHELL", "LANG", "DISPLAY")
	said := map[string]bool{}
	syntax.Walk(j.file, func(node syntax.Node) bool {
		expansion, is := node.(*syntax.ParamExp)
		if !is || expansion.Param == nil || expansion.Exp != nil {
			return true
		}
		name := expansion.Param.Value
		if _, set := j.set[name]; set || said[name] || !syntax.ValidName(name) || slices.Contains(known, name) || strings.HasPrefix(name, "BORGCRON_") {
			return true
		}
		said[name] = true
		j.note(expansion.Pos(), "$"+name, Changed, "the file does not set it, and it was taken as empty")
		return true
	})
}
