package dump

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
	"borgcron/internal/process"
)

// Folder is where dumps are kept as files, for their owner alone.
type Folder struct {
	Dir   string
	Owner *process.User    // of all that is made there; nil: DIR's owner, as far as we are root, else ourselves
	Keep  int              // so many former versions of each dump stay, as NAME.1 (the newest of them), NAME.2, ...
	Now   func() time.Time // nil: time.Now
}

// Written is what became of one dump: with its size and time, or why it failed. The former file is then as it was.
type Written struct {
	Part
	Failure *backup.Failure // nil: the dump is there, whole
}

// WriteFiles makes each dump as a file DIR/PATH, see DatabaseDump.Path. All are tried; the error says that none could be. A part
// that was left out before fails with the reason.
func (m *Maker) WriteFiles(ctx context.Context, parts []Part, folder Folder) ([]Written, error) {
	root, err := folder.open()
	if err != nil {
		return nil, folderFailure(folder.Dir, err)
	}
	defer root.close()
	results := make([]Written, 0, len(parts))
	for _, part := range parts {
		results = append(results, m.writeFile(ctx, part, root))
	}
	return results, nil
}

func (m *Maker) writeFile(ctx context.Context, part Part, root *dumpRoot) Written {
	result := Written{Part: part}
	if part.Left != "" {
		result.Failure = cmp.Or(part.unknown, &backup.Failure{Op: "dump", Code: -1, Class: backup.Permanent, Message: part.Left})
		result.Left = ""
		return result
	}
	began := root.now()
	try := m.tryFile
	if part.Format == backup.DirectoryFormat {
		try = m.tryTree
	}
	size, err := try(ctx, part, root)
	if err != nil {
		result.Failure = backup.AsFailure("dump", about(part, folderFailure(root.dir, err)))
		return result
	}
	result.Size, result.Took = size, backup.Seconds(root.now().Sub(began))
	return result
}

func (m *Maker) tryFile(ctx context.Context, part Part, root *dumpRoot) (size int64, err error) {
	if ctx.Err() != nil {
		return 0, fmt.Errorf("make the dump: %w", context.Cause(ctx))
	}
	file, err := root.begin(ctx, part.Path(), false)
	if err != nil {
		return 0, err
	}
	defer file.abort()
	if err := m.fits(ctx, part, file); err != nil {
		return 0, err
	}
	w := &fileWriter{counter{to: file.temp}}
	err = m.Write(ctx, part, w)
	if w.err != nil {
		err = fmt.Errorf("write the dump: %w", w.err) // what the program says of it is but a consequence
	}
	if err == nil {
		err = file.commit(ctx)
	}
	return w.n, err
}

// fits refuses a dump that the disk has no room for.
func (m *Maker) fits(ctx context.Context, part Part, file *dumpFile) error {
	want, err := m.Estimate(ctx, part)
	if err != nil {
		return nil //nolint:nilerr // the dump itself says best what is wrong
	}
	if free, known := freeFor(file.temp); known && want > free {
		return &backup.Failure{Op: "dump", Code: -1, Class: backup.Permanent, Err: syscall.ENOSPC, Hint: "make room there, or dump to another folder",
			Message: fmt.Sprintf("it may need up to %s in %s, %s are free", inBytes(want), file.root.dir, inBytes(free))}
	}
	return nil
}

// fileWriter writes a file of ours: it does not let anybody wait.
type fileWriter struct{ counter }

// folderFailure says what is wrong with the folder of dumps.
func folderFailure(dir string, err error) error {
	var failure *backup.Failure
	if errors.As(err, &failure) {
		return failure
	}
	failure = &backup.Failure{Op: "dump", Code: -1, Class: backup.Permanent, Err: err, Message: err.Error()}
	switch {
	case isFull(err):
		failure.Message, failure.Hint = "the disk is full in "+dir, "make room there, or dump to another folder"
	case errors.Is(err, fs.ErrPermission):
		failure.Hint = "let root make the dumps, or the owner of " + dir
	case errors.Is(err, unix.EROFS):
		failure.Hint = "mount it for writing, or dump to another folder"
	case errors.Is(err, unix.ENAMETOOLONG):
		failure.Message, failure.Hint = "the name is too long for a file", "rename the database, or `exclude` it"
	case errors.Is(err, fs.ErrNotExist):
		failure.Hint = "make the folder " + filepath.Dir(dir)
	}
	return failure
}

// refuse is a folder that is not safe.
func refuse(hint, format string, args ...any) error {
	return &backup.Failure{Op: "dump", Code: -1, Class: backup.Permanent, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// ownerOf returns whom a file belongs to.
func ownerOf(info fs.FileInfo) (uid, gid int, known bool) {
	if info == nil {
		return 0, 0, false
	}
	stat, known := info.Sys().(*syscall.Stat_t)
	if !known {
		return 0, 0, false
	}
	return int(stat.Uid), int(stat.Gid), true
}

// freeFor is the free space of a file's file system. One that tells no size at all does not know.
func freeFor(file *os.File) (bytes int64, known bool) {
	var stat unix.Statfs_t
	if err := unix.Fstatfs(int(file.Fd()), &stat); err != nil || stat.Blocks == 0 {
		return 0, false
	}
	free := available(&stat)
	return int64(min(free, 1<<62)), true
}

func inBytes(n int64) string { return humanize.IBytes(uint64(max(0, n))) }

// syncFolder makes sure that what was renamed there stays so after a loss of power.
func syncFolder(folder *os.Root) error {
	file, err := folder.Open(".")
	if err != nil {
		return err
	}
	defer file.Close()
	if err := file.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) { // some file systems cannot
		return err
	}
	return nil
}
