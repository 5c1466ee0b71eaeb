package importer

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// The methods in this file read a setting of one type. What has another type is a mistake, said with its place; ok tells whether there
// is a value to go on with.

func (j *borgmaticJob) text(s *setting) (string, bool) {
	if s.null() {
		j.note(s, Taken, "empty")
		return "", false
	}
	if s.kind != yaml.ScalarNode {
		j.wrong(s, "wants a text")
		return "", false
	}
	return s.text, true
}

func (j *borgmaticJob) number(s *setting) (int, bool) {
	text, ok := j.text(s)
	if !ok {
		return 0, false
	}
	number, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 32)
	if err != nil {
		if hasVariable(text) {
			j.wrong(s, "wants a number, and the import cannot know what the environment says: write the number itself")
		} else {
			j.wrong(s, "wants a whole number")
		}
		return 0, false
	}
	return int(number), true
}

func (j *borgmaticJob) truth(s *setting) (bool, bool) {
	text, ok := j.text(s)
	if !ok {
		return false, false
	}
	switch strings.ToLower(text) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	j.wrong(s, "wants true or false")
	return false, false
}

// list reads a list of texts. One text alone stands for a list of one.
func (j *borgmaticJob) list(s *setting) ([]string, bool) {
	if s.null() {
		j.note(s, Taken, "empty")
		return nil, false
	}
	if s.kind == yaml.ScalarNode {
		return []string{s.text}, true
	}
	var texts []string
	for _, item := range s.items {
		if item.kind != yaml.ScalarNode {
			j.wrong(item, "wants a text: a list of texts is expected here")
			return nil, false
		}
		if !item.null() {
			texts = append(texts, item.text)
		}
	}
	if s.kind == yaml.MappingNode {
		j.wrong(s, "wants a list of texts")
		return nil, false
	}
	if len(texts) == 0 {
		j.note(s, Taken, "empty")
	}
	return texts, len(texts) > 0
}

// maps reads a list of mappings.
func (j *borgmaticJob) maps(s *setting) []*setting {
	if s.null() {
		j.note(s, Taken, "empty")
		return nil
	}
	if s.kind != yaml.SequenceNode {
		j.wrong(s, "wants a list")
		return nil
	}
	for _, item := range s.items {
		if item.kind != yaml.MappingNode {
			j.wrong(item, "wants keys with values")
			return nil
		}
	}
	if len(s.items) == 0 {
		j.note(s, Taken, "empty")
	}
	return s.items
}

// path makes a whole path of one of borgmatic's: ~ is the home folder, and what is relative begins in the working directory. It returns
// why it cannot, or "".
func (j *borgmaticJob) path(text string) (path, why string) {
	home := filepath.Clean("/" + j.o.Home)
	switch {
	case text == "":
		return "", "an empty path"
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }):
		return "", "a path with a control character"
	case text == "~" && j.o.Home != "":
		return home, ""
	case strings.HasPrefix(text, "~/") && j.o.Home != "":
		return expandable(filepath.Join(home, text[2:])), ""
	case strings.HasPrefix(text, "~"):
		return "", "the home folder that ~ stands for is not known here: write the whole path"
	case filepath.IsAbs(text) || strings.HasPrefix(text, "${"):
		return expandable(text), ""
	}
	base := j.top.get("working_directory")
	if base.null() || base.kind != yaml.ScalarNode || base.text == text {
		return "", "a path that depends on the folder in which borgmatic was started: write the whole path"
	}
	folder := base.text
	if !filepath.IsAbs(folder) && !strings.HasPrefix(folder, "~") && !strings.HasPrefix(folder, "${") {
		return "", "a path that depends on the folder in which borgmatic was started: write the whole path"
	}
	if folder, why = j.path(folder); why != "" {
		return "", why
	}
	return folder + "/" + expandable(filepath.Clean(text)), ""
}

// paths reads a list of paths into a key, and says of each that cannot be taken why.
func (j *borgmaticJob) paths(s *setting, key string) {
	texts, ok := j.list(s)
	if !ok {
		return
	}
	var paths []string
	fate, messages := Taken, []string{}
	for _, text := range texts {
		path, why := j.path(text)
		if why != "" {
			fate, messages = Left, append(messages, why)
			continue
		}
		paths = append(paths, path)
		if path != expandable(text) && !strings.HasPrefix(text, "~") {
			fate, messages = max(fate, Changed), append(messages, "a relative path is a whole one now")
		}
	}
	if len(paths) > 0 {
		j.node.set(key, paths)
	}
	j.note(s, fate, "%s", strings.Join(slices.Compact(messages), "; "))
}
