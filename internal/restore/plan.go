package restore

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
)

// Conflict is a path where something is that is no folder, or where nothing may be written.
type Conflict struct {
	Path   string
	Action Existing
	Why    string // Refuse: why in any case; "" if only as nothing may be lost
}

// Plan is what a restore will do.
type Plan struct {
	Entries   int64 // that will be written, folders too
	Files     int64 // those of them that are no folders
	Bytes     int64 // of content
	Done      int64 // files that were restored before and are whole
	DoneBytes int64
	Conflicts []Conflict
	Before    []string // what was there before and must be known if the restore is continued
	Need      map[uint64]Need
	Write     []string // the entries
	Leave     []string // those that are selected and not written
	whole     []string // of them those that were restored before
}

// Need is the room that is needed on one file system.
type Need struct {
	Path  string // something on it
	Bytes int64
}

// Planner makes a plan of the entries of an archive, in their order.
type Planner struct {
	Dir      string // absolute and without symbolic links; "/" for where it all was
	Existing Existing
	Stamp    string       // of names that are set aside
	Former   *Former      // of a restore that is continued; nil: none
	Each     func(Action) // hears of each entry that is planned; nil: not asked for

	plan   Plan
	places map[string]place
	told   map[string]bool // reasons of blocked places
	links  []link
}

// Action is what is planned for one entry.
type Action struct {
	Item   backup.Item
	Exists bool
	Does   string // write, skip, rename, overwrite, refuse, done
}

// Former is what is known of the restore that is continued.
type Former struct {
	Before map[string]struct{} // paths
	Failed map[string]struct{} // as Spelled
	// Trust tells whether a file is surely on the disk that was changed then.
	Trust func(changed time.Time) bool
}

// Add takes the next entry that is selected.
func (p *Planner) Add(item backup.Item) error {
	if p.places == nil {
		p.places, p.told, p.plan.Need = map[string]place{}, map[string]bool{}, map[uint64]Need{}
	}
	if clean := path.Clean(item.Path); strings.HasPrefix(clean, "/") || clean == ".." || strings.HasPrefix(clean, "../") {
		return fmt.Errorf("the archive has an entry that leads out of every folder: %q", item.Path)
	}
	dir := path.Dir(item.Path)
	here, err := p.parent(dir)
	if err != nil {
		return err
	}
	switch here.state {
	case left:
		p.leave(item, false)
		return nil
	case blocked:
		p.block(dir, here.why)
		return nil
	}
	var stat unix.Stat_t
	var there bool
	if here.state == folder {
		if stat, there, err = lstat(filepath.Join(p.Dir, item.Path)); err != nil {
			return err
		}
	}
	if !there {
		p.link(item, false)
		p.write(item, here, "write", unix.Stat_t{})
		return nil
	}
	return p.settle(item, here, stat)
}

// settle decides about an entry where something is.
func (p *Planner) settle(item backup.Item, here place, stat unix.Stat_t) error {
	folders := item.Type() == 'd' && kind(stat) == unix.S_IFDIR
	was := p.Former == nil // it was there before this restore began
	if p.Former != nil {
		_, was = p.Former.Before[item.Path]
	}
	if was && p.Former != nil && p.Existing == Rename {
		aside, there, err := lstat(filepath.Join(p.Dir, AsideName(item.Path, p.Stamp)))
		if err != nil {
			return err
		}
		if there && aside.Ino == stat.Ino && aside.Dev == stat.Dev { // two names of what was there before: borg has not been here
			p.write(item, here, "write", unix.Stat_t{})
			p.below(item, here, absent)
			return nil
		}
		was = !there
	}
	switch {
	case !was:
		p.ours(item, here, stat)
	case folders && p.Existing == Skip:
		p.plan.Before = append(p.plan.Before, item.Path)
		p.leave(item, true)
	case folders:
		p.write(item, here, "write", stat)
	default:
		p.conflict(item, here, stat)
	}
	return nil
}

