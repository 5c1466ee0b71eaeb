package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"borgcron/internal/alarm"
	"borgcron/internal/backup"
	"borgcron/internal/borg"
	"borgcron/internal/condition"
	"borgcron/internal/config"
	"borgcron/internal/history"
	"borgcron/internal/hook"
	"borgcron/internal/inhibit"
	"borgcron/internal/lock"
	"borgcron/internal/machine"
	"borgcron/internal/runner"
	"borgcron/internal/secret"
	"borgcron/internal/status"
)

// parts are what several verbs need of the state folder: opened once, closed at the end.
type parts struct {
	state   string // the state folder
	records records
	alarms  *alarm.Store
	history *history.Store // nil if it could not be opened
	client  *borg.Client
	locks   *lock.Locker
}

func (p *parts) close() {
	if p.history != nil {
		_ = p.history.Close() // everything that matters was committed before
		p.history = nil
	}
}

// records are what is known of former runs, and of this one.
type records interface {
	runner.Records
	runner.Observer
}

// newParts opens the state. A history that cannot be opened never stops a backup; what it guards waits.
func (env *environment) newParts(ctx context.Context, loaded *config.Config) (*parts, error) {
	if err := loaded.MakeState(); err != nil {
		return nil, exitError{exitConfig, err}
	}
	hostID, err := machine.HostID(loaded.State)
	if err != nil {
		env.Log.Warn("borg's locks may not be told from those of other machines", "error", err)
	}
	p := &parts{
		state:  loaded.State,
		client: &borg.Client{Environ: env.Environ, Secret: env.secretReader(loaded), State: loaded.State, HostID: hostID, Owners: loaded.Owners()},
		locks:  &lock.Locker{Dir: filepath.Join(loaded.State, "locks"), Now: env.Now},
		alarms: &alarm.Store{Dir: filepath.Join(loaded.State, "alarms"), Now: env.Now},
	}
	if err := loaded.KeepHost(); err != nil {
		env.Log.Warn("archives may get another host's name one day", "error", err)
	}
	env.noteJobs(loaded)
	store, err := env.openRecords(ctx, loaded)
	if err != nil {
		env.Log.Error("the history cannot be used; prune and compact wait", "error", err)
		p.records = noRecords{err}
		return p, nil
	}
	p.history, p.records, p.client.KnownID = store, store, store.RepositoryID
	return p, nil
}

// note adds a word to the last run on record.
func (p *parts) note(ctx context.Context, target backup.Target, note string) error {
	if p.history == nil {
		return nil
	}
	return p.history.Note(ctx, target, note)
}

// noteJobs writes the status file of each job that is read for the first time, as `never` counts from there, and
// the notice.
func (env *environment) noteJobs(loaded *config.Config) {
	for _, job := range loaded.Jobs {
		if err := status.FirstSeen(loaded.State, job, env.Now()); err != nil {
			env.Log.Warn("writing the status file", "job", job.Name, "error", err)
		}
	}
	if len(loaded.Errors) == 0 { // else they may be where it cannot be read
		gone, err := status.NoteGone(loaded.State, jobNames(loaded), env.Now())
		if err != nil {
			env.Log.Warn("writing the status file", "error", err)
		}
		for _, job := range gone {
			env.Log.Info("a job is no longer configured; its archives stay, and its records until: borgcron forget "+job, "job", job)
		}
	}
	env.noteConfiguration(loaded)
}

// openRecords opens the history for a run. One that was damaged, or is missing although a status file tells of a
// success, is lost: it is begun anew, and what it guarded waits.
func (env *environment) openRecords(ctx context.Context, loaded *config.Config) (*history.Store, error) {
	path := filepath.Join(loaded.State, "history.db")
	_, missing := os.Lstat(path)
	store, err := history.Open(ctx, path, env.Now)
	if err != nil {
		return nil, err
	}
	if aside := store.SetAside(); aside != "" {
		env.Log.Error("the history was damaged and is begun anew; prune and compact wait for a clean check", "set_aside", aside)
	}
	lost := store.SetAside() != ""
	if errors.Is(missing, fs.ErrNotExist) && status.AnyRun(loaded.State) {
		env.Log.Error("the history is missing and is begun anew; prune and compact wait for a clean check")
		lost, err = true, store.Lost(ctx)
	}
	if lost && err == nil {
		err = remember(ctx, store, loaded)
	}
	if err != nil {
		_ = store.Close()
		return nil, err
	}
	return store, nil
}

