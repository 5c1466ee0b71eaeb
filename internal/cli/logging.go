package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"github.com/lmittmann/tint"
	"golang.org/x/sys/unix"

	"borgcron/internal/config"
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
			env.LogFormat = format // the last words go there too
		default:
			format = "text"
		}
	}
	var handler slog.Handler
	switch format {
	case "terminal":
		handler = tint.NewTextHandler(to, &tint.Options{
			Level: level, TimeFormat: "15:04:05", NoColor: env.Getenv("NO_COLOR") != "",
		})
	case "text":
		handler = newPlainHandler(to, level, plainPrefix)
	case "json":
		handler = slog.NewJSONHandler(to, &slog.HandlerOptions{Level: level})
	case "journal":
		handler = newPlainHandler(to, level, journalPrefix)
	default:
		return usage("--log-format takes text, json or journal, not %q", env.LogFormat)
	}
	env.Log = slog.New(cleanHandler{handler})
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
	file, err := createLogFile(path, config.Environment{UID: os.Getuid(), Owner: env.ConfigOwner})
	if err != nil {
		return usage("log file: %w", err)
	}
	level := slog.LevelInfo
	if env.Verbose {
		level = slog.LevelDebug
	}
	env.logFile = true
	env.Log = slog.New(slog.NewMultiHandler(env.Log.Handler(), cleanHandler{newPlainHandler(file, level, plainPrefix)}))
	return nil
}

// createLogFile opens a log file. Root appends to none that somebody else could have put there, perhaps as a
// link to another file; and nobody waits for the reader of a pipe. The folders of a path that is safe do not
// change under us; in one such as /tmp only the file itself may have, so that link is not followed.
func createLogFile(path string, who config.Environment) (*os.File, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if reason := who.Unsafe(path); reason != "" {
		return nil, fmt.Errorf("unsafe for root: %s", reason)
	}
	flags := os.O_CREATE | os.O_APPEND | os.O_WRONLY | unix.O_NONBLOCK | unix.O_NOCTTY
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		flags |= unix.O_NOFOLLOW
	}
	file, err := os.OpenFile(path, flags, 0o640)
	if errors.Is(err, unix.ENXIO) {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular() && info.Mode()&fs.ModeCharDevice == 0: // /dev/null and terminals are fine
		err = fmt.Errorf("%s is no regular file", path)
	case info.Mode().IsRegular() && who.Unsafe(path) != "":
		err = fmt.Errorf("unsafe for root: %s", who.Unsafe(path))
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}
