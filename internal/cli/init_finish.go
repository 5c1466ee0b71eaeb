package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"borgcron/internal/backup"
	"borgcron/internal/borg"
	"borgcron/internal/setup"
)

// tryPassphrase takes a passphrase that can be read, and of a repository that is there the one that opens it.
func (s *setUp) tryPassphrase(ctx context.Context, answer string) error {
	kept, err := setup.ParsePassphrase(answer)
	if err != nil {
		return exitError{exitUsage, err}
	}
	var secret backup.Secret
	switch kept.Kept {
	case setup.Made:
		if s.answers.Adopted {
			return usage("the repository is there already, and has a passphrase: say how that is kept")
		}
		s.typed = setup.NewPassphrase()
	case setup.Typed:
		if s.typed, err = s.typePassphrase(ctx); err != nil {
			return err
		}
		secret.Text = s.typed
	case setup.InFile:
		kept.File = s.absolute(kept.File)
		secret.File = kept.File
	case setup.ByCommand:
		secret.Command = kept.Command
	case setup.Nowhere:
		if s.answers.Adopted {
			return usage("the repository is encrypted: say how its passphrase is kept")
		}
		s.warn("nothing will be encrypted: whoever gets hold of the repository can read everything in it")
	}
	if !secret.IsZero() {
		if _, err := s.client.Secret(ctx, secret); err != nil {
			return err
		}
	}
	if kept.Ours() {
		kept.File = s.beside(s.answers.Repository + ".passphrase")
	}
	if s.answers.Adopted {
		if err := s.tryOpening(ctx, secret); err != nil {
			return err
		}
	}
	s.answers.Passphrase = kept
	return nil
}

// typePassphrase has a new one typed twice, that of a repository once: it is tried.
func (s *setUp) typePassphrase(ctx context.Context) (string, error) {
	if !s.terminal {
		return "", usage("ask needs a terminal to ask at: say new, file:FILE or command:COMMAND")
	}
	text, err := s.env.askSecret(ctx, "  Passphrase: ")
	if err != nil {
		return "", err
	}
	if text == "" {
		return "", errors.New("that is no passphrase")
	}
	if s.answers.Adopted {
		return text, nil
	}
	again, err := s.env.askSecret(ctx, "  Once more: ")
	if err != nil {
		return "", err
	}
	if again != text {
		return "", errors.New("these were two different ones")
	}
	return text, nil
}

func (s *setUp) tryOpening(ctx context.Context, secret backup.Secret) error {
	a := s.answers
	repository := backup.Repository{
		Location: a.Location, Passphrase: secret, Borg: a.Borg, RemotePath: a.RemotePath, SSH: backup.SSH{Identity: a.Identity},
	}
	return s.knowing(func(knownHosts string) error {
		repository.SSH.KnownHosts = knownHosts
		seen, err := s.look(ctx, repository)
		switch {
		case borg.Sealed(err):
			return errors.New("this is not the passphrase of the repository")
		case err != nil:
			return failed(err)
		}
		s.say("  it opens the repository (%s, %s)", seen.Report.Encryption, archivesIn(seen))
		return nil
	})
}

// findDraft finds what an init that was cut off has left.
func (s *setUp) findDraft(ctx context.Context) (*setup.Draft, error) {
	drafts, err := setup.Left(s.beside(""), s.answers.Job)
	if err != nil {
		return nil, exitError{exitFailed, err}
	}
	if len(drafts) == 0 {
		return nil, nil
	}
	draft := drafts[0]
	a := draft.Answers
	s.say("An init of job %s was cut off at %s, when it was making the repository.", a.Job, draft.Begun.Local().Format("2006-01-02 15:04"))
	if s.options.given("location") && s.options.location != a.Location && s.absolute(s.options.location) != a.Location {
		return nil, exitError{exitFailed, fmt.Errorf("what it has prepared in %s is for another location; its passphrase may be needed yet"+
			"\n  hint: borgcron init %s without --location goes on with it; or put that folder elsewhere", draft.Dir, a.Job)}
	}
	if s.terminal && !s.options.yes {
		answer, err := s.line(ctx, "Go on with it? [Y/n]: ")
		if err != nil {
			return nil, err
		}
		if answer = strings.ToLower(answer); answer == "n" || answer == "no" {
			aside, err := draft.SetAside(s.env.Now())
			if err != nil {
				return nil, exitError{exitFailed, err}
			}
			s.say("  what it has prepared is in %s: if the repository was made, its passphrase is there", aside)
			return nil, nil
		}
	}
	return draft, nil
}

