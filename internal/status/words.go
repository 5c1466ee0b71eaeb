package status

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"borgcron/internal/backup"
)

// What a run says of itself may hold paths, locations and the words of other programs. In a file that
// everybody can read it is said in words of ours; the history has the rest.

// mostWords bounds a text in the file.
const mostWords = 200

// mostRead bounds, in characters, a text that is read from it.
const mostRead = 500

// problemOf is what is wrong with a run, in one line.
func problemOf(run backup.Run, t backup.Target) string {
	if run.Outcome == backup.Succeeded {
		return ""
	}
	i := slices.IndexFunc(run.Steps, func(step backup.StepResult) bool { return step.Outcome == run.Outcome })
	if i < 0 {
		return public(run.Problem, unstarted(run), t)
	}
	step := run.Steps[i]
	words := phrase(step)
	if !isOurs(step) {
		return words
	}
	return public(step.Problem, words, t)
}

// isOurs tells whether the words of a step's problem are not those of another program: those of a hook are,
// and those of a borg that did not say which of its messages it is. Warnings name files.
func isOurs(step backup.StepResult) bool {
	switch {
	case step.Step == backup.Before, step.Step == backup.After, step.Step == backup.Dump:
		return false
	case len(step.Report.Counts) > 0 && !step.Breached && step.Outcome == backup.Warned:
		return false
	case len(step.Failures) > 0:
		return step.Failures[len(step.Failures)-1].ID != ""
	}
	return true
}

// The problem of a job that did not run because of its configuration: how that of the run begins, and what it is
// called where that is not public.
const (
	configurationProblem = "configuration:"
	wrongConfiguration   = "its configuration is wrong"
)

// unstarted is what a run without any step that tells more is called.
func unstarted(run backup.Run) string {
	switch {
	case strings.HasPrefix(run.Problem, configurationProblem):
		return wrongConfiguration
	case run.Outcome == backup.Interrupted:
		return "it was cut off"
	case strings.HasPrefix(run.Problem, "sources are not as they should be"):
		return "a source is missing or not mounted; see: borgcron history"
	case run.Outcome == backup.Warned:
		return "it ended with a warning"
	}
	return "it failed before its first step"
}

// phrase says in words of ours how a step went.
func phrase(step backup.StepResult) string {
	name := string(step.Step)
	switch {
	case step.Step == backup.Before, step.Step == backup.After:
		name = "a hook " + name + " the backup"
	case step.Step == backup.Dump:
		name = "a database dump"
	}
	switch {
	case step.Outcome == backup.Interrupted:
		return "cut off during " + name
	case step.Breached:
		return name + ": a guard was breached"
	case step.Step == backup.Create && step.Refused:
		return "no archive: less space is free than min_free asks for"
	case step.Step == backup.Dump && step.Outcome == backup.Warned:
		return "a database is not in the dumps"
	case step.Outcome == backup.Warned:
		return name + ": " + counted(step.Report.Counts)
	}
	words := name + " failed"
	if len(step.Failures) > 0 {
		if id := step.Failures[len(step.Failures)-1].ID; isIdentifier(id) {
			words += " (" + id + ")"
		}
	}
	if step.Attempts > 1 {
		words += fmt.Sprintf(", %d attempts", step.Attempts)
	}
	return words
}

// counted says how many warnings of which kinds there were.
func counted(counts map[backup.WarningKind]int) string {
	var parts []string
	for _, kind := range []backup.WarningKind{backup.Changed, backup.Vanished, backup.Unreadable, backup.Guarded, backup.Other} {
		if counts[kind] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[kind], kind))
		}
	}
	if len(parts) == 0 {
		return "it ended with a warning"
	}
	return "warnings: " + strings.Join(parts, ", ")
}

// isIdentifier tells whether a message id of borg's is one: letters and dots.
func isIdentifier(id string) bool {
	return id != "" && len(id) <= 64 && strings.IndexFunc(id, func(r rune) bool {
		return r != '.' && (r > unicode.MaxASCII || !unicode.IsLetter(r))
	}) < 0
}

// reasonOf says why a run waits.
func reasonOf(run backup.Run, t backup.Target) string {
	if run.Outcome == backup.Locked {
		if strings.Contains(run.Problem, ": mounted at ") { // as package lock says it; where is nobody else's business
			return "the archives are mounted; backups wait until they are no more"
		}
		return public(run.Problem, "another run holds the lock", t)
	}
	return public(run.Problem, "a condition does not hold", t)
}

// notesOf are the notes of a run that everybody may read.
func notesOf(run backup.Run, t backup.Target) []string {
	var notes []string
	for _, note := range run.Notes {
		if text := public(note, "", t); text != "" {
			notes = append(notes, text)
		}
	}
	return notes
}

// public returns a text if nothing in it can be a path, a location or the name of a file or host; else the
// other one, which is ours. In doubt a text is not public.
func public(text, otherwise string, t backup.Target) string {
	if text == "" || len(text) > mostWords || text != backup.Clean(text) {
		return otherwise
	}
	hidden := secretWords(t)
	for _, word := range strings.Fields(text) {
		word = strings.Trim(word, "(),;:.!?`")
		if !isPlain(strings.TrimPrefix(word, "guard.min_")) && !isPlain(strings.TrimPrefix(word, "guard.max_")) || slices.Contains(hidden, strings.ToLower(word)) {
			return otherwise
		}
	}
	return text
}

// isPlain tells whether a word is one of a language, a number, a time or an amount.
func isPlain(word string) bool {
	digit := len(word) > 0 && word[0] >= '0' && word[0] <= '9'
	for _, r := range word {
		switch {
		case r > unicode.MaxASCII:
			return false
		case unicode.IsLetter(r), unicode.IsDigit(r), strings.ContainsRune("-+%()", r):
		case digit && strings.ContainsRune(".,:", r): // 1.5GiB 02:30:00
		default:
			return false
		}
	}
	// 10.0.0.1 and fe80::1 begin with a digit, too, or look like a time.
	return strings.Count(word, ".") < 2 && !strings.Contains(word, "::")
}

// secretWords are the host and user of a remote repository, which may look like any other word. The name it
// is called by is public.
func secretWords(t backup.Target) []string {
	if t.Repository.IsLocal() {
		return nil
	}
	location := strings.TrimPrefix(t.Repository.Location, "ssh://")
	host, _, _ := strings.Cut(location, "/")
	words := strings.FieldsFunc(strings.ToLower(host), func(r rune) bool { return r == '@' || r == ':' })
	return slices.DeleteFunc(words, func(word string) bool {
		return word == strings.ToLower(t.Job.RepositoryName(t.Repository))
	})
}

// clean makes what was read fit to be shown: whoever could write the file is not always whom its reader trusts.
// The archive's name stays what it is, for programs: it is only ever printed as JSON.
func (f *File) clean() {
	for i := range f.Repositories {
		record := &f.Repositories[i]
		words := []*string{&record.ID, &record.Repository, &record.Held}
		if record.Alarm != nil {
			words = append(words, &record.Alarm.Problem)
		}
		if record.LastRun != nil {
			words = append(words, &record.LastRun.ID, &record.LastRun.Problem)
		}
		if record.Waiting != nil {
			words = append(words, &record.Waiting.Reason)
		}
		for n := range record.Notes {
			words = append(words, &record.Notes[n])
		}
		for _, word := range words {
			*word = backup.CleanLine(*word, mostRead)
		}
	}
}
