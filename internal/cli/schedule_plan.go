package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"borgcron/internal/config"
	"borgcron/internal/process"
	"borgcron/internal/schedule"
)

// newPlan is what the configuration asks for; owner is what --config-owner says.
func (s *scheduled) newPlan(owner string) (schedule.Plan, error) {
	env := s.env
	program, err := os.Executable()
	if err != nil {
		return schedule.Plan{}, fmt.Errorf("find borgcron itself: %w", err)
	}
	plan := schedule.Plan{
		Program: s.inside(program), Personal: s.personal, User: s.options.user, State: s.loaded.State, ConfigOwner: owner,
	}
	if lies(program, os.TempDir()) && s.options.root == "" {
		env.Log.Warn("the schedule starts a borgcron that lies in a temporary folder", "program", program)
	}
	if plan.Home, err = s.home(); err != nil {
		return plan, err
	}
	plan.Config = s.configFile()
	plan.Environment = s.environment()
	plan.Read = append(append(plan.Read, program), s.loaded.Files...)
	for _, secret := range s.loaded.Secrets {
		plan.Read = append(plan.Read, secret.File)
	}
	plan.Write = append(plan.Write, s.loaded.Runtime)
	if textfile := string(s.loaded.Metrics.Textfile); textfile != "" {
		plan.Write = append(plan.Write, filepath.Dir(textfile))
	}
	plan.Take(s.loaded.Jobs)
	if s.options.tick {
		plan.Calendars = nil
	}
	plan.OpenAlways, plan.Strict = s.startsCommands(), s.options.strict
	plan.Credentials = s.credentials()
	return plan, nil
}

// inside is a path as it is called on the machine whose image is below --root.
func (s *scheduled) inside(path string) string {
	if s.options.root == "" {
		return path
	}
	if !lies(path, s.options.root) {
		return path
	}
	return strings.TrimPrefix(path, s.options.root)
}

func lies(path, folder string) bool {
	return strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
}

// home is the home folder of who the schedule runs as.
func (s *scheduled) home() (string, error) {
	switch {
	case s.options.user != "":
		account, err := user.Lookup(s.options.user)
		if err != nil && s.options.root != "" {
			return "", nil // systemd finds it there
		}
		if err != nil {
			return "", usage("--user: %w", err)
		}
		return account.HomeDir, nil
	case s.options.root != "":
		return "/root", nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the home folder: %w", err)
	}
	return home, nil
}

// configFile is the main file, "" if it is where it is found anyway.
func (s *scheduled) configFile() string {
	explicit := s.env.ConfigFile != "" || s.env.Getenv("BORGCRON_CONFIG") != ""
	main := s.loaded.Files[0]
	usual, err := config.Find("", config.Environment{Getenv: func(string) string { return "" }, UID: os.Getuid(), Home: s.env.where().Home})
	if err == nil && usual == main || !explicit && s.env.Getenv("XDG_CONFIG_HOME") == "" {
		return ""
	}
	if main = s.inside(main); s.options.root != "" && main == "/etc/borgcron/config.yaml" {
		return ""
	}
	return main
}

// environment is what a shell has and a service has not, but must have to find the same folders and the same borg.
func (s *scheduled) environment() []string {
	var folders, variables []string
	for _, job := range s.loaded.Jobs {
		for _, repository := range job.Repositories {
			if borg, err := s.env.lookPath("borg"); repository.Borg == "" && err == nil {
				folders = append(folders, filepath.Dir(borg))
			}
		}
	}
	variables = append(variables, "PATH="+schedule.Path(folders...))
	if s.options.user != "" || s.options.root != "" {
		return variables
	}
	for _, name := range []string{"XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"} {
		if value := s.env.Getenv(name); filepath.IsAbs(value) {
			variables = append(variables, name+"="+value)
		}
	}
	return variables
}

