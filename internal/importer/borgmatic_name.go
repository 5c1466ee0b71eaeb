package importer

import (
	"regexp"
	"slices"
	"strings"

	"borgcron/internal/backup"
)

// borgmatic's own name of archives, where the file has none.
const borgmaticName = "{hostname}-{now:%Y-%m-%dT%H:%M:%S.%f}"

var (
	borgPlaceholder = regexp.MustCompile(`\{[^{}]*\}`)
	// What borgmatic replaces by * to find the archives that a name makes.
	changingPart = regexp.MustCompile(`\{(now|utcnow|pid)([:%\w.-]*)\}`)
)

// timeWords replaces parts of a time that borgcron does not write by those that it does; "" drops them.
var timeWords = map[byte]string{
	'F': "%Y-%m-%d", 'T': "%H:%M:%S", 'R': "%H:%M", 'b': "%m", 'B': "%m", 'h': "%m", 'a': "%u", 'A': "%u", 'I': "%H", 'U': "%V", 'W': "%V", 'C': "%y",
	'w': "%u", 'e': "%d", 'k': "%H", 'l': "%H", 's': "%Y%m%d%H%M%S", 'c': "%Y-%m-%dT%H:%M:%S", 'x': "%Y-%m-%d", 'X': "%H:%M:%S", 'D': "%m-%d-%y",
}

// names decides what archives are called and by which pattern they are pruned, so that the series of borgmatic's goes on.
func (j *borgmaticJob) names() {
	s := j.top.get("archive_name_format")
	format := borgmaticName
	if s != nil {
		if text, ok := j.text(s); ok && text != "" {
			format = text
		}
	}
	name, said := archiveNameOf(j.o, format)
	j.archiveName = name
	j.match = j.derived(format)
	if s != nil && !s.null() {
		switch {
		case backup.CheckArchiveName(name) != nil || strings.Contains(name, "${"):
			j.archiveName, j.match = "", ""
			j.note(s, Left, "borgcron cannot make names like it: the new series is called by host and job, and the old archives belong to none, they are deleted by hand (`borgcron borg %s -- delete ...`)", j.name)
		case said != "":
			j.note(s, Changed, "%s", said)
		default:
			j.note(s, Taken, "")
		}
	}
	j.prunedBy()
}

// prunedBy reads what borgmatic was told to prune by.
func (j *borgmaticJob) prunedBy() {
	prefix, match := j.top.get("prefix"), j.top.get("match_archives")
	if match != nil {
		if text, ok := j.text(match); ok {
			j.matchArchives(match, text)
		}
	}
	switch {
	case prefix == nil:
		if host := j.o.fillNames("{hostname}-"); match == nil && j.old && j.match != "" && !strings.HasPrefix(j.match, host) {
			s := j.top.get("archive_name_format")
			j.note(s, Changed, "borgmatic before 1.8 pruned what begins with the host's name, and so nothing of this series: look at `borgcron run %s --only prune --dry-run` first", j.name)
		}
	case prefix.null() || prefix.text == "":
		j.note(prefix, Changed, "borgmatic pruned all archives of the repository, borgcron prunes those of this job")
	default:
		if text, ok := j.text(prefix); ok {
			j.pruneBy(prefix, text+"*", match == nil || j.old)
		}
	}
}

func (j *borgmaticJob) matchArchives(s *setting, text string) {
	switch {
	case text == "" || text == "*" || text == "sh:*" || text == "re:.*":
		j.note(s, Changed, "borgmatic pruned all archives of the repository, borgcron prunes those of this job")
	case regexp.MustCompile(`^(re|id|aid|user|host|tags|name|fm|pp):`).MatchString(text):
		j.note(s, Left, "borg 1 finds archives by shell patterns only: `prune.match` is made of the archives' name")
	default:
		j.pruneBy(s, strings.TrimPrefix(text, "sh:"), true)
	}
}

