package restore

import "borgcron/internal/backup"

// link is an entry that is a hard link to another one.
type link struct {
	path, target string
	same         bool // both are there and the same
}

// link notes a hard link of a restore that is continued.
func (p *Planner) link(item backup.Item, same bool) {
	if p.Former != nil && item.Type() == 'h' {
		p.links = append(p.links, link{item.Path, item.Target, same})
	}
}

// tieLinks leaves hard links that are there. One that is missing makes borg write all of its kin anew: it links only what it
// extracts in the same call.
func (p *Plan) tieLinks(links []link) {
	if len(links) == 0 {
		return
	}
	kin := map[string]bool{} // by the entry that has the content: all are there
	for _, l := range links {
		known, seen := kin[l.target]
		kin[l.target] = l.same && (known || !seen)
	}
	for _, entry := range p.Write {
		if _, is := kin[entry]; is {
			kin[entry] = false
		}
	}
	settled := map[string]bool{}
	for _, l := range links {
		settled[l.path] = kin[l.target]
	}
	var write, whole []string
	for _, entry := range p.whole {
		if all, is := kin[entry]; is && !all {
			write = append(write, entry)
		} else {
			whole = append(whole, entry)
		}
	}
	for _, entry := range p.Write {
		if settled[entry] {
			whole = append(whole, entry)
		} else {
			write = append(write, entry)
		}
	}
	moved := int64(len(whole) - len(p.whole))
	p.Done, p.Entries, p.Files = p.Done+moved, p.Entries-moved, p.Files-moved
	p.Write, p.whole = write, whole
}
