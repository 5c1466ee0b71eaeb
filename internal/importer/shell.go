package importer

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Shell imports configurations of the old scripts, which are scripts themselves: each becomes a job, and equal repositories become one.
// They are evaluated by an interpreter that runs no program and opens no file. An error names the file and what it lacks.
func Shell(sources []Source, o Options) (Result, error) {
	i := &shellImport{o: o, secrets: secretFiles{dir: o.SecretDir}}
	if len(sources) == 0 {
		return Result{}, errors.New("import of shell configurations: there is no file to import")
	}
	var errs []error
	for _, source := range sources {
		if err := i.add(source); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return Result{}, errors.Join(errs...)
	}
	i.separate()
	for _, job := range i.jobs {
		slices.SortStableFunc(job.notes, func(x, y Note) int { return x.Line - y.Line })
	}
	config, err := i.write()
	if err != nil {
		return Result{}, fmt.Errorf("write the configuration: %w", err)
	}
	result := Result{Config: config, Secrets: i.secrets.files}
	for _, job := range i.jobs {
		result.Notes = append(result.Notes, job.notes...)
		if job.timeFile != "" {
			result.Times = append(result.Times, TimeFile{Job: job.name, Path: job.timeFile})
		}
	}
	return result, nil
}

// shellImport is an import under way.
type shellImport struct {
	o            Options
	jobs         []*shellJob
	repositories []shellRepository
	secrets      secretFiles
}

type shellRepository struct {
	name, location, rendered string
	node                     mapping
}

// shellJob is one configuration on its way to a job.
type shellJob struct {
	*shellImport
	*shellScript
	name       string
	set        map[string]syntax.Pos // where the file sets a variable, the last time
	doubts     map[string]string     // why a variable may have another value than the import found
	node       mapping
	borg       mapping // what is said of its repository
	location   string
	repository string
	options    map[string][]string // for borg, by command
	series     *series
	hooks      []mapping
	withheld   bool // a passphrase was left out
	asking     map[*syntax.FuncDecl]bool
	timeFile   string // where the old script kept when it last succeeded
}

// add imports one file.
func (i *shellImport) add(source Source) error {
	script, err := evaluateShell(source.Path, source.Content, i.o)
	if err != nil {
		return err
	}
	j := &shellJob{
		shellImport: i, shellScript: script, set: assigned(script.file), node: newMapping(), borg: newMapping(), options: map[string][]string{},
	}
	j.doubts = j.findDoubts()
	j.nameJob()
	if !j.place() {
		return fmt.Errorf("%s: no repository that borgcron can use: the old script wants BORG_REPO exported, with a folder of this machine or ssh://USER@HOST/PATH (%s)",
			source.Path, j.wordOn("BORG_REPO", "it is not set"))
	}
	j.databasesAndHooks()
	if !j.sources() && !j.node.has("databases") {
		return fmt.Errorf("%s: nothing that borgcron can back up: the old script wants BACKUP_DIRS with whole paths (%s)",
			source.Path, j.wordOn("BACKUP_DIRS", "it is not set"))
	}
	j.conversions()
	j.archives()
	j.rest()
	j.addRepository()
	i.jobs = append(i.jobs, j)
	return nil
}

// wordOn is what was said of a variable.
func (j *shellJob) wordOn(name, otherwise string) string {
	for _, note := range j.notes {
		if note.Key == name {
			return note.Message
		}
	}
	return otherwise
}

// value returns what a variable holds, if the file sets it and the import can know it; else it says why not.
func (j *shellJob) value(name string) (text string, ok bool) {
	if _, set := j.set[name]; !set {
		return "", false
	}
	variable := j.variables[name]
	text = variable.String()
	if marked(text) || slices.ContainsFunc(variable.List, marked) {
		j.say(name, Left, "it depends on what `%s` prints, and an import runs no program", j.programOf(text))
		return "", false
	}
	return text, true
}

// programOf names the first program whose output is in a value: without its arguments, which may hold a secret.
func (j *shellJob) programOf(value string) string {
	if call := j.callOf(value); call != nil {
		return quoteName(call.args[0])
	}
	return "a program"
}

