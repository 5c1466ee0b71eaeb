package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/config"
	"borgcron/internal/notify"
	"borgcron/internal/runner"
)

// The time that a run waits for the local lock: a person does not want to wait; a timer's tick may.
const (
	waitAtHand = 20 * time.Second
	waitOnDue  = time.Hour
)

type runOptions struct {
	due, dryRun, progress, json, yes bool
	only, skip                       []string
	logFile, repository              string
	wait                             time.Duration

	full bool   // of a drill
	seed uint64 // of a drill; 0: any
}

func newRunCommand(env *environment) *cobra.Command {
	var options runOptions
	command := &cobra.Command{
		Use:   "run [JOB...]",
		Short: "Back up: all jobs, or those named",
		Long: `run performs each job: conditions, lock, hooks, create, check, verify, prune, compact; then it records how it
went. Jobs run one after another; one that fails does not stop the others.

Exit codes: 0 all is well (also: not due, skipped), 1 a warning somewhere, 2 something failed,
64 wrong usage, 75 another run holds the lock, 78 the configuration is wrong, 128+N ended by signal N.
With several jobs the worst decides: 2, 1, 75, 0.`,
		Example: `  borgcron run                      all jobs, now
  borgcron run --due                what is due; for a timer
  borgcron run home --only check    one step of one job
  borgcron run --dry-run            what would be done, and why`,
		ValidArgsFunction: env.completeJobs,
		RunE: func(command *cobra.Command, names []string) error {
			if command.Flags().Changed("parallel") {
				return usage("--parallel: not yet available in this version")
			}
			if !command.Flags().Changed("wait") && options.due {
				options.wait = waitOnDue
			}
			return runJobs(command.Context(), env, names, options)
		},
	}
	flags := command.Flags()
	flags.BoolVar(&options.due, "due", false, "only what is due")
	flags.StringSliceVar(&options.only, "only", nil, "these `STEPS` alone, due or not: create, check, verify, prune, compact")
	flags.StringSliceVar(&options.skip, "skip", nil, "leave these `STEPS` out")
	flags.BoolVar(&options.dryRun, "dry-run", false, "say what would be done and why; borg is not started")
	flags.BoolVar(&options.progress, "progress", false, "show progress on a terminal, or as events with --json")
	flags.BoolVar(&options.json, "json", false, "print events, one JSON object a line")
	flags.BoolVar(&options.yes, "yes", false, "answer yes to what prune would ask")
	flags.Int("parallel", 1, "not yet available in this version")
	_ = flags.MarkHidden("parallel")
	flags.StringVar(&options.logFile, "log-file", "", "append the log to `FILE` too; it is opened anew at each run")
	flags.Var(newDurationValue(waitAtHand, &options.wait), "wait", "how long to wait for the local lock (`DURATION`; with --due the default is 1h)")
	env.addRepositoryFlag(command, &options.repository)
	completeSteps := cobra.FixedCompletions([]string{"create", "check", "verify", "prune", "compact"}, cobra.ShellCompDirectiveNoFileComp)
	_ = command.RegisterFlagCompletionFunc("only", completeSteps)
	_ = command.RegisterFlagCompletionFunc("skip", completeSteps)
	return command
}

func runJobs(ctx context.Context, env *environment, names []string, options runOptions) error {
	choice, err := options.choice()
	if err != nil {
		return err
	}
	if options.dryRun && options.json {
		return usage("--dry-run prints a plan for people; it has no --json")
	}
	if options.logFile != "" {
		if err := env.openLogFile(options.logFile); err != nil {
			return err
		}
	}
	loaded, err := env.loadConfig()
	if err != nil {
		return err
	}
	if _, err := selectJobs(loaded, names, options.repository); err != nil {
		return err // before anything is opened
	}
	parts, err := env.newParts(ctx, loaded)
	if err != nil {
		return err
	}
	defer parts.close()
	if err := findTwins(ctx, parts.records, loaded); err != nil {
		env.Log.Warn("looking for one repository under two locations", "error", err)
	}
	chosen, err := selectJobs(loaded, names, options.repository)
	if err != nil {
		return err
	}
	start := &start{env, loaded, parts, chosen}
	if options.dryRun {
		return start.forecast(ctx, choice, options.due)
	}
	return start.perform(ctx, runner.Options{
		Due: options.due, Choice: choice, Wait: options.wait,
		Progress: options.progress && (options.json || env.Terminal), Full: options.full, Seed: options.seed,
	}, options.json)
}

// start is one call of run: what it knows and what it is to do.
type start struct {
	env    *environment
	loaded *config.Config
	parts  *parts
	chosen selection
}

// sayUnknown says which of the names are no jobs; it returns the exit code that this asks for.
func (s *start) sayUnknown() int {
	for _, unknown := range s.chosen.unknown {
		s.env.Log.Error(unknown)
	}
	if len(s.chosen.unknown) > 0 {
		return exitFailed
	}
	return 0
}

// publish is done at the end, whether anything was due or not: what former runs could not deliver goes out, and the
// metrics say how things stand now.
func (s *start) publish(ctx context.Context, dispatcher *notify.Dispatcher) {
	if err := s.env.writeMetrics(s.loaded); err != nil {
		s.env.Log.Warn("writing the metrics", "error", err)
	}
	dispatcher.Deliver(ctx)
}

