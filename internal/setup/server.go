package setup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"borgcron/internal/backup"
	"borgcron/internal/process"
)

// Server is where a repository on another machine is.
type Server struct {
	Login string // USER@HOST or HOST
	Port  string // "": ssh's own
	Path  string // as the server's shell would take it, relative to the home folder or absolute
}

// ParseServer takes a location apart: ssh://USER@HOST:PORT/PATH or USER@HOST:PATH. The location is known to be a valid one.
func ParseServer(location string) Server {
	rest, url := strings.CutPrefix(location, "ssh://")
	if !url {
		login, path, _ := strings.Cut(location, ":")
		if open := strings.IndexByte(location, '['); open >= 0 { // an address with colons
			if end := strings.Index(location, "]:"); end > open {
				login, path = location[:end+1], location[end+2:]
			}
		}
		return Server{Login: unbracketed(login), Path: path}
	}
	authority, path, _ := strings.Cut(rest, "/")
	s := Server{Login: authority, Path: "/" + path}
	if colon := strings.LastIndexByte(authority, ':'); colon > strings.LastIndexByte(authority, ']') {
		s.Login, s.Port = authority[:colon], authority[colon+1:]
	}
	s.Login = unbracketed(s.Login)
	for _, relative := range []string{"/./", "/~/"} {
		if cut, ok := strings.CutPrefix(s.Path, relative); ok {
			s.Path = cut
		}
	}
	return s
}

// unbracketed is an address as ssh takes it on its command line.
func unbracketed(login string) string { return strings.NewReplacer("[", "", "]", "").Replace(login) }

// Login is how ssh gets there.
type Login struct {
	Server
	Identity   string
	KnownHosts string   // "": ssh's own
	Environ    []string // the caller's
	Temp       string   // a folder of ours for a trial's files
}

// TrialPrefix begins the names of folders that a trial makes, and removes again.
const TrialPrefix = ".trial-"

// The ways in which a login fails that another answer can mend.
var (
	ErrUnknownHost = errors.New("ssh does not know the server")
	ErrChangedHost = errors.New("the server shows another key than the one that is known: either it was set up anew, or somebody is in between")
	ErrDenied      = errors.New("the server does not let us in")
	ErrNoBorg      = errors.New("there is no borg on the server")
)

// sshTimeout bounds a trial. A server that is far answers in seconds.
const sshTimeout = 45 * time.Second

// run runs a command on the server and returns what it prints, and what ssh says.
func (l Login) run(ctx context.Context, options []string, command string) (stdout, said string, code int, err error) {
	path, err := process.LookPath("ssh", lookup(l.Environ, "PATH"))
	if err != nil {
		return "", "", 0, fmt.Errorf("ssh is not installed: %w", err)
	}
	args := []string{"-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20", "-o", "ControlMaster=no", "-o", "ControlPath=none"}
	args = append(args, options...)
	if l.Identity != "" {
		args = append(args, "-i", l.Identity, "-o", "IdentitiesOnly=yes")
	}
	if l.Port != "" {
		args = append(args, "-p", l.Port)
	}
	args = append(args, "--", l.Server.Login, command)
	ctx, cancel := context.WithTimeout(ctx, sshTimeout)
	defer cancel()
	var out bytes.Buffer
	var lines []string
	err = process.Run(ctx, process.Command{
		Path: path, Args: args, Env: l.environment(), Stdout: &out, Mortal: 15,
		Line: func(line []byte) {
			if len(lines) < 100 {
				lines = append(lines, string(line))
			}
		},
	})
	said = strings.Join(lines, "\n")
	var exit *process.ExitError
	switch {
	case ctx.Err() != nil && context.Cause(ctx) == context.DeadlineExceeded: //nolint:errorlint // the deadline is ours
		return "", said, 0, fmt.Errorf("the server does not answer within %v", sshTimeout)
	case errors.As(err, &exit):
		return out.String(), said, exit.Code, nil
	case err != nil:
		return "", said, 0, err
	}
	return out.String(), said, 0, nil
}

