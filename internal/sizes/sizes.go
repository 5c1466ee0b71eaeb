// Package sizes measures how much disk each entry of a folder takes, as `du -shc DIR/*` does, only faster; it keeps what
// it found, and knows Borg repositories by sight.
//
// The walk is our own: a library that asks for each file by its whole path took 0.95 of du's time
// (charlievieth/fastwalk, two cores, 300,000 files, warm cache). Asked relative to the open folder, they take half of
// du's time; see docs/benchmarks.md.
package sizes

import (
	"context"
	"path/filepath"
	"runtime"
	"time"
)

// Options are what may be asked of a measurement.
type Options struct {
	Now           time.Time // when this is
	OneFileSystem bool      // what is mounted below an entry does not count
	Workers       int       // how many folders are read at the same time; 0: twice the cores, at least 4
}

// Figures are sums over files, folders, links and all else. Sizes are bytes.
type Figures struct {
	Size     int64 `json:"size"`      // as long as they are: du --apparent-size
	DiskSize int64 `json:"disk_size"` // what they take on the disk
	Files    int64 `json:"files"`     // how many they are; what has several names counts once
	Errors   int64 `json:"errors"`    // how many could not be read
}

func (f *Figures) add(other Figures) {
	f.Size += other.Size
	f.DiskSize += other.DiskSize
	f.Files += other.Files
	f.Errors += other.Errors
}

// Entry is what stands in one of the folders, with all below it.
type Entry struct {
	Path      string `json:"path"`
	PathBytes []byte `json:"path_bytes,omitempty"` // the path, if it is no UTF-8
	Figures
	Growth *int64 `json:"growth"` // of DiskSize since the last saved one; nil: not known, or it was not there
}

// Total is the sum of the entries.
type Total struct {
	Figures
	Growth *int64 `json:"growth"`
}

// Failure is a place that could not be read.
type Failure struct {
	Path string
	Err  error
}

// Report is a measurement. Its JSON is what the log keeps.
type Report struct {
	Generated     time.Time    `json:"generated"`
	Folders       []string     `json:"folders"` // whose entries these are, as absolute paths
	OneFileSystem bool         `json:"one_file_system"`
	Since         *time.Time   `json:"since"` // when the one was made from which growth counts
	Entries       []Entry      `json:"entries"`
	Total         Total        `json:"total"`
	Repositories  []Repository `json:"repositories"`
	Failures      []Failure    `json:"-"` // the first ones, by path; Total.Errors counts all
}

// Measure walks through the entries of the folders: all but those whose name begins with a dot, as a shell's `*` has
// them, in the order of bytes. No folder at all means the current one. Symbolic links are not followed, except
// for the folders themselves. What has several names belongs to the first entry that has it, also if it is a
// whole folder; an entry of which nothing is left is not listed. What vanishes meanwhile does not count. It is an
// error only if the context ends; then nothing is waited for.
func Measure(ctx context.Context, folders []string, options Options) (Report, error) {
	if options.Workers <= 0 {
		options.Workers = max(4, 2*runtime.NumCPU())
	}
	report := Report{Generated: options.Now.Truncate(time.Second), OneFileSystem: options.OneFileSystem}
	if len(folders) == 0 {
		folders = []string{""}
	}
	for _, folder := range folders {
		if absolute, err := filepath.Abs(folder); err == nil {
			folder = absolute
		}
		report.Folders = append(report.Folders, folder)
	}
	w := newWalk(ctx, options)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.through(folders, options.Workers)
	}()
	select {
	case <-ended:
	case <-ctx.Done(): // without waiting: a worker may hang in a network file system that is gone
	}
	if ctx.Err() != nil {
		return Report{}, context.Cause(ctx)
	}
	w.summarise(&report)
	return report, nil
}
