package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"borgcron/internal/backup"
	"borgcron/internal/condition"
	"borgcron/internal/history"
	"borgcron/internal/listing"
	"borgcron/internal/machine"
	"borgcron/internal/restore"
)

// makePlan finds out what is to be written. All of an archive into an empty folder needs no list of its files, if the history
// knows its size: nothing can be in the way.
func (r *fileRestore) makePlan(ctx context.Context) error {
	if r.unlisted = r.byHistory(ctx); r.unlisted {
		return nil
	}
	if err := r.resolve(ctx); err != nil {
		return err
	}
	planner := r.planner()
	if r.options.dryRun {
		planner.Each = r.list
	}
	if err := r.feed(ctx, planner); err != nil {
		return err
	}
	r.plan = planner.Plan()
	return nil
}

func (r *fileRestore) planner() *restore.Planner {
	planner := &restore.Planner{Dir: r.request.Dir, Existing: r.existing, Stamp: r.stamp()}
	if r.journal != nil {
		planner.Former = r.journal.Former(machine.BootID())
	}
	return planner
}

// feed gives the planner all entries that are to be restored.
func (r *fileRestore) feed(ctx context.Context, planner *restore.Planner) error {
	wanted := restore.Select(r.roots)
	var failure error
	err := r.each(ctx, func(item backup.Item) {
		if failure == nil && wanted.Covers(item.Path) {
			failure = planner.Add(item)
		}
	})
	if err == nil && failure != nil {
		err = exitError{exitFailed, failure}
	}
	return err
}

// byHistory makes the plan of what the history knows, if that will do.
func (r *fileRestore) byHistory(ctx context.Context) bool {
	if r.journal != nil || r.options.dryRun || r.options.inPlace || len(r.request.Paths) > 0 || r.parts.history == nil {
		return false
	}
	if entries, err := os.ReadDir(r.request.Dir); err == nil && len(entries) > 0 || err != nil && !errors.Is(err, os.ErrNotExist) {
		return false
	}
	runs, err := r.parts.history.Runs(ctx, history.Query{Job: r.call.Job.Name, Repository: r.call.Job.RepositoryName(r.call.Repository), Limit: 500})
	if err != nil {
		return false
	}
	for _, run := range runs {
		for _, step := range run.Steps {
			if report := step.Report; report.Archive != nil && report.Archive.ID == r.archive.ID && report.Files > 0 {
				r.plan = restore.Plan{
					Files: report.Files, Bytes: report.OriginalSize, Need: map[uint64]restore.Need{0: {Bytes: report.OriginalSize}},
				}
				return true
			}
		}
	}
	return false
}

// list prints what would be done with an entry.
func (r *fileRestore) list(action restore.Action) {
	line := fmt.Sprintf("%-9s  %s", action.Does, backup.Clean(filepath.Join(r.request.Dir, action.Item.Path)))
	switch {
	case action.Does == "rename":
		line += " -> " + backup.Clean(path.Base(restore.AsideName(action.Item.Path, r.stamp())))
	case action.Item.Type() == '-':
		line += "  " + size(action.Item.Size)
	}
	fmt.Fprintln(r.env.Stdout, line)
}

// stamp is in the names of what is set aside.
func (r *fileRestore) stamp() string {
	if r.journal != nil {
		return r.journal.Stamp
	}
	return r.env.Now().Format("20060102-150405")
}

// named is one PATH of the command line.
type named struct {
	text    string
	stored  string
	here    string // the same if it is meant from the folder we are in
	pattern *listing.Pattern
	exact   bool // there is such an entry, or something below it
	isHere  bool
	matched []string // by the pattern
}

// resolve finds what is named in the archive.
func (r *fileRestore) resolve(ctx context.Context) error {
	if len(r.request.Paths) == 0 {
		return nil
	}
	var names []*named
	for _, text := range r.request.Paths {
		name := &named{text: text, stored: restore.Stored(text)}
		if here, err := filepath.Abs(text); err == nil {
			name.here = restore.Stored(here)
		}
		if name.stored == "" {
			r.roots = nil
			return nil // all
		}
		if strings.ContainsAny(text, "*?[") {
			pattern, err := listing.Glob(text, false)
			if err != nil {
				return usage("%q: %v", text, err)
			}
			name.pattern = pattern
		}
		names = append(names, name)
	}
	if err := r.each(ctx, func(item backup.Item) {
		for _, name := range names {
			name.look(item.Path)
		}
	}); err != nil {
		return err
	}
	for _, name := range names {
		switch {
		case name.exact:
			r.roots = append(r.roots, name.stored)
		case name.isHere:
			r.roots = append(r.roots, name.here)
		case len(name.matched) > 0:
			r.roots = append(r.roots, name.matched...)
		default:
			return r.missing(ctx, name)
		}
	}
	return nil
}

