package cli

import (
	"context"
	"fmt"

	"borgcron/internal/backup"
	"borgcron/internal/config"
)

// findTwins refuses jobs whose repository is configured under two locations. borg's own id of the
// repository, learned from its answers, tells: two locations would be two locks.
func findTwins(ctx context.Context, records recaller, loaded *config.Config) error {
	type place struct{ key, name string }
	first := map[string]place{}
	twins := map[string]string{} // by key: what is wrong
	for i := range loaded.Jobs {
		job := &loaded.Jobs[i]
		for _, repository := range job.Repositories {
			last, err := records.Recall(ctx, backup.Target{Job: job, Repository: repository})
			if err != nil {
				return err
			}
			here := place{repository.Key(), job.RepositoryName(repository)}
			other, seen := first[last.Shared.ID]
			switch {
			case last.Shared.ID == "":
			case !seen:
				first[last.Shared.ID] = here
			case other.key != here.key:
				problem := fmt.Sprintf("%s and %s are one repository under two locations: give both the same location", other.name, here.name)
				twins[other.key], twins[here.key] = problem, problem
			}
		}
	}
	for i := range loaded.Jobs {
		job := &loaded.Jobs[i]
		for _, repository := range job.Repositories {
			if problem := twins[repository.Key()]; problem != "" && job.Problem == "" {
				job.Problem = problem
			}
		}
	}
	return nil
}

type recaller interface {
	Recall(ctx context.Context, target backup.Target) (backup.Last, error)
}
