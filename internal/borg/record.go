package borg

import (
	"regexp"
	"slices"
	"strings"

	"borgcron/internal/backup"
)

const (
	maxText     = 500  // characters of a message
	maxRaw      = 4096 // bytes of a message that are looked at for that
	maxPath     = 4096
	maxTail     = 50 // lines of the log
	maxWarnings = 20 // of each kind; all are counted
	maxErrors   = 20
	maxPending  = 16
)

// record takes borg's log as it comes, in bounded memory.
type record struct {
	task   task
	call   backup.Call
	hide   *redactor
	report backup.Report

	errors  []Message // the first and the last
	trace   string    // the exception of the last traceback
	usage   string    // borg did not understand its command line
	remote  string    // the last line of ssh or the server
	pending []Message // warnings about a file whose file_status is still to come
	last    []string  // the lines for the tail, as they came
	others  []string  // warnings that are not about a file
	more    int       // how many others there were beyond
}

func newRecord(t task, call backup.Call, hide *redactor) *record {
	return &record{task: t, call: call, hide: hide}
}

// line takes one line of stderr.
func (r *record) line(line []byte) {
	m := ParseLine(line)
	switch m.Type {
	case "file_status":
		r.status(m)
	case "archive_progress", "progress_percent", "progress_message":
		r.progress(m)
	case "log_message":
		r.message(m)
	case "": // plain text
		r.plain(m.Text)
	default: // a question, or how it was answered; the words may name places of other days
		r.tail(m.Type + ": " + m.ID)
	}
}

func (r *record) message(m Message) {
	if m.Logger == "borg.output.list" && m.Level == "INFO" && r.task.list != nil {
		r.task.list(m.Text)
		if r.task.command == "extract" { // all files: the tail is for what went wrong
			return
		}
	}
	if m.Logger == "borg.output.progress" { // progress in disguise
		return
	}
	if strings.Contains(m.Text, traceback) {
		r.trace = oneLine(m.Text)
	}
	r.tail(m.Text)
	switch {
	case m.isError():
		if len(r.errors) == maxErrors {
			r.errors = slices.Delete(r.errors, maxErrors/2, maxErrors/2+1)
		}
		r.errors = append(r.errors, m)
	case m.Level == "WARNING":
		r.warning(m)
	}
}

// usageError is how Python's argument parser reports a mistake, in plain text.
var usageError = regexp.MustCompile(`^borg[^:]*: error: `)

func (r *record) plain(text string) {
	if usageError.MatchString(text) {
		r.usage = text
	}
	if strings.TrimSpace(text) != "" {
		r.tail(text)
	}
}

func (r *record) progress(m Message) {
	p := backup.Progress{
		Files: m.Files, OriginalSize: m.Original, DeduplicatedSize: m.Deduplicated, Current: m.Current, Total: m.Total,
		Message: r.text(m.Text + m.Path),
	}
	if r.call.Progress != nil && p != (backup.Progress{}) { // the last of each kind is empty
		r.call.Progress(p)
	}
}

// text makes a message fit to be shown: one line without locations, secrets and control characters.
func (r *record) text(s string) string {
	s = oneLine(s)
	if len(s) > maxRaw { // at a blank: half a location would not be found
		s = s[:max(0, strings.LastIndexByte(s[:maxRaw], ' '))]
	}
	return backup.CleanLine(r.hide.redact(s), maxText)
}

// tail keeps a line for the end of the log. It is made fit to be shown when all have come: most never are.
func (r *record) tail(s string) {
	if len(r.last) == maxTail {
		r.last = slices.Delete(r.last, 0, 1)
	}
	r.last = append(r.last, s)
}

// warning takes a WARNING. That about a file comes before the file's status and says what is wrong; both
// are one warning. borg 1.2 gives no message id to it.
func (r *record) warning(m Message) {
	if server, ok := strings.CutPrefix(m.Text, "Remote: "); ok {
		r.remote = strings.TrimSpace(server)
	} else if r.task.command == "create" && fileWarning(m) != backup.Other {
		if len(r.pending) == maxPending {
			r.warn(r.pending[0], "")
			r.pending = r.pending[1:]
		}
		r.pending = append(r.pending, m)
		return
	}
	if path, ok := notExtracted(m); ok && r.task.command == "extract" {
		if m.ID == "BackupError" && strings.HasSuffix(m.Text, backupError) {
			m.Text = path + ": File is damaged: chunks are lost and were replaced by zeros, or its size is wrong"
		}
		r.add(backup.Other, m.Text, path)
		return
	}
	if len(r.others) == maxWarnings {
		r.more++
		return
	}
	r.others = append(r.others, m.Text)
}

