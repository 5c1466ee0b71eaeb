package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"borgcron/internal/backup"
	"borgcron/internal/config"
)

// goOn reads the configuration that came back, says what there is and what is missing, and offers the restore.
func (r *recovery) goOn(ctx context.Context) error {
	if !r.found.Known() {
		r.env.Log.Warn(r.found.Main + " had a secret in it and was not backed up: put your copy to the files that came back")
		return nil
	}
	loaded, err := r.load()
	if err != nil {
		return err
	}
	jobs := r.jobs(loaded)
	r.showJobs(jobs)
	r.showMissing(loaded)
	return r.offer(ctx, jobs)
}

// load reads the configuration. A name of the machine that it does not hold is put into it: archives are found by it.
func (r *recovery) load() (*config.Config, error) {
	main := r.inside(r.found.Main)
	loaded, err := config.Load(main, r.env.where())
	if err != nil {
		return nil, exitError{exitFailed, err}
	}
	if loaded.Host != r.found.Host {
		if named, err := r.nameHost(); err != nil {
			r.env.Log.Warn("the archives are those of host "+r.found.Host+", and this machine has another name: set `host` in the configuration", "file", main, "error", err)
		} else {
			loaded = named
		}
	}
	r.env.logMistakes(loaded)
	if loaded.Fatal() {
		return nil, exitError{exitFailed, fmt.Errorf("the configuration came back, but cannot be used as it is; see: borgcron --config %s config check", main)}
	}
	return loaded, nil
}

// nameHost adds the key `host` to the file, if that makes it say what is meant.
func (r *recovery) nameHost() (*config.Config, error) {
	main := below(r.found.Main)
	before, err := r.files.ReadFile(main)
	if err != nil {
		return nil, err
	}
	line := "host: " + r.found.Host + "   # added by borgcron recover: the archives carry this name\n"
	head, rest := "", string(before)
	if at := strings.Index("\n"+rest, "\n---\n"); at >= 0 { // the document begins there
		head, rest = rest[:at+len("---\n")], rest[at+len("---\n"):]
	}
	if err := r.files.WriteFile(main, []byte(head+line+rest), 0o600); err != nil {
		return nil, err
	}
	loaded, err := config.Load(r.inside(r.found.Main), r.env.where())
	if err == nil && loaded.Host == r.found.Host && !loaded.Fatal() {
		fmt.Fprintf(r.env.Stdout, "This machine has another name: 'host: %s' was added to it, as the archives are found by that.\n", r.found.Host)
		return loaded, nil
	}
	if err := r.files.WriteFile(main, before, 0o600); err != nil {
		return nil, err
	}
	return nil, errors.Join(errors.New("it cannot be added"), err)
}

// recovered is a job of the configuration with its archives here, the newest last.
type recovered struct {
	job      *backup.Job
	archives []backup.Archive
	here     *backup.Repository // the repository that recover was given, as the configuration has it; nil: under another location
}

func (r *recovery) jobs(loaded *config.Config) []recovered {
	var jobs []recovered
	for i := range loaded.Jobs {
		job := recovered{job: &loaded.Jobs[i]}
		for _, archive := range r.archives {
			if backup.Match(job.job.Prune.Match, archive.Name) {
				job.archives = append(job.archives, archive)
			}
		}
		for n := range job.job.Repositories {
			if job.job.Repositories[n].Key() == r.call.Repository.Key() {
				job.here = &job.job.Repositories[n]
			}
		}
		jobs = append(jobs, job)
	}
	return jobs
}

func (r *recovery) showJobs(jobs []recovered) {
	lines := newTable(r.env.Stdout)
	lines.AppendHeader(table.Row{"JOB", "ARCHIVES", "NEWEST"})
	for _, job := range jobs {
		newest := "none here"
		if n := len(job.archives); n > 0 {
			newest = r.when(job.archives[n-1])
		}
		lines.AppendRow(table.Row{job.job.Name, len(job.archives), newest})
	}
	fmt.Fprintln(r.env.Stdout)
	lines.Render()
}

// showMissing names the files that the configuration needs and that are not on this machine: most are secrets, which are
// in no archive unless a source holds them.
func (r *recovery) showMissing(loaded *config.Config) {
	var missing []string
	look := func(what string, paths ...string) {
		for _, path := range paths {
			if _, err := os.Stat(path); filepath.IsAbs(path) && err != nil {
				missing = append(missing, fmt.Sprintf("  %s   %s", backup.Clean(path), what))
			}
		}
	}
	for _, secret := range loaded.Secrets {
		look("a secret", secret.File)
	}
	for _, job := range loaded.Jobs {
		look("excludes of job "+job.Name, job.ExcludeFrom...)
		look("patterns of job "+job.Name, job.PatternsFrom...)
		for _, repository := range job.Repositories {
			look("the key for ssh", repository.SSH.Identity)
			look("the hosts that ssh knows", repository.SSH.KnownHosts)
		}
	}
	slices.Sort(missing)
	missing = slices.Compact(missing)
	if len(missing) == 0 {
		return
	}
	fmt.Fprintf(r.env.Stdout, "\nThe configuration names files that are not here; bring them back or write them anew (secrets: chmod 600):\n%s\n", strings.Join(missing, "\n"))
}

// offer names the commands that bring the files back, and runs them if somebody is there and wants it.
func (r *recovery) offer(ctx context.Context, jobs []recovered) error {
	main := r.inside(r.found.Main)
	fmt.Fprintf(r.env.Stdout, "\nNext:\n")
	var offers []recovered
	for _, job := range jobs {
		if len(job.archives) == 0 || job.job.Problem != "" {
			continue
		}
		offers = append(offers, job)
		fmt.Fprintf(r.env.Stdout, "  borgcron %s\n", strings.Join(words(r.restore(job)), " "))
	}
	elsewhere := func(job recovered) bool { return job.here == nil }
	if len(offers) == 0 || slices.ContainsFunc(offers, elsewhere) {
		fmt.Fprintf(r.env.Stdout, "  (first correct `location` of the repository in %s: it is another than the one given here)\n", main)
	}
	fmt.Fprintf(r.env.Stdout, "When all is back, put the configuration where it was (%s) and try: borgcron config check\n", backup.Clean(r.found.Main))
	if !isTerminal(r.env.Stdin) {
		return nil
	}
	for _, job := range offers {
		if elsewhere(job) || r.env.confirm(ctx, fmt.Sprintf("Restore the newest archive of job %s into ./restored-%s now?", job.job.Name, job.job.Name), false) != nil {
			continue
		}
		if r.secret != nil { // where the configuration has it, it is perhaps not yet
			r.env.secrets[job.here.Passphrase] = r.secret
		}
		root := newRootCommand(r.env)
		root.SetArgs(r.restore(job))
		if err := root.ExecuteContext(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// restore is the command line that brings a job's files back.
func (r *recovery) restore(job recovered) []string {
	args := []string{"--config", r.inside(r.found.Main), "restore", job.job.Name, "--archive", "latest", "--to", "restored-" + job.job.Name}
	if job.here != nil && len(job.job.Repositories) > 1 {
		args = append(args, "--repository", job.job.RepositoryName(*job.here))
	}
	return args
}

// words are arguments as a shell takes them.
func words(args []string) []string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		if quoted[i] = arg; strings.ContainsAny(arg, " \t\n'\"\\$`!*?[](){}<>|&;#~") || arg == "" {
			quoted[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return quoted
}
