package dump

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
)

// publishing is how long another process may keep the lock of the folder: it takes no longer than a few renames.
const publishing = 10 * time.Second

// dumpRoot is an open folder of dumps. It may belong to a user with fewer rights than ours, so nothing in it is trusted: what is opened is opened below it
// only, whatever its owner swaps in, and only what was opened is given away.
type dumpRoot struct {
	*os.Root
	dir      string
	uid, gid int // whom all there belongs to; below 0: as it is
	keep     int
	now      func() time.Time
}

func (r *dumpRoot) close() { _ = r.Close() }

// open opens the folder, and makes it if it is missing.
func (f *Folder) open() (*dumpRoot, error) {
	err := os.Mkdir(f.Dir, 0o700)
	made := err == nil
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make the folder: %w", err)
	}
	named, err := os.Lstat(f.Dir)
	if err != nil {
		return nil, fmt.Errorf("look at the folder: %w", err)
	}
	if !named.IsDir() {
		return nil, refuse("name a folder; a symbolic link is not followed", "%s is no folder", f.Dir)
	}
	opened, err := os.OpenRoot(f.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the folder: %w", err)
	}
	root := &dumpRoot{Root: opened, dir: f.Dir, uid: -1, gid: -1, keep: f.Keep, now: f.Now}
	if root.now == nil {
		root.now = time.Now
	}
	if err := f.own(root, named, made); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}

// own finds out whom all in the folder is to belong to, and whether that is safe.
func (f *Folder) own(root *dumpRoot, named fs.FileInfo, made bool) error {
	held, err := root.Stat(".")
	if err != nil {
		return err
	}
	if !os.SameFile(held, named) {
		return refuse("see who may write to the folder above", "%s was exchanged while it was opened", f.Dir)
	}
	uid, gid, _ := ownerOf(held)
	if os.Geteuid() != 0 {
		if f.Owner != nil && int(f.Owner.UID) != os.Geteuid() {
			return refuse("let root make the dumps", "only root can make dumps for another user")
		}
		return nil
	}
	root.uid, root.gid = uid, gid
	if f.Owner != nil {
		root.uid, root.gid = int(f.Owner.UID), int(f.Owner.GID)
	}
	if made {
		return root.give(".")
	}
	mode := held.Mode().Perm()
	if mode&0o022 != 0 {
		return refuse("chmod 700 "+f.Dir, "others than its owner can write to %s", f.Dir)
	}
	if root.uid != uid && mode&0o001 == 0 && (root.gid != gid || mode&0o010 == 0) {
		return refuse(fmt.Sprintf("chown %d %s", root.uid, f.Dir), "the owner of the dumps could not enter %s", f.Dir)
	}
	return nil
}

// give gives a folder to the owner.
func (r *dumpRoot) give(name string) error {
	if r.uid < 0 {
		return nil
	}
	folder, err := r.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	return errors.Join(folder.Chown(r.uid, r.gid), folder.Close())
}

// folders opens a folder below, and makes what is missing on the way.
func (r *dumpRoot) folders(name string) (*os.Root, error) {
	for end := range len(name) + 1 {
		if end < len(name) && name[end] != '/' {
			continue
		}
		err := r.Mkdir(name[:end], 0o700)
		if err == nil {
			err = r.give(name[:end])
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("make a folder of dumps: %w", err)
		}
	}
	folder, err := r.OpenRoot(name)
	if err != nil {
		return nil, fmt.Errorf("open a folder of dumps: %w", err)
	}
	return folder, nil
}

// dumpFile is a dump that is being written.
type dumpFile struct {
	root   *dumpRoot
	folder *os.Root // that it lies in
	name   string
	tree   bool // it is a folder of files
	temp   *os.File
	done   bool
}

// begin makes the temporary file of a dump, or its folder. A file belongs to its owner before anything is in it.
func (r *dumpRoot) begin(ctx context.Context, name string, tree bool) (*dumpFile, error) {
	folder, err := r.folders(path.Dir(name))
	if err != nil {
		return nil, err
	}
	return r.beginIn(ctx, folder, path.Base(name), tree)
}

// beginIn makes the temporary file in its folder, which is closed with it.
func (r *dumpRoot) beginIn(ctx context.Context, folder *os.Root, name string, tree bool) (*dumpFile, error) {
	f := &dumpFile{root: r, folder: folder, name: name, tree: tree}
	err := f.locked(ctx, func(alone bool) error {
		if alone {
			f.sweep()
		}
		if tree {
			return f.createTree()
		}
		return f.create()
	})
	if err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	return f, nil
}