// backupError is all that borg 1.4 says of a file, not a system's error, that it finds damaged as it extracts it.
const backupError = ": backup error"

// extractText is borg's text of what went wrong with an entry that it extracts.
var extractText = regexp.MustCompile(`(?s)^(.*?): (?:(?:\w+: )?\[Errno \d+\]|File has damaged|Size inconsistency|[Ww]hen setting extended attribute|backup error$|not extracted, )`)

// notExtracted tells whether a warning is about an entry that could not be extracted as it was, and which.
func notExtracted(m Message) (path string, ok bool) {
	if match := extractText.FindStringSubmatch(m.Text); match != nil {
		return match[1], true
	}
	path, _, _ = strings.Cut(m.Text, ": ")
	return path, strings.HasPrefix(m.ID, "Backup")
}

// status takes the letter of a file: C changed while it was read, E could not be read.
func (r *record) status(m Message) {
	if m.Status != "C" && m.Status != "E" {
		return
	}
	about := func(w Message) bool { return strings.HasPrefix(comparable(w.Text), comparable(m.Path)+": ") }
	if i := slices.IndexFunc(r.pending, about); i >= 0 {
		r.warn(r.pending[i], m.Path)
		r.pending = slices.DeleteFunc(r.pending, about)
		return
	}
	said := Message{ID: "BackupError", Text: m.Path + ": could not be read"}
	if m.Status == "C" {
		said = Message{ID: "FileChangedWarning", Text: m.Path + changedText}
	}
	r.warn(said, m.Path)
}

// comparable makes the two ways in which borg spells bytes that are no UTF-8 the same.
func comparable(path string) string { return strings.ReplaceAll(path, "\uFFFD", "?") }

const changedText = ": file changed while we backed it up"

// errnoText is borg's text of an error of the system about a file: PATH: OPERATION: [Errno N] ...
var errnoText = regexp.MustCompile(`^(.*?): (?:\w+: )?\[Errno (\d+)\]`)

// fileWarning tells the kind of a warning about a file, Other if it is about something else.
func fileWarning(m Message) backup.WarningKind {
	errno := ""
	if match := errnoText.FindStringSubmatch(m.Text); match != nil {
		errno = match[2]
	}
	switch {
	case m.ID == "FileChangedWarning", strings.HasSuffix(m.Text, changedText):
		return backup.Changed
	case m.ID == "BackupRaceConditionError", strings.Contains(m.Text, " changed (race condition), skipping file"):
		return backup.Changed // it was replaced between two looks
	case m.ID == "BackupFileNotFoundError", errno == "2":
		return backup.Vanished
	case strings.HasPrefix(m.ID, "Backup"), errno != "":
		return backup.Unreadable
	}
	return backup.Other
}

// warn counts a warning about a file and keeps the first of each kind.
func (r *record) warn(m Message, path string) {
	if match := errnoText.FindStringSubmatch(m.Text); path == "" && match != nil {
		path = match[1]
	}
	if path == "" {
		path, _ = strings.CutSuffix(m.Text, changedText)
	}
	r.add(fileWarning(m), m.Text, path)
}

// add counts a warning, and keeps and tells it if there are few of its kind or somebody wants to know.
func (r *record) add(kind backup.WarningKind, text, path string) {
	if r.report.Counts == nil {
		r.report.Counts = map[backup.WarningKind]int{}
	}
	r.report.Counts[kind]++
	keep := r.report.Counts[kind] <= maxWarnings
	if !keep && r.call.Warn == nil {
		return
	}
	w := backup.Warning{Kind: kind, Message: r.text(text), Path: backup.CleanLine(path, maxPath)}
	if keep {
		r.report.Warnings = append(r.report.Warnings, w)
	}
	if r.call.Warn != nil {
		r.call.Warn(w)
	}
}

// end tells that no more lines come.
func (r *record) end() {
	for _, m := range r.pending {
		r.warn(m, "")
	}
	r.pending = nil
	for _, s := range r.last {
		r.report.Tail = append(r.report.Tail, r.text(s))
	}
}

// explain makes warnings of the reasons for an end with a warning's exit code. What ssh and the server
// said is one only if nothing else is there to explain it: it may be a mere greeting.
func (r *record) explain(code string) {
	about := len(r.report.Warnings) > 0
	for _, text := range r.others {
		if !strings.HasPrefix(text, "Remote: ") {
			about = true
			r.add(backup.Other, text, "")
		}
	}
	for _, text := range r.others {
		if !about {
			r.add(backup.Other, text, "")
		}
	}
	if len(r.report.Warnings) == 0 {
		r.add(backup.Other, "borg ended with a warning ("+code+") and did not say which", "")
	}
	if r.more > 0 {
		r.report.Counts[backup.Other] += r.more
	}
}
