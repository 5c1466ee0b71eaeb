package borg

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"strconv"
	"strings"
	"syscall"

	"borgcron/internal/backup"
	"borgcron/internal/process"
)

// The ways in which a server cannot be asked.
var (
	ErrNoSSH       = errors.New("ssh cannot be started")
	ErrUnknownHost = errors.New("the server's key is not known")
	ErrChangedHost = errors.New("the server shows another key than the one that is known")
	ErrDenied      = errors.New("the server does not let us in")
	ErrNoBorg      = errors.New("there is no borg on the server")
	ErrUnreachable = errors.New("the server cannot be reached")
)

// ServerVersion logs in to the repository's server as borg would, and asks borg there for its version. It is nil if the server
// runs nothing but what it is set to run. Agent tells whether the caller's key agent may help. Nothing of the repository is touched.
// The error is one of those above; said is why, in one line without the repository's location.
func (c *Client) ServerVersion(ctx context.Context, call backup.Call, agent bool) (version *Version, said string, err error) {
	r := call.Repository
	command := strings.Fields(cmp.Or(r.SSH.Command, "ssh")) // with arguments perhaps
	env := c.variables(r)
	path, err := process.LookPath(command[0], env["PATH"])
	if err != nil {
		return nil, "", errors.Join(ErrNoSSH, err)
	}
	if !agent {
		delete(env, "SSH_AUTH_SOCK")
	}
	port, login := destination(r.Location)
	args := append(command[1:], sshOptions(r.SSH)...)
	if port != "" {
		args = append(args, "-p", port)
	}
	args = append(args, login, cmp.Or(r.RemotePath, "borg"), "--version")
	stdout, lines := &limited{}, []string{}
	err = process.Run(ctx, process.Command{
		Path: path, Args: args, Env: entries(env), Stdout: stdout, Mortal: syscall.SIGTERM,
		Line: func(line []byte) {
			if len(lines) < mostSaid {
				lines = append(lines, string(line))
			}
		},
	})
	version, err = judgeLogin(stdout.text, lines, err)
	return version, newRedactor(call, nil).redact(lastWords(lines)), err
}

// mostSaid is how many lines of ssh's are read: a banner, and why it did not work.
const mostSaid = 200

// destination takes a location apart as borg does: the port, "" for ssh's own, and USER@HOST or HOST.
func destination(location string) (port, login string) {
	rest, url := strings.CutPrefix(location, "ssh://")
	login, _, _ = strings.Cut(rest, "/")
	colon := strings.LastIndexByte(login, ':')
	bracket := strings.LastIndexByte(login, ']')
	if colon > bracket {
		if url {
			port = login[colon+1:]
		}
		login = login[:colon]
	}
	return port, strings.NewReplacer("[", "", "]", "").Replace(login)
}

// judgeLogin says what came of it.
func judgeLogin(stdout []byte, lines []string, err error) (*Version, error) {
	text := strings.Join(lines, "\n")
	has := func(words ...string) bool {
		for _, word := range words {
			if strings.Contains(text, word) {
				return true
			}
		}
		return false
	}
	var exit *process.ExitError
	ended := errors.As(err, &exit)
	switch {
	case ended && exit.Stopped, errors.Is(err, context.DeadlineExceeded):
		return nil, context.DeadlineExceeded
	case err != nil && !ended:
		return nil, errors.Join(ErrNoSSH, err)
	case ended && exit.Code == 255 && has("IDENTIFICATION HAS CHANGED"):
		return nil, ErrChangedHost
	case ended && exit.Code == 255 && has("Host key verification failed", "host key is known"):
		return nil, ErrUnknownHost
	case ended && exit.Code == 255 && has("Permission denied", "Too many authentication failures", "No more authentication methods"):
		return nil, ErrDenied
	case ended && exit.Code == 255:
		return nil, ErrUnreachable
	}
	for line := range bytes.Lines(stdout) { // a banner may stand before it
		if version, ok := parseVersion(line); ok {
			return &version, nil
		}
	}
	if ended && (exit.Code == 127 || exit.Code == 126) {
		return nil, ErrNoBorg
	}
	return nil, nil
}

// lastWords is the last line that says something.
func lastWords(lines []string) string {
	for i := len(lines) - 1; i >= 0; i-- {
		if line := backup.CleanLine(lines[i], 200); strings.TrimSpace(line) != "" {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// Port is the port that a location names, 0 if it names none.
func Port(location string) int {
	port, _ := destination(location)
	number, err := strconv.Atoi(port)
	if err != nil {
		return 0
	}
	return number
}
