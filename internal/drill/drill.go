// Package drill proves that archives can be restored: it reads files and dumps back, and compares them with what is on the disk.
package drill

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
)

// Archives is what a drill needs of a repository. Its errors are of type *backup.Failure.
type Archives interface {
	// List returns the complete archives that match.
	List(ctx context.Context, call backup.Call, match string) ([]backup.Archive, error)
	// Items returns all entries of an archive.
	Items(ctx context.Context, call backup.Call, archive backup.Archive) (iter.Seq2[backup.Item, error], error)
	// Extract writes the contents of files of an archive below dir, and returns all that borg had to say against it.
	Extract(ctx context.Context, call backup.Call, archive, dir string, paths []string) ([]backup.Warning, error)
	// Stream writes one file to w, and ends when w takes no more.
	Stream(ctx context.Context, call backup.Call, archive, path string, w io.Writer) error
}

// Memory is what is known of former drills.
type Memory interface {
	// ReadBack returns when a path was last read back, for all paths; of an unknown one it is the zero time.
	ReadBack(ctx context.Context, target backup.Target) (func(path string) time.Time, error)
	// NoteReadBack notes that these paths were read back now.
	NoteReadBack(ctx context.Context, target backup.Target, paths []string, now time.Time) error
}

// Driller does restore drills.
type Driller struct {
	Archives Archives
	Memory   Memory                                        // nil: none
	Private  func() (dir string, remove func(), err error) // makes a private folder on a disk
	Root     string                                        // below which the live files are; "" for /
	Now      func() time.Time
	Note     func(ctx context.Context, what string, err error) // hears of what does not spoil the drill
	Free     func(dir string) int64                            // bytes that a folder has room for; nil: as the system says
}

const (
	batch = 2000      // files that are extracted by one borg, which is started anew for each batch
	spare = 100 << 20 // bytes of the disk that are left to others meanwhile
)

// drill is one drill at work.
type drill struct {
	*Driller
	call     backup.Call
	drill    backup.Drill
	findings backup.Findings
	begun    time.Time // when the archive was
	read     []string  // paths that were read back
}

// Verify reads files of the job's newest archive back, all of them if full is set, and the heads of its dumps. What the repository
// does not give back is an error of class Alarming. The warnings name files that differ from what is on the disk.
func (d *Driller) Verify(ctx context.Context, call backup.Call, full bool, seed uint64) (backup.Report, error) {
	began := d.Now()
	v := &drill{Driller: d, call: call, drill: backup.Drill{Seed: seed, Full: full}}
	err := v.perform(ctx)
	v.drill.Took = backup.Seconds(d.Now().Sub(began))
	report := backup.Report{Drill: &v.drill}
	if err != nil {
		return report, err
	}
	warnings, err := v.findings.Judge()
	for _, warning := range warnings {
		if call.Warn != nil {
			call.Warn(warning)
		}
	}
	report.Warnings, report.Counts = warnings, map[backup.WarningKind]int{backup.Other: len(warnings)}
	return report, err
}

func (v *drill) perform(ctx context.Context) error {
	if !v.call.Job.OnlyDumps() {
		if err := v.files(ctx); err != nil {
			return err
		}
	}
	if len(v.call.Job.Databases) > 0 {
		return v.dumps(ctx)
	}
	return nil
}

// newest is the newest archive that matches.
func (v *drill) newest(ctx context.Context, match string) (archive backup.Archive, err error) {
	archives, err := v.Archives.List(ctx, v.call, match)
	if err != nil {
		return archive, err
	}
	if len(archives) == 0 {
		return archive, failure("there is no archive to read back", "make one: borgcron run "+v.call.Job.Name)
	}
	return backup.WhichArchive(archives, "latest", v.Now())
}

