package condition

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"borgcron/internal/backup"
	"borgcron/internal/process"
)

// Reachable tells why the repository cannot be reached, if the job asks for that; "" if it can, or if that
// cannot be known without borg. The reason does not tell where the repository is.
func (c *Checker) Reachable(ctx context.Context, job *backup.Job, repository backup.Repository) (reason string, err error) {
	if !job.Conditions.Reachable {
		return "", nil
	}
	if repository.IsLocal() {
		reason = folderThere(ctx, repository.Key())
	} else {
		reason = c.serverThere(ctx, repository)
	}
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if reason != "" {
		reason = "the repository cannot be reached: " + reason
	}
	return reason, nil
}

func folderThere(ctx context.Context, path string) string {
	info, err := within(ctx, reachTimeout, func() (os.FileInfo, error) { return os.Stat(path) })
	switch {
	case errors.Is(err, errNoAnswer):
		return "its folder does not answer"
	case missingPath(err) || err == nil && !info.IsDir():
		return "its folder does not exist"
	}
	return "" // anything else, such as a lack of rights, borg explains best
}

// serverThere connects to where ssh would connect to.
func (c *Checker) serverThere(ctx context.Context, repository backup.Repository) string {
	host, ok := parseRemote(repository.Location)
	if !ok {
		return ""
	}
	address, known := c.askSSH(ctx, host, repository.SSH)
	if !known {
		return ""
	}
	bounded, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	dial := c.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(bounded, "tcp", address)
	if err != nil {
		return whyNoConnection(err)
	}
	conn.Close()
	return ""
}

// whyNoConnection says it in words of ours: those of package net name the address.
func whyNoConnection(err error) string {
	var unresolved *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &unresolved):
		return "the name of its server cannot be resolved"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "its server does not answer"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "its server refuses the connection"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "there is no route to its server"
	}
	return "its server cannot be connected to"
}

// remote is what a location says of the server.
type remote struct{ user, host, port string }

// parseRemote takes the server out of borg's two ways to write a remote location: ssh://user@host:port/path
// and user@host:path. It does not know any other scheme.
func parseRemote(location string) (remote, bool) {
	authority, isURL := strings.CutPrefix(location, "ssh://")
	if !isURL && strings.Contains(location, "://") {
		return remote{}, false
	}
	authority, _, _ = strings.Cut(authority, "/")
	var r remote
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		r.user, authority = authority[:at], authority[at+1:]
	}
	rest := ""
	if inner, bracketed := strings.CutPrefix(authority, "["); bracketed {
		r.host, rest, _ = strings.Cut(inner, "]")
		rest = strings.TrimPrefix(rest, ":")
	} else {
		r.host, rest, _ = strings.Cut(authority, ":")
	}
	if isURL {
		r.port = rest
	}
	if r.port != "" {
		if port, err := strconv.ParseUint(r.port, 10, 16); err != nil || port == 0 {
			return remote{}, false
		}
	}
	return r, r.host != ""
}

// askSSH asks ssh which address it would connect to, because the user's configuration may call the server by
// any name. It is not known if the way leads through another program or server, or if ssh gives no answer.
func (c *Checker) askSSH(ctx context.Context, r remote, ssh backup.SSH) (address string, known bool) {
	words := strings.Fields(ssh.Command)
	if len(words) == 0 {
		words = []string{"ssh"}
	}
	if filepath.Base(words[0]) != "ssh" { // who knows what else would do at -G
		return "", false
	}
	program, err := process.LookPath(words[0], pathList(c.Environ))
	if err != nil {
		return "", false
	}
	port := r.port
	if port == "" && ssh.Port != 0 {
		port = strconv.Itoa(ssh.Port)
	}
	args := append(words[1:], "-G")
	for _, option := range ssh.Options {
		args = append(args, "-o", option)
	}
	if port != "" {
		args = append(args, "-p", port)
	}
	if r.user != "" {
		args = append(args, "-l", r.user)
	}
	bounded, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	var answer limited
	err = process.Run(bounded, process.Command{Path: program, Args: append(args, "--", r.host), Env: c.Environ, Stdout: &answer})
	if err != nil {
		return "", false
	}
	return parseSSHConfig(answer.Bytes())
}

// parseSSHConfig reads what `ssh -G` prints: a keyword in small letters and its value on each line.
func parseSSHConfig(text []byte) (address string, known bool) {
	host, port := "", ""
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		keyword, value, _ := strings.Cut(lines.Text(), " ")
		switch keyword {
		case "hostname":
			host = value
		case "port":
			port = value
		case "proxycommand", "proxyjump":
			if value != "none" {
				return "", false
			}
		}
	}
	return net.JoinHostPort(host, port), lines.Err() == nil && host != "" && port != ""
}

// limited keeps the first 256 KiB of an output.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	room := max(0, 256<<10-l.Len())
	l.Buffer.Write(p[:min(room, len(p))])
	return len(p), nil
}

func pathList(environ []string) string {
	for _, assignment := range environ {
		if list, ok := strings.CutPrefix(assignment, "PATH="); ok {
			return list
		}
	}
	return ""
}
