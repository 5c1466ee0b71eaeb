package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"borgcron/internal/config"
	"borgcron/internal/process"
	"borgcron/internal/schedule"
)

type scheduleOptions struct {
	brief                                      bool // name what is written, do not show it
	cron, systemd, force, dryRun, tick, strict bool
	user, root                                 string
}

func newScheduleCommand(env *environment) *cobra.Command {
	command := &cobra.Command{
		Use:   "schedule",
		Short: "Have what is due run by itself: timers of systemd, or lines of cron",
		Long: `schedule writes what starts 'borgcron run --due' every 15 minutes, or, if every job has times (at), at those
times, and 'borgcron status --notify' every hour, which tells of backups that have become stale.

Under systemd these are two services with their timers: the machine's own for root, those of the user's own
manager for others. They get no more rights than the configuration needs, so install them anew when it has
changed. Where there is no systemd they are lines of cron: /etc/cron.d/borgcron for root, else the user's
crontab, of which all other lines stay as they are.`,
		Example: `  borgcron schedule show
  borgcron schedule install
  borgcron schedule install --user borgcron
  borgcron schedule remove`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("schedule takes install, remove or show%s", didYouMean(args[0], []string{"install", "remove", "show"}))
			}
			return nil
		},
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(newScheduleInstallCommand(env), newScheduleRemoveCommand(env), newScheduleShowCommand(env))
	return command
}

func newScheduleInstallCommand(env *environment) *cobra.Command {
	var options scheduleOptions
	command := &cobra.Command{
		Use:   "install",
		Short: "Write the schedule and start it, after showing what changes",
		Long: `install shows what is added (+) and taken (-), writes it, and starts the timers. A second time it finds
nothing to change. A file of the same name that it has not written is left, unless --force is given.`,
		Example: `  borgcron schedule install
  borgcron schedule install --dry-run
  borgcron schedule install --cron
  borgcron schedule install --root /srv/image`,
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return env.installSchedule(command.Context(), options)
		},
	}
	env.addScheduleFlags(command, &options)
	flags := command.Flags()
	flags.BoolVar(&options.dryRun, "dry-run", false, "show what would change, and change nothing")
	flags.BoolVar(&options.force, "force", false, "overwrite files that borgcron has not written")
	flags.StringVar(&options.root, "root", "", "write below `DIR`, for an image of a machine; nothing is started")
	return command
}

func newScheduleShowCommand(env *environment) *cobra.Command {
	var options scheduleOptions
	command := &cobra.Command{
		Use:   "show",
		Short: "Print what install would write",
		Example: `  borgcron schedule show
  borgcron schedule show --cron`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return env.showSchedule(options) },
	}
	env.addScheduleFlags(command, &options)
	return command
}

func newScheduleRemoveCommand(env *environment) *cobra.Command {
	var options scheduleOptions
	command := &cobra.Command{
		Use:   "remove",
		Short: "Stop the schedule and delete it",
		Long: `remove stops the timers and deletes what install has written, units as well as lines of cron. A run that is
under way goes on. What somebody else has written stays.`,
		Example: `  borgcron schedule remove`,
		Args:    noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return env.removeSchedule(command.Context(), options)
		},
	}
	flags := command.Flags()
	flags.BoolVar(&options.dryRun, "dry-run", false, "say what would be deleted, and delete nothing")
	flags.StringVar(&options.root, "root", "", "look below `DIR`")
	return command
}

func (env *environment) addScheduleFlags(command *cobra.Command, options *scheduleOptions) {
	flags := command.Flags()
	flags.BoolVar(&options.cron, "cron", false, "lines of cron, also where systemd runs")
	flags.BoolVar(&options.systemd, "systemd", false, "units of systemd, also where it does not run")
	flags.StringVar(&options.user, "user", "", "as root: the services run as `NAME`, who may read every file and write as little as any user")
	flags.BoolVar(&options.strict, "strict", false, "hooks and other commands of yours get no more rights than borgcron needs; they too can write only where it does")
	flags.BoolVar(&options.tick, "tick", false, "look every 15 minutes for what is due, also if every job has its times")
}

