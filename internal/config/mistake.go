package config

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"borgcron/internal/backup"

	"github.com/agnivade/levenshtein"
)

// Place is a place in a configuration file. Line and Column count from 1, 0 is unknown; Source is the line
// itself, without secrets.
type Place struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Source string `json:"-"`
}

// String returns file:line, or the file alone.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Part is a part of the configuration that a mistake can spoil.
type Part int

// The parts: what is wrong in Whole stops everything, in the others only what uses them.
const (
	Whole        Part = iota
	InFile            // an included file that was not read: its jobs are not known
	InJob             // the jobs named
	InRepository      // the jobs that use it
	InChannel         // the channel is left out
	InMetrics         // the metrics are left out
)

// Scope is what a mistake spoils.
type Scope struct {
	Part  Part
	Names []string // of the jobs, the repository, the channel
}

// Mistake is something wrong in the configuration, or doubtful.
type Mistake struct {
	Place
	Message    string `json:"message"`
	Suggestion string `json:"suggestion"` // the nearest valid word, "" if there is none
	Scope      Scope  `json:"-"`
}

// Print writes the mistake for people: where, the kind ("error: "), what, the line with a mark under the
// column, and the nearest valid word.
func (m Mistake) Print(w io.Writer, kind string) error {
	var text strings.Builder
	text.WriteString(backup.Clean(m.File))
	if m.Line > 0 {
		fmt.Fprintf(&text, ":%d:%d", m.Line, m.Column)
	}
	fmt.Fprintf(&text, ": %s%s\n", kind, backup.Clean(m.Message))
	if m.Source != "" {
		source, mark := window(m.Source, m.Column)
		fmt.Fprintf(&text, "    %s\n    %s^\n", source, strings.Repeat(" ", mark))
	}
	if m.Suggestion != "" {
		fmt.Fprintf(&text, "    did you mean %q?\n", m.Suggestion)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// window returns the part of a line around a column that fits on a terminal, each unprintable character
// replaced by one that is printable, and how many characters of it stand before the column.
func window(source string, column int) (string, int) {
	const width, before = 120, 60
	runes := []rune(strings.ToValidUTF8(source, "?"))
	for i, r := range runes {
		if r == '\t' {
			runes[i] = ' '
		} else if !unicode.IsPrint(r) {
			runes[i] = '?'
		}
	}
	mark := min(max(column-1, 0), len(runes))
	if len(runes) > width {
		from := max(0, min(mark-before, len(runes)-width))
		return string(runes[from : from+width]), mark - from
	}
	return string(runes), mark
}

// nearest returns the word that was probably meant, "" if none is near.
func nearest(word string, words []string) string {
	length := utf8.RuneCountInString(word)
	best, distance := "", min(max(2, length/3)+1, length) // two letters that changed places are two steps
	for _, candidate := range words {
		if strings.EqualFold(candidate, word) {
			return candidate
		}
		if d := levenshtein.ComputeDistance(word, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	return best
}

// quoted finds what quote wrote.
var quoted = regexp.MustCompile(`(, not )?"(?:[^"\\]|\\.)*"`)

// brief is the message without anything that the configuration holds, for records that everybody can read.
func (m Mistake) brief() string {
	text := quoted.ReplaceAllStringFunc(m.Message, func(found string) string {
		if strings.HasPrefix(found, ", not ") {
			return ""
		}
		return "…"
	})
	if m.Suggestion != "" {
		text += fmt.Sprintf(" (did you mean %s?)", m.Suggestion)
	}
	return text
}

// quote shows a value from a file in a message: short, and free of control characters.
func quote(value string) string { return fmt.Sprintf("%q", backup.CleanLine(value, 60)) }

// secretKey finds values of keys whose names tell that they are secret, also where the file does not parse.
var secretKey = regexp.MustCompile(`(?i)((?:pass|pwd|secret|token|authorization)[^\s:]*["']?\s*:\s*)(\S.*)$`)

// secretMap finds that such a value only tells where the secret is.
var secretMap = regexp.MustCompile(`^\{\s*(?:file|command|credential|env)\s*:`)

// urlSecret finds a user with a password in an address.
var urlSecret = regexp.MustCompile(`://[^/@\s"']*:[^/@\s"']*@`)

// maskLine replaces what may be a secret in a line by stars.
func maskLine(line string) string {
	line = urlSecret.ReplaceAllString(line, "://***@")
	parts := secretKey.FindStringSubmatchIndex(line)
	if parts == nil || secretMap.MatchString(line[parts[4]:]) || strings.HasPrefix(line[parts[4]:], "#") {
		return line
	}
	return line[:parts[4]] + "***"
}
