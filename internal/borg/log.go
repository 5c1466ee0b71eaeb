package borg

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Message is one line of borg's log: the union of the kinds of JSON objects of --log-json, or a line that
// is none of them (Type is "" then, and Text the line).
type Message struct {
	Type   string // log_message, file_status, archive_progress, progress_message, progress_percent, question_...
	Level  string // DEBUG to CRITICAL
	Logger string
	ID     string // the message id, "" if there is none
	Text   string
	Status string // file_status: a letter
	Path   string

	Files, Original, Deduplicated int64 // archive_progress
	Current, Total                int64 // progress_percent
}

// messageJSON takes whatever a key holds: a field of the wrong type spoils itself only.
type messageJSON struct {
	Type         string  `json:"type"`
	Level        string  `json:"levelname"`
	Logger       string  `json:"name"`
	ID           string  `json:"msgid"`
	Text         string  `json:"message"`
	Status       string  `json:"status"`
	Path         string  `json:"path"`
	Files        float64 `json:"nfiles"`
	Original     float64 `json:"original_size"`
	Deduplicated float64 `json:"deduplicated_size"`
	Current      float64 `json:"current"`
	Total        float64 `json:"total"`
}

// ParseLine reads one line of borg's stderr. Most lines are a JSON object each. A prompt may stand in front
// of one on the same line; usage errors, helpers' output and the tracebacks of a dying Python are plain text.
func ParseLine(line []byte) Message {
	if m, ok := parseObject(line); ok {
		return m
	}
	if start := bytes.Index(line, []byte(`{"`)); start > 0 {
		if m, ok := parseObject(line[start:]); ok {
			return m
		}
	}
	return Message{Text: strings.ToValidUTF8(string(line), "\uFFFD")}
}

func parseObject(line []byte) (Message, bool) {
	if line = bytes.TrimSpace(line); len(line) == 0 || line[0] != '{' || !json.Valid(line) {
		return Message{}, false
	}
	var j messageJSON
	_ = json.Unmarshal(line, &j) // valid, so at worst a field has another type and stays empty
	if j.Type == "" {
		return Message{}, false
	}
	return Message{
		Type: j.Type, Level: j.Level, Logger: j.Logger, ID: j.ID, Text: j.Text, Status: j.Status, Path: j.Path,
		Files: count(j.Files), Original: count(j.Original), Deduplicated: count(j.Deduplicated),
		Current: count(j.Current), Total: count(j.Total),
	}, true
}

// count makes a number of things of what a foreign program calls one.
func count(f float64) int64 {
	const most = 1 << 60
	return int64(max(0, min(f, most)))
}

// isError tells whether the message alone makes the call a failure.
func (m *Message) isError() bool {
	return m.Type == "log_message" && (m.Level == "ERROR" || m.Level == "CRITICAL")
}

const traceback = "Traceback (most recent call last):"

// oneLine takes of a message what says most: of a traceback the exception, of other text all its lines.
func oneLine(text string) string {
	start := strings.LastIndex(text, traceback)
	if start < 0 {
		return text
	}
	for line := range strings.Lines(text[start+len(traceback):]) {
		if line = strings.TrimRight(line, "\r\n"); line != "" && line[0] != ' ' {
			return line
		}
	}
	return text[:start]
}
