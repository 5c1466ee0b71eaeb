package importer

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Borgmatic imports configuration files of borgmatic, with sections (1.x) or without (1.8 and newer): each becomes a job, and
// equal repositories become one. An error names the file and the line of each mistake.
func Borgmatic(sources []Source, o Options) (Result, error) {
	b := &borgmatic{o: o, secrets: secretFiles{dir: o.SecretDir}}
	if len(sources) == 0 {
		return Result{}, errors.New("import from borgmatic: there is no file to import")
	}
	for _, source := range sources {
		if err := b.file(source); err != nil {
			b.errs = append(b.errs, err)
		}
	}
	if len(b.errs) > 0 {
		return Result{}, errors.Join(b.errs...)
	}
	b.separate()
	config, err := b.write()
	if err != nil {
		return Result{}, fmt.Errorf("write the configuration: %w", err)
	}
	result := Result{Config: config, Secrets: b.secrets.files}
	for _, job := range b.jobs {
		result.Notes = append(result.Notes, job.notes...)
	}
	return result, nil
}

// borgmatic is an import under way.
type borgmatic struct {
	o            Options
	errs         []error
	jobs         []*borgmaticJob
	repositories []borgmaticRepository
	channels     []borgmaticChannel
	secrets      secretFiles
}

// borgmaticJob is one file of borgmatic's on its way to a job.
type borgmaticJob struct {
	*borgmatic
	name  string
	file  string
	top   *setting // all keys, without sections
	notes []Note
	noted map[*setting]int // the index of its note

	node         mapping
	borg         mapping // what stands in each of its repositories
	repositories []string
	channels     []string
	options      map[string][]string // for borg, by command
	archiveName  string
	match        string // borgmatic's own pattern; "" for that of archiveName
	withheld     bool   // a passphrase was left out
	old          bool   // sections: borgmatic before 1.8 may have read it
}

