// Package secret reads the owner's passphrases, passwords and tokens from where they are kept.
package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"borgcron/internal/backup"
	"borgcron/internal/process"
)

const (
	// MaxSize is the size in bytes that a secret may have. It fits into a pipe nobody reads yet.
	MaxSize        = 4096
	commandTimeout = 60 * time.Second
	// runSecrets is where container engines put secrets. They are readable by all there, by design.
	runSecrets = "/run/secrets"
)

// Read returns the secret without its trailing newlines. Environ is the caller's environment. Errors say
// where the secret was looked for, and never what was found.
func Read(ctx context.Context, s backup.Secret, environ []string) ([]byte, error) {
	value, err := read(ctx, s, environ)
	if err != nil {
		return nil, err
	}
	value = bytes.TrimRight(value, "\r\n")
	switch {
	case len(value) == 0:
		return nil, fmt.Errorf("%s is empty", source(s))
	case len(value) > MaxSize:
		return nil, fmt.Errorf("%s is longer than %d bytes", source(s), MaxSize)
	}
	return value, nil
}

func read(ctx context.Context, s backup.Secret, environ []string) ([]byte, error) {
	switch {
	case s.File != "":
		dir := lookup(environ, "CREDENTIALS_DIRECTORY")
		return readFile(s.File, within(s.File, dir) || within(s.File, runSecrets))
	case s.Command != "":
		return readCommand(ctx, s.Command, environ)
	case s.Credential != "":
		return readCredential(s.Credential, lookup(environ, "CREDENTIALS_DIRECTORY"))
	case s.Env != "":
		return []byte(lookup(environ, s.Env)), nil
	case s.Text != "":
		return []byte(s.Text), nil
	}
	return nil, errors.New("no secret is configured")
}

// source says where a secret is kept, for errors.
func source(s backup.Secret) string {
	switch {
	case s.File != "":
		return "the secret in the file " + s.File
	case s.Command != "":
		return "the secret printed by the command"
	case s.Credential != "":
		return "the credential " + s.Credential
	case s.Env != "":
		return "the secret in the variable " + s.Env
	}
	return "the secret"
}

// readFile reads a secret file. One that others can read is no secret, unless the folder is known to be
// made for secrets.
func readFile(path string, trusted bool) ([]byte, error) {
	// O_NONBLOCK: a FIFO without a writer would block the open for ever.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("read a secret: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("read a secret: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read a secret: %s is not a regular file", path)
	}
	if !trusted && info.Mode().Perm()&0o004 != 0 {
		return nil, fmt.Errorf("read a secret: everybody can read %s; try: chmod o= %s", path, path)
	}
	value, err := io.ReadAll(io.LimitReader(file, 2*MaxSize)) // what is longer still shows to be too long
	if err != nil {
		return nil, fmt.Errorf("read a secret: %w", err)
	}
	return value, nil
}

func readCredential(name, dir string) ([]byte, error) {
	if strings.Contains(name, "/") || name == "." || name == ".." {
		return nil, fmt.Errorf("the credential %q is no plain name", name)
	}
	for _, folder := range []string{dir, runSecrets} {
		if folder == "" {
			continue
		}
		value, err := readFile(filepath.Join(folder, name), true)
		if !errors.Is(err, fs.ErrNotExist) {
			return value, err
		}
	}
	return nil, fmt.Errorf("the credential %s is neither in $CREDENTIALS_DIRECTORY nor in %s", name, runSecrets)
}

// readCommand takes what the owner's command prints. Neither that nor what it complains of is ever shown:
// a program may well name the secret in an error.
func readCommand(ctx context.Context, line string, environ []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	var out limited
	command := process.Shell(line)
	command.Env = withoutBorg(environ)
	command.Stdout = &out
	err := process.Run(ctx, command)
	var exit *process.ExitError
	if errors.As(err, &exit) {
		exit.Tail = nil // nobody up the chain is to find it there
	}
	if exit != nil && exit.Stopped && errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("the command for a secret gave none within %v: %w", commandTimeout, context.DeadlineExceeded)
	}
	if err != nil {
		return nil, fmt.Errorf("run the command for a secret: %w", err)
	}
	return out.value, nil
}

// limited keeps the first bytes only, as many as show that there were too many.
type limited struct{ value []byte }

func (l *limited) Write(p []byte) (int, error) {
	room := 2*MaxSize - len(l.value)
	l.value = append(l.value, p[:min(room, len(p))]...)
	return len(p), nil
}

// withoutBorg leaves out what borg alone should see.
func withoutBorg(environ []string) []string {
	var kept []string
	for _, entry := range environ {
		if !strings.HasPrefix(entry, "BORG_") {
			kept = append(kept, entry)
		}
	}
	return kept
}

func lookup(environ []string, name string) string {
	for _, entry := range environ {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

func within(path, dir string) bool {
	return dir != "" && strings.HasPrefix(filepath.Clean(path), filepath.Clean(dir)+"/")
}