// remember takes over from the status files what a history that was lost knew: above all what a guard held back.
func remember(ctx context.Context, store *history.Store, loaded *config.Config) error {
	for i := range loaded.Jobs {
		job := &loaded.Jobs[i]
		for _, repository := range job.Repositories {
			known, found := status.Remembered(loaded.State, job, repository)
			if !found {
				continue
			}
			target := backup.Target{Job: job, Repository: repository}
			last, err := store.Recall(ctx, target)
			if err != nil {
				return err
			}
			known.Shared.Suspect = last.Shared.Suspect
			if err := store.Save(ctx, target, known); err != nil {
				return err
			}
		}
	}
	return nil
}

// newRunner is the whole machine.
func (env *environment) newRunner(loaded *config.Config, p *parts, printers ...runner.Observer) *runner.Runner {
	hidden := env.secretVariables(loaded)
	return &runner.Runner{
		Borg:      p.client,
		Locks:     p.locks,
		Preflight: &condition.Checker{Environ: hook.Environ(env.Environ, hidden)},
		Hooks:     &hook.Runner{Environ: env.Environ, Hide: hidden, Line: env.hookLine},
		Databases: env.newDatabases(loaded),
		Drill:     env.newDriller(p),
		Records:   p.records,
		Alarms:    p.alarms,
		Keepers:   []runner.Observer{&status.Writer{State: loaded.State, Now: env.Now, Jobs: loaded.Jobs}, p.records},
		Observers: append([]runner.Observer{metricsWriter{env, loaded}, p.listings()}, printers...),
		Awake:     inhibit.Sleep,
		Names:     names(loaded.Host),
		Now:       env.Now,
		Log:       env.Log,
	}
}

// hookLine shows what a hook prints.
func (env *environment) hookLine(line string) { env.Log.Info("hook: " + line) }

// secretReader reads passphrases; a command that gives one does not see the others.
func (env *environment) secretReader(loaded *config.Config) func(context.Context, backup.Secret) ([]byte, error) {
	hidden := env.secretVariables(loaded)
	return func(ctx context.Context, s backup.Secret) ([]byte, error) {
		if known, ok := env.secrets[s]; ok {
			return known, nil
		}
		environ := env.Environ
		if s.Command != "" {
			environ = hook.Environ(environ, hidden)
		}
		return secret.Read(ctx, s, environ)
	}
}

// where is what the configuration depends on beside its files.
func (env *environment) where() config.Environment {
	home, _ := os.UserHomeDir() // "" where there is none: then only absolute places are looked at
	return config.Environment{
		Getenv: env.Getenv, UID: os.Getuid(), Home: home, Hostname: hostname(),
		User: username(), Owner: env.ConfigOwner,
	}
}

// readConfig finds and reads the configuration.
func (env *environment) readConfig() (*config.Config, error) {
	where := env.where()
	path, err := config.Find(env.ConfigFile, where)
	if err != nil {
		return nil, err
	}
	return config.Load(path, where)
}

// secretVariables are the names of variables that hold secrets of ours: hooks do not get them. A passphrase
// such as ${NAME} in the file came out of one as well.
func (env *environment) secretVariables(loaded *config.Config) []string {
	var names []string
	for _, secret := range loaded.Secrets {
		for _, variable := range env.Environ {
			name, value, _ := strings.Cut(variable, "=")
			if name == secret.Env || secret.Text != "" && value == secret.Text {
				names = append(names, name)
			}
		}
	}
	return names
}

func names(host string) backup.Names {
	return backup.Names{Hostname: host, FQDN: hostname(), User: username()}
}

func username() string {
	current, err := user.Current()
	if err != nil {
		return os.Getenv("USER")
	}
	return current.Username
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return name
}

// noRecords stands in for a history that cannot be opened.
type noRecords struct{ err error }

func (n noRecords) Recall(context.Context, backup.Target) (backup.Last, error) {
	return backup.Last{}, n.err
}

// Observe says once a run that it is not on record.
func (n noRecords) Observe(_ context.Context, e backup.Event) error {
	if e.Kind == backup.RunEnded {
		return n.err
	}
	return nil
}

func (n noRecords) Save(context.Context, backup.Target, backup.Last) error { return n.err }

func (n noRecords) Reap(context.Context, backup.Target) ([]backup.Run, error) {
	return nil, n.err
}

func (n noRecords) Dangling(context.Context, backup.Target) (bool, error) { return false, n.err }

func (n noRecords) Recent(context.Context, backup.Target, int) ([]backup.Figures, error) {
	return nil, n.err
}
