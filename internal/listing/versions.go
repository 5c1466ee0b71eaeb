package listing

import (
	"cmp"
	"slices"

	"borgcron/internal/backup"
)

// Version is what a path is in one archive, or in several made one after the other in which it did not change. Whether it changed
// is told by type, size, mtime and the target of a link.
type Version struct {
	Item           backup.Item    // as in the newest of them
	Newest, Oldest backup.Archive // the last and the first of them
	Count          int            // how many archives they are
	oldest         int            // the number of Oldest
}

// Path is one path and its versions, the newest first.
type Path struct {
	Path     string
	Versions []Version
	Gone     *backup.Archive // the first archive without it, if the newest archive has it no more
	newest   int             // the number of the newest archive with it
}

// Versions collects what archives hold, which are added in their order, the newest first.
type Versions struct {
	archives []backup.Archive
	paths    map[string]*Path
}

// Next begins with the next older archive.
func (v *Versions) Next(archive backup.Archive) { v.archives = append(v.archives, archive) }

// Add adds what the archive holds.
func (v *Versions) Add(item backup.Item) {
	now := len(v.archives) - 1
	path := v.paths[item.Path]
	if path == nil {
		if v.paths == nil {
			v.paths = map[string]*Path{}
		}
		path = &Path{Path: item.Path, newest: now}
		if now > 0 {
			after := v.archives[now-1]
			path.Gone = &after
		}
		v.paths[item.Path] = path
	}
	if last := len(path.Versions) - 1; last >= 0 {
		version := &path.Versions[last]
		if version.oldest == now {
			return // an archive may hold a path twice
		}
		if version.oldest == now-1 && unchanged(&version.Item, &item) {
			version.oldest, version.Oldest = now, v.archives[now]
			version.Count++
			return
		}
	}
	path.Versions = append(path.Versions, Version{Item: item, Newest: v.archives[now], Oldest: v.archives[now], Count: 1, oldest: now})
}

func unchanged(a, b *backup.Item) bool {
	return a.Type() == b.Type() && a.Size == b.Size && a.ModTime.Equal(b.ModTime) && a.Target == b.Target
}

// Paths returns all that was found: first what the newest archive has, then what the one before it had, each sorted by path.
func (v *Versions) Paths() []Path {
	paths := make([]Path, 0, len(v.paths))
	for _, path := range v.paths {
		paths = append(paths, *path)
	}
	slices.SortFunc(paths, func(a, b Path) int {
		return cmp.Or(cmp.Compare(a.newest, b.newest), cmp.Compare(a.Path, b.Path))
	})
	return paths
}
