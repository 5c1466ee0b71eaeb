package borg

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

// captured are lines that real borgs wrote: results, warnings, errors, tracebacks, prompts, progress.
func captured(tb testing.TB) [][]byte {
	tb.Helper()
	paths, err := filepath.Glob("testdata/*.log")
	if err != nil || len(paths) < 2 {
		tb.Fatal("the captured logs are gone", err)
	}
	var lines [][]byte
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			tb.Fatal(err)
		}
		defer file.Close()
		for scanner := bufio.NewScanner(file); scanner.Scan(); {
			lines = append(lines, []byte(scanner.Text()))
		}
	}
	return lines
}

func TestParseLine(t *testing.T) {
	for _, test := range []struct {
		name, line string
		want       Message
	}{
		{"error", `{"type": "log_message", "time": 1.5, "message": "no", "levelname": "ERROR", "name": "borg.archiver", "msgid": "LockTimeout"}`,
			Message{Type: "log_message", Level: "ERROR", Logger: "borg.archiver", ID: "LockTimeout", Text: "no"}},
		{"behind a prompt", `Enter passphrase for key /r: {"type": "log_message", "message": "no", "levelname": "ERROR"}`,
			Message{Type: "log_message", Level: "ERROR", Text: "no"}},
		{"status", `{"type": "file_status", "status": "E", "path": "a\nb"}`, Message{Type: "file_status", Status: "E", Path: "a\nb"}},
		{"progress", `{"original_size": 3, "nfiles": 1e3, "deduplicated_size": -1, "path": "p", "type": "archive_progress"}`,
			Message{Type: "archive_progress", Path: "p", Files: 1000, Original: 3}},
		{"field of another type", `{"type": "progress_percent", "current": "x", "total": 1e300, "message": 5}`,
			Message{Type: "progress_percent", Total: 1 << 60}},
		{"plain", "usage: borg", Message{Text: "usage: borg"}},
		{"other JSON", `{"a": 1}`, Message{Text: `{"a": 1}`}},
		{"cut", `{"type": "log_message", "mess`, Message{Text: `{"type": "log_message", "mess`}},
		{"no UTF-8", "a\xffb", Message{Text: "a\uFFFDb"}},
		{"empty", "", Message{}},
	} {
		if diff := cmp.Diff(test.want, ParseLine([]byte(test.line))); diff != "" {
			t.Errorf("%s:\n%s", test.name, diff)
		}
	}
}

func TestOneLine(t *testing.T) {
	for text, want := range map[string]string{
		"Traceback (most recent call last):\n  File \"x\"\n    y()\nOSError: [Errno 28] full\n\nPlatform: Linux\nPID: 1\n": "OSError: [Errno 28] full",
		"first\nTraceback (most recent call last):\n  File":                                                                "first\n",
		"plain": "plain",
	} {
		if got := oneLine(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzParseLine(f *testing.F) {
	for _, line := range captured(f) {
		f.Add(line)
	}
	f.Add([]byte(`Enter: {"type": "log_message"`))
	f.Fuzz(func(t *testing.T, line []byte) {
		m := ParseLine(line)
		if !utf8.ValidString(m.Text) || m.Current < 0 || m.Total < 0 || m.Files < 0 {
			t.Errorf("%+v", m)
		}
		// Whatever a borg prints ends as bounded text of one line.
		job := &backup.Job{Name: "home", Repositories: []backup.Repository{{Location: "ssh://u@nas.example/./r"}}}
		call := backup.Call{Job: job, Repository: job.Repositories[0]}
		r := newRecord(task{command: "create"}, call, newRedactor(call, []byte("hunter2")))
		r.line(line)
		r.line(line)
		r.end()
		failure := r.judge(nil)
		texts := append([]string{}, r.report.Tail...)
		if failure != nil {
			texts = append(texts, failure.Message)
		}
		for _, w := range r.report.Warnings {
			texts = append(texts, w.Message)
		}
		for _, text := range texts {
			if utf8.RuneCountInString(text) > maxText || strings.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("%q", text)
			}
			if strings.Contains(text, "ssh://u@nas.example/./r") || strings.Contains(text, "hunter2") {
				t.Errorf("gives away: %q", text)
			}
		}
	})
}

func TestParseListed(t *testing.T) {
	const id = "787cafae0b9b1c9a3dcb8f7a787cafae0b9b1c9a3dcb8f7a787cafae0b9b1c9a"
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 19, 19, 53, 0, zone)
	for _, test := range []struct {
		line, name string
		gone, ok   bool
	}{
		{"Keeping archive (rule: daily #1):        b22          Sun, 2026-11-22 19:19:53 [" + id + "]", "b22", false, true},
		{"Keeping archive (rule: secondly[oldest] #1000):  a: b [c] (d)  Sun, 2026-11-22 19:19:53 [" + id + "]", "a: b [c] (d)", false, true},
		{"Keeping checkpoint archive:                  x.checkpoint   Sun, 2026-11-22 19:19:53 [" + id + "]", "x.checkpoint", false, true},
		{"Would prune:         Keeping archive (rule: x #1): y      Sun, 2026-11-22 19:19:53 [" + id + "]", "Keeping archive (rule: x #1): y", true, true},
		{"Pruning archive (10/12):  a Sun, 2026-11-22 19:19:52 [" + id + "]  Sun, 2026-11-22 19:19:53 [" + id + "]", "a Sun, 2026-11-22 19:19:52 [" + id + "]", true, true},
		{"Keeping archive (rule: daily #1): b22 Sun, 2026-11-22 19:19:53 [abc]", "", false, false},
		{"Keeping archive (rule: daily #1): b22 Sun, 2026-13-22 19:19:53 [" + id + "]", "", false, false},
		{"something else", "", false, false},
	} {
		got, gone, ok := parseListed(test.line, zone)
		want := backup.Archive{}
		if test.ok {
			want = backup.Archive{Name: test.name, ID: id, Time: at}
		}
		if diff := cmp.Diff(want, got); diff != "" || gone != test.gone || ok != test.ok {
			t.Errorf("%s: gone %v, ok %v\n%s", test.line, gone, ok, diff)
		}
	}
}

func FuzzParseListed(f *testing.F) {
	for _, line := range captured(f) {
		if m := ParseLine(line); m.Logger == "borg.output.list" {
			if _, _, ok := parseListed(m.Text, time.UTC); !ok {
				f.Errorf("a real line is not understood: %s", m.Text)
			}
			f.Add(m.Text)
		}
	}
	f.Fuzz(func(t *testing.T, line string) {
		if archive, _, ok := parseListed(line, time.UTC); ok && (len(archive.ID) != 64 || archive.Time.IsZero()) {
			t.Errorf("%+v", archive)
		}
	})
}

func FuzzAccept(f *testing.F) {
	f.Add([]byte(`{"archive": {"name": "a", "id": "1", "start": "2026-11-22T19:18:22.000000", "stats": {"nfiles": 31}}, "cache": {"stats": {"unique_csize": 5}}, "repository": {"id": "2"}}`))
	f.Add([]byte(`{"archives": [{"name": "b"}, {"name": "a", "start": ""}]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &record{}
		failure := r.accept(&answer{want: "a"}, &limited{text: data})
		if failure == nil && (r.report.Archive == nil || r.report.Archive.Name != "a" || r.report.Archive.ID == "") {
			t.Errorf("green without the archive: %+v", r.report)
		}
	})
}
