package cli

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/config"
)

// selection are the jobs that a command line names, in its order; all of them if it names none.
type selection struct {
	jobs    []backup.Job
	unknown []string // what to say of each name that is no job
}

// selectJobs finds the jobs by name and leaves them only the named repository, if one is named. An error
// means that nothing is left to do.
func selectJobs(loaded *config.Config, names []string, repository string) (selection, error) {
	chosen := selection{jobs: loaded.Jobs}
	if len(names) > 0 {
		chosen.jobs = nil
	}
	known := jobNames(loaded)
	for _, name := range names {
		i := slices.Index(known, name)
		if i < 0 {
			chosen.unknown = append(chosen.unknown, fmt.Sprintf("there is no job %q%s", name, didYouMean(name, known)))
			continue
		}
		if !slices.ContainsFunc(chosen.jobs, func(job backup.Job) bool { return job.Name == name }) {
			chosen.jobs = append(chosen.jobs, loaded.Jobs[i])
		}
	}
	if len(chosen.jobs) == 0 {
		if len(chosen.unknown) > 0 {
			return chosen, usage("%s", chosen.unknown[0])
		}
		return chosen, exitError{exitConfig, fmt.Errorf("the configuration has no jobs")}
	}
	if repository == "" {
		return chosen, nil
	}
	return chosen.onRepository(repository)
}

// onRepository leaves each job only the repository of that name; jobs without it fall away.
func (s selection) onRepository(name string) (selection, error) {
	var jobs []backup.Job
	var known []string
	for _, job := range s.jobs {
		for _, repository := range job.Repositories {
			known = append(known, job.RepositoryName(repository))
		}
		job.Repositories = slices.DeleteFunc(slices.Clone(job.Repositories), func(repository backup.Repository) bool {
			return job.RepositoryName(repository) != name
		})
		if len(job.Repositories) > 0 {
			jobs = append(jobs, job)
		}
	}
	if len(jobs) == 0 {
		return s, usage("no such repository %q in these jobs%s", name, didYouMean(name, known))
	}
	s.jobs = jobs
	return s, nil
}

func jobNames(loaded *config.Config) []string {
	names := make([]string, len(loaded.Jobs))
	for i, job := range loaded.Jobs {
		names[i] = job.Name
	}
	return names
}

// completeJobs offers the names of the configured jobs.
func (env *environment) completeJobs(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	loaded, err := env.readConfig()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := slices.DeleteFunc(jobNames(loaded), func(name string) bool { return slices.Contains(args, name) })
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeRepositories offers the names of the configured repositories.
func (env *environment) completeRepositories(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	loaded, err := env.readConfig()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for i := range loaded.Jobs {
		for _, repository := range loaded.Jobs[i].Repositories {
			names = append(names, loaded.Jobs[i].RepositoryName(repository))
		}
	}
	slices.Sort(names)
	return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
}

// completeJobsAndRepositories names both.
func (env *environment) completeJobsAndRepositories(command *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
	jobs, directive := env.completeJobs(command, args, start)
	repositories, _ := env.completeRepositories(command, args, start)
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(jobs, repositories)))), directive
}

// addRepositoryFlag gives a command its --repository with completion.
func (env *environment) addRepositoryFlag(command *cobra.Command, to *string) {
	command.Flags().StringVar(to, "repository", "", "only the repository `NAME` of the job")
	_ = command.RegisterFlagCompletionFunc("repository", env.completeRepositories)
}