func (l Login) environment() []string {
	env := []string{"LANG=C.UTF-8", "SSH_ASKPASS_REQUIRE=never"}
	for _, name := range []string{"PATH", "HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK"} {
		if value := lookup(l.Environ, name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func lookup(environ []string, name string) string {
	for _, entry := range slices.Backward(environ) {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

// strict are the options that let nothing but a known server in.
func (l Login) strict() []string {
	options := []string{"-o", "StrictHostKeyChecking=yes"}
	if l.KnownHosts != "" {
		options = append(options, "-o", `UserKnownHostsFile="`+l.KnownHosts+`"`)
	}
	return options
}

var borgVersion = regexp.MustCompile(`(?m)^borg\S* ((\d+)\.\d+[0-9.]*)`)

// Try logs in as borg will, and asks borg on the server for its version; "" if the server keeps that to itself.
func (l Login) Try(ctx context.Context, remotePath string) (version string, err error) {
	if remotePath == "" {
		remotePath = "borg"
	}
	stdout, said, code, err := l.run(ctx, l.strict(), remotePath+" --version")
	if err != nil {
		return "", err
	}
	match := borgVersion.FindStringSubmatch(stdout)
	switch {
	case code == 0 && match != nil:
		version = match[1]
		if match[2] != "1" {
			return "", fmt.Errorf("borg on the server is version %s; 1.2 or 1.4 is needed there", version)
		}
		return version, nil
	case code == 127:
		return "", ErrNoBorg
	case code == 255:
		return "", refusal(said)
	}
	return "", nil // a server that runs nothing but what it is set to run
}

// refusal says why ssh did not get in.
func refusal(said string) error {
	switch {
	case strings.Contains(said, "IDENTIFICATION HAS CHANGED"):
		return ErrChangedHost
	case strings.Contains(said, "Host key verification failed") || strings.Contains(said, "host key is known"):
		return ErrUnknownHost
	case strings.Contains(said, "Permission denied") || strings.Contains(said, "Too many authentication failures"):
		return ErrDenied
	}
	lines := strings.Split(strings.TrimSpace(said), "\n")
	return fmt.Errorf("ssh cannot reach it: %s", backup.CleanLine(strings.TrimPrefix(lines[len(lines)-1], "ssh: "), 200))
}

// HostKey is the key that a server shows.
type HostKey struct {
	Line        string // as known_hosts has it
	Fingerprint string // SHA256:..., as ssh shows it
	Kind        string // ED25519, ...
}

// Fetch gets the key that the server shows. Nothing is shown to the server in turn: no login is tried.
func (l Login) Fetch(ctx context.Context) (HostKey, error) {
	dir, err := os.MkdirTemp(l.Temp, TrialPrefix+"*")
	if err != nil {
		return HostKey{}, fmt.Errorf("fetch the key of the server: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "known_hosts")
	_, said, _, err := l.run(ctx, []string{
		"-o", "StrictHostKeyChecking=accept-new", "-o", "UserKnownHostsFile=" + file, "-o", "GlobalKnownHostsFile=/dev/null", "-o", "HashKnownHosts=no",
		"-o", "PreferredAuthentications=none", "-o", "UpdateHostKeys=no",
	}, "true")
	if err != nil {
		return HostKey{}, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return HostKey{}, refusal(said)
	}
	return parseHostKey(string(text))
}

// parseHostKey reads the first line of a known_hosts file.
func parseHostKey(text string) (HostKey, error) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return HostKey{}, errors.New("the key of the server cannot be understood")
	}
	blob, err := base64.StdEncoding.DecodeString(fields[2])
	if err != nil || len(blob) == 0 {
		return HostKey{}, errors.New("the key of the server cannot be understood")
	}
	sum := sha256.Sum256(blob)
	kind := strings.ToUpper(strings.TrimPrefix(strings.TrimPrefix(fields[1], "ssh-"), "ecdsa-sha2-"))
	return HostKey{line + "\n", "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]), backup.CleanLine(kind, 40)}, nil
}

// Knows tells whether a known_hosts text lets this server in, by trying it with a file of that text alone.
func (l Login) Knows(ctx context.Context, text, remotePath string) (string, error) {
	dir, err := os.MkdirTemp(l.Temp, TrialPrefix+"*")
	if err != nil {
		return "", fmt.Errorf("try to log in: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	l.KnownHosts = filepath.Join(dir, "known_hosts")
	if err := os.WriteFile(l.KnownHosts, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("try to log in: %w", err)
	}
	return l.Try(ctx, remotePath)
}

// Free are the bytes that there is room for on the server, if it says so.
func (l Login) Free(ctx context.Context) (int64, bool) {
	path := l.Path
	if path == "" {
		path = "."
	}
	parent := filepath.Dir(path)
	stdout, _, code, err := l.run(ctx, l.strict(), "df -Pk -- "+shellWord(path)+" 2>/dev/null || df -Pk -- "+shellWord(parent))
	if err != nil || code != 0 {
		return 0, false
	}
	return parseDF(stdout)
}

// parseDF reads the room of the only file system in the answer of `df -Pk`.
func parseDF(text string) (int64, bool) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	fields := strings.Fields(lines[len(lines)-1])
	if len(lines) != 2 || len(fields) < 6 {
		return 0, false
	}
	blocks, err := strconv.ParseInt(fields[3], 10, 64)
	if err != nil || blocks < 0 || blocks > 1<<50 {
		return 0, false
	}
	return blocks << 10, true
}

func shellWord(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