// tellUnplaced tells of a job that has no usable repository, so that there is no run of it.
func (s *start) tellUnplaced(ctx context.Context, dispatcher *notify.Dispatcher, job *backup.Job) {
	now := s.env.Now()
	run := backup.Run{Job: job.Name, Repository: job.Name, Outcome: backup.Failed, Started: now, Ended: now, Problem: "configuration: " + job.Problem}
	event := backup.Event{Kind: backup.RunEnded, Time: now, Run: run, Target: backup.Target{Job: job, Repository: backup.Repository{}}}
	if err := dispatcher.Observe(ctx, event); err != nil {
		s.env.Log.Warn("telling of it", "job", job.Name, "error", err)
	}
}

// perform runs the chosen jobs and turns the worst outcome into the exit code.
func (s *start) perform(ctx context.Context, options runner.Options, json bool) error {
	dispatcher := s.env.newDispatcher(s.loaded, s.parts)
	run := s.env.newRunner(s.loaded, s.parts, append(s.env.printers(json, options.Progress), dispatcher)...)
	defer s.publish(ctx, dispatcher)
	code := worseCode(configurationCode(s.loaded), s.sayUnknown())
	whole := true // whatever was to be done has been done
	for i := range s.chosen.jobs {
		job := &s.chosen.jobs[i]
		if ctx.Err() != nil {
			s.env.Log.Warn("not begun: we are being ended", "job", job.Name)
			whole = false
			continue
		}
		results := run.Run(ctx, job, options)
		for _, result := range results {
			code = worseCode(code, runner.ExitCode(result.Outcome))
			done := result.Outcome == backup.Succeeded || result.Outcome == backup.Warned
			whole = whole && (done || ctx.Err() == nil)
		}
		if len(job.Repositories) == 0 {
			s.tellUnplaced(ctx, dispatcher, job)
		}
		if len(results) > 0 {
			dispatcher.Deliver(ctx)
		}
	}
	if !whole {
		code = worseCode(code, exitFailed) // 128+N in the end
	}
	if code == 0 {
		return nil
	}
	if whole {
		return exitError{code, wholeError{}}
	}
	return exitError{code: code}
}

// codeError is nil for 0.
func codeError(code int) error {
	if code == 0 {
		return nil
	}
	return exitError{code: code}
}

// configurationCode is what mistakes that spoil no job of this run ask for: jobs of an included file that
// could not be read are not known and so not run; a channel that is left out cannot tell.
func configurationCode(loaded *config.Config) int {
	code := 0
	for _, mistake := range loaded.Errors {
		switch mistake.Scope.Part {
		case config.InFile:
			code = worseCode(code, exitFailed)
		case config.InChannel, config.InMetrics:
			code = worseCode(code, exitWarning)
		}
	}
	return code
}

// worseCode returns the graver of two exit codes of run: 2, 1, 75, 0.
func worseCode(a, b int) int {
	for _, code := range []int{exitFailed, exitWarning, exitLocked} {
		if a == code || b == code {
			return code
		}
	}
	return 0
}

func (o runOptions) choice() (backup.Choice, error) {
	choice := backup.Choice{Yes: o.yes}
	var err error
	if choice.Only, err = parseSteps("--only", o.only); err != nil {
		return choice, err
	}
	if choice.Skip, err = parseSteps("--skip", o.skip); err != nil {
		return choice, err
	}
	for _, step := range choice.Only {
		if slices.Contains(choice.Skip, step) {
			return choice, usage("--only and --skip both name %s", step)
		}
	}
	return choice, nil
}

func parseSteps(flag string, names []string) ([]backup.Step, error) {
	known := make([]string, len(backup.Steps))
	for i, step := range backup.Steps {
		known[i] = string(step)
	}
	if names != nil && strings.Join(names, "") == "" {
		return nil, usage("%s names no step", flag)
	}
	var steps []backup.Step
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, usage("%s takes %s, not %q%s", flag, strings.Join(known, ", "), name, didYouMean(name, known))
		}
		steps = append(steps, backup.Step(name))
	}
	return steps, nil
}

// forecast prints the plan of each job. It takes no lock and starts no borg.
func (s *start) forecast(ctx context.Context, choice backup.Choice, onlyDue bool) error {
	run := s.env.newRunner(s.loaded, s.parts)
	code := s.sayUnknown()
	for i := range s.chosen.jobs {
		job := &s.chosen.jobs[i]
		for _, forecast := range run.Forecast(ctx, job, choice) {
			fmt.Fprintf(s.env.Stdout, "%s: %s\n", rowName(job.Name, forecast.Repository), backup.Clean(forecast.Due.Reason))
			if forecast.Problem != "" {
				fmt.Fprintf(s.env.Stdout, "  would not begin: %s (%s)\n", forecast.Outcome, backup.Clean(forecast.Problem))
				code = worseCode(code, runner.ExitCode(forecast.Outcome))
			} else if forecast.Due.Now || !onlyDue {
				printPlan(s.env.Stdout, forecast)
			}
		}
	}
	return codeError(code)
}

func printPlan(to io.Writer, forecast runner.Forecast) {
	fmt.Fprintf(to, "  archive %s\n", forecast.Archive)
	for _, due := range forecast.Steps {
		word := "no"
		if due.Now {
			word = "yes"
		}
		fmt.Fprintf(to, "  %-8s %-4s %s\n", due.Step, word, backup.Clean(due.Reason))
	}
}