// pruneBy takes a pattern of the owner's.
func (j *borgmaticJob) pruneBy(s *setting, pattern string, counts bool) {
	pattern = j.o.fillNames(pattern)
	switch {
	case !counts:
		j.note(s, Left, "match_archives stands there as well")
	case strings.ContainsAny(pattern, "{}") || backup.CheckPattern(pattern) != nil:
		j.note(s, Left, "a pattern that the import cannot make out: archives are pruned by their name")
	case backup.LiteralHead(pattern) < 3:
		j.note(s, Changed, "borgcron wants a pattern that begins with three characters at least: archives are pruned by their name")
	default:
		j.match = pattern
		j.note(s, Taken, "")
	}
}

// derived is the pattern that borgmatic makes of a name; "" if what borg would put into it is not known here.
func (j *borgmaticJob) derived(format string) string {
	pattern := j.o.fillNames(changingPart.ReplaceAllString(format, "*"))
	if strings.ContainsAny(pattern, "{}") {
		return ""
	}
	return pattern
}

// archiveNameOf makes a template of borgcron's from a format of borg's, and says what differs.
func archiveNameOf(o Options, format string) (name, said string) {
	var out strings.Builder
	at, times, dropped := 0, 0, false
	timeEnd := -1 // where the time ends in out, before its brace
	for _, found := range borgPlaceholder.FindAllStringIndex(format, -1) {
		literal := format[at:found[0]]
		at = found[1]
		inside := format[found[0]+1 : found[1]-1]
		kind, layout, formatted := strings.Cut(inside, ":")
		if kind == "now" || kind == "utcnow" {
			if !formatted || layout == "" {
				layout = "%Y-%m-%dT%H:%M:%S"
			}
			converted := convertTime(layout)
			dropped = dropped || converted != layout
			times++
			switch {
			case times == 1:
				out.WriteString(literal)
				if converted == "%Y-%m-%dT%H:%M:%S" {
					out.WriteString("{" + kind + "}")
					timeEnd = -1
				} else {
					out.WriteString("{" + kind + ":" + converted)
					timeEnd = out.Len()
					out.WriteString("}")
				}
			case timeEnd >= 0 && timeEnd == out.Len()-1 && !strings.ContainsAny(literal, "%{}"): // one right after the other: they are one
				text := out.String()[:timeEnd] + literal + converted
				out.Reset()
				out.WriteString(text)
				timeEnd = out.Len()
				out.WriteString("}")
				dropped = true
			default:
				out.WriteString(literal)
				dropped = true
			}
			continue
		}
		out.WriteString(literal)
		switch inside {
		case "hostname", "fqdn", "user":
			out.WriteString("{" + inside + "}")
		case "pid", "uuid4":
			dropped = true
		case "reverse-fqdn":
			if o.FQDN != "" {
				labels := strings.Split(o.FQDN, ".")
				slices.Reverse(labels)
				out.WriteString(strings.Join(labels, "."))
				break
			}
			fallthrough
		default:
			out.WriteString("{" + inside + "}")
		}
	}
	out.WriteString(format[at:])
	name = out.String()
	if times == 0 {
		name += "-{now}"
		dropped = true
	}
	if dropped {
		said = "new archives are called " + name + ": borgcron writes a time in whole seconds and in digits, once"
	}
	return name, said
}

// convertTime replaces what borgcron does not write in a time. A fraction of a second goes with the dot before it.
func convertTime(layout string) string {
	layout = regexp.MustCompile(`[.,_-]?%f`).ReplaceAllString(layout, "")
	var out strings.Builder
	for i := 0; i < len(layout); i++ {
		if layout[i] != '%' {
			out.WriteByte(layout[i])
			continue
		}
		if i+1 < len(layout) && strings.IndexByte("-_0^#", layout[i+1]) >= 0 {
			i++
		}
		if i++; i >= len(layout) {
			break
		}
		if strings.IndexByte("YymdHMSjGVu", layout[i]) >= 0 {
			out.WriteString("%" + layout[i:i+1])
			continue
		}
		out.WriteString(timeWords[layout[i]])
	}
	return out.String()
}
