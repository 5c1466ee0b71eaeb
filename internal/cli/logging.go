package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/lmittmann/tint"
)

// openLog makes the one logger: for people on a terminal, with priorities for the journal under systemd,
// with ISO time and level elsewhere.
func (env *environment) openLog(to io.Writer) error {
	level := slog.LevelInfo
	switch {
	case env.Quiet:
		level = slog.LevelWarn
	case env.Verbose:
		level = slog.LevelDebug
	}
	format := env.LogFormat
	if format == "" {
		switch {
		case to == env.Stderr && env.Terminal:
			format = "terminal"
		case to == env.Stderr && isJournal(to, env.Getenv("JOURNAL_STREAM")):
			format = "journal"
		default:
			format = "text"
		}
	}
	switch format {
	case "terminal":
		env.Log = slog.New(tint.NewTextHandler(to, &tint.Options{
			Level: level, TimeFormat: "15:04:05", NoColor: env.Getenv("NO_COLOR") != "",
		}))
	case "text":
		env.Log = slog.New(newPlainHandler(to, level, plainPrefix))
	case "json":
		env.Log = slog.New(slog.NewJSONHandler(to, &slog.HandlerOptions{Level: level}))
	case "journal":
		env.Log = slog.New(newPlainHandler(to, level, journalPrefix))
	default:
		return usage("--log-format takes text, json or journal, not %q", env.LogFormat)
	}
	return nil
}

// isJournal tells whether a stream is the one that the journal reads. The variable alone says little, as
// whatever a service starts inherits it: systemd.exec(5) asks to compare device and inode.
func isJournal(stream io.Writer, named string) bool {
	file, ok := stream.(*os.File)
	if !ok || named == "" {
		return false
	}
	info, err := file.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && fmt.Sprintf("%d:%d", stat.Dev, stat.Ino) == named
}

// openLogFile adds a log file to stderr's log. It is opened anew at each run, so logrotate may simply move it,
// and stays open until the program ends, as its last words go there too.
func (env *environment) openLogFile(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return usage("log file: %w", err)
	}
	level := slog.LevelInfo
	if env.Verbose {
		level = slog.LevelDebug
	}
	env.logFile = true
	env.Log = slog.New(slog.NewMultiHandler(env.Log.Handler(), newPlainHandler(file, level, plainPrefix)))
	return nil
}

// plainHandler writes a line a record, "PREFIX message key=value ...".
type plainHandler struct {
	to     io.Writer
	level  slog.Level
	prefix func(slog.Record) string
	attrs  []slog.Attr
	mutex  *sync.Mutex
}

func newPlainHandler(to io.Writer, level slog.Level, prefix func(slog.Record) string) *plainHandler {
	return &plainHandler{to: to, level: level, prefix: prefix, mutex: &sync.Mutex{}}
}

// journalPrefix is the priority of syslog(3) in the form of sd-daemon(3); the journal has the time.
func journalPrefix(record slog.Record) string {
	switch {
	case record.Level >= slog.LevelError:
		return "<3>"
	case record.Level >= slog.LevelWarn:
		return "<4>"
	case record.Level >= slog.LevelInfo:
		return "<6>"
	}
	return "<7>"
}

func plainPrefix(record slog.Record) string {
	return record.Time.Format("2006-01-02T15:04:05-07:00") + " " + strings.ToLower(record.Level.String()) + " "
}

func (h *plainHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

func (h *plainHandler) Handle(_ context.Context, record slog.Record) error {
	var line bytes.Buffer
	line.WriteString(h.prefix(record))
	line.WriteString(record.Message)
	write := func(attr slog.Attr) bool {
		value := attr.Value.Resolve().String()
		if strings.ContainsAny(value, " \"=\n") || value == "" {
			value = fmt.Sprintf("%q", value)
		}
		fmt.Fprintf(&line, " %s=%s", attr.Key, value)
		return true
	}
	for _, attr := range h.attrs {
		write(attr)
	}
	record.Attrs(write)
	line.WriteByte('\n')
	h.mutex.Lock()
	defer h.mutex.Unlock()
	_, err := h.to.Write(line.Bytes())
	return err
}

func (h *plainHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	clone := *h
	clone.attrs = append(append([]slog.Attr{}, h.attrs...), attrs...)
	return &clone
}

func (h *plainHandler) WithGroup(string) slog.Handler { return h }