// callOf is the first command whose output is in a value; nil if that cannot be told.
func (j *shellJob) callOf(value string) *shellCall {
	_, rest, found := strings.Cut(value, markOpen)
	digits, _, closed := strings.Cut(rest, markClose)
	number := 0
	for _, r := range digits {
		if r < '0' || r > '9' || number > len(j.calls) {
			return nil
		}
		number = 10*number + int(r-'0')
	}
	if !found || !closed || digits == "" || number >= len(j.calls) {
		return nil
	}
	return &j.calls[number]
}

// say notes what became of a variable, and that it may have another value, if that is so. Said twice, the words are joined, and the
// worse fate counts.
func (j *shellJob) say(name string, fate Fate, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	for i := range j.notes {
		note := &j.notes[i]
		if note.Key != name {
			continue
		}
		note.Fate = max(note.Fate, fate)
		if !strings.Contains(note.Message, message) {
			note.Message = strings.TrimPrefix(note.Message+"; "+message, "; ")
		}
		return
	}
	if doubt := j.doubts[name]; doubt != "" {
		fate, message = max(fate, Changed), strings.TrimPrefix(message+"; "+doubt, "; ")
	}
	j.note(j.set[name], name, fate, "%s", message)
}

// findDoubts finds the variables that are set in statements whose way depends on what the import does not look at.
func (j *shellJob) findDoubts() map[string]string {
	doubts := map[string]string{}
	for _, deed := range j.deeds {
		taken := []string{}
		for _, call := range deed.calls {
			taken = append(taken, fmt.Sprintf("`%s` as failed", quoteName(call.args[0])))
		}
		if len(deed.looks) > 0 {
			taken = append(taken, quoteName(deed.looks[0])+" as not there")
		}
		if len(taken) == 0 {
			continue
		}
		for name := range assigned(deed.statement) {
			doubts[name] = "look at it: the import runs and opens nothing, and took " + taken[0]
		}
	}
	return doubts
}

// nameJob finds the name of the job: that of the backup, else of the file.
func (j *shellJob) nameJob() {
	base := filepath.Base(j.path)
	text, known := j.value("BACKUP_NAME")
	name := validName(text)
	if name == "" {
		name = validName(strings.TrimSuffix(strings.TrimSuffix(base, ".sh"), ".conf"))
	}
	if name == "" {
		name = "backup"
	}
	j.name = freeName(name, func(free string) bool {
		return slices.ContainsFunc(j.jobs, func(other *shellJob) bool { return strings.EqualFold(other.name, free) })
	})
	switch {
	case !known:
	case j.name == text:
		j.say("BACKUP_NAME", Taken, "the name of the job")
	default:
		j.say("BACKUP_NAME", Changed, "the job is called %s", j.name)
	}
}

// place finds the repository.
func (j *shellJob) place() bool {
	name := "BORG_REPO"
	if _, set := j.set[name]; !set {
		name = "REPOSITORY" // as the oldest of the scripts called it
	}
	text, ok := j.value(name)
	if !ok {
		return false
	}
	filled := j.o.fillNames(text)
	if strings.Contains(filled, "{") {
		j.say(name, Left, "it holds a placeholder of borg that the import cannot fill in: write what it stands for")
		return false
	}
	remote, why := judgeLocation(filled)
	local := strings.TrimPrefix(filled, "file://")
	switch {
	case why != "":
	case strings.Contains(filled, "${"):
		why = "a place with ${ in it"
	case !remote && !filepath.IsAbs(local):
		why = "a path that depends on the folder in which the old script was started"
	case !remote:
		filled = filepath.Clean(local)
	}
	if why != "" {
		j.say(name, Left, "%s", why)
		return false
	}
	j.location = escape(filled)
	switch {
	case filled != text:
		j.say(name, Changed, "what stands for a name is filled in")
	case name == "BORG_REPO" && !j.variables[name].Exported:
		j.say(name, Changed, "it is not exported, with which the old script refused to work")
	default:
		j.say(name, Taken, "the repository")
	}
	return true
}
