package cli

import (
	"regexp"
	"strings"
)

var (
	roffFont  = regexp.MustCompile(`\\f[BIPRC]`)
	roffPlain = strings.NewReplacer(`\-`, "-", `\&`, "", `\\`, `\`, `\[la]`, "<", `\[ra]`, ">", `\~`, " ")
)

// plainPage makes readable text of one of our manual pages, for a terminal of a machine without man(1). It knows the
// macros that our pages use.
func plainPage(roff string) string {
	var text strings.Builder
	verbatim, blank := false, true
	say := func(line string) {
		if line == "" && blank {
			return // one empty line is enough
		}
		text.WriteString(line + "\n")
		blank = line == ""
	}
	for line := range strings.Lines(roff) {
		line = strings.TrimRight(line, "\n")
		macro, rest, _ := strings.Cut(line, " ")
		switch {
		case macro == ".EX":
			verbatim = true
			say("")
		case macro == ".EE":
			verbatim = false
			say("")
		case macro == ".SH" || macro == ".SS":
			say("")
			say(plainLine(rest))
		case macro == ".IP" || macro == ".PP" || macro == ".TP":
			say("")
		case strings.HasPrefix(line, ".") || strings.HasPrefix(line, `'\"`):
			// how it is laid out
		case verbatim:
			say("      " + plainLine(line))
		case line != "":
			say("  " + plainLine(line))
		}
	}
	return text.String()
}

func plainLine(line string) string { return roffPlain.Replace(roffFont.ReplaceAllString(line, "")) }
