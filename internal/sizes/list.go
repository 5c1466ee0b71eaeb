package sizes

import (
	"cmp"
	"slices"

	"golang.org/x/sys/unix"
)

// list makes entries of what is in a folder, and returns the folders among them.
func (w *worker) list(path string) (found []job) {
	f := &folder{name: path}
	names, err := w.open(f)
	if err != nil {
		w.failed++
		w.fail(path, err)
		return nil
	}
	defer f.release()
	for _, name := range names {
		entry := entry{path: join(path, name)}
		err := lstat(f.fd, name, &w.stat)
		if vanished(err) {
			continue
		}
		if err != nil {
			w.failed++
			w.fail(entry.path, err)
			continue
		}
		number, figures := len(w.entries), figuresOf(&w.stat)
		entry.inode = inodeOf(&w.stat)
		w.entries = append(w.entries, entry)
		if !isFolder(&w.stat) {
			w.link(entry.inode, share{number, figures})
		} else if w.claim(entry.inode, share{number, figures}) {
			found = append(found, job{folder: &folder{name: entry.path, inode: entry.inode, entry: number, device: entry.device}})
		}
	}
	return found
}

// open opens a folder whose entries are to be measured and returns their names.
func (w *worker) open(f *folder) (names []string, err error) {
	path := cmp.Or(f.name, ".")
	fd, err := again(func() (int, error) { return unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return nil, err
	}
	f.opened(fd)
	if err := unix.Fstat(f.fd, &w.stat); err != nil {
		f.release()
		return nil, err
	}
	w.tops[inodeOf(&w.stat)] = true
	var marks marks
	for {
		some, _, err := w.read(f.fd)
		if err != nil {
			f.release()
			return nil, err
		}
		if len(some) == 0 {
			break
		}
		marks.see(some)
		names = append(names, some...)
	}
	if marks.all() {
		w.recognise(f)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name[0] == '.' })
	slices.Sort(names)
	return names, nil
}
