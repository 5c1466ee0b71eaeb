package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/listing"
)

type findOptions struct {
	from                             readFrom
	archive                          string
	json, regex, ignoreCase, patient bool
}

func newFindCommand(env *environment) *cobra.Command {
	var options findOptions
	command := &cobra.Command{
		Use:   "find JOB PATTERN",
		Short: "Find files in all archives of a job, and when they changed",
		Long: `find looks for files in all archives of a job. PATTERN is one of the shell's: * is any characters, ? is one, [a-z] and
[!a-z] one of a class or none. Without a slash it is about names, as in find -name, with a slash about whole paths, in
which * matches slashes too. Quote it, or the shell takes it.

For each path there is a line a version, the newest first: size, when it was modified, in how many archives it is and in which,
from the newest back to the oldest. Another version is what has another size or time. What the newest archive has comes
first; of what it has no more it is said since when it is gone.

What each archive holds borg is asked once, which takes its time; from then on it is kept in the state folder, and dropped
with the archive. While another run holds the repository's local lock the answer comes from what is kept, and says as of when.

The exit code is 1 if nothing is found.`,
		Example: `  borgcron find home report.odt
  borgcron find home '*.odt' --ignore-case
  borgcron find home '/home/me/projects/*/main.c'
  borgcron find home --regex 'me/.*\.(jpe?g|png)$' --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usage("find takes a job and a pattern; quote it: borgcron find JOB '*.odt'")
			}
			return nil
		},
		ValidArgsFunction: env.completeOneJob,
		RunE: func(command *cobra.Command, args []string) error {
			options.patient = command.Flags().Changed("wait")
			return findFiles(command.Context(), env, args[0], args[1], options)
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.archive, "archive", "", "look into this `ARCHIVE` only")
	_ = command.RegisterFlagCompletionFunc("archive", env.completeArchives)
	flags.BoolVar(&options.json, "json", false, "print JSON")
	flags.BoolVar(&options.regex, "regex", false, "PATTERN is a regular expression, to be found anywhere in the path")
	flags.BoolVarP(&options.ignoreCase, "ignore-case", "i", false, "upper and lower case are the same")
	env.addReadingFlags(command, &options.from)
	return command
}

// finding is one call of find.
type finding struct {
	env      *environment
	parts    *parts
	call     backup.Call
	pattern  *listing.Pattern
	seen     sight
	versions listing.Versions
	unknown  int // archives of which nothing is kept, and which cannot be asked for now
}

func findFiles(ctx context.Context, env *environment, name, pattern string, options findOptions) error {
	read := listing.Glob
	if options.regex {
		read = listing.Regexp
	}
	compiled, err := read(pattern, options.ignoreCase)
	if err != nil {
		return usage("%q: %v", pattern, err)
	}
	job, parts, err := env.openJob(ctx, name)
	if err != nil {
		return err
	}
	defer parts.close()
	if job.OnlyDumps() {
		return usage("job %s has archives of dumps only; see: borgcron restore-database %s --list", name, name)
	}
	f := &finding{env: env, parts: parts, pattern: compiled}
	err = env.look(ctx, parts, job, options.from, options.patient, false, func(ctx context.Context, call backup.Call, seen sight) error {
		f.call, f.seen, f.versions, f.unknown = call, seen, listing.Versions{}, 0
		if options.archive != "" {
			one, err := backup.WhichArchive(seen.archives, options.archive, env.Now())
			if err != nil {
				return exitError{exitFailed, fmt.Errorf("archives of job %s: %w", name, err)}
			}
			f.seen.archives = []backup.Archive{one}
		}
		return f.search(ctx)
	})
	if err != nil {
		return err
	}
	return f.answer(pattern, options)
}

// matches are what one archive holds of what is looked for.
type matches struct {
	archive backup.Archive
	items   []backup.Item
	err     error
}

// search looks into the archives, one after the other; each processor reads one list. What they hold is put together in order.
func (f *finding) search(ctx context.Context) error {
	queue, merged := make(chan chan matches, runtime.GOMAXPROCS(0)), make(chan error, 1)
	go func() { merged <- f.merge(queue) }()
	err := f.eachList(ctx, func(archive backup.Archive, items iter.Seq2[backup.Item, error]) {
		one := make(chan matches, 1)
		go func() { one <- f.scan(archive, items) }()
		queue <- one
	})
	close(queue)
	if unread := <-merged; err == nil {
		err = unread
	}
	return err
}

// eachList calls scan with the list of each archive. One that is not kept yet borg is asked for; if it cannot be asked now,
// the archive is left out.
func (f *finding) eachList(ctx context.Context, scan func(backup.Archive, iter.Seq2[backup.Item, error])) error {
	store, repository := f.parts.listings(), f.call.Repository.Key()
	news, asked := 0, 0
	for _, archive := range f.seen.archives {
		if !store.Has(repository, archive.ID) {
			news++
		}
	}
	report := f.env.Terminal && !f.env.Quiet && news > 1 && f.seen.asOf.IsZero()
	for _, archive := range f.seen.archives {
		if !f.seen.asOf.IsZero() {
			if items, err := store.Items(repository, archive.ID); err == nil {
				scan(archive, items)
			} else {
				f.unknown++
			}
			continue
		}
		if report && !store.Has(repository, archive.ID) {
			asked++
			fmt.Fprintf(f.env.Stderr, "%sasking borg what archive %d of %d holds; this is done once", clearLine, asked, news)
		}
		items, err := f.env.items(ctx, f.parts, f.call, archive)
		if report {
			_, _ = io.WriteString(f.env.Stderr, clearLine)
		}
		if err != nil {
			return err
		}
		scan(archive, items)
	}
	return nil
}

// clearLine makes room on a terminal.
const clearLine = "\r\x1b[K"

func (f *finding) scan(archive backup.Archive, items iter.Seq2[backup.Item, error]) matches {
	found := matches{archive: archive}
	for item, err := range items {
		if err != nil {
			found.err = err
			return found
		}
		if f.pattern.Match(item.Path) {
			found.items = append(found.items, item)
		}
	}
	return found
}

// merge takes what was found until the queue ends.
func (f *finding) merge(queue <-chan chan matches) (err error) {
	for one := range queue {
		found := <-one
		if err == nil {
			err = found.err
		}
		f.versions.Next(found.archive)
		for _, item := range found.items {
			f.versions.Add(item)
		}
	}
	return err
}

// errNothing is said where nothing was found.
var errNothing = errors.New("nothing is found")

func (f *finding) answer(pattern string, options findOptions) error {
	if f.unknown > 0 {
		f.env.Log.Warn(fmt.Sprintf("%d of %d archives are left out: borg has not been asked yet what they hold", f.unknown, len(f.seen.archives)))
	}
	paths := f.versions.Paths()
	var err error
	if options.json {
		err = f.printJSON(pattern, paths)
	} else {
		err = f.print(paths)
	}
	if err != nil || len(paths) > 0 {
		return err
	}
	hint := ""
	if !options.regex && !strings.ContainsAny(pattern, "*?[") {
		hint = fmt.Sprintf("\n  hint: for a part of a name or path say '*%s*'", strings.Trim(pattern, "/"))
	}
	return exitError{exitWarning, fmt.Errorf("%w in %s%s", errNothing, count(len(f.seen.archives)-f.unknown, "archive"), hint)}
}
