package sizes

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// mostWaiting is how many folders wait for a worker that has nothing to do; what comes beyond, whoever found
	// it reads itself.
	mostWaiting = 64
	// mostOpen is how many folders, one within the other, a worker has open. It opens deeper ones by their path later.
	mostOpen = 16
	// mostFailures are kept with their path.
	mostFailures = 1000
	// bufferSize is how much of a folder's list is read in one go: some hundred names.
	bufferSize = 32 << 10
)

// inode is a file, folder or whatever, under all of its names.
type inode struct{ device, number uint64 }

// share is what an inode adds to the entry to which it belongs.
type share struct {
	entry int
	Figures
}

// folder is one that is being read, or will be.
type folder struct {
	parent *folder // nil: the name is the whole path
	name   string
	inode  inode
	entry  int    // on whose behalf
	device uint64 // the entry's file system
	fd     int
	users  atomic.Int32 // of fd: the last one closes it
}

func (f *folder) opened(fd int) {
	f.fd = fd
	f.users.Store(1)
}

func (f *folder) release() {
	if f.users.Add(-1) == 0 {
		_ = unix.Close(f.fd)
	}
}

// path is made when it is needed: those of a deep tree would take more memory than all else.
func (f *folder) path() string {
	var names []string
	for ; f.parent != nil; f = f.parent {
		names = append(names, f.name)
	}
	slices.Reverse(names)
	return join(f.name, strings.Join(names, "/"))
}

// job is a folder to be opened and read, or some names in one that is open.
type job struct {
	*folder
	below *folder // open, and has the folder in it; nil: the folder is to be opened by its path
	names []string
}

// walk is one measurement. Each folder is counted for the first entry that has it, whoever comes first; a
// walk that comes later on behalf of an earlier entry takes it over, and so on all that is below it. So the result
// does not depend on who is faster.
type walk struct {
	context.Context
	oneFileSystem bool
	now           time.Time
	entries       []entry
	tops          map[inode]bool // the folders whose entries are measured
	failed        int64          // what could not be read and belongs to no entry

	jobs    chan job
	pending sync.WaitGroup // jobs
	workers []*worker

	mutex        sync.Mutex
	folders      map[inode]share // with the files in it that have no other name
	failures     []Failure
	repositories []Repository
}

type entry struct {
	path string
	inode
}

func newWalk(ctx context.Context, options Options) *walk {
	return &walk{Context: ctx, oneFileSystem: options.OneFileSystem, now: options.Now, tops: map[inode]bool{},
		jobs: make(chan job, mostWaiting), folders: map[inode]share{}}
}

// through measures the entries of the folders.
func (w *walk) through(folders []string, workers int) {
	lister := w.newWorker()
	var found []job
	for _, path := range folders {
		found = append(found, lister.list(path)...)
	}
	var ended sync.WaitGroup
	for range workers {
		hand := w.newWorker()
		ended.Go(hand.run)
	}
	for _, j := range found {
		w.pending.Add(1)
		w.jobs <- j
	}
	w.pending.Wait()
	close(w.jobs)
	ended.Wait()
}

// claim tells whether a folder is to be read on behalf of an entry: not if it is already for it or an earlier one.
func (w *walk) claim(id inode, s share) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if before, seen := w.folders[id]; seen && before.entry <= s.entry {
		return false
	}
	w.folders[id] = s
	return true
}

// add adds what is in a folder to it, unless an earlier entry has taken it over.
func (w *walk) add(f *folder, figures Figures) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if s := w.folders[f.inode]; s.entry == f.entry {
		s.add(figures)
		w.folders[f.inode] = s
	}
}

// miss notes that a folder could not be read, or not to its end.
func (w *walk) miss(f *folder, err error) {
	if !vanished(err) {
		w.add(f, Figures{Errors: 1})
		w.fail(f.path(), err)
	}
}

func (w *walk) fail(path string, err error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if len(w.failures) < mostFailures {
		w.failures = append(w.failures, Failure{path, err})
	}
}
