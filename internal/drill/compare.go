package drill

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
)

// damaged are borg's words for a file of which chunks are lost, or were replaced by zeros when the repository was repaired.
var damaged = regexp.MustCompile(`(?i)damaged|all-zero|missing chunk|size inconsistency|integrity`)

// judge looks at a file that was brought back.
func (v *drill) judge(root *os.Root, item backup.Item, warnings []backup.Warning) {
	said := about(item.Path, warnings)
	name := backup.CleanLine(item.Path, 200)
	info, err := root.Lstat(item.Path)
	switch {
	case damaged.MatchString(said):
		v.findings.Damaged = append(v.findings.Damaged, name+": "+said)
		return
	case err != nil || !info.Mode().IsRegular() || info.Size() != item.Size:
		if said != "" { // a name that this file system cannot hold, for instance
			v.findings.Failed = append(v.findings.Failed, name+": "+said)
		} else {
			v.findings.Damaged = append(v.findings.Damaged, name+": "+notWhole(item, info, err))
		}
		return
	}
	v.drill.Files++
	v.drill.Size += item.Size
	v.read = append(v.read, item.Path)
	equal, comparable, err := compare(root, item, info, filepath.Join("/", v.Root, item.Path))
	switch {
	case err != nil: // of the file that was brought back
		v.findings.Failed = append(v.findings.Failed, fmt.Sprintf("%s: %v", name, err))
	case comparable && !equal:
		v.findings.Differ = append(v.findings.Differ, item.Path)
		v.drill.Differ++
		fallthrough
	case comparable:
		v.drill.Compared++
	}
}

func notWhole(item backup.Item, info fs.FileInfo, err error) string {
	if err != nil {
		return "borg says that it was extracted, and it is not there"
	}
	return fmt.Sprintf("it has %d bytes, the archive lists %d", info.Size(), item.Size)
}

// about is what borg said of a path, "" for nothing.
func about(path string, warnings []backup.Warning) string {
	for _, warning := range warnings {
		if warning.Path == path || warning.Path == backup.CleanLine(path, 1<<20) || warning.Path == "" && strings.Contains(warning.Message, path) {
			return backup.CleanLine(warning.Message, 200)
		}
	}
	return ""
}

// compare compares a file that was brought back with the live one, if that is unchanged since: same size, same mtime to the nanosecond and
// same ctime as far as borg tells it, and nobody changes it meanwhile. An error is one of reading what was brought back.
func compare(root *os.Root, item backup.Item, back fs.FileInfo, path string) (equal, comparable bool, err error) {
	live, err := openLive(path)
	if err != nil {
		return false, false, nil //nolint:nilerr // gone, or not ours to read: nothing to compare
	}
	defer live.Close()
	before, ok := unchanged(live, item, back)
	if !ok {
		return false, false, nil
	}
	restored, err := root.Open(item.Path)
	if err != nil {
		return false, false, err
	}
	defer restored.Close()
	equal, err = same(restored, live)
	if err != nil {
		var of *sourceError
		if errors.As(err, &of) {
			return false, false, nil
		}
		return false, false, err
	}
	after, ok := unchanged(live, item, back)
	return equal, ok && after.Mtim == before.Mtim && after.Ctim == before.Ctim, nil
}

// openLive opens a file of the owner's, without waiting and if possible without leaving a trace. No link is followed.
func openLive(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|noAccessTime, 0)
	if errors.Is(err, syscall.EPERM) { // not ours
		file, err = os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	}
	return file, err
}

// unchanged tells whether the live file is what was backed up, by its metadata.
func unchanged(live *os.File, item backup.Item, back fs.FileInfo) (stat unix.Stat_t, ok bool) {
	if err := unix.Fstat(int(live.Fd()), &stat); err != nil || stat.Mode&unix.S_IFMT != unix.S_IFREG || stat.Size != item.Size {
		return stat, false
	}
	mtime, ctime := time.Unix(stat.Mtim.Unix()), time.Unix(stat.Ctim.Unix())
	return stat, mtime.Equal(back.ModTime()) && (item.Changed.IsZero() || ctime.Sub(item.Changed).Abs() <= time.Microsecond) // borg rounds
}

// sourceError is an error of reading the live file.
type sourceError struct{ error }

// same compares two files to the end.
func same(restored, live io.Reader) (bool, error) {
	const size = 256 << 10
	a, b := make([]byte, size), make([]byte, size)
	for {
		n, err := io.ReadFull(restored, a)
		m, liveErr := io.ReadFull(live, b)
		switch {
		case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return false, err
		case liveErr != nil && !errors.Is(liveErr, io.EOF) && !errors.Is(liveErr, io.ErrUnexpectedEOF):
			return false, &sourceError{liveErr}
		case !bytes.Equal(a[:n], b[:m]):
			return false, nil
		case err != nil:
			return true, nil //nolint:nilerr // the end of both
		}
	}
}
