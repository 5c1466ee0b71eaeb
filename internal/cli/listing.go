package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/history"
	"borgcron/internal/listing"
	"borgcron/internal/lock"
)

// listings are the lists of files of archives that were asked for before.
func (p *parts) listings() *listing.Store {
	return &listing.Store{Dir: filepath.Join(p.state, "listings")}
}

// archives asks borg for the archives that match, oldest first as borg lists them. What is kept of archives that are gone is
// dropped. The call's lock is held.
func (env *environment) archives(ctx context.Context, p *parts, call backup.Call, match string) ([]backup.Archive, error) {
	all, err := p.client.Archives(ctx, call, "*")
	if err != nil {
		return nil, failed(err)
	}
	if err := p.listings().Keep(call.Repository.Key(), all, env.Now()); err != nil {
		env.Log.Warn("what was seen of the archives cannot be kept", "error", err)
	}
	return matching(all, match), nil
}

func matching(archives []backup.Archive, match string) []backup.Archive {
	return slices.DeleteFunc(archives, func(archive backup.Archive) bool { return !backup.Match(match, archive.Name) })
}

// items returns what an archive holds: as it is kept, else as borg lists it, which is kept then. The call's lock is held; to walk
// over the items needs it no more, unless they could not be kept.
func (env *environment) items(ctx context.Context, p *parts, call backup.Call, archive backup.Archive) (iter.Seq2[backup.Item, error], error) {
	store, repository := p.listings(), call.Repository.Key()
	kept, err := store.Items(repository, archive.ID)
	if err == nil {
		return kept, nil
	}
	if errors.Is(err, listing.ErrDamaged) {
		env.Log.Warn("asking borg again", "archive", archive.Name, "why", err)
	}
	var asked error
	err = store.Save(repository, archive.ID, func(add func(backup.Item) error) error {
		asked = p.client.Items(ctx, call, archive.Name, add)
		return asked
	})
	var failure *backup.Failure
	switch {
	case errors.As(asked, &failure):
		return nil, failed(failure)
	case err == nil:
		return store.Items(repository, archive.ID)
	}
	env.Log.Warn("the archive's list of files cannot be kept", "archive", archive.Name, "error", err)
	return func(yield func(backup.Item, error) bool) {
		errEnough := errors.New("that is enough")
		err := p.client.Items(ctx, call, archive.Name, func(item backup.Item) error {
			if !yield(item, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(backup.Item{}, failed(err))
		}
	}, nil
}

// series is the pattern of the job's archives: of files, or of dumps if there are no others.
func series(job *backup.Job, dumps bool) string {
	if dumps || job.OnlyDumps() {
		return job.DumpsMatch()
	}
	return job.Prune.Match
}

// sight are the archives that were seen, newest first.
type sight struct {
	archives []backup.Archive
	asOf     time.Time // zero: now, by borg; else what the records knew then, and no borg may be started
}

// look asks the job's repository for its archives and calls seen with them. If another process holds the local lock, and no
// patience is asked for, seen gets what the records know.
func (env *environment) look(ctx context.Context, p *parts, job *backup.Job, from readFrom, patient, dumps bool, seen func(context.Context, backup.Call, sight) error) error {
	ask := func(ctx context.Context, call backup.Call) error {
		archives, err := env.archives(ctx, p, call, series(job, dumps))
		if err != nil {
			return err
		}
		slices.Reverse(archives)
		return seen(ctx, call, sight{archives: archives})
	}
	at := from
	if !patient {
		at.wait = 0
	}
	held, err := env.read(ctx, p, job, at, ask)
	var other *lock.HeldError
	if errors.As(err, &other) && !patient {
		for _, target := range targetsOf(job, from.repository) {
			if known := knownArchives(ctx, p, target, dumps); len(known.archives) > 0 {
				env.Log.Warn(fmt.Sprintf("the repository is %v; the answer is what was known on %s", other, moment(known.asOf)))
				return seen(ctx, backup.Call{Job: job, Repository: target.Repository}, known)
			}
		}
		held, err = env.read(ctx, p, job, from, ask)
	}
	if err != nil {
		return err
	}
	return held.Close()
}

// targetsOf are the job's repositories, or the named one.
func targetsOf(job *backup.Job, repository string) (targets []backup.Target) {
	for _, one := range job.Repositories {
		if repository == "" || job.RepositoryName(one) == repository {
			targets = append(targets, backup.Target{Job: job, Repository: one})
		}
	}
	return targets
}

// knownArchives are a job's archives as the last run left them, or as they were last seen, whichever is later. What cannot be
// read is not known.
func knownArchives(ctx context.Context, p *parts, target backup.Target, dumps bool) (known sight) {
	if last, err := p.records.Recall(ctx, target); err == nil {
		listed := last.Listing
		if dumps || target.Job.OnlyDumps() {
			listed = last.Dumps.Listing
		}
		if listed != nil && len(listed.Archives) > 0 {
			known = sight{archives: listed.Archives, asOf: listed.Learned}
			if newest := listed.Archives[0].Time; newest.After(known.asOf) { // added by the run that made it
				known.asOf = newest
			}
		}
	}
	if all, at, err := p.listings().Archives(target.Repository.Key()); err == nil && at.After(known.asOf) {
		known = sight{archives: matching(all, series(target.Job, dumps)), asOf: at}
		slices.Reverse(known.archives)
	}
	return known
}

// completeArchives offers the archives of the job that stands on the command line, as far as they are known: no borg is started
// for a completion.
func (env *environment) completeArchives(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	names := []string{"latest", "yesterday"}
	loaded, err := env.readConfig()
	if err != nil || len(args) == 0 {
		return names, cobra.ShellCompDirectiveNoFileComp
	}
	job, err := oneJob(loaded.Jobs, args[0])
	if err != nil {
		return names, cobra.ShellCompDirectiveNoFileComp
	}
	p := &parts{state: loaded.State, records: noRecords{fs.ErrNotExist}}
	if store, err := history.OpenReader(context.Background(), filepath.Join(loaded.State, "history.db"), env.Now); err == nil {
		p.history, p.records = store, store
	}
	defer p.close()
	for _, target := range targetsOf(job, "") {
		for _, archive := range knownArchives(context.Background(), p, target, false).archives {
			if !slices.Contains(names, archive.Name) {
				names = append(names, archive.Name)
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
