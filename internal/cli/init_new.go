package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"borgcron/internal/backup"
	"borgcron/internal/borg"
	"borgcron/internal/config"
	"borgcron/internal/lock"
	"borgcron/internal/machine"
	"borgcron/internal/setup"
)

// setUp is the making of a new job.
type setUp struct {
	env      *environment
	options  *initOptions
	terminal bool
	spent    map[string]bool // flags that were looked at once
	home     string

	loaded     *config.Config // nil: there is none yet
	main, file string         // the main configuration file, and the one to be written
	client     *borg.Client
	locks      *lock.Locker

	answers setup.Answers
	typed   string // the passphrase, where it goes into a file of ours
}

// setUpJob asks for all that a new job needs, and makes it.
func setUpJob(ctx context.Context, env *environment, loaded *config.Config, names []string, options *initOptions) error {
	if len(names) > 1 {
		return usage("init sets up one job at a time")
	}
	if err := options.check(); err != nil {
		return err
	}
	where := env.where()
	s := &setUp{
		env: env, options: options, loaded: loaded, spent: map[string]bool{}, home: where.Home,
		terminal: isTerminal(env.Stdin) && isTerminal(env.Stderr),
	}
	if len(names) == 1 {
		s.answers.Job = names[0]
	}
	if err := s.findPlace(where); err != nil {
		return err
	}
	if err := s.openState(where); err != nil {
		return err
	}
	draft, err := s.findDraft(ctx)
	if err != nil {
		return err
	}
	if draft != nil {
		return s.goOn(ctx, draft)
	}
	return s.dialogue(ctx)
}

func (o *initOptions) check() error {
	for _, pair := range [][2]string{{"at", "every"}, {"schedule", "no-schedule"}} {
		if o.given(pair[0]) && o.given(pair[1]) {
			return usage("--%s and --%s: choose one", pair[0], pair[1])
		}
	}
	if o.given("repository") {
		return usage("--repository is for a job that is configured; where a new one goes says --location")
	}
	return nil
}

var validJobName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// findPlace says where the configuration of the job goes: into a new main file, or beside the one that there is.
func (s *setUp) findPlace(where config.Environment) error {
	if name := s.answers.Job; name != "" && (!validJobName.MatchString(name) || strings.HasSuffix(name, ".checkpoint") || strings.HasSuffix(name, ".dumps")) {
		return usage("job %q: a name begins with a letter or a digit, has at most 64 letters, digits, _ . and -, and does not end in .checkpoint or .dumps", name)
	}
	own, err := config.NewFile(s.env.ConfigFile, where)
	if err != nil {
		return exitError{exitFailed, err}
	}
	if s.loaded != nil && s.loaded.Files[0] != own && where.UID != 0 { // the machine's, which is not ours to change
		s.loaded = nil
	}
	if s.main = own; s.loaded == nil {
		s.file = own
		return nil
	}
	s.main = s.loaded.Files[0]
	s.file = filepath.Join(filepath.Dir(s.main), "jobs.d", s.answers.Job+".yaml")
	if !s.loaded.Covers(s.file) {
		return exitError{exitConfig, fmt.Errorf("%s does not include %s\n  hint: add the line `include: [jobs.d/*.yaml]` to it, and call this again", s.main, s.file)}
	}
	if _, err := os.Lstat(s.file); err == nil {
		return exitError{exitConfig, fmt.Errorf("%s is there already, without a job %s, and is left alone", s.file, s.answers.Job)}
	}
	return nil
}

// openState makes the state folder, where the locks are. Nothing else is made before the end.
func (s *setUp) openState(where config.Environment) error {
	loaded := s.loaded
	if loaded == nil {
		var err error
		if loaded, err = config.Default(where); err != nil {
			return exitError{exitConfig, err}
		}
	}
	if err := loaded.MakeState(); err != nil {
		return exitError{exitConfig, err}
	}
	if err := setup.Sweep(loaded.State); err != nil {
		s.env.Log.Warn("removing what a trial has left", "error", err)
	}
	hostID, err := machine.HostID(loaded.State)
	if err != nil {
		s.env.Log.Warn("borg's locks may not be told from those of other machines", "error", err)
	}
	s.client = &borg.Client{Environ: s.env.Environ, Secret: s.env.secretReader(loaded), State: loaded.State, HostID: hostID, Owners: loaded.Owners()}
	s.locks = &lock.Locker{Dir: filepath.Join(loaded.State, "locks"), Now: s.env.Now}
	return nil
}

