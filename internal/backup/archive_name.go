package backup

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Names are the values of an archive name's placeholders. The series of dumps has JOB.dumps as its Job.
type Names struct{ Hostname, FQDN, User, Job string }

const (
	plainTime = "%Y-%m-%dT%H:%M:%S" // what {now} and {utcnow} stand for
	nameHint  = "{hostname}, {fqdn}, {user}, {job}, {now}, {utcnow}, {now:FORMAT} or {utcnow:FORMAT}"
)

// checkpointName matches what borg takes for an archive that was not completed.
var checkpointName = regexp.MustCompile(`\.checkpoint(\.[0-9]+)?$`)

// namePart is a piece of an archive name's template: a literal, a name or a time.
type namePart struct {
	literal string
	name    func(Names) string
	format  string // of a time, as for strftime
	utc     bool
}

// CheckArchiveName tells what is wrong with an archive name's template, and at which character.
// Right is a template with exactly one time, of which borg can make an archive.
func CheckArchiveName(tmpl string) error {
	parts, err := parseArchiveName(tmpl)
	if err != nil {
		return err
	}
	times := 0
	for _, part := range parts {
		if part.format != "" {
			times++
		}
	}
	switch {
	case times == 0:
		return errors.New("an archive name without a time: every backup needs a name of its own, add {now}")
	case times > 1:
		return fmt.Errorf("an archive name with %d times: use one of {now} and {utcnow} only", times)
	}
	sample := ExpandArchiveName(tmpl, Names{Hostname: "h", FQDN: "h", User: "u", Job: "j"}, time.Unix(0, 0))
	if checkpointName.MatchString(sample) {
		return errors.New("an archive name that ends in .checkpoint: borg takes such archives for incomplete ones")
	}
	return nil
}

// ExpandArchiveName makes the archive's name of a template that CheckArchiveName finds right. {now} is t in
// the time zone that t carries.
func ExpandArchiveName(tmpl string, n Names, t time.Time) string {
	var name strings.Builder
	parts, _ := parseArchiveName(tmpl)
	for _, part := range parts {
		at := t
		if part.utc {
			at = t.UTC()
		}
		switch {
		case part.name != nil:
			name.WriteString(part.name(n))
		case part.format != "":
			eachField(part.format, func(letter byte, literal string) {
				name.WriteString(literal)
				if literal == "" {
					fmt.Fprintf(&name, "%0*d", fieldDigits(letter), fieldValue(letter, at))
				}
			})
		default:
			name.WriteString(part.literal)
		}
	}
	return name.String()
}

// MatchFor returns the pattern of all archives that the template makes: the digits of the time as [0-9],
// all else literal, so that the series of job `home` does not hold that of `home-work`.
func MatchFor(tmpl string, n Names) string {
	var pattern strings.Builder
	parts, _ := parseArchiveName(tmpl)
	for _, part := range parts {
		switch {
		case part.name != nil:
			pattern.WriteString(escapePattern(part.name(n)))
		case part.format != "":
			eachField(part.format, func(letter byte, literal string) {
				pattern.WriteString(escapePattern(literal))
				if literal == "" {
					pattern.WriteString(strings.Repeat("[0-9]", fieldDigits(letter)))
				}
			})
		default:
			pattern.WriteString(escapePattern(part.literal))
		}
	}
	return pattern.String()
}

func parseArchiveName(tmpl string) ([]namePart, error) {
	if err := checkLiteral(tmpl); err != nil {
		return nil, err
	}
	var parts []namePart
	for rest := tmpl; rest != ""; {
		if brace := strings.IndexAny(rest, "{}"); brace != 0 {
			if brace < 0 {
				brace = len(rest)
			}
			parts = append(parts, namePart{literal: rest[:brace]})
			rest = rest[brace:]
			continue
		}
		at := utf8.RuneCountInString(tmpl[:len(tmpl)-len(rest)]) + 1
		end := strings.IndexByte(rest, '}')
		if end <= 0 {
			return parts, fmt.Errorf("character %d: a brace without its counterpart; braces stand for %s only", at, nameHint)
		}
		part, err := parsePlaceholder(rest[1:end])
		if err != nil {
			return parts, fmt.Errorf("character %d: %w", at, err)
		}
		parts = append(parts, part)
		rest = rest[end+1:]
	}
	return parts, nil
}