func (n *named) look(entry string) {
	switch {
	case isBelow(entry, n.stored):
		n.exact, n.matched = true, nil
	case isBelow(entry, n.here):
		n.isHere = true
	case n.pattern != nil && !n.exact && n.pattern.Match(entry):
		n.matched = append(n.matched, entry)
	}
}

// isBelow tells whether an entry is that one, or something in it.
func isBelow(entry, root string) bool {
	return entry == root || strings.HasPrefix(entry, root) && entry[len(root)] == '/'
}

// each calls do with all entries of the archive.
func (r *fileRestore) each(ctx context.Context, do func(backup.Item)) error {
	items, err := r.env.items(ctx, r.parts, r.call, r.archive)
	if err != nil {
		return err
	}
	for item, err := range items {
		if err != nil {
			return err
		}
		do(item)
	}
	return nil
}

// missing says that a path is not in the archive, and what is that may be meant.
func (r *fileRestore) missing(ctx context.Context, name *named) error {
	const far = 4
	nearest, distance := "", far
	if name.pattern == nil {
		if err := r.each(ctx, func(item backup.Item) {
			if d := min(apart(name.stored, item.Path, far), apart(name.here, item.Path, far)); d < distance {
				nearest, distance = item.Path, d
			}
		}); err != nil {
			return err
		}
	}
	text := fmt.Sprintf("%q is not in the archive %s", name.text, backup.Clean(r.archive.Name))
	if nearest != "" {
		text += ", did you mean /" + backup.Clean(nearest) + "?"
	}
	return exitError{exitFailed, fmt.Errorf("%s\n  hint: to look for it: borgcron find %s '*%s*'", text, r.call.Job.Name, backup.Clean(path.Base(name.stored)))}
}

// apart tells how much one has to change to make an entry of what was typed: its name, or in which folder it is.
func apart(typed, entry string, far int) int {
	folder, base := path.Split(typed)
	ofFolder, ofBase := path.Split(entry)
	switch {
	case folder == ofFolder && max(len(base)-len(ofBase), len(ofBase)-len(base)) < far:
		return levenshtein.ComputeDistance(base, ofBase)
	case base == ofBase:
		return far - 1
	}
	return far
}

// room compares what will be written with the free space of each file system.
func (r *fileRestore) room(ctx context.Context) error {
	var short []string
	for _, need := range r.plan.Need {
		at := filepath.Join(r.request.Dir, need.Path)
		for at != "/" {
			if _, err := os.Stat(at); err == nil {
				break
			}
			at = filepath.Dir(at)
		}
		free, err := condition.Free(at)
		if err != nil {
			return exitError{exitFailed, fmt.Errorf("look at the free space of %s: %w", backup.Clean(at), err)}
		}
		if need.Bytes > free {
			short = append(short, fmt.Sprintf("%s are needed at %s, and %s are free there", size(need.Bytes), backup.Clean(at), size(free)))
		}
	}
	if len(short) == 0 {
		return nil
	}
	slices.Sort(short)
	text := strings.Join(short, "; ")
	if r.options.dryRun {
		r.env.Log.Warn(text)
		return nil
	}
	if isTerminal(r.env.Stdin) || r.options.yes && !r.options.inPlace {
		r.env.Log.Warn(text)
		return r.env.confirm(ctx, "Files with holes need less than that. Go on?", r.options.yes && !r.options.inPlace)
	}
	hint := "make room, or restore elsewhere with --to"
	if !r.options.inPlace {
		hint += "; if files with holes need less than their size, say --yes"
	}
	return exitError{exitFailed, fmt.Errorf("nothing was restored, as there is too little room: %s\n  hint: %s", text, hint)}
}
