// Package restore decides what of an archive is written where, what is left, set aside or refused, and keeps a journal of it so that
// a restore which was interrupted can be continued.
package restore

import (
	"path"
	"strings"

	"borgcron/internal/backup"
)

// Existing is what becomes of a path that is there already and is no folder, as in the archive.
type Existing string

// The ways to treat what is there already.
const (
	Refuse    Existing = "refuse"    // nothing at all is written
	Skip      Existing = "skip"      // it is left, and so are the folders that are there
	Rename    Existing = "rename"    // it gets another name
	Overwrite Existing = "overwrite" // it is lost
)

// Modes are all of them, in the order in which they are named to people.
var Modes = []Existing{Refuse, Skip, Rename, Overwrite}

// Selection says which entries of an archive are wanted: these, and all that is below them. Empty: all.
type Selection struct{ roots map[string]struct{} }

// Select takes paths as they are stored.
func Select(paths []string) Selection {
	s := Selection{}
	for _, root := range paths {
		if s.roots == nil {
			s.roots = map[string]struct{}{}
		}
		s.roots[root] = struct{}{}
	}
	return s
}

// Covers tells whether an entry is wanted.
func (s Selection) Covers(entry string) bool {
	if len(s.roots) == 0 {
		return true
	}
	for {
		if _, ok := s.roots[entry]; ok {
			return true
		}
		slash := strings.LastIndexByte(entry, '/')
		if slash < 0 {
			return false
		}
		entry = entry[:slash]
	}
}

// Roots are the paths of a selection without those that are below others.
func (s Selection) Roots() []string {
	var roots []string
	for root := range s.roots {
		if up := path.Dir(root); up == "." || !s.Covers(up) {
			roots = append(roots, root)
		}
	}
	return roots
}

// Stored is a path as archives have it: absolute on this machine, or as it is stored.
func Stored(name string) string {
	return strings.TrimPrefix(path.Clean("/"+name), "/")
}

// Spelled is a path as it comes in borg's warnings: in a line of text, with question marks for bytes that are not UTF-8.
func Spelled(entry string) string {
	const longest = 4096
	var text strings.Builder
	for at, r := range entry {
		if r == '\uFFFD' && !strings.HasPrefix(entry[at:], "\uFFFD") {
			r = '?'
		}
		text.WriteRune(r)
	}
	return backup.CleanLine(text.String(), longest)
}