// checkLiteral refuses the characters that no archive name can have.
func checkLiteral(tmpl string) error {
	if tmpl == "" {
		return errors.New("an empty archive name")
	}
	if !utf8.ValidString(tmpl) {
		return errors.New("an archive name that is not UTF-8")
	}
	at := 0
	for _, r := range tmpl {
		at++
		if r == '/' {
			return fmt.Errorf("character %d: a slash, which borg allows in no archive name", at)
		}
		if !unicode.IsPrint(r) {
			return fmt.Errorf("character %d: %q, which is not printable", at, r)
		}
	}
	return nil
}

func parsePlaceholder(text string) (namePart, error) {
	switch text {
	case "hostname":
		return namePart{name: func(n Names) string { return n.Hostname }}, nil
	case "fqdn":
		return namePart{name: func(n Names) string { return n.FQDN }}, nil
	case "user":
		return namePart{name: func(n Names) string { return n.User }}, nil
	case "job":
		return namePart{name: func(n Names) string { return n.Job }}, nil
	}
	clock, format, formatted := strings.Cut(text, ":")
	if clock != "now" && clock != "utcnow" {
		return namePart{}, fmt.Errorf("unknown placeholder {%s}: use %s", text, nameHint)
	}
	if !formatted {
		format = plainTime
	}
	return namePart{format: format, utc: clock == "utcnow"}, checkFormat(text, format)
}

func checkFormat(placeholder, format string) error {
	fields, unknown := 0, ""
	eachField(format, func(letter byte, literal string) {
		switch {
		case literal == "%":
			unknown = "%"
		case strings.ContainsRune(literal, '{'):
			unknown = "brace"
		case literal != "":
		case fieldDigits(letter) == 0:
			unknown = "%" + string(rune(letter))
		default:
			fields++
		}
	})
	if unknown != "" {
		return fmt.Errorf("{%s}: unknown %s in the time's format: it takes %%Y %%y %%m %%d %%H %%M %%S %%j %%G %%V %%u and literals", placeholder, unknown)
	}
	if fields == 0 {
		return fmt.Errorf("{%s}: a time's format without any part of a time, such as %%Y", placeholder)
	}
	return nil
}

// eachField calls visit for each piece of a time's format: either a field's letter or a literal. A percent
// sign at the very end has no letter: it comes as a literal.
func eachField(format string, visit func(letter byte, literal string)) {
	for format != "" {
		literal, rest, found := strings.Cut(format, "%")
		if literal != "" {
			visit(0, literal)
		}
		if !found {
			return
		}
		if rest == "" {
			visit(0, "%")
			return
		}
		visit(rest[0], "")
		format = rest[1:]
	}
}

// fieldDigits is how many digits a field of a time has, 0 if there is no such field.
func fieldDigits(letter byte) int {
	switch letter {
	case 'Y', 'G':
		return 4
	case 'j':
		return 3
	case 'y', 'm', 'd', 'H', 'M', 'S', 'V':
		return 2
	case 'u':
		return 1
	}
	return 0
}

func fieldValue(letter byte, t time.Time) int {
	isoYear, isoWeek := t.ISOWeek()
	switch letter {
	case 'Y':
		return t.Year()
	case 'y':
		return t.Year() % 100
	case 'm':
		return int(t.Month())
	case 'd':
		return t.Day()
	case 'H':
		return t.Hour()
	case 'M':
		return t.Minute()
	case 'S':
		return t.Second()
	case 'j':
		return t.YearDay()
	case 'G':
		return isoYear
	case 'V':
		return isoWeek
	default: // 'u': Monday is 1
		return (int(t.Weekday())+6)%7 + 1
	}
}