// goOn goes on with an init that was cut off.
func (s *setUp) goOn(ctx context.Context, draft *setup.Draft) error {
	s.answers = draft.Answers
	if err := s.findPlace(s.env.where()); err != nil {
		return err
	}
	return s.carryOut(ctx, draft, true)
}

// finish does what can be done again at any time: records, the copy of the key, the schedule, a first look at what a run would do.
func (s *setUp) finish(ctx context.Context, made bool) error {
	s.env.ConfigFile = s.main
	loaded, err := s.env.loadConfig()
	if err != nil {
		return err
	}
	i := slices.Index(jobNames(loaded), s.answers.Job)
	if i < 0 {
		return exitError{exitConfig, fmt.Errorf("the job is not in the configuration that was read, %s", s.main)}
	}
	job := &loaded.Jobs[i]
	target := backup.Target{Job: job, Repository: job.Repositories[0]}
	if err := s.record(ctx, target, loaded.Jobs, made); err != nil {
		s.env.Log.Warn("exporting the key; try: borgcron key export "+job.Name, "error", err)
	}
	if ctx.Err() != nil {
		return exitError{exitFailed, context.Cause(ctx)}
	}
	s.advise()
	if err := s.schedule(ctx); err != nil {
		s.env.Log.Warn("installing the schedule; try: borgcron schedule install", "error", err)
	}
	fmt.Fprintf(s.env.Stdout, "\nA first run would do this:\n")
	if err := s.call(ctx, "run", job.Name, "--dry-run"); err != nil {
		return err
	}
	fmt.Fprintf(s.env.Stdout, "\nNext:\n  borgcron run %s\n  borgcron verify %s\n  borgcron status\n", job.Name, job.Name)
	return nil
}

// record opens the state as every command does, notes what the repository is, and copies its key into a file.
func (s *setUp) record(ctx context.Context, target backup.Target, jobs []backup.Job, made bool) error {
	loaded, err := s.env.readConfig()
	if err != nil {
		return err
	}
	parts, err := s.env.newParts(ctx, loaded)
	if err != nil {
		return err
	}
	defer parts.close()
	held, err := acquire(ctx, parts, target, s.options.wait)
	if err != nil {
		return err
	}
	defer held.Close()
	call := backup.Call{Job: target.Job, Repository: target.Repository, Lock: held.File()}
	if made {
		s.env.noteInit(ctx, parts, target, nil)
	} else if seen, err := parts.client.Look(ctx, call); err == nil {
		s.env.noteInit(ctx, parts, target, &seen)
	}
	if s.answers.Configured || s.answers.Passphrase.Kept == setup.Nowhere {
		return nil
	}
	key, err := parts.client.ExportKey(ctx, call, borg.KeyFile)
	if err != nil {
		return err
	}
	to := s.beside(s.answers.Repository + ".key")
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("%s is there already and is left alone", to)
	}
	if err := setup.WriteNew(to, key); err != nil {
		return err
	}
	fmt.Fprintf(s.env.Stdout, "a copy of the key is in %s\n", to)
	s.env.adviseOnKey(ctx, parts, target, to)
	return noteExported(ctx, parts, target, s.env, jobs)
}

// advise says what has to be kept elsewhere.
func (s *setUp) advise() {
	a := s.answers
	if a.Configured || a.Passphrase.Kept == setup.Nowhere {
		return
	}
	passphrase := "the passphrase"
	if a.Passphrase.Kept != setup.ByCommand {
		passphrase += " (" + a.Passphrase.File + ")"
	}
	fmt.Fprintf(s.env.Stdout, "\nKeep %s and the copy of the key where this machine's end is not theirs: on paper, on a stick, in a password manager."+
		"\nWithout the passphrase nobody can read the backup. To print the key: borgcron key export %s --paper\n", passphrase, a.Job)
	if !a.Adopted {
		fmt.Fprintf(s.env.Stdout, "\nThe repository is declared `clients: single`, which promises that %s.\n", backup.SinglePromise)
	}
}

// schedule has the job started from now on, if that is wanted.
func (s *setUp) schedule(ctx context.Context) error {
	if !s.answers.When.Install {
		fmt.Fprintf(s.env.Stdout, "\nTo have it run by itself: borgcron schedule install\n")
		return nil
	}
	fmt.Fprintf(s.env.Stdout, "\nThe schedule (to see it: borgcron schedule show):\n")
	return s.env.installSchedule(ctx, scheduleOptions{brief: true})
}

// call runs another verb with the new configuration.
func (s *setUp) call(ctx context.Context, args ...string) error {
	root := newRootCommand(s.env)
	root.SetArgs(append([]string{"--config", s.main}, args...))
	return root.ExecuteContext(ctx)
}
