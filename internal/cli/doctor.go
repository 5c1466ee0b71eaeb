package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/config"
	"borgcron/internal/doctor"
)

type doctorOptions struct {
	json, offline bool
	from          readFrom
}

func newDoctorCommand(env *environment) *cobra.Command {
	var options doctorOptions
	command := &cobra.Command{
		Use:   "doctor [JOB...]",
		Short: "Find out now what would make the next run fail, or be worth less",
		Long: `doctor looks at all that an unattended backup depends on: borg and its version at both ends, the configuration,
sources, passphrase, server and its key, locks, free space, timers, clock, channels, retention, the copy of the key,
the last check and restore drill, files of other users. Each finding says what is wrong, why it matters and what to do.

Nothing is backed up, changed or sent: of a repository the list of archives is read, under its lock; channels
are connected to, and get no message. A repository on which a run is going is left alone. No check takes
longer than some two minutes, and none keeps the others from being made. Run it as the user whose backups they are.

Exit codes: 0 all well, 1 warnings, 2 the next run would fail, 78 the configuration as a whole cannot be used.`,
		Example: `  borgcron doctor
  borgcron doctor home --verbose      also what is well
  borgcron doctor --offline           without the network
  borgcron doctor --json`,
		ValidArgsFunction: env.completeJobs,
		RunE: func(command *cobra.Command, names []string) error {
			return examine(command.Context(), env, names, options)
		},
	}
	flags := command.Flags()
	flags.BoolVar(&options.json, "json", false, "print JSON")
	flags.BoolVar(&options.offline, "offline", false, "use no network: neither servers nor channels are tried")
	env.addReadingFlags(command, &options.from)
	return command
}

// examine makes all checks and prints what they have found.
func examine(ctx context.Context, env *environment, names []string, options doctorOptions) error {
	findings, code, err := env.diagnose(ctx, names, options)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return exitError{exitFailed, context.Cause(ctx)}
	}
	if options.json {
		err = printDiagnosis(env, findings)
	} else {
		err = env.printFindings(findings)
	}
	if err != nil {
		return err
	}
	return codeError(code)
}

// diagnose returns the findings and the exit code.
func (env *environment) diagnose(ctx context.Context, names []string, options doctorOptions) ([]doctor.Finding, int, error) {
	loaded, err := env.readConfig()
	if err != nil { // there is none, or it cannot be read
		return doctor.JudgeNoConfiguration(err), exitConfig, nil
	}
	if loaded.Fatal() {
		return judgeMistakes(loaded), exitConfig, nil
	}
	chosen, err := selectJobs(loaded, names, options.from.repository)
	if err != nil {
		var exit exitError
		if errors.As(err, &exit) && exit.code == exitConfig { // no jobs
			return append(judgeMistakes(loaded), doctor.JudgeNoConfiguration(err)...), exitConfig, nil
		}
		return nil, 0, err
	}
	x := env.newExamination(ctx, loaded, chosen.jobs, options)
	defer x.close()
	findings := judgeMistakes(loaded)
	for _, found := range x.run(ctx, x.probes(len(names) == 0)) {
		findings = append(findings, found...)
	}
	for _, unknown := range chosen.unknown {
		fmt.Fprintf(env.Stderr, "borgcron: %s\n", backup.Clean(unknown))
	}
	switch worst := doctor.Worst(findings); {
	case worst == doctor.Failure, len(chosen.unknown) > 0:
		return findings, exitFailed, nil
	case worst == doctor.Warning:
		return findings, exitWarning, nil
	}
	return findings, 0, nil
}

// judgeMistakes tells of the mistakes in the configuration, of those in one job under its name.
func judgeMistakes(loaded *config.Config) []doctor.Finding {
	byJob := map[string][]doctor.Mistake{}
	var jobs []string
	add := func(m config.Mistake, warning bool) {
		names := []string{""}
		if m.Scope.Part == config.InJob && len(m.Scope.Names) > 0 {
			names = m.Scope.Names
		}
		text := m.Message
		if m.Suggestion != "" {
			text += fmt.Sprintf("; did you mean %q?", m.Suggestion)
		}
		for _, name := range names {
			if byJob[name] == nil {
				jobs = append(jobs, name)
			}
			byJob[name] = append(byJob[name], doctor.Mistake{Place: m.Place.String(), Message: text, Warning: warning})
		}
	}
	for _, m := range loaded.Errors {
		add(m, false)
	}
	for _, m := range loaded.Warnings {
		if !strings.HasPrefix(m.Message, "there is no `retention`") { // that has a check of its own
			add(m, true)
		}
	}
	if len(jobs) == 0 {
		return doctor.JudgeConfiguration(nil)
	}
	var findings []doctor.Finding
	for _, job := range jobs {
		findings = append(findings, doctor.About(job, "", doctor.JudgeConfiguration(byJob[job]))...)
	}
	return findings
}

// diagnosis is the shape of `doctor --json`.
type diagnosis struct {
	Generated time.Time        `json:"generated"`
	Findings  []doctor.Finding `json:"findings"`
	Checked   int              `json:"checked"`
}

func printDiagnosis(env *environment, findings []doctor.Finding) error {
	for i := range findings {
		findings[i] = cleanFinding(findings[i])
	}
	return printJSON(env.Stdout, diagnosis{env.Now().Truncate(time.Second), findings, len(findings)})
}

func cleanFinding(f doctor.Finding) doctor.Finding {
	f.What, f.Remedy = backup.Clean(f.What), backup.Clean(f.Remedy)
	return f
}