// file imports one file.
func (b *borgmatic) file(source Source) error {
	reader := &settingReader{o: b.o}
	root, err := reader.read(source.Path, source.Content)
	if err != nil {
		return err
	}
	if root.kind != yaml.MappingNode {
		return root.at("is no configuration of borgmatic: it wants keys with values")
	}
	j := &borgmaticJob{
		borgmatic: b, name: b.jobName(source.Path), file: source.Path, noted: map[*setting]int{},
		node: newMapping(), borg: newMapping(), options: map[string][]string{},
	}
	if err := fillConstants(root, root.get("constants")); err != nil {
		return err
	}
	nameKeys(root, "")
	j.flatten(root)
	before := len(b.errs)
	j.convert()
	for _, hidden := range reader.hidden {
		j.hide(hidden)
	}
	j.leaveRest(root)
	if len(b.errs) == before && len(j.repositories) == 0 {
		return root.at("has no repository that borgcron can use: `repositories` wants a folder of this machine or ssh://USER@HOST/PATH")
	}
	if len(b.errs) == before && !j.node.has("sources") && !j.node.has("optional_sources") && !j.node.has("databases") && !j.hasRoot() {
		return root.at("has nothing that borgcron can back up: `source_directories` wants whole paths")
	}
	slices.SortStableFunc(j.notes, func(x, y Note) int {
		if c := strings.Compare(x.File, y.File); c != 0 {
			// The file itself comes first, then what it includes.
			return 2*boolInt(y.File == j.file) - 2*boolInt(x.File == j.file) + c
		}
		return x.Line - y.Line
	})
	b.jobs = append(b.jobs, j)
	return nil
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

var borgmaticSections = []string{"location", "storage", "retention", "consistency", "output", "hooks"}

// flatten takes the keys out of their sections, as borgmatic itself does since 1.8.
func (j *borgmaticJob) flatten(root *setting) {
	j.top = &setting{file: root.file, line: root.line, kind: yaml.MappingNode}
	add := func(name string, value *setting) {
		if at := slices.Index(j.top.names, name); at >= 0 {
			j.top.items[at] = value // a section wins over what stands outside
			return
		}
		j.top.names, j.top.items = append(j.top.names, name), append(j.top.items, value)
	}
	for i, name := range root.names {
		if !slices.Contains(borgmaticSections, name) {
			add(name, root.items[i])
		}
	}
	for _, name := range borgmaticSections {
		section := root.get(name)
		switch {
		case section == nil:
			continue
		case section.null():
			j.note(section, Taken, "an empty section")
			continue
		case section.kind != yaml.MappingNode:
			j.wrong(section, "wants keys with values")
			continue
		}
		j.old = true
		for i, key := range section.names {
			if name == "consistency" && key == "prefix" || name == "hooks" && key == "umask" {
				key = name + "." + key
			}
			add(key, section.items[i])
		}
	}
}

// nameKeys gives each setting its whole key.
func nameKeys(s *setting, key string) {
	s.key = key
	for i, item := range s.items {
		switch {
		case s.kind == yaml.SequenceNode:
			nameKeys(item, key+"["+strconv.Itoa(i)+"]")
		case key == "":
			nameKeys(item, quoteName(s.names[i]))
		default:
			nameKeys(item, key+"."+quoteName(s.names[i]))
		}
	}
}

// note says what became of a setting. Said twice, the words are joined, and the worse fate counts.
func (j *borgmaticJob) note(s *setting, fate Fate, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if at, known := j.noted[s]; known {
		note := &j.notes[at]
		note.Fate = max(note.Fate, fate)
		if note.Message != "" && message != "" {
			note.Message += "; "
		}
		note.Message += message
		return
	}
	if s.joined {
		fate = max(fate, Changed)
		message = strings.TrimPrefix(message+"; its items come from more than one file, joined as borgmatic 1.8 and newer join them", "; ")
	}
	j.noted[s] = len(j.notes)
	j.notes = append(j.notes, Note{File: s.file, Line: s.line, Key: s.key, Fate: fate, Message: message})
}

func (j *borgmaticJob) wrong(s *setting, format string, args ...any) {
	j.errs = append(j.errs, s.at("%s: %s", s.key, fmt.Sprintf(format, args...)))
}

// hide says of what an include brought in and another file replaced.
func (j *borgmaticJob) hide(s *setting) {
	if _, known := j.noted[s]; !known && s.merge != "!omit" {
		j.noted[s] = len(j.notes)
		j.notes = append(j.notes, Note{File: s.file, Line: s.line, Key: s.key, Fate: Left, Message: goesWith + "its file: another that has the key too wins"})
	}
}

// leaveRest says of every setting that nobody looked at that it was left.
func (j *borgmaticJob) leaveRest(s *setting) {
	if _, known := j.noted[s]; known {
		j.leaveWith(s, s.key)
		return
	}
	looked := func(item *setting) bool { _, known := j.noted[item]; return known || item.kind != yaml.ScalarNode }
	if s.kind == yaml.MappingNode || s.kind == yaml.SequenceNode && slices.ContainsFunc(s.items, looked) {
		for _, item := range s.items {
			j.leaveRest(item)
		}
		if len(s.items) > 0 {
			return
		}
	}
	if s.key != "" {
		j.note(s, Left, "unknown to this import: look whether borgcron's reference has its like")
	}
}

// leaveWith says of the keys within what was left that they were left with it.
func (j *borgmaticJob) leaveWith(s *setting, key string) {
	for _, item := range s.items {
		_, known := j.noted[item]
		if s.kind == yaml.MappingNode && item.kind != yaml.MappingNode && !known {
			j.note(item, Left, "%s%s", goesWith, key)
		}
		j.leaveWith(item, key)
	}
}

// goesWith begins the message on what shares the fate of something that is said already.
const goesWith = "with "

var notOfName = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

// validName makes a name of a job, repository or channel of any text; "" if nothing remains.
func validName(text string) string {
	name := strings.TrimLeft(notOfName.ReplaceAllString(text, "-"), "_.-")
	name = strings.TrimRight(name[:min(len(name), 56)], "-.") // room for a number
	for _, suffix := range []string{".checkpoint", ".dumps"} {
		if strings.HasSuffix(name, suffix) {
			name = strings.TrimSuffix(name, suffix) + strings.Replace(suffix, ".", "-", 1)
		}
	}
	return name
}

// freeName adds a number to a name that is taken. Upper and lower case do not tell names apart.
func freeName(name string, taken func(string) bool) string {
	free := name
	for n := 2; taken(free); n++ {
		free = name + "-" + strconv.Itoa(n)
	}
	return free
}

// jobName is the name of the job of a file. That of borgmatic's one file says nothing: the host's name stands for it.
func (b *borgmatic) jobName(path string) string {
	base := filepath.Base(path)
	name := validName(strings.TrimSuffix(strings.TrimSuffix(base, ".yaml"), ".yml"))
	if name == "" || name == "config" || name == "borgmatic" {
		if name = validName(b.o.Hostname); name == "" {
			name = "backup"
		}
	}
	return freeName(name, func(free string) bool {
		return slices.ContainsFunc(b.jobs, func(j *borgmaticJob) bool { return strings.EqualFold(j.name, free) })
	})
}
