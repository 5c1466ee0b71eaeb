package importer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// convert goes through borgmatic's keys in the order in which the parts of a job depend on each other.
func (j *borgmaticJob) convert() {
	j.node.set("repository", "") // in the first place; filled in at the end
	for i, name := range j.top.names {
		s := j.top.items[i]
		if key, plain := plainKeys[name]; plain {
			j.plainKey(s, key)
		} else if j.place(name, s) || j.storage(name, s) {
			continue
		} else if why, known := borgmaticLeft[name]; known && s.key != "" {
			j.note(s, Left, "%s", why)
		}
	}
	j.retention()
	j.checks()
	j.hooks()
	j.databases()
	j.notify()
	j.names()
	j.borgOptions()
	j.addRepositories(j.top.get("repositories"))
}

// A plainKey is one that means the same in borgcron.
type plainKey struct {
	name string
	kind string // text, truth, list or paths
	form string // a regular expression that a text must match, "" for any
}

var plainKeys = map[string]plainKey{
	"one_file_system":    {"one_file_system", "truth", ""},
	"read_special":       {"read_special", "truth", ""},
	"exclude_caches":     {"exclude_caches", "truth", ""},
	"keep_exclude_tags":  {"keep_exclude_tags", "truth", ""},
	"exclude_nodump":     {"exclude_nodump", "truth", ""},
	"exclude_if_present": {"exclude_if_present", "list", ""},
	"exclude_from":       {"exclude_from", "paths", ""},
	"patterns_from":      {"patterns_from", "paths", ""},
	"compression":        {"compression", "text", `(obfuscate,([1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|250),)?(auto,)?(none|lz4|zstd(,([1-9]|1[0-9]|2[0-2]))?|(zlib|lzma)(,[0-9])?)`},
	"chunker_params":     {"chunker", "text", `default|(buzhash,)?[0-9]+,[0-9]+,[0-9]+,[0-9]+|fixed,[0-9]+(,[0-9]+)?`},
	"files_cache":        {"files_cache", "text", `(ctime|mtime),size,inode|(ctime|mtime),size|rechunk,(ctime|mtime)|disabled|size`},
}

func (j *borgmaticJob) plainKey(s *setting, key plainKey) {
	switch key.kind {
	case "truth":
		if value, ok := j.truth(s); ok {
			j.node.set(key.name, value)
			j.note(s, Taken, "")
		}
	case "list":
		if texts, ok := j.list(s); ok {
			for i := range texts {
				texts[i] = expandable(texts[i])
			}
			j.node.set(key.name, texts)
			j.note(s, Taken, "")
		}
	case "paths":
		j.paths(s, key.name)
	default:
		text, ok := j.text(s)
		switch {
		case !ok:
		case hasVariable(text):
			j.node.set(key.name, expandable(text))
			j.note(s, Taken, "")
		case !regexp.MustCompile(`^(?:` + key.form + `)$`).MatchString(text):
			j.note(s, Left, "borg 1 does not know this value")
		default:
			j.node.set(key.name, text)
			j.note(s, Taken, "")
		}
	}
}

// seconds reads a number of seconds as a duration; zero is borg's or borgmatic's own default.
func (j *borgmaticJob) seconds(s *setting) (string, bool) {
	number, ok := j.number(s)
	switch {
	case !ok:
		return "", false
	case number < 0:
		j.wrong(s, "wants a number of seconds")
		return "", false
	case number == 0:
		j.note(s, Left, "0 is the default of borg, or switches it off: borgcron goes by its own default")
		return "", false
	}
	return fmt.Sprintf("%ds", number), true
}

var patternLine = regexp.MustCompile(`^([-+!RPr]|p)\s+(\S.*)$`)
var patternStyle = regexp.MustCompile(`^([A-Za-z0-9]{2}):`)
var patternStyles = []string{"fm", "sh", "re", "pp", "pf"}

func knownStyle(pattern string) bool {
	parts := patternStyle.FindStringSubmatch(pattern)
	return parts == nil || slices.Contains(patternStyles, parts[1])
}

// excludes reads exclude_patterns. borgmatic fills in ~ at their heads.
func (j *borgmaticJob) excludes(s *setting) {
	texts, ok := j.list(s)
	if !ok {
		return
	}
	var excludes []string
	fate, message := Taken, ""
	for _, text := range texts {
		if strings.HasPrefix(text, "~") {
			whole, why := j.path(text)
			if why != "" {
				fate, message = Changed, "an exclude with ~ is left out: "+why
				continue
			}
			excludes = append(excludes, whole)
			continue
		}
		if !knownStyle(text) || text == "" {
			fate, message = Changed, "an exclude of a style that borg 1 does not know is left out"
			continue
		}
		excludes = append(excludes, expandable(text))
	}
	if len(excludes) > 0 {
		j.node.set("exclude", excludes)
	}
	j.note(s, fate, "%s", message)
}

// patterns reads borg's patterns.
func (j *borgmaticJob) patterns(s *setting) {
	texts, ok := j.list(s)
	if !ok {
		return
	}
	var lines []string
	fate, messages := Taken, []string{}
	for _, text := range texts {
		parts := patternLine.FindStringSubmatch(strings.TrimSpace(text))
		line := expandable(strings.TrimSpace(text))
		switch {
		case strings.HasPrefix(strings.TrimSpace(text), "#") || strings.TrimSpace(text) == "":
			continue
		case parts == nil:
			fate, messages = Changed, append(messages, "a line that is no pattern of borg is left out")
			continue
		case parts[1] == "R":
			root, why := j.path(parts[2])
			if why != "" || strings.ContainsAny(root, "*?[") {
				fate, messages = Changed, append(messages, "a root is left out: "+strings.TrimPrefix(why+"; borgcron wants a whole path without wildcards", "; "))
				continue
			}
			line = "R " + root
		case parts[1] == "P" || parts[1] == "p":
			if !slices.Contains(patternStyles, parts[2]) {
				fate, messages = Changed, append(messages, "a style that borg 1 does not know is left out")
				continue
			}
			line = "P " + parts[2]
		case !knownStyle(parts[2]):
			fate, messages = Changed, append(messages, "a pattern of a style that borg 1 does not know is left out")
			continue
		}
		lines = append(lines, line)
	}
	if j.top.get("patterns_from") != nil {
		fate, messages = Changed, append(messages, "borgcron gives borg these before those of patterns_from; borgmatic gave them after")
	}
	if len(lines) > 0 {
		j.node.set("patterns", lines)
	}
	j.note(s, fate, "%s", strings.Join(slices.Compact(messages), "; "))
}

// hasRoot tells whether a pattern says what is backed up.
func (j *borgmaticJob) hasRoot() bool {
	at := j.node.index("patterns")
	if at < 0 {
		return false
	}
	return slices.ContainsFunc(j.node.node.Content[at+1].Content, func(line *yaml.Node) bool { return strings.HasPrefix(line.Value, "R ") })
}
