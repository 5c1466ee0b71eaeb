package cli

import (
	"context"

	"borgcron/internal/backup"
)

// lookOut tells of jobs that have become stale and of those that are well again, although no run has ended:
// for a timer of its own, so that a backup whose timer is dead is missed. What others read without asking us, the
// notice for logins and the metrics, is brought up to date.
func (env *environment) lookOut(ctx context.Context, names []string, repository string) error {
	loaded, err := env.loadConfig()
	if err != nil {
		return err
	}
	chosen, err := selectJobs(loaded, names, repository)
	if err != nil {
		return err
	}
	parts, err := env.newParts(ctx, loaded)
	if err != nil {
		return err
	}
	defer parts.close()
	dispatcher := env.newDispatcher(loaded, parts)
	start := &start{env, loaded, parts, chosen}
	code := worseCode(configurationCode(loaded), start.sayUnknown())
	if parts.history == nil { // it was said; what was told before is not known
		code = worseCode(code, exitWarning)
	}
	for i := range chosen.jobs {
		job := &chosen.jobs[i]
		for _, repository := range job.Repositories {
			if err := dispatcher.Look(ctx, backup.Target{Job: job, Repository: repository}); err != nil {
				env.Log.Warn("looking at how a job stands", "job", job.Name, "error", err)
				code = worseCode(code, exitWarning)
			}
		}
	}
	if err := env.writeMetrics(loaded); err != nil { // the notice was written with the status files
		env.Log.Warn("writing the metrics", "error", err)
		code = worseCode(code, exitWarning)
	}
	if dispatcher.Deliver(ctx) > 0 {
		code = worseCode(code, exitWarning)
	}
	return codeError(code)
}
