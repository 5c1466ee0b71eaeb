package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"borgcron/internal/backup"
	"borgcron/internal/config"
	"borgcron/internal/importer"
	"borgcron/internal/runner"
	"borgcron/internal/status"
)

// importTimes takes over when the old scripts last succeeded, as the first run of each job in the history. It reports what became of
// each file that is there, and returns whether all of them were taken.
func (env *environment) importTimes(ctx context.Context, result importer.Result) (all bool) {
	all = true
	times := map[string]time.Time{}
	for _, file := range result.Times {
		at, err := readTime(file.Path, env.Now())
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			all = false
			fmt.Fprintln(env.Stderr, backup.Clean(fmt.Sprintf("%s: last success: left: %v", file.Path, err)))
		default:
			times[file.Job] = at
			fmt.Fprintln(env.Stderr, backup.Clean(fmt.Sprintf("%s: last success: taken: %s, the first entry in the history of job %s", file.Path, at.Format(time.DateTime), file.Job)))
		}
	}
	if len(times) == 0 {
		return all
	}
	if err := env.recordTimes(ctx, result.Config, times); err != nil {
		fmt.Fprintf(env.Stderr, "the history does not know when the old scripts last succeeded: %v\n", err)
		return false
	}
	return all
}

// readTime reads a file of the old scripts: seconds since 1970.
func readTime(path string, now time.Time) (time.Time, error) {
	content, err := readSmall(path)
	if err != nil {
		return time.Time{}, err
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(content[:min(len(content), 64)])), 10, 64)
	at := time.Unix(seconds, 0)
	switch {
	case err != nil || seconds <= 0:
		return time.Time{}, errors.New("it does not hold seconds since 1970")
	case at.After(now):
		return time.Time{}, errors.New("a time in the future")
	}
	return at, nil
}

// recordTimes puts former successes on record, where none is known yet. The state folder is that of the configuration in use, if there
// is one, else that which the new one will have.
func (env *environment) recordTimes(ctx context.Context, configuration []byte, times map[string]time.Time) error {
	loaded, err := env.loadImported(configuration)
	if err != nil {
		return err
	}
	inUse, err := env.readConfig()
	switch {
	case err == nil && inUse.Fatal():
		return errors.New("the configuration in use has mistakes, see 'borgcron config check'; mend them, and import again")
	case err == nil:
		loaded.State = inUse.State
	}
	if err := loaded.MakeState(); err != nil {
		return err
	}
	store, err := env.openRecords(ctx, loaded)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }() // what matters was committed before
	keepers := []runner.Observer{&status.Writer{State: loaded.State, Now: env.Now, Jobs: loaded.Jobs}, store}
	for i := range loaded.Jobs {
		job := &loaded.Jobs[i]
		at, found := times[job.Name]
		if !found {
			continue
		}
		for _, repository := range job.Repositories {
			target := backup.Target{Job: job, Repository: repository}
			last, err := store.Recall(ctx, target)
			if err != nil {
				return err
			}
			if !last.SuccessEnded.IsZero() {
				continue // borgcron itself knows better
			}
			for _, event := range formerSuccess(target, at) {
				for _, keeper := range keepers {
					err = errors.Join(err, keeper.Observe(ctx, event))
				}
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// loadImported reads a configuration that is not in its place yet.
func (env *environment) loadImported(configuration []byte) (*config.Config, error) {
	folder, err := os.MkdirTemp("", "borgcron-import-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }() // of a copy
	path := filepath.Join(folder, "config.yaml")
	if err := os.WriteFile(path, configuration, 0o600); err != nil {
		return nil, err
	}
	return config.Load(path, env.where())
}

// formerSuccess is a run of the old scripts, of which nothing is known but when it succeeded: it took no time, and names no archive.
func formerSuccess(target backup.Target, at time.Time) []backup.Event {
	const note = "made by the old scripts, before borgcron"
	step := backup.StepResult{Step: backup.Create, Outcome: backup.Succeeded, Started: at, Ended: at, Attempts: 1, Reason: note}
	run := backup.Run{
		ID: runner.NewRunID(at), Job: target.Job.Name, Repository: target.Job.RepositoryName(target.Repository),
		Started: at, Ended: at, Outcome: backup.Succeeded, Notes: []string{note},
	}
	started := run
	run.Steps = []backup.StepResult{step}
	return []backup.Event{
		{Kind: backup.RunStarted, Time: at, Run: started, Target: target},
		{Kind: backup.RunEnded, Time: at, Run: run, Target: target},
	}
}