func (f *dumpFile) create() (err error) {
	f.temp, err = f.folder.OpenFile(f.prefix()+rand.Text()[:8], os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("make a temporary file: %w", err)
	}
	_ = unix.Flock(int(f.temp.Fd()), unix.LOCK_EX|unix.LOCK_NB) // says that we live; where that does not work nothing is swept either
	err = f.temp.Chmod(0o600)
	if f.root.uid >= 0 {
		err = errors.Join(err, f.temp.Chown(f.root.uid, f.root.gid))
	}
	if err != nil {
		f.discard()
		return fmt.Errorf("make a temporary file: %w", err)
	}
	return nil
}

func (f *dumpFile) prefix() string { return "." + f.name + ".tmp-" }

// sweep removes temporary files of this dump whose writers are dead: who lives holds a lock on his.
func (f *dumpFile) sweep() {
	entries, _ := fs.ReadDir(f.folder.FS(), ".")
	for _, entry := range entries {
		how := os.O_RDWR | unix.O_NONBLOCK
		if entry.IsDir() {
			how = os.O_RDONLY | unix.O_DIRECTORY
		}
		if !strings.HasPrefix(entry.Name(), f.prefix()) || !entry.IsDir() && !entry.Type().IsRegular() {
			continue
		}
		file, err := f.folder.OpenFile(entry.Name(), how, 0)
		if err != nil {
			continue
		}
		if unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			_ = f.folder.RemoveAll(entry.Name())
		}
		_ = file.Close()
	}
}

// locked calls do while no other process begins or publishes a dump in the folder. Alone is false where the file system knows no
// locks on folders.
func (f *dumpFile) locked(ctx context.Context, do func(alone bool) error) error {
	folder, err := f.folder.Open(".")
	if err != nil {
		return fmt.Errorf("open a folder of dumps: %w", err)
	}
	defer folder.Close()
	for end := time.Now().Add(publishing); ; waitFor(ctx, 20*time.Millisecond) {
		err := unix.Flock(int(folder.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("wait for the folder of dumps: %w", context.Cause(ctx))
		case err == nil:
			return do(true)
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR):
			return do(false)
		case time.Now().After(end):
			return &backup.Failure{Op: "dump", Code: -1, Class: backup.Transient, Err: err, Message: "another process holds " + folder.Name(),
				Hint: "find out which, e.g. with fuser, and try again"}
		}
	}
}

// commit puts the complete dump in its place.
func (f *dumpFile) commit(ctx context.Context) error {
	if err := f.temp.Sync(); err != nil {
		return fmt.Errorf("write the dump to the disk: %w", err)
	}
	return f.locked(ctx, func(bool) error {
		if f.tree {
			return f.publishTree()
		}
		if err := f.rotate(); err != nil {
			return fmt.Errorf("keep the former dump: %w", err)
		}
		if err := f.folder.Rename(path.Base(f.temp.Name()), f.name); err != nil {
			return fmt.Errorf("put the dump in its place: %w", err)
		}
		f.done = true
		return syncFolder(f.folder)
	})
}

// rotate moves former versions up by one. The newest one has two names then, so that there is one under its own at any moment.
func (f *dumpFile) rotate() error {
	if f.root.keep <= 0 {
		return nil
	}
	if _, err := f.folder.Lstat(f.name); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := f.shift(); err != nil {
		return err
	}
	err := f.folder.Link(f.name, f.version(1))
	if err != nil { // not every file system has several names for a file
		err = f.folder.Rename(f.name, f.version(1))
	}
	return err
}

// shift makes room for a former version number 1.
func (f *dumpFile) shift() error {
	last := 0
	for f.has(last + 1) {
		last++
	}
	for ; last >= f.root.keep && last > 0; last-- {
		if err := f.folder.RemoveAll(f.version(last)); err != nil {
			return err
		}
	}
	for ; last > 0; last-- {
		if err := f.folder.Rename(f.version(last), f.version(last+1)); err != nil {
			return err
		}
	}
	return nil
}

func (f *dumpFile) version(number int) string { return fmt.Sprintf("%s.%d", f.name, number) }

func (f *dumpFile) has(number int) bool {
	_, err := f.folder.Lstat(f.version(number))
	return err == nil
}

// abort ends the writing; what was not committed is gone.
func (f *dumpFile) abort() {
	if !f.done {
		f.discard()
	} else {
		_ = f.temp.Close()
	}
	_ = f.folder.Close()
}

func (f *dumpFile) discard() {
	_ = f.folder.RemoveAll(path.Base(f.temp.Name()))
	_ = f.temp.Close()
}
