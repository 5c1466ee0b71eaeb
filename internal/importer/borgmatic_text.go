package importer

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// borgmatic's own two ways to put values into texts: ${NAME} of the environment, and {name} of `constants`.
var (
	variablePattern = regexp.MustCompile(`(\\)?\$\{([A-Za-z0-9_]+)(?::?-([^}]+))?\}`)
	constantPattern = regexp.MustCompile(`(\\)?\{(\w+)(\\)?\}`)
	variableName    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// expandable turns a text into one that borgcron expands to the same. ${NAME-x} has no equal beside ${NAME:-x}, which also stands
// for an empty variable.
func expandable(text string) string {
	var out strings.Builder
	literal := func(part string) { out.WriteString(strings.ReplaceAll(part, "${", "$${")) }
	at := 0
	for _, found := range variablePattern.FindAllStringSubmatchIndex(text, -1) {
		literal(text[at:found[0]])
		at = found[1]
		name := text[found[4]:found[5]]
		switch {
		case found[2] >= 0:
			literal(text[found[3]:found[1]])
		case !variableName.MatchString(name):
			literal(text[found[0]:found[1]])
		case found[6] >= 0:
			out.WriteString("${" + name + ":-" + text[found[6]:found[7]] + "}")
		default:
			out.WriteString("${" + name + "}")
		}
	}
	literal(text[at:])
	return out.String()
}

// hasVariable tells whether a text depends on the environment.
func hasVariable(text string) bool {
	for _, found := range variablePattern.FindAllStringSubmatch(text, -1) {
		if found[1] == "" {
			return true
		}
	}
	return false
}

// plain turns a text without variables into what borgmatic takes it for.
func plain(text string) string {
	return variablePattern.ReplaceAllStringFunc(text, func(found string) string { return strings.TrimPrefix(found, `\`) })
}

// shellQuote makes one word for the shell of a text.
func shellQuote(text string) string {
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_", r)
	}) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'"'"'`) + "'"
}

// fillConstants puts the constants into all texts.
func fillConstants(root, constants *setting) error {
	if constants == nil || constants.kind != yaml.MappingNode {
		return nil
	}
	values := map[string]string{}
	for i, name := range constants.names {
		if constants.items[i].kind == yaml.ScalarNode && !constants.items[i].null() {
			values[name] = constants.items[i].text
		}
	}
	return fillTexts(root, values, false)
}

func fillTexts(s *setting, values map[string]string, command bool) error {
	for i, item := range s.items {
		inside := command
		if s.kind == yaml.MappingNode {
			name := s.names[i]
			inside = command || strings.HasPrefix(name, "before_") || strings.HasPrefix(name, "after_") || name == "on_error" || name == "run"
		}
		if err := fillTexts(item, values, inside); err != nil {
			return err
		}
	}
	if s.kind != yaml.ScalarNode {
		return nil
	}
	filled := constantPattern.ReplaceAllStringFunc(s.text, func(found string) string {
		parts := constantPattern.FindStringSubmatch(found)
		value, known := values[parts[2]]
		switch {
		case parts[1] != "" && parts[3] != "" && command:
			return found
		case parts[1] != "" && parts[3] != "":
			return "{" + parts[2] + "}"
		case !known:
			return found
		case command:
			return shellQuote(value)
		}
		return value
	})
	if filled != s.text {
		// A value that is a constant alone has the constant's type, whatever that looks like.
		s.text, s.tag = filled, (&yaml.Node{Kind: yaml.ScalarNode, Value: filled}).ShortTag()
	}
	if len(s.text) > maxText {
		return s.at("has a text of more than %d bytes, once the constants are in", maxText)
	}
	return nil
}

// splitWords splits a text as borgmatic splits options: at spaces, with quotes and backslashes as in a shell. It tells whether the
// quotes are whole.
func splitWords(text string) ([]string, bool) {
	var words []string
	var word strings.Builder
	open, begun := rune(0), false
	escaped := false
	for _, r := range text {
		switch {
		case escaped:
			if open == '"' && r != '"' && r != '\\' {
				word.WriteByte('\\')
			}
			word.WriteRune(r)
			escaped = false
		case r == '\\' && open != '\'':
			escaped, begun = true, true
		case open != 0 && r == open:
			open = 0
		case open != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			open, begun = r, true
		case r == ' ' || r == '\t' || r == '\n' || r == '\r':
			if begun {
				words = append(words, word.String())
				word.Reset()
			}
			begun = false
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if begun {
		words = append(words, word.String())
	}
	return words, open == 0 && !escaped
}
