package sizes

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// summarise writes the result.
func (w *walk) summarise(r *Report) {
	links := map[inode]share{}
	for _, hand := range w.workers {
		for id, s := range hand.links {
			if before, seen := links[id]; !seen || s.entry < before.entry {
				links[id] = s
			}
		}
	}
	sums := make([]Figures, len(w.entries))
	for _, s := range w.folders {
		sums[s.entry].add(s.Figures)
	}
	for _, s := range links {
		sums[s.entry].add(s.Figures)
	}
	r.Entries = []Entry{}
	for i, e := range w.entries {
		owner, found := w.folders[e.inode]
		if !found {
			owner = links[e.inode]
		}
		if owner.entry != i {
			continue
		}
		listed := Entry{Path: e.path, Figures: sums[i]}
		if !utf8.ValidString(e.path) {
			listed.PathBytes = []byte(e.path)
		}
		r.Entries = append(r.Entries, listed)
		r.Total.add(sums[i])
	}
	r.Total.Errors += w.failed
	byPath := func(a, b Failure) int { return strings.Compare(a.Path, b.Path) }
	slices.SortFunc(w.failures, byPath)
	r.Failures = w.failures
	r.Repositories = append([]Repository{}, w.repositories...)
	slices.SortFunc(r.Repositories, func(a, b Repository) int { return strings.Compare(a.Path, b.Path) })
	r.Repositories = slices.CompactFunc(r.Repositories, func(a, b Repository) bool { return a.Path == b.Path })
}
