package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"borgcron/internal/config"
)

// hostile is what a file, a server or a hook may be called or say.
const hostile = "a\x1b[2J\x1b]0;owned\a\u009b31m\u202e\r\n<0>borgcron: all is well"

// A record is one line of printable characters in every format, and JSON stays JSON.
func TestLogCannotBeInjected(t *testing.T) {
	for _, format := range []string{"terminal", "text", "journal", "json"} {
		t.Run(format, func(t *testing.T) {
			var out bytes.Buffer
			env := &environment{Stderr: &out, Getenv: func(string) string { return "" }, LogFormat: format}
			if format == "terminal" {
				env.LogFormat, env.Terminal = "", true
				env.Getenv = func(name string) string { return map[string]string{"NO_COLOR": "1"}[name] }
			}
			if err := env.openLog(env.Stderr); err != nil {
				t.Fatal(err)
			}
			env.Log.With("with", hostile).Error(hostile, "text", hostile, "error", errors.New(hostile),
				slog.Group("group", "in", hostile), "number", 3, "long", strings.Repeat("x", 1<<20))
			line, more, _ := strings.Cut(out.String(), "\n")
			if more != "" || strings.ContainsAny(line, "\x1b\a\r\u009b\u202e") {
				t.Errorf("%.300q", out.String())
			}
			if len(line) > 40<<10 {
				t.Errorf("%d bytes: the journal cuts it in two", len(line))
			}
			if strings.Count(line, "<0>borgcron") != 5 || !strings.Contains(line, "3") {
				t.Errorf("something is missing: %.300q", line)
			}
			if format == "journal" && !strings.HasPrefix(line, "<3>a") {
				t.Errorf("the priority: %.20q", line)
			}
			var object map[string]any
			if err := json.Unmarshal([]byte(line), &object); format == "json" && (err != nil || object["number"] != 3.0) {
				t.Errorf("%v, %v", err, object["number"])
			}
		})
	}
}

func TestLogFileCannotBeInjected(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	env := &environment{Log: slog.New(slog.DiscardHandler)}
	if err := env.openLogFile(path); err != nil {
		t.Fatal(err)
	}
	env.Log.Error(hostile, "text", hostile)
	if text, err := os.ReadFile(path); err != nil || strings.Count(string(text), "\n") != 1 || strings.ContainsAny(string(text), "\x1b\a\r\u009b\u202e") {
		t.Errorf("%q, %v", text, err)
	}
}

func TestLogFile(t *testing.T) {
	dir := t.TempDir()
	who := config.Environment{UID: os.Getuid()}
	path := filepath.Join(dir, "log")
	if err := os.Symlink(path, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path, filepath.Join(dir, "link"), "/dev/null"} {
		file, err := createLogFile(name, who)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, err = io.WriteString(file, "line\n")
		if err := errors.Join(err, file.Close()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "line\nline\nline\n" {
		t.Errorf("%q, %v", text, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o137 != 0 {
		t.Errorf("%v, %v", info, err)
	}
}

// A pipe is no log file: its reader could keep a run waiting.
func TestLogFileIsNoPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	open := func() error {
		done := make(chan error, 1)
		go func() {
			_, err := createLogFile(path, config.Environment{UID: os.Getuid()})
			done <- err
		}()
		select {
		case err := <-done:
			return err
		case <-time.After(20 * time.Second):
			t.Fatal("it waits")
			return nil
		}
	}
	if err := open(); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("without a reader: %v", err)
	}
	reader, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := open(); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("with a reader: %v", err)
	}
}

// Root appends to no file that another user could have put in the place of the log.
func TestLogFileOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files to another user")
	}
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	tmp, theirs := filepath.Join(dir, "tmp"), filepath.Join(dir, "theirs")
	for _, err := range []error{
		os.WriteFile(victim, []byte("precious"), 0o600),
		os.Mkdir(tmp, 0o755), os.Chmod(tmp, 0o777|fs.ModeSticky),
		os.Symlink(victim, tmp+"/link"), os.Lchown(tmp+"/link", 65534, 65534),
		os.WriteFile(tmp+"/file", nil, 0o666), os.Chown(tmp+"/file", 65534, 65534),
		os.Mkdir(theirs, 0o755), os.Chown(theirs, 65534, 65534),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{tmp + "/link", tmp + "/file", theirs + "/log"} {
		file, err := createLogFile(path, config.Environment{})
		if err == nil {
			file.Close()
			t.Errorf("%s was taken", path)
		} else if !strings.Contains(err.Error(), "unsafe for root") {
			t.Error(err)
		}
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "precious" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := os.Lstat(theirs + "/log"); err == nil {
		t.Error("a file was made in another user's folder")
	}
}
