package hook

import (
	"strings"

	"borgcron/internal/backup"
)

const (
	tailLines = 50
	tailBytes = 500 // of a line
)

// tail keeps the last lines of an output of any size, in memory that is reused.
type tail struct {
	ring [tailLines][]byte
	seen int
}

func (t *tail) add(line []byte) {
	slot := &t.ring[t.seen%tailLines]
	*slot = append((*slot)[:0], line[:min(len(line), tailBytes)]...)
	t.seen++
}

// lines returns what was kept, the oldest first, safe to be shown.
func (t *tail) lines() []string {
	var lines []string
	for i := max(0, t.seen-tailLines); i < t.seen; i++ {
		lines = append(lines, strings.TrimRight(backup.Clean(string(t.ring[i%tailLines])), " "))
	}
	return lines
}
