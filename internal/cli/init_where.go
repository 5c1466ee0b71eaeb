package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"borgcron/internal/backup"
	"borgcron/internal/borg"
	"borgcron/internal/config"
	"borgcron/internal/setup"
	"borgcron/internal/sizes"
)

func (s *setUp) askWhere(ctx context.Context) error {
	return s.settle(ctx, question{
		flag: "location", given: s.options.location,
		text: "Where to: a folder, or USER@HOST:PATH",
		help: "A folder, best on another disk: /mnt/usb/borg\nA server that has borg and lets you in by ssh with a key: me@nas:backup, or ssh://me@nas:2222/./backup\n" +
			"A repository that is there already is adopted.",
		try: s.tryLocation,
	})
}

// tryLocation tries whether a repository can be made or opened there. What it finds out becomes part of the answers.
func (s *setUp) tryLocation(ctx context.Context, answer string) error {
	head, _, _ := strings.Cut(answer, "/")
	if !strings.Contains(head, ":") { // a folder
		answer = s.absolute(answer)
	}
	var location config.Location
	if err := location.UnmarshalText([]byte(answer)); err != nil {
		return usage("%v", err)
	}
	repository := backup.Repository{
		Location: answer, Borg: s.options.program, RemotePath: s.options.remotePath, LockWait: 20 * time.Second,
		SSH: backup.SSH{Identity: s.identityFlag()},
	}
	if _, err := s.client.Version(ctx, repository); err != nil {
		return failed(err)
	}
	s.answers.Location, s.answers.Borg, s.answers.RemotePath, s.answers.HostKey = answer, s.options.program, s.options.remotePath, ""
	s.answers.Adopted, s.answers.Encrypted, s.answers.Configured, s.answers.NewFolder = false, false, false, false
	s.answers.Repository, s.answers.Identity = s.repositoryName(), repository.SSH.Identity
	if configured := s.configured(repository.Key()); configured != nil {
		return s.tryConfigured(ctx, *configured)
	}
	if repository.IsLocal() {
		return s.tryFolder(ctx, repository)
	}
	return s.tryServer(ctx, repository)
}

// identityFlag is the key that --ssh-identity names, "" without.
func (s *setUp) identityFlag() string {
	if s.options.identity == "" {
		return ""
	}
	return s.absolute(s.options.identity)
}

// tryConfigured takes a repository that the configuration has already.
func (s *setUp) tryConfigured(ctx context.Context, repository backup.Repository) error {
	if repository.Problem != "" {
		return fmt.Errorf("the configuration has this repository already, and it cannot be used: %s", repository.Problem)
	}
	seen, err := s.look(ctx, repository)
	if err != nil && !borg.Absent(err) {
		return failed(err)
	}
	s.answers.Configured, s.answers.Adopted = true, err == nil
	if s.answers.Repository = repository.Name; repository.Name == "" {
		s.answers.Repository = repository.Location
	}
	if err == nil {
		s.say("  the configuration has this repository already: it is used as it is (%s)", archivesIn(seen))
	}
	return nil
}

func (s *setUp) tryFolder(ctx context.Context, repository backup.Repository) error {
	folder := repository.Key()
	if source := setup.Within(folder, s.answers.Sources); source != "" {
		return fmt.Errorf("%s lies in %s, which is to be backed up: the backup would back itself up", folder, source)
	}
	_, missing := os.Lstat(folder)
	s.answers.NewFolder = errors.Is(missing, os.ErrNotExist)
	present, err := setup.CheckFolder(folder)
	if err != nil {
		return err
	}
	if present {
		if err := s.tryPresent(ctx, repository); err != nil {
			return err
		}
	}
	free, known := setup.Free(folder)
	return s.checkRoom(ctx, free, known)
}

func (s *setUp) tryServer(ctx context.Context, repository backup.Repository) error {
	login, err := s.logIn(ctx, repository.Location)
	if err != nil {
		return err
	}
	repository.RemotePath, repository.SSH.Identity = s.answers.RemotePath, s.answers.Identity
	err = s.knowing(func(knownHosts string) error {
		repository.SSH.KnownHosts, login.KnownHosts = knownHosts, knownHosts
		if err := s.tryPresent(ctx, repository); err != nil {
			return err
		}
		free, known := login.Free(ctx)
		return s.checkRoom(ctx, free, known)
	})
	return err
}

// knowing gives ssh the server's key for a while, where that stands in no file yet.
func (s *setUp) knowing(deed func(knownHosts string) error) error {
	if s.answers.HostKey == "" {
		return deed("")
	}
	dir, err := os.MkdirTemp(s.client.State, setup.TrialPrefix+"*")
	if err != nil {
		return exitError{exitFailed, err}
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "known_hosts")
	if err := os.WriteFile(file, []byte(s.answers.HostKey), 0o600); err != nil {
		return exitError{exitFailed, err}
	}
	return deed(file)
}

// tryPresent looks whether there is a repository. What cannot be opened without a passphrase is one.
func (s *setUp) tryPresent(ctx context.Context, repository backup.Repository) error {
	seen, err := s.look(ctx, repository)
	switch {
	case err == nil:
		s.answers.Adopted = true
		s.say("  there is a repository already, not encrypted, with %s: it is adopted", archivesIn(seen))
	case borg.Sealed(err):
		s.answers.Adopted, s.answers.Encrypted = true, true
		s.say("  there is a repository already: it is adopted")
	case borg.Absent(err):
	case borg.NoRepository(err):
		return errors.New("there is something, but no repository: name a new folder")
	case borg.HalfMade(err):
		return errors.New("there is a repository that was never completed, and has nothing in it\n  hint: remove it, or name another place")
	default:
		return failed(err)
	}
	return nil
}

// look opens a repository under its lock.
func (s *setUp) look(ctx context.Context, repository backup.Repository) (*borg.Seen, error) {
	job := &backup.Job{Name: s.name(), Repositories: []backup.Repository{repository}, Timeout: backup.Timeout{Stall: 2 * time.Minute}}
	held, err := acquire(ctx, &parts{locks: s.locks}, backup.Target{Job: job, Repository: repository}, s.options.wait)
	if err != nil {
		return nil, err
	}
	defer held.Close()
	seen, err := s.client.Look(ctx, backup.Call{Job: job, Repository: repository, Lock: held.File()})
	if err != nil {
		return nil, err
	}
	return &seen, nil
}

// sizeLimit is how long the sources may be measured: this is an estimate.
const sizeLimit = 3 * time.Second

// checkRoom compares the free space with what there is to be backed up.
func (s *setUp) checkRoom(ctx context.Context, free int64, known bool) error {
	if !known || s.answers.Adopted {
		return nil
	}
	size, whole := setup.Size(ctx, s.answers.Sources, sizeLimit)
	if ctx.Err() != nil {
		return exitError{exitFailed, context.Cause(ctx)}
	}
	if size <= free {
		return nil
	}
	atLeast := ""
	if !whole {
		atLeast = "at least "
	}
	message := fmt.Sprintf("there is room for %s, and the sources are %s%s, before compression", sizes.Human(free), atLeast, sizes.Human(size))
	if s.options.yes {
		s.warn(message)
		return nil
	}
	if !s.terminal {
		return fmt.Errorf("%s\n  hint: --yes goes on nevertheless", message)
	}
	s.say("  %s", message)
	answer, err := s.line(ctx, "  Go on with it? [y/N]: ")
	if err != nil {
		return err
	}
	if answer = strings.ToLower(answer); answer != "y" && answer != "yes" {
		return errors.New("another place, then")
	}
	return nil
}
