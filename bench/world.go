package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// world is a tree of small files that contenders back up, all keeping the same number of archives.
type world struct {
	dir, source, program string
	files, keep          int
	calls                [][]string // of borg, by the last run of borgcron: create, prune, compact
	random               *rand.ChaCha8
}

func (b *bench) newWorld(name string, files, keep int) (*world, error) {
	dir := filepath.Join(b.temp, name)
	w := &world{
		dir: dir, source: filepath.Join(dir, "source"), program: b.program, files: files, keep: keep,
		random: rand.NewChaCha8([32]byte{}),
	}
	for i := range files {
		if err := w.write(i); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// write fills a file with about 1 KiB that cannot be compressed.
func (w *world) write(i int) error {
	folder := filepath.Join(w.source, fmt.Sprint(i/100))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	content := make([]byte, 768+w.random.Uint64()%512)
	_, _ = w.random.Read(content) // never fails
	return os.WriteFile(filepath.Join(folder, fmt.Sprint(i)), content, 0o644)
}

// change writes ten files anew, so that the next backups have something to do.
func (w *world) change() error {
	for range 10 {
		if err := w.write(int(w.random.Uint64() % uint64(w.files))); err != nil {
			return err
		}
	}
	return nil
}

// count has borgcron make some backups, the last of which is to prune, and returns how many borg processes it
// started. The last three calls are what is then done by hand. A script in borg's place takes notes, so this
// is not timed; the backup before these asks the script for its version, which is done once.
func (w *world) count(ctx context.Context, c *contender, backups int) (int, error) {
	notes := filepath.Join(w.dir, "calls")
	spied, err := c.behind(fmt.Sprintf(`{ printf '%%s\n' "$@"; echo; } >>'%s'`, notes))
	if err != nil {
		return 0, err
	}
	if _, err := spied.backup(ctx, true); err != nil {
		return 0, err
	}
	if err := os.Remove(notes); err != nil {
		return 0, err
	}
	for i := range backups {
		if err := w.change(); err != nil {
			return 0, err
		}
		if _, err := spied.backup(ctx, i == backups-1); err != nil {
			return 0, err
		}
	}
	text, err := os.ReadFile(notes)
	if err != nil {
		return 0, err
	}
	w.calls = nil
	for call := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n\n") {
		w.calls = append(w.calls, strings.Split(call, "\n"))
	}
	count := len(w.calls)
	w.calls = w.calls[max(0, count-3):]
	for i, command := range []string{"create", "prune", "compact"} {
		if len(w.calls) != 3 || w.calls[i][0] != command {
			return 0, fmt.Errorf("borgcron was to end with create, prune and compact, and called %q", w.calls)
		}
	}
	return count, nil
}