// name is what the job is called, as far as that is known by now.
func (s *setUp) name() string {
	if s.answers.Job != "" {
		return s.answers.Job
	}
	return setup.JobName(s.answers.Sources, s.home)
}

// repositoryName is the job's name, unless another repository has that.
func (s *setUp) repositoryName() string {
	name := s.name()
	taken := func(name string) bool {
		_, err := os.Lstat(s.beside(name + ".passphrase"))
		if err == nil || s.loaded == nil {
			return err == nil
		}
		return slices.ContainsFunc(s.loaded.RepositoryNames(), func(other string) bool { return strings.EqualFold(other, name) })
	}
	for n := 2; taken(name); n++ {
		name = fmt.Sprintf("%s-%d", s.name(), n)
	}
	return name
}

// beside is a file beside the main configuration.
func (s *setUp) beside(name string) string { return filepath.Join(filepath.Dir(s.main), name) }

// configured is the repository of the configuration with this key, nil if there is none.
func (s *setUp) configured(key string) *backup.Repository {
	if s.loaded == nil {
		return nil
	}
	for i := range s.loaded.Jobs {
		for n := range s.loaded.Jobs[i].Repositories {
			if repository := &s.loaded.Jobs[i].Repositories[n]; repository.Key() == key {
				return repository
			}
		}
	}
	return nil
}

// dialogue asks until all answers hold together, and then makes it so.
func (s *setUp) dialogue(ctx context.Context) error {
	s.welcome()
	if err := s.askWhat(ctx); err != nil {
		return err
	}
	questions := []func(context.Context) error{s.askWhere, s.askPassphrase, s.askKeep, s.askWhen, s.confirmAll}
	for {
		for _, ask := range questions {
			if err := ask(ctx); err != nil {
				return err
			}
		}
		err := s.make(ctx)
		var refused refusedError
		if !errors.As(err, &refused) || !s.terminal || ctx.Err() != nil {
			return err
		}
		s.reject(err) // nothing has come of it
		s.spent["location"], s.spent["passphrase"] = true, true
		questions = []func(context.Context) error{s.askWhere, s.askPassphrase, s.confirmAll}
	}
}

func (s *setUp) welcome() {
	if !s.terminal {
		return
	}
	if s.loaded != nil {
		s.say("There is no job %s yet%s. This sets it up.", s.answers.Job, didYouMean(s.answers.Job, jobNames(s.loaded)))
	}
	s.say("Five questions; Enter takes what stands in brackets, ? explains, Ctrl-C leaves everything as it is.\n")
}

func (s *setUp) warn(message string) { s.say("warning: %s", backup.Clean(message)) }

func (s *setUp) summary() string {
	a := s.answers
	var kept, when string
	switch {
	case a.Configured:
		kept = "as the configuration has it"
	case a.Passphrase.Kept == setup.Nowhere:
		kept = "none: whoever has the repository can read it"
	case a.Passphrase.Kept == setup.ByCommand:
		kept = "from your command"
	case a.Passphrase.Kept == setup.Made:
		kept = "a random one, in " + a.Passphrase.File
	default:
		kept = "in " + a.Passphrase.File
	}
	switch {
	case a.When.Install && a.When.At != "":
		when = "at " + a.When.At
	case a.When.Install:
		when = "every " + a.When.Every
	default:
		when = "when you start it"
	}
	what := "new"
	if a.Adopted {
		what = "adopted"
	}
	return fmt.Sprintf("  job            %s: %s\n  repository     %s (%s)\n  passphrase     %s\n  keeps          %s\n  runs           %s\n  configuration  %s",
		a.Job, strings.Join(a.Sources, ", "), a.Location, what, kept, setup.Rules(a.Retention), when, s.file)
}