// ours decides about an entry that this restore has written before, perhaps in part.
func (p *Planner) ours(item backup.Item, here place, stat unix.Stat_t) {
	_, failed := p.Former.Failed[Spelled(item.Path)]
	switch {
	case item.Type() != 'd' && kind(stat) == unix.S_IFDIR:
		p.block(item.Path, "a folder is in the way")
	case !failed && item.Type() == '-' && whole(item, stat) && p.Former.Trust(time.Unix(stat.Ctim.Unix())):
		p.plan.Done++
		p.plan.DoneBytes += item.Size
		p.plan.whole = append(p.plan.whole, item.Path)
		p.tell(item, true, "done")
	default:
		target, there, err := lstat(filepath.Join(p.Dir, item.Target))
		p.link(item, !failed && err == nil && there && target.Ino == stat.Ino && target.Dev == stat.Dev)
		p.write(item, here, "write", stat)
	}
}

// whole tells whether a file is as the archive has it: borg sets its mtime when all else is done. Borg lists times to about a microsecond.
func whole(item backup.Item, stat unix.Stat_t) bool {
	return kind(stat) == unix.S_IFREG && stat.Size == item.Size &&
		time.Unix(stat.Mtim.Unix()).Sub(item.ModTime).Abs() <= 2*time.Microsecond
}

func (p *Planner) conflict(item backup.Item, here place, stat unix.Stat_t) {
	if p.Existing == Overwrite && kind(stat) == unix.S_IFDIR {
		p.block(item.Path, "a folder is in the way")
		return
	}
	p.plan.Conflicts = append(p.plan.Conflicts, Conflict{Path: item.Path, Action: p.Existing})
	if p.Existing != Overwrite {
		p.plan.Before = append(p.plan.Before, item.Path)
	}
	below := absent
	switch p.Existing {
	case Skip:
		below = left
		p.leave(item, true)
	case Rename:
		p.write(item, here, "rename", unix.Stat_t{})
	case Overwrite:
		p.write(item, here, "overwrite", stat)
	default:
		p.tell(item, true, "refuse")
	}
	p.below(item, here, below)
}

// below says what is to be thought of a folder where something else is.
func (p *Planner) below(item backup.Item, here place, state placeState) {
	if item.Type() == 'd' {
		p.places[item.Path] = place{state: state, device: here.device}
	}
}

// block refuses a path in any case.
func (p *Planner) block(name, why string) {
	at := name
	for up := path.Dir(name); up != "." && p.places[up].state == blocked; up = path.Dir(up) {
		at = up // what leads out is the topmost
	}
	if p.told[at] {
		return
	}
	p.told[at] = true
	p.plan.Conflicts = append(p.plan.Conflicts, Conflict{Path: at, Action: Refuse, Why: why})
	p.tell(backup.Item{Path: at}, true, "refuse")
}

// write plans to write an entry; what is there makes room for it.
func (p *Planner) write(item backup.Item, here place, how string, over unix.Stat_t) {
	p.plan.Entries++
	if item.Type() != 'd' {
		p.plan.Files++
	}
	p.plan.Bytes += item.Size
	p.plan.Write = append(p.plan.Write, item.Path)
	need := p.plan.Need[here.device]
	need.Bytes += item.Size
	if kind(over) == unix.S_IFREG && over.Nlink == 1 {
		need.Bytes -= over.Blocks * 512
	}
	if need.Path == "" {
		need.Path = path.Dir(item.Path)
	}
	p.plan.Need[here.device] = need
	p.tell(item, over.Ino != 0 || how == "rename", how)
}

func (p *Planner) leave(item backup.Item, tell bool) {
	p.plan.Leave = append(p.plan.Leave, item.Path)
	if tell {
		p.tell(item, true, "skip")
	}
}

func (p *Planner) tell(item backup.Item, exists bool, does string) {
	if p.Each != nil {
		p.Each(Action{item, exists, does})
	}
}

// Plan returns the plan when all entries were added.
func (p *Planner) Plan() Plan {
	p.plan.tieLinks(p.links)
	p.plan.Leave = append(p.plan.Leave, p.plan.whole...)
	p.plan.whole = nil
	return p.plan
}
