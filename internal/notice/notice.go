// Package notice answers `borgcron status --login` from a small file before the rest of the program is initialised.
//
// A login shell waits for that command each time, so it has to be as fast as a program can be. Go initialises all
// packages of a program before main, which takes this one longer than everything the command has to do. The
// order is fixed by the language: sorted by import path, each package as soon as all that it imports is done. So
// the init function below runs before those of the command line, SQLite, YAML and HTTP, but only as long as this
// package imports next to nothing: os, strconv, syscall and time. It is the only such function in the
// program, and more would not be worth it. If there is anything that it cannot answer, it does nothing and main
// goes on as ever.
//
// The file is written after each run (package status) and says ahead of time what is to be shown from when on. Its
// writer is not always whom its reader trusts: at root's login it may be that of a user who makes backups. So
// it is opened without following or waiting, bounded in every way, and shown in printable ASCII only.
package notice

import (
	"os"
	"syscall"
	"time"
)

// machine is the state folder of the machine. Builds for a system with another one, and those of tests, set it by
// -ldflags "-X borgcron/internal/notice.machine=FOLDER".
var machine = "/var/lib/borgcron"

func init() {
	wait, asked := question(os.Args)
	if !asked || os.Getenv("BORGCRON_CONFIG") != "" { // which may name another folder
		return
	}
	lines, found := Read(Folders(os.Getenv, os.Getuid()), time.Now())
	switch {
	case !found:
		return
	case len(lines) > 0 && wait && isDevice(os.Stdin) && isDevice(os.Stdout): // it may be a terminal
		return
	}
	if len(lines) > 0 {
		_, _ = os.Stdout.Write(Join(lines)) // whoever does not read it has been told
	}
	os.Exit(0)
}

// question tells whether the command line is `status --login` and nothing more, and whether it asks to wait.
func question(args []string) (wait, asked bool) {
	switch {
	case len(args) == 3:
		return true, args[1] == "status" && args[2] == "--login"
	case len(args) == 4 && args[1] == "status":
		return false, args[2] == "--login" && args[3] == "--no-wait" || args[2] == "--no-wait" && args[3] == "--login"
	}
	return false, false
}

func isDevice(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Folders are the state folders whose notices concern a user: the machine's, and for all but root the user's own.
func Folders(getenv func(string) string, uid int) []string {
	if uid == 0 {
		return []string{machine}
	}
	if folder := getenv("XDG_STATE_HOME"); folder != "" && folder[0] == '/' {
		return []string{machine, folder + "/borgcron"}
	}
	if home := getenv("HOME"); home != "" && home[0] == '/' {
		return []string{machine, home + "/.local/state/borgcron"}
	}
	return []string{machine}
}

// Path is the notice of a state folder.
func Path(folder string) string { return folder + "/notice" }

// Load reads a notice file whole, and when it was written. It neither follows a link nor waits for anything, and
// takes only a regular file that can be one of ours. found is false if there is none.
//
// It asks the system directly: package os would first set up what it needs to wait for pipes and sockets.
func Load(path string) (data []byte, written time.Time, found, readable bool) {
	file, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	switch err { //nolint:errorlint // it is bare, and package errors is left out here
	case nil:
	case syscall.ENOENT, syscall.ENOTDIR:
		return nil, written, false, false
	default:
		return nil, written, true, false
	}
	defer func() { _ = syscall.Close(file) }()
	var stat syscall.Stat_t
	if syscall.Fstat(file, &stat) != nil || stat.Mode&syscall.S_IFMT != syscall.S_IFREG || stat.Size > MostBytes {
		return nil, written, true, false
	}
	data = make([]byte, stat.Size+1)
	length := 0
	for length < len(data) {
		n, err := syscall.Read(file, data[length:])
		if err != nil {
			return nil, written, true, false
		}
		if length += n; n == 0 {
			break
		}
	}
	return data[:length], modified(&stat), true, length < len(data) // else it grows while it is read
}