// files reads files of the newest archive back.
func (v *drill) files(ctx context.Context) error {
	archive, err := v.newest(ctx, v.call.Job.Prune.Match)
	if err != nil {
		return err
	}
	v.drill.Archive, v.begun = archive.Name, archive.Time
	items, err := v.Archives.Items(ctx, v.call, archive)
	if err != nil {
		return err
	}
	target := backup.Target{Job: v.call.Job, Repository: v.call.Repository}
	read := func(string) time.Time { return time.Time{} }
	if v.Memory != nil {
		known, err := v.Memory.ReadBack(ctx, target)
		if err != nil {
			v.Note(ctx, "what former drills read is not known", err)
		} else {
			read = known
		}
	}
	rule := v.call.Job.Verify
	sampler := backup.NewSampler(rule, v.drill.Seed, v.Now(), read)
	roots := backup.NewMissingRoots(v.call.Job)
	defer func() { v.drill.Of = sampler.Of }()
	var next []backup.Item // of a full drill
	var size int64
	for item, err := range items {
		if err != nil {
			return err
		}
		roots.Saw(item.Path)
		sampler.Add(item)
		if !v.drill.Full || item.Type() != '-' {
			continue
		}
		if len(next) == batch || size > 0 && size+item.Size > rule.Size {
			if err := v.extract(ctx, archive.Name, next); err != nil {
				return err
			}
			next, size = next[:0], 0
		}
		next, size = append(next, item), size+item.Size
	}
	v.findings.Missing = append(v.findings.Missing, roots.All()...)
	if !v.drill.Full {
		next = sampler.Pick()
	}
	for first := 0; first < len(next); first += batch {
		if err := v.extract(ctx, archive.Name, next[first:min(first+batch, len(next))]); err != nil {
			return err
		}
	}
	v.drill.Recent = sampler.Recent
	if v.drill.Full {
		v.drill.Recent = v.drill.Files
	}
	if v.Memory == nil || len(v.findings.Damaged) > 0 {
		return nil
	}
	if err := v.Memory.NoteReadBack(ctx, target, v.read, v.Now()); err != nil {
		v.Note(ctx, "what was read back could not be noted", err)
	}
	return nil
}

// extract brings files back into a private folder and compares them.
func (v *drill) extract(ctx context.Context, archive string, items []backup.Item) error {
	if len(items) == 0 {
		return nil
	}
	dir, remove, err := v.Private()
	if err != nil {
		return failure(err.Error(), "")
	}
	defer remove()
	var size int64
	paths := make([]string, 0, len(items))
	for _, item := range items {
		size += item.Size
		paths = append(paths, item.Path)
	}
	free := v.free(dir) - spare
	if size > free && len(items) == 1 { // of a full drill: it may be larger than the disk has room for
		return v.stream(ctx, archive, items[0])
	}
	if size > free {
		return failure(fmt.Sprintf("the files to read back take %s, and %s are free in %s", humanize.IBytes(uint64(size)), humanize.IBytes(uint64(max(0, free))), filepath.Dir(dir)),
			"make room there, or lower `verify.size`")
	}
	warnings, err := v.Archives.Extract(ctx, v.call, archive, dir, paths)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return failure(fmt.Sprintf("open the private folder: %v", err), "")
	}
	defer func() { _ = root.Close() }()
	said := v.said(items, warnings)
	for _, item := range items {
		if ctx.Err() != nil {
			return failure("the drill was ended", "")
		}
		v.judge(ctx, root, item, said[item.Path])
	}
	return nil
}

// stream reads a file back without a place to put it. Its mtime is not known to the nanosecond then.
func (v *drill) stream(ctx context.Context, archive string, item backup.Item) error {
	live := v.openLive(item, item.ModTime, listed)
	defer func() { _ = live.Close() }()
	with := &comparer{live: live, ended: ctx.Err}
	err := v.Archives.Stream(ctx, v.call, archive, item.Path, with)
	switch {
	case isDamage(err):
		v.damage(item.Path, backup.CleanLine(err.Error(), 200))
	case err != nil:
		return err
	case with.n != item.Size:
		v.damage(item.Path, fmt.Sprintf("%d bytes came back, the archive lists %d", with.n, item.Size))
	default:
		v.cameBack(item, with)
	}
	return nil
}

func failure(message, hint string) error {
	return &backup.Failure{Op: string(backup.Verify), Code: -1, Class: backup.Permanent, Message: backup.CleanLine(message, 500), Hint: hint}
}

// free is the free space where dir lies, in bytes; where that is not known there is no end to it.
func (d *Driller) free(dir string) int64 {
	if d.Free != nil {
		return d.Free(dir)
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil || stat.Blocks == 0 {
		return 1 << 62
	}
	return int64(min(uint64(stat.Bavail)*uint64(max(0, stat.Bsize)), 1<<62)) //nolint:gosec,unconvert // the types differ between systems
}