// scheduled is a schedule as it is to be: in files, or in a crontab.
type scheduled struct {
	env      *environment
	options  scheduleOptions
	loaded   *config.Config
	plan     schedule.Plan
	files    []schedule.File // none: the lines belong into the user's crontab
	manager  schedule.Manager
	crontab  schedule.Crontab
	systemd  bool // the files are units
	running  bool // systemd runs here, and is to know
	personal bool
}

// lookPath finds a program as a shell would.
func (env *environment) lookPath(program string) (string, error) {
	return process.LookPath(program, env.Getenv("PATH"))
}

// systemdRuns tells whether systemd is what started this machine, as sd_booted(3) does.
func systemdRuns() bool {
	info, err := os.Lstat("/run/systemd/system")
	return err == nil && info.IsDir()
}

// newScheduled works out what is to be installed.
func (env *environment) newScheduled(options scheduleOptions) (*scheduled, error) {
	s, err := env.whereScheduled(options)
	if err != nil {
		return nil, err
	}
	owner := env.ConfigOwner
	if owner == "" && options.root == "" { // the state belongs to who the services run as
		env.ConfigOwner = options.user
	}
	if s.loaded, err = env.loadConfig(); err != nil {
		return nil, err
	}
	if s.plan, err = s.newPlan(owner); err != nil {
		return nil, err
	}
	switch {
	case s.systemd:
		s.files = s.plan.Units(s.unitFolder())
	case s.cronFolder() != "":
		s.files = []schedule.File{s.plan.CronFile(filepath.Join(s.cronFolder(), "borgcron"))}
	}
	return s, nil
}

// whereScheduled decides what kind of schedule it is.
func (env *environment) whereScheduled(options scheduleOptions) (*scheduled, error) {
	switch {
	case options.cron && options.systemd:
		return nil, usage("--cron and --systemd exclude each other")
	case options.user != "" && os.Getuid() != 0 && options.root == "":
		return nil, usage("--user is for root, who may start services of others; without it yours are installed")
	}
	if options.root != "" {
		root, err := filepath.Abs(options.root)
		if err != nil {
			return nil, usage("--root: %w", err)
		}
		options.root = root
	}
	s := &scheduled{
		env: env, options: options, personal: os.Getuid() != 0 && options.root == "",
		systemd: options.systemd || !options.cron && (systemdRuns() || options.root != ""), running: systemdRuns() && options.root == "",
		crontab: schedule.Crontab{Environ: env.Environ, Look: env.lookPath},
	}
	s.manager = schedule.Manager{Personal: s.personal, Environ: env.Environ, Look: env.lookPath}
	return s, nil
}

// unitFolder is where units of one's own belong.
func (s *scheduled) unitFolder() string {
	if s.personal {
		return filepath.Join(s.env.configHome(), "systemd", "user")
	}
	return filepath.Join("/", s.options.root, "etc/systemd/system")
}

// configHome is the folder of a user's configurations.
func (env *environment) configHome() string {
	if folder := env.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(folder) {
		return folder
	}
	return filepath.Join(env.Getenv("HOME"), ".config")
}

// cronFolder is where cron looks for files, "" if the lines belong into a crontab.
func (s *scheduled) cronFolder() string {
	folder := filepath.Join("/", s.options.root, "etc/cron.d")
	if info, err := os.Stat(folder); !s.personal && (s.options.root != "" || err == nil && info.IsDir()) {
		return folder
	}
	return ""
}

func (env *environment) showSchedule(options scheduleOptions) error {
	s, err := env.newScheduled(options)
	if err != nil {
		return err
	}
	for i, file := range s.files {
		if i > 0 {
			fmt.Fprintln(env.Stdout)
		}
		if file.Link != "" {
			fmt.Fprintf(env.Stdout, "# %s -> %s\n", file.Path, file.Link)
			continue
		}
		fmt.Fprintf(env.Stdout, "# %s\n%s", file.Path, file.Text)
	}
	if len(s.files) == 0 {
		fmt.Fprintf(env.Stdout, "# the crontab of %s\n%s", username(), s.plan.CronBlock())
	}
	return nil
}
