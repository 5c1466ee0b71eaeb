package dump

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"syscall"

	"golang.org/x/sys/unix"
)

// tryTree makes a dump that is a folder of files: its program writes them itself.
func (m *Maker) tryTree(ctx context.Context, part Part, root *dumpRoot) (size int64, err error) {
	if ctx.Err() != nil {
		return 0, fmt.Errorf("make the dump: %w", context.Cause(ctx))
	}
	who, _, err := m.identity(part.Database)
	if err != nil {
		return 0, err
	}
	tree, err := root.begin(ctx, part.Path(), true)
	if err != nil {
		return 0, err
	}
	defer tree.abort()
	if err := m.fits(ctx, part, tree); err != nil {
		return 0, err
	}
	if who != nil {
		if err := tree.temp.Chown(int(who.UID), int(who.GID)); err != nil {
			return 0, fmt.Errorf("give the folder to %s: %w", part.Database.RunAs, err)
		}
	}
	if err := (postgresql{}).dumpTree(ctx, m, part, tree.temp); err != nil {
		return 0, err
	}
	if size, err = tree.settle(); err != nil {
		return 0, err
	}
	return size, tree.commit(ctx)
}

// createTree makes the temporary folder. It stays ours, or the dump program's, until all is in it.
func (f *dumpFile) createTree() error {
	name := f.prefix() + rand.Text()[:8]
	if err := f.folder.Mkdir(name, 0o700); err != nil {
		return fmt.Errorf("make a temporary folder: %w", err)
	}
	temp, err := f.folder.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return errors.Join(fmt.Errorf("open the temporary folder: %w", err), f.folder.RemoveAll(name))
	}
	f.temp = temp
	_ = unix.Flock(int(temp.Fd()), unix.LOCK_EX|unix.LOCK_NB) // says that we live
	return nil
}

// settle gives the files that the program made to their owner, and writes them to the disk. It returns their size in bytes.
func (f *dumpFile) settle() (size int64, err error) {
	inside, err := f.folder.OpenRoot(path.Base(f.temp.Name()))
	if err != nil {
		return 0, fmt.Errorf("open the dump: %w", err)
	}
	defer func() { _ = inside.Close() }()
	held, err := f.temp.Stat()
	if opened, errOpened := inside.Stat("."); err != nil || errOpened != nil || !os.SameFile(held, opened) {
		return 0, refuse("see who may write to the folder above", "the dump was exchanged while it was made")
	}
	entries, err := fs.ReadDir(inside.FS(), ".")
	if err != nil {
		return 0, fmt.Errorf("read the dump: %w", err)
	}
	for _, entry := range entries {
		n, err := f.settleFile(inside, entry.Name())
		if err != nil {
			return 0, fmt.Errorf("a file of the dump: %w", err)
		}
		size += n
	}
	if f.root.uid >= 0 {
		err = f.temp.Chown(f.root.uid, f.root.gid)
	}
	return size, err
}

func (f *dumpFile) settleFile(inside *os.Root, name string) (size int64, err error) {
	file, err := inside.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !info.Mode().IsRegular() || ok && stat.Nlink > 1 {
		return 0, fmt.Errorf("%s is no file of its own", name)
	}
	if f.root.uid >= 0 {
		err = file.Chown(f.root.uid, f.root.gid)
	}
	return info.Size(), errors.Join(err, file.Chmod(0o600), file.Sync())
}

// publishTree puts the folder in its place. Where the system can exchange two names, there is a whole dump under its own at any
// moment.
func (f *dumpFile) publishTree() error {
	temp := path.Base(f.temp.Name())
	_, err := f.folder.Lstat(f.name)
	former := err == nil
	if f.root.keep > 0 && former {
		if err := f.shift(); err != nil {
			return fmt.Errorf("keep the former dump: %w", err)
		}
	}
	switch {
	case !former:
		err = f.folder.Rename(temp, f.name)
	case f.exchange(temp) != nil:
		aside := temp + ".former"
		err = errors.Join(f.folder.Rename(f.name, aside), f.folder.Rename(temp, f.name))
		temp = aside
	default:
		err = nil
	}
	if err != nil {
		return fmt.Errorf("put the dump in its place: %w", err)
	}
	f.done = true
	switch {
	case former && f.root.keep > 0:
		err = f.folder.Rename(temp, f.version(1))
	case former:
		err = f.folder.RemoveAll(temp)
	}
	if err != nil {
		return fmt.Errorf("keep the former dump: %w", err)
	}
	return syncFolder(f.folder)
}

// exchange lets the temporary folder and the former dump swap their names.
func (f *dumpFile) exchange(temp string) error {
	folder, err := f.folder.Open(".")
	if err != nil {
		return err
	}
	defer folder.Close()
	return exchange(int(folder.Fd()), temp, f.name)
}
