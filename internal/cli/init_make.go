package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"borgcron/internal/backup"
	"borgcron/internal/borg"
	"borgcron/internal/config"
	"borgcron/internal/setup"
)

// refusedError is a failure of which nothing is left behind: another answer may do.
type refusedError struct{ error }

func (e refusedError) Unwrap() error { return e.error }

// make makes what was agreed upon. The order is what makes it safe: first a draft with the passphrase on the disk, then the repository,
// then the files in their places, the configuration last.
func (s *setUp) make(ctx context.Context) error {
	if ctx.Err() != nil {
		return exitError{exitFailed, context.Cause(ctx)}
	}
	draft, err := setup.Prepare(filepath.Dir(s.main), s.answers, s.typed, s.mergedHosts(), s.env.Now())
	if err != nil {
		return exitError{exitFailed, fmt.Errorf("prepare the configuration: %w", err)}
	}
	return s.carryOut(ctx, draft, false)
}

// mergedHosts is the text of our known_hosts with the server's key, "" if ssh's own does.
func (s *setUp) mergedHosts() string {
	if s.answers.HostKey == "" {
		return ""
	}
	text := s.knownHosts()
	for line := range strings.Lines(s.answers.HostKey) {
		if !strings.Contains("\n"+text, "\n"+strings.TrimSpace(line)+"\n") {
			text += strings.TrimSpace(line) + "\n"
		}
	}
	return text
}

// carryOut does what a draft says, or goes on with it.
func (s *setUp) carryOut(ctx context.Context, draft *setup.Draft, resumed bool) error {
	target, err := s.rehearse(draft)
	if err != nil {
		return errors.Join(err, drop(draft, resumed))
	}
	made, err := s.create(ctx, draft, target, resumed)
	if err != nil {
		return err
	}
	if err := s.putInPlace(draft); err != nil {
		return exitError{exitFailed, fmt.Errorf("the repository is there, but: %w\n  hint: mend that and call borgcron init %s again: it goes on with what it has prepared in %s", err, draft.Answers.Job, draft.Dir)}
	}
	if err := draft.Remove(); err != nil {
		s.env.Log.Warn("removing what was prepared", "error", err)
	}
	fmt.Fprintf(s.env.Stdout, "the configuration is in %s\n", s.file)
	if ctx.Err() != nil {
		s.say("interrupted: all is in its place, but the key was not exported (borgcron key export %s), nor a schedule installed", draft.Answers.Job)
		return exitError{exitFailed, context.Cause(ctx)}
	}
	return s.finish(ctx, made)
}

// rehearse loads the configuration as it will be, with the files that are in the draft yet.
func (s *setUp) rehearse(draft *setup.Draft) (backup.Target, error) {
	whole := filepath.Join(draft.Dir, "configuration")
	text := draft.Answers.Configuration(draft.Files(), false, draft.Begun)
	err := os.WriteFile(whole, []byte(text), 0o600)
	if s.loaded != nil && err == nil {
		job := whole
		whole = filepath.Join(draft.Dir, "whole")
		err = os.WriteFile(whole, fmt.Appendf(nil, "include: [%q, %q]\n", s.main, job), 0o600)
	}
	if err != nil {
		return backup.Target{}, exitError{exitFailed, fmt.Errorf("prepare the configuration: %w", err)}
	}
	loaded, err := config.Load(whole, s.env.where())
	if err != nil {
		return backup.Target{}, exitError{exitConfig, err}
	}
	for i := range loaded.Jobs {
		job := &loaded.Jobs[i]
		if job.Name != draft.Answers.Job {
			continue
		}
		if job.Problem != "" {
			return backup.Target{}, exitError{exitConfig, fmt.Errorf("the configuration would be wrong: %s", job.Problem)}
		}
		return backup.Target{Job: job, Repository: job.Repositories[0]}, nil
	}
	s.env.logMistakes(loaded)
	return backup.Target{}, exitError{exitConfig, errors.New("the configuration would be wrong: nothing was made")}
}

// initGrace is how long a borg that makes a repository may go on when we are to end: it is done in seconds, and one that is
// done needs no cleaning up.
const initGrace = 20 * time.Second

// graced is a context that outlives another one for a while.
func graced(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(initGrace, func() { cancel(context.Cause(ctx)) })
	})
	return longer, func() { stop(); cancel(nil) }
}

