package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"borgcron/internal/setup"
)

// logIn tries ssh as borg will use it, and settles what stands in its way: an unknown server, no key that it takes, no borg there.
func (s *setUp) logIn(ctx context.Context, location string) (setup.Login, error) {
	login := setup.Login{Server: setup.ParseServer(location), Identity: s.answers.Identity, Environ: s.env.Environ, Temp: s.client.State}
	if login.Identity != "" {
		if err := setup.CheckSource(login.Identity); err != nil {
			return login, fmt.Errorf("the key for ssh: %w", err)
		}
	}
	for {
		version, err := s.tryLogin(ctx, login)
		switch {
		case err == nil && version != "":
			s.say("  logged in; borg there is %s", version)
			return login, nil
		case err == nil:
			s.say("  logged in; what borg there is the server does not say")
			return login, nil
		case ctx.Err() != nil:
			return login, exitError{exitFailed, context.Cause(ctx)}
		case errors.Is(err, setup.ErrUnknownHost) && s.answers.HostKey == "":
			err = s.acceptHost(ctx, login)
		case errors.Is(err, setup.ErrDenied):
			err = s.askIdentity(ctx, &login)
		case errors.Is(err, setup.ErrNoBorg):
			err = s.askRemotePath(ctx)
		}
		if err != nil {
			return login, err
		}
	}
}

// tryLogin logs in with the key of the server that was accepted now or by an init before, else with those that ssh knows.
func (s *setUp) tryLogin(ctx context.Context, login setup.Login) (string, error) {
	if s.answers.HostKey != "" {
		return login.Knows(ctx, s.answers.HostKey, s.answers.RemotePath)
	}
	if ours := s.knownHosts(); ours != "" {
		version, err := login.Knows(ctx, ours, s.answers.RemotePath)
		if !errors.Is(err, setup.ErrUnknownHost) {
			s.answers.HostKey = ours
			return version, err
		}
	}
	return login.Try(ctx, s.answers.RemotePath)
}

// knownHosts is what inits before this one have accepted.
func (s *setUp) knownHosts() string {
	text, err := os.ReadFile(filepath.Join(filepath.Dir(s.main), "known_hosts"))
	if err != nil {
		return ""
	}
	return string(text)
}

// acceptHost shows the key of a server that nobody knows yet, and takes it if it is the right one.
func (s *setUp) acceptHost(ctx context.Context, login setup.Login) error {
	key, err := login.Fetch(ctx)
	if err != nil {
		return err
	}
	if wanted := s.options.hostKey; wanted != "" {
		if wanted == key.Fingerprint || "SHA256:"+wanted == key.Fingerprint {
			s.answers.HostKey = key.Line
			return nil
		}
		return fmt.Errorf("the server's key is %s (%s), not the one that --accept-host-key names", key.Fingerprint, key.Kind)
	}
	if !s.terminal {
		return usage("ssh does not know the server, which shows the key %s (%s): if that is right, say --accept-host-key %s", key.Fingerprint, key.Kind, key.Fingerprint)
	}
	s.say("  ssh does not know this server yet. It shows the key\n    %s (%s)\n  Compare it with what the server itself says: ssh-keygen -lf /etc/ssh/ssh_host_%s_key.pub", key.Fingerprint, key.Kind, strings.ToLower(key.Kind))
	for {
		answer, err := s.line(ctx, "  Is it this one? [y/N]: ")
		if err != nil {
			return err
		}
		switch strings.ToLower(answer) {
		case "?":
			s.say("    Whoever is between you and the server would show another key. The server's owner can tell you the right one.")
		case "y", "yes", strings.ToLower(key.Fingerprint):
			s.answers.HostKey = key.Line
			return nil
		default:
			return errors.New("the server is not trusted, then")
		}
	}
}

// askIdentity asks for a key with which the server lets us in.
func (s *setUp) askIdentity(ctx context.Context, login *setup.Login) error {
	reason := errors.New("the server does not let us in without asking for a password\n  hint: put a key there: ssh-copy-id " + login.Server.Login + ", or name its file with --ssh-identity")
	if !s.terminal {
		return reason
	}
	s.reject(reason)
	for {
		answer, err := s.insist(ctx, "  File of a key for ssh (Enter: another place): ",
			"A private key without a passphrase, such as ~/.ssh/id_ed25519, of which the server has the public part.")
		if err != nil {
			return err
		}
		answer = s.absolute(answer)
		if err := setup.CheckSource(answer); err != nil {
			s.say("  %v", err)
			continue
		}
		s.answers.Identity, login.Identity = answer, answer
		return nil
	}
}

// askRemotePath asks where borg is on the server.
func (s *setUp) askRemotePath(ctx context.Context) error {
	program := "borg"
	if s.answers.RemotePath != "" {
		program = s.answers.RemotePath
	}
	reason := fmt.Errorf("there is no program %s on the server\n  hint: install borg there, or say with --remote-path where it is", program)
	if !s.terminal {
		return reason
	}
	s.reject(reason)
	answer, err := s.insist(ctx, "  Path of borg on the server (Enter: another place): ",
		"The program borg there, such as /usr/local/bin/borg, if it is not on the PATH of that user.")
	if err == nil {
		s.answers.RemotePath = answer
	}
	return err
}

// insist asks until there is an answer; an empty one gives the place up.
func (s *setUp) insist(ctx context.Context, question, help string) (string, error) {
	for {
		answer, err := s.line(ctx, question)
		switch {
		case err != nil:
			return "", err
		case answer == "":
			return "", errors.New("another place, then")
		case answer != "?":
			return answer, nil
		}
		s.say("    %s", help)
	}
}
