package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// world is a tree of small files that contenders back up, all keeping the same number of archives.
type world struct {
	*bench
	dir, source string
	files, keep int
	changed     int        // the last one
	calls       [][]string // of borg, by the last run of borgcron: create, prune, compact
	random      *rand.ChaCha8
}

func (b *bench) newWorld(name string, files, keep int) *world {
	dir := filepath.Join(b.temp, name)
	w := &world{bench: b, dir: dir, source: dir + "/source", files: files, keep: keep, random: rand.NewChaCha8([32]byte{})}
	for i := range files {
		w.write(i)
	}
	return w
}

// write fills a file with about 1 KiB that cannot be compressed.
func (w *world) write(i int) {
	folder := filepath.Join(w.source, fmt.Sprint(i/100))
	check(os.MkdirAll(folder, 0o755))
	content := make([]byte, 768+i%512)
	_, _ = w.random.Read(content) // never fails
	check(os.WriteFile(filepath.Join(folder, fmt.Sprint(i)), content, 0o644))
}

// change writes ten files anew, so that the next backups have something to do.
func (w *world) change() {
	for range 10 {
		w.changed = (w.changed + 997) % w.files
		w.write(w.changed)
	}
}

// count has borgcron make some backups, the last of which is to prune, and returns how many borg processes it
// started. The last three calls are what is then done by hand. A script in borg's place takes notes, so this
// is not timed; the backup before these asks the script for its version, which is done once.
func (w *world) count(c *contender, backups int) int {
	notes := filepath.Join(w.dir, "calls")
	spied := c.behind(fmt.Sprintf(`{ printf '%%s\n' "$@"; echo; } >>'%s'`, notes))
	spied.backup(true)
	check(os.Remove(notes))
	for i := range backups {
		w.change()
		spied.backup(i == backups-1)
	}
	var calls [][]string
	for call := range strings.SplitSeq(strings.TrimSpace(string(must(os.ReadFile(notes)))), "\n\n") {
		calls = append(calls, strings.Split(call, "\n"))
	}
	w.calls = calls[max(0, len(calls)-3):]
	for i, command := range []string{"create", "prune", "compact"} {
		if len(w.calls) != 3 || w.calls[i][0] != command {
			check(fmt.Errorf("borgcron was to end with create, prune and compact, and called %q", w.calls))
		}
	}
	return len(calls)
}
