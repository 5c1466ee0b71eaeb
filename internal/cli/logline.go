package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"

	"borgcron/internal/backup"
)

// mostLogged bounds, in characters, each text of a record. A line stays shorter than the 48 KiB at which the
// journal would cut it, and read a priority at the beginning of the rest.
const mostLogged = 2000

// cleanHandler makes every text of a record fit to be shown, whatever program, server or file it came from: a
// line feed in it would begin another line of the log, an escape sequence drive the terminal.
type cleanHandler struct{ slog.Handler }

func (h cleanHandler) Handle(ctx context.Context, record slog.Record) error {
	cleaned := slog.NewRecord(record.Time, record.Level, backup.CleanLine(record.Message, mostLogged), record.PC)
	record.Attrs(func(attr slog.Attr) bool {
		cleaned.AddAttrs(cleanAttr(attr))
		return true
	})
	return h.Handler.Handle(ctx, cleaned)
}

func (h cleanHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	cleaned := make([]slog.Attr, len(attrs))
	for i, attr := range attrs {
		cleaned[i] = cleanAttr(attr)
	}
	return cleanHandler{h.Handler.WithAttrs(cleaned)}
}

func (h cleanHandler) WithGroup(name string) slog.Handler {
	return cleanHandler{h.Handler.WithGroup(name)}
}

// cleanAttr leaves numbers and the like what they are.
func cleanAttr(attr slog.Attr) slog.Attr {
	value := attr.Value.Resolve()
	switch value.Kind() {
	case slog.KindString, slog.KindAny, slog.KindGroup:
		value = slog.StringValue(backup.CleanLine(value.String(), mostLogged))
	}
	return slog.Attr{Key: attr.Key, Value: value}
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
		if strings.ContainsAny(value, ` "=`) || value == "" { // what is worse the cleanHandler took out
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
