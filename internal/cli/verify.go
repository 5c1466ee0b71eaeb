package cli

import (
	"time"

	"github.com/spf13/cobra"

	"borgcron/internal/backup"
)

type verifyOptions struct {
	full, json bool
	seed       uint64
	repository string
	wait       time.Duration
}

func newVerifyCommand(env *environment) *cobra.Command {
	var options verifyOptions
	command := &cobra.Command{
		Use:   "verify [JOB...]",
		Short: "Prove that files can be restored: the restore drill, now",
		Long: `verify reads files of the newest archive back, and the beginning of every dump of a database, and compares each file with
the one on the disk as far as that has not changed since. Which files, chance decides: those that were never read back come first,
then those whose last time is longest ago; large and old ones come more often. The configuration's 'verify' says how many
files and how much at a time, and by 'every' that runs do it by themselves.

What borg cannot bring back is an alarm: the run has failed, and nothing is pruned or compacted until that is settled. A file that comes
back well and differs from the one on the disk is a warning: it may be the disk that is wrong. A source or a database that is
not in the archive is a failure.

--full reads all files of the newest archive, and all dumps to their end.`,
		Example: `  borgcron verify                   all jobs
  borgcron verify home --full       everything in the newest archive
  borgcron verify home --seed 7     the same files again, as far as the archive is the same`,
		ValidArgsFunction: env.completeJobs,
		RunE: func(command *cobra.Command, names []string) error {
			return runJobs(command.Context(), env, names, runOptions{
				only: []string{string(backup.Verify)}, json: options.json, repository: options.repository, wait: options.wait,
				full: options.full, seed: options.seed,
			})
		},
	}
	flags := command.Flags()
	flags.BoolVar(&options.full, "full", false, "read everything")
	flags.BoolVar(&options.json, "json", false, "print events, one JSON object a line")
	flags.Uint64Var(&options.seed, "seed", 0, "let this number decide which files (`SEED`; 0: any)")
	flags.Var(newDurationValue(waitAtHand, &options.wait), "wait", "how long to wait for the local lock (`DURATION`)")
	env.addRepositoryFlag(command, &options.repository)
	return command
}
