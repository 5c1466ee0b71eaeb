package sizes

import "golang.org/x/sys/unix"

// worker has what needs no lock.
type worker struct {
	*walk
	links  map[inode]share // what may have other names
	later  []*folder       // to be opened by path
	buffer []byte
	stat   unix.Stat_t
}

func (w *walk) newWorker() *worker {
	hand := &worker{walk: w, links: map[inode]share{}, buffer: make([]byte, bufferSize)}
	w.workers = append(w.workers, hand)
	return hand
}

// run does jobs until there will be no more.
func (w *worker) run() {
	for j := range w.jobs {
		w.do(j)
		for len(w.later) > 0 {
			last := len(w.later) - 1
			f := w.later[last]
			w.later = w.later[:last]
			w.do(job{folder: f})
		}
		w.pending.Done()
	}
}

func (w *worker) do(j job) {
	switch {
	case j.names != nil:
		w.count(j.folder, j.names, 1)
		j.release()
	case j.below != nil:
		fd, err := openFolder(j.below.fd, j.name, j.inode)
		j.below.release()
		w.enter(j.folder, fd, err, 1)
	default:
		fd, err := openFolder(unix.AT_FDCWD, j.path(), j.inode)
		w.enter(j.folder, fd, err, 1)
	}
}

// hand gives a job, for which a folder is to stay open, to a worker that is free; false if none will be soon.
func (w *walk) hand(open *folder, j job) bool {
	open.users.Add(1)
	w.pending.Add(1)
	select {
	case w.jobs <- j:
		return true
	default:
		w.pending.Done()
		open.users.Add(-1) // whoever asks has it open
		return false
	}
}

// enter reads a folder that was opened. A long list is shared with other workers.
func (w *worker) enter(f *folder, fd int, err error, depth int) {
	if err != nil {
		w.miss(f, err)
		return
	}
	f.opened(fd)
	defer f.release()
	var marks marks
	for w.Err() == nil {
		names, more, err := w.read(fd)
		if err != nil {
			w.miss(f, err)
			return
		}
		if len(names) == 0 {
			break
		}
		marks.see(names)
		if !more || !w.hand(f, job{folder: f, names: names}) {
			w.count(f, names, depth)
		}
	}
	if marks.all() {
		w.recognise(f)
	}
}

// read returns the next names of an open folder, none at its end, and whether there are probably more.
func (w *worker) read(fd int) (names []string, more bool, err error) {
	for len(names) == 0 { // "." and ".." may be alone
		n, err := again(func() (int, error) { return unix.ReadDirent(fd, w.buffer) })
		if err != nil || n <= 0 {
			return nil, false, err
		}
		_, _, names = unix.ParseDirent(w.buffer[:n], -1, names)
		more = n > bufferSize/2
	}
	return names, more, nil
}

// count counts what has these names in an open folder, and walks on.
func (w *worker) count(f *folder, names []string, depth int) {
	var here Figures
	top := w.tops[f.inode]
	for _, name := range names {
		err := lstat(f.fd, name, &w.stat)
		if vanished(err) {
			continue
		}
		if err != nil {
			here.Errors++
			w.fail(join(f.path(), name), err)
			continue
		}
		id, figures := inodeOf(&w.stat), figuresOf(&w.stat)
		switch {
		case w.oneFileSystem && id.device != f.device:
		case isFolder(&w.stat):
			w.below(f, name, share{f.entry, figures}, id, depth)
		case w.stat.Nlink > 1 || top: // those in a folder that is measured may be entries, too
			w.link(id, share{f.entry, figures})
		default:
			here.add(figures)
		}
	}
	w.add(f, here)
}

// below sees to it that a folder in an open one is read: by a worker that is free, else now, or later if too many are open.
func (w *worker) below(f *folder, name string, s share, id inode, depth int) {
	if w.Err() != nil || !w.claim(id, s) {
		return
	}
	sub := &folder{parent: f, name: name, inode: id, entry: f.entry, device: f.device}
	switch {
	case w.hand(f, job{folder: sub, below: f}):
	case depth < mostOpen:
		fd, err := openFolder(f.fd, name, id)
		w.enter(sub, fd, err, depth+1)
	default:
		w.later = append(w.later, sub)
	}
}

// link notes a file that may have other names.
func (w *worker) link(id inode, s share) {
	if before, seen := w.links[id]; !seen || s.entry < before.entry {
		w.links[id] = s
	}
}
