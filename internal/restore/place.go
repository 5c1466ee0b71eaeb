package restore

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// place is what is there, on the disk, where a folder of the archive belongs.
type place struct {
	state  placeState
	device uint64 // the file system that what is written there takes room of
	why    string // blocked: what leads out, or is in the way
}

type placeState int

const (
	folder  placeState = iota
	absent             // or it will be: it is set aside, or overwritten
	left               // it stays what it is, so all below it is left out
	blocked            // nothing may be written there
)

// parent looks at the folder of that path, which is relative to the target, "." for the target itself.
func (p *Planner) parent(dir string) (place, error) {
	if known, ok := p.places[dir]; ok {
		return known, nil
	}
	here, err := p.lookAtParent(dir)
	if err == nil {
		p.places[dir] = here
	}
	return here, err
}

func (p *Planner) lookAtParent(dir string) (place, error) {
	if dir == "." {
		return p.root()
	}
	here, err := p.parent(path.Dir(dir))
	if err != nil || here.state != folder {
		return here, err
	}
	stat, there, err := lstat(filepath.Join(p.Dir, dir))
	switch {
	case err != nil:
		return here, err
	case !there:
		here.state = absent
	case kind(stat) == unix.S_IFDIR:
		here.device = uint64(stat.Dev) //nolint:unconvert // elsewhere it has another type
	case kind(stat) == unix.S_IFLNK:
		here.state, here.why = blocked, "it is a symbolic link, and nothing is written through one"
	default:
		here.state, here.why = blocked, "it is no folder"
	}
	return here, nil
}

// root looks at the target, which may not be there yet.
func (p *Planner) root() (place, error) {
	here := place{}
	for dir := p.Dir; ; dir = filepath.Dir(dir) {
		stat, there, err := lstat(dir)
		if err != nil {
			return here, err
		}
		if there {
			here.device = uint64(stat.Dev) //nolint:unconvert // elsewhere it has another type
			return here, nil
		}
		if dir == filepath.Dir(dir) {
			return here, errors.New("there is no folder " + dir)
		}
		here.state = absent
	}
}

func lstat(name string) (stat unix.Stat_t, there bool, err error) {
	err = unix.Lstat(name, &stat)
	for errors.Is(err, unix.EINTR) {
		err = unix.Lstat(name, &stat)
	}
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ENAMETOOLONG): // borg will say so of the last
		return stat, false, nil
	case err != nil:
		return stat, false, fmt.Errorf("look at %s: %w", name, err)
	}
	return stat, true, nil
}

// kind is the type in a file's mode.
func kind(stat unix.Stat_t) uint32 {
	return uint32(stat.Mode) & unix.S_IFMT //nolint:unconvert // elsewhere it has another type
}