// create makes the repository. Made tells whether it was made by this init, or by one before that was cut off.
func (s *setUp) create(ctx context.Context, draft *setup.Draft, target backup.Target, resumed bool) (made bool, err error) {
	if draft.Answers.Adopted {
		return false, nil
	}
	held, err := acquire(ctx, &parts{locks: s.locks}, target, s.options.wait)
	if err != nil {
		return false, errors.Join(err, drop(draft, resumed))
	}
	defer held.Close()
	if _, err := os.Lstat(draft.Dir); err != nil { // the init that began it was not dead
		return false, exitError{exitFailed, fmt.Errorf("another init was at work on job %s: call this again", draft.Answers.Job)}
	}
	call := backup.Call{Job: target.Job, Repository: target.Repository, Lock: held.File()}
	longer, cancel := graced(ctx)
	defer cancel()
	if resumed {
		if there, err := s.clear(longer, call); there || err != nil {
			return there, err
		}
	}
	s.say("making the repository ...")
	err = s.client.Init(longer, call)
	if err == nil {
		fmt.Fprintf(s.env.Stdout, "the repository is made (%s)\n", target.Repository.Encryption)
		return true, nil
	}
	if borg.Present(err) || borg.NoRepository(err) { // somebody else was first; it was not tried
		return false, errors.Join(refusedError{failed(fmt.Errorf("the repository cannot be made: %w", err))}, drop(draft, resumed))
	}
	after, stop := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer stop()
	there, lookErr := s.clear(after, call)
	switch {
	case lookErr != nil:
		return false, exitError{exitFailed, fmt.Errorf("%w; whether the repository was made cannot be told: %w\n  hint: its passphrase stays in %s; borgcron init %s goes on with it",
			err, lookErr, draft.Dir, draft.Answers.Job)}
	case there: // the answer alone was lost
		return true, nil
	}
	return false, errors.Join(refusedError{failed(fmt.Errorf("the repository cannot be made: %w", err))}, draft.Remove())
}

// drop removes a draft of which nothing has come. One of an init before may have: its passphrase stays.
func drop(draft *setup.Draft, resumed bool) error {
	if resumed {
		return nil
	}
	return draft.Remove()
}

// clear looks at what an init that was cut off has left: a whole repository is there, one that is half made is removed. None but
// that init can have made it: nothing was there when it began, and nobody else has the passphrase.
func (s *setUp) clear(ctx context.Context, call backup.Call) (there bool, err error) {
	_, err = s.client.Look(ctx, call)
	switch {
	case err == nil:
		return true, nil
	case borg.Absent(err):
		return false, nil
	case borg.HalfMade(err):
		s.say("  a repository that was left half made is removed")
		return false, s.client.Discard(ctx, call)
	case borg.NoRepository(err) && call.Repository.IsLocal():
		return false, setup.RemoveHalfMade(call.Repository.Key(), s.answers.NewFolder)
	case borg.Sealed(err):
		return false, exitError{exitFailed, errors.New("there is a repository by now that has another passphrase: somebody else made it")}
	}
	return false, failed(err)
}

// putInPlace puts each file where it belongs; the configuration comes last, and makes the job.
func (s *setUp) putInPlace(draft *setup.Draft) error {
	a := draft.Answers
	if a.Passphrase.Ours() {
		if err := setup.Place(draft.Passphrase(), a.Passphrase.File); err != nil {
			return err
		}
	}
	hosts := s.beside("known_hosts")
	if a.HostKey != "" {
		s.answers.HostKey = a.HostKey
		text := s.mergedHosts() // another init may have added to it meanwhile
		if err := renameio.WriteFile(hosts, []byte(text), 0o600, renameio.WithStaticPermissions(0o600), renameio.WithTempDir(filepath.Dir(hosts))); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(s.file), 0o755); err != nil { //nolint:gosec // the files in it are 0600
		return err
	}
	text := a.Configuration(setup.Files{Passphrase: a.Passphrase.File, KnownHosts: hosts}, s.loaded == nil, draft.Begun)
	final := filepath.Join(draft.Dir, "final")
	if err := os.Remove(final); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := setup.WriteNew(final, []byte(text)); err != nil {
		return err
	}
	return setup.Place(final, s.file)
}