// startsCommands tells whether channels and secrets start programs of the owner's.
func (s *scheduled) startsCommands() bool {
	for _, channel := range s.loaded.Notify {
		if channel.Type == "command" || channel.Sendmail != "" {
			return true
		}
	}
	for _, secret := range s.loaded.Secrets {
		if secret.Command != "" {
			return true
		}
		if secret.Env != "" {
			s.env.Log.Warn("a service does not have this variable of yours: put the secret into a file", "variable", secret.Env)
		}
	}
	return false
}

// credentials are the secrets that systemd is to hand over, from a folder beside the configuration.
func (s *scheduled) credentials() []schedule.Credential {
	var found []schedule.Credential
	for _, secret := range s.loaded.Secrets {
		if secret.Credential == "" {
			continue
		}
		path := filepath.Join(s.credentialFolder(), secret.Credential)
		credential := schedule.Credential{Name: secret.Credential, Path: path}
		if slices.Contains(found, credential) {
			continue
		}
		if _, err := os.Stat(filepath.Join("/", s.options.root, path)); errors.Is(err, fs.ErrNotExist) {
			s.env.Log.Warn("without this file the service does not start: put the secret there", "file", path)
		}
		found = append(found, credential)
	}
	return found
}

func (s *scheduled) credentialFolder() string {
	if s.personal {
		return filepath.Join(s.env.configHome(), "borgcron", "credentials")
	}
	return "/etc/borgcron/credentials"
}

// prepareUser gives the user of --user the state folder, so that services and shells of theirs have one and the same.
func (s *scheduled) prepareUser() error {
	if s.options.user == "" || s.options.root != "" {
		return nil
	}
	who, err := ids(s.options.user)
	if err != nil {
		return err
	}
	state := s.loaded.State
	info, err := os.Stat(state)
	if errors.Is(err, fs.ErrNotExist) {
		err = os.MkdirAll(state, 0o755)
	} else if err == nil {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid == who.UID {
			return nil
		}
		if others, _ := os.ReadDir(state); len(others) > 0 {
			return fmt.Errorf("%s belongs to somebody else than %s\n  hint: chown -R %s: %s", state, s.options.user, s.options.user, state)
		}
	}
	if err != nil {
		return fmt.Errorf("make the state folder: %w", err)
	}
	return os.Chown(state, int(who.UID), int(who.GID))
}

// ids are the numbers of a user and of the user's own group.
func ids(name string) (process.User, error) {
	account, err := user.Lookup(name)
	if err != nil {
		return process.User{}, fmt.Errorf("find the user %s: %w", name, err)
	}
	uid, wrong := strconv.ParseUint(account.Uid, 10, 32)
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	return process.User{UID: uint32(uid), GID: uint32(gid)}, errors.Join(wrong, err)
}

// noteScheduled begins to count how long each job has had no success, as who will run it.
func (s *scheduled) noteScheduled(ctx context.Context) error {
	if s.personal {
		s.hintLinger()
	}
	if s.options.user == "" {
		if err := s.loaded.MakeState(); err != nil {
			return exitError{exitConfig, err}
		}
		s.env.noteJobs(s.loaded)
		return nil
	}
	who, err := ids(s.options.user)
	if err != nil {
		return err
	}
	var said bytes.Buffer
	words := []string{"config", "check", "--config", s.loaded.Files[0]}
	command := process.Command{
		Path: s.plan.Program, Args: words, Dir: "/", Stdout: &said, User: &who,
		Env: append([]string{"HOME=" + s.plan.Home, "USER=" + s.options.user, "LOGNAME=" + s.options.user}, s.plan.Environment...),
	}
	if err := process.Run(ctx, command); err != nil {
		return fmt.Errorf("%s cannot use the configuration: %w\n  hint: see what is wrong: sudo -u %s borgcron config check", s.options.user, err, s.options.user)
	}
	return nil
}

// hintLinger says what keeps a user's timers from running while the user is away.
func (s *scheduled) hintLinger() {
	name := username()
	if s.systemd && !lingers(name) {
		fmt.Fprintf(s.env.Stdout, "These timers run only while you are logged in; to have them run always: loginctl enable-linger %s\n", name)
	}
}
