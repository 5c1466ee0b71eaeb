package drill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
)

// judge looks at a file that was brought back, and about which borg said something or nothing.
func (v *drill) judge(ctx context.Context, root *os.Root, item backup.Item, said string) {
	info, err := root.Lstat(item.Path)
	switch {
	case damaged.MatchString(said):
		v.findings.Damaged = append(v.findings.Damaged, said) // borg's words begin with the path
		return
	case err != nil || !info.Mode().IsRegular() || info.Size() != item.Size:
		if said != "" { // a name that this file system cannot hold, for instance
			v.findings.Failed = append(v.findings.Failed, said)
		} else {
			v.damage(item.Path, notWhole(item, info, err))
		}
		return
	}
	restored, err := root.Open(item.Path)
	if err != nil {
		v.fail(item.Path, err.Error())
		return
	}
	defer restored.Close()
	live := v.openLive(item, info.ModTime(), 0)
	defer func() { _ = live.Close() }()
	with := &comparer{live: live, ended: ctx.Err}
	if _, err := io.CopyBuffer(with, struct{ io.Reader }{restored}, make([]byte, 256<<10)); err != nil {
		v.fail(item.Path, err.Error())
		return
	}
	v.cameBack(item, with)
}

// cameBack counts a file that came back whole, and notes whether it is what lies on the disk.
func (v *drill) cameBack(item backup.Item, with *comparer) {
	v.drill.Files++
	v.drill.Size += item.Size
	v.read = append(v.read, item.Path)
	if with.failed || !with.live.still() {
		return
	}
	v.drill.Compared++
	if with.differs {
		v.findings.Differ = append(v.findings.Differ, item.Path)
		v.drill.Differ++
	}
}

func (v *drill) damage(path, why string) {
	v.findings.Damaged = append(v.findings.Damaged, backup.CleanLine(path, 200)+": "+why)
}

func (v *drill) fail(path, why string) {
	v.findings.Failed = append(v.findings.Failed, backup.CleanLine(path, 200)+": "+why)
}

func notWhole(item backup.Item, info fs.FileInfo, err error) string {
	if err != nil {
		return "borg says that it was extracted, and it is not there"
	}
	return fmt.Sprintf("it has %d bytes, the archive lists %d", info.Size(), item.Size)
}

// liveFile is a file on the disk that looks as it did when it was backed up; nil is one that does not, or is gone.
type liveFile struct {
	*os.File
	before unix.Stat_t
}

// openLive opens the file on the disk if it is unchanged since, by its metadata: the size, the mtime, which is known but for some
// inaccuracy, and the ctime as far as borg tells it. If possible that leaves no trace. No link is followed.
func (v *drill) openLive(item backup.Item, mtime time.Time, inaccuracy time.Duration) *liveFile {
	path := filepath.Join("/", v.Root, item.Path)
	const flags = os.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK
	file, err := os.OpenFile(path, flags|noAccessTime, 0)
	if errors.Is(err, syscall.EPERM) { // not ours
		file, err = os.OpenFile(path, flags, 0)
	}
	if err != nil {
		return nil
	}
	live := &liveFile{File: file}
	if err := unix.Fstat(int(file.Fd()), &live.before); err != nil || !v.unchanged(&live.before, item, mtime, inaccuracy) {
		_ = file.Close()
		return nil
	}
	return live
}

// listed is how far from the truth a time may be that borg lists: it rounds.
const listed = time.Microsecond

func (v *drill) unchanged(stat *unix.Stat_t, item backup.Item, mtime time.Time, inaccuracy time.Duration) bool {
	if stat.Mode&unix.S_IFMT != unix.S_IFREG || stat.Size != item.Size {
		return false
	}
	modified, changed := time.Unix(stat.Mtim.Unix()), time.Unix(stat.Ctim.Unix())
	// A file that was changed while borg was at work may have been changed twice in one tick of the clock that dates changes, with
	// borg's look in between. Some file systems only know whole seconds.
	tick := 20 * time.Millisecond
	if stat.Ctim.Nsec == 0 {
		tick = 2 * time.Second
	}
	return modified.Sub(mtime).Abs() <= inaccuracy && changed.Sub(item.Changed).Abs() <= listed && changed.Add(tick).Before(v.begun)
}

// still tells whether nobody has changed the file since it was opened.
func (l *liveFile) still() bool {
	if l == nil {
		return false
	}
	var now unix.Stat_t
	err := unix.Fstat(int(l.Fd()), &now)
	return err == nil && now.Size == l.before.Size && now.Mtim == l.before.Mtim && now.Ctim == l.before.Ctim
}

// Close ends it, also if there is none.
func (l *liveFile) Close() error {
	if l == nil {
		return nil
	}
	return l.File.Close()
}

// comparer takes what comes back of a file and compares it with the one on the disk, if there is one.
type comparer struct {
	live    *liveFile
	ended   func() error // an error if no more is to be done
	n       int64        // bytes that came
	differs bool
	failed  bool // the file on the disk cannot be read
	buffer  []byte
}

// Write never fails but for the end of all.
func (c *comparer) Write(p []byte) (int, error) {
	if err := c.ended(); err != nil {
		return 0, err
	}
	c.n += int64(len(p))
	if c.live == nil || c.failed || c.differs {
		return len(p), nil
	}
	if len(c.buffer) < len(p) {
		c.buffer = make([]byte, len(p))
	}
	n, err := io.ReadFull(c.live, c.buffer[:len(p)])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		c.failed = true
	} else {
		c.differs = !bytes.Equal(p, c.buffer[:n])
	}
	return len(p), nil
}
