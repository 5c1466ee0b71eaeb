package drill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"borgcron/internal/backup"
)

const (
	headBytes   = 4 << 10
	maxContents = 64 << 20
)

// dumps reads the beginning of each dump of the newest archive that has them, and looks whether all databases are in it. A full
// drill reads each to its end.
func (v *drill) dumps(ctx context.Context) error {
	job, base := v.call.Job, ""
	match, listed := job.DumpsMatch(), backup.ContentsPath
	if job.Spooled() {
		listed = backup.SpoolContents(job.Name)
		match, base = job.Prune.Match, strings.TrimPrefix(job.Spool, "/")+"/"
	}
	archive, err := v.newest(ctx, match)
	if err != nil {
		return err
	}
	text := &head{most: maxContents}
	if err := v.Archives.Stream(ctx, v.call, archive.Name, base+listed, text); err != nil && !text.enough {
		return err
	}
	var contents backup.Contents
	if known := json.Unmarshal(text.kept, &contents) == nil && contents.Version == 1; !known {
		v.findings.Damaged = append(v.findings.Damaged, fmt.Sprintf("the contents of the archive of dumps %s cannot be understood", archive.Name))
		return nil
	}
	v.findings.Missing = append(v.findings.Missing, backup.MissingDatabases(job, contents)...)
	for _, dump := range contents.Dumps {
		if dump.Left != "" {
			continue
		}
		if err := v.head(ctx, archive.Name, base, dump); err != nil {
			return err
		}
		v.drill.Dumps++
	}
	return nil
}

func (v *drill) head(ctx context.Context, archive, base string, dump backup.DatabaseDump) error {
	path := base + dump.Path()
	if dump.Format == backup.DirectoryFormat {
		path += "/toc.dat"
	}
	read := &head{most: headBytes, whole: v.drill.Full}
	err := v.Archives.Stream(ctx, v.call, archive, path, read)
	if err != nil && !read.enough && !isDamage(err) {
		return err
	}
	name := backup.CleanLine(dump.Name, 80)
	switch {
	case isDamage(err):
		v.findings.Damaged = append(v.findings.Damaged, fmt.Sprintf("the dump of %s: %s", name, backup.CleanLine(err.Error(), 200)))
	case !dump.LooksLikeDump(read.kept):
		v.findings.Damaged = append(v.findings.Damaged, fmt.Sprintf("the dump of %s does not begin like one (%s)", name, dump.Format))
	case read.whole && dump.Format != backup.DirectoryFormat && read.n != dump.Size:
		v.findings.Damaged = append(v.findings.Damaged, fmt.Sprintf("the dump of %s has %d bytes, and %d were written", name, read.n, dump.Size))
	}
	return nil
}

// head keeps the beginning of what is written. It takes no more then, unless it is to see the whole.
type head struct {
	most   int
	whole  bool
	kept   []byte
	n      int64
	enough bool // it has taken no more
}

var errEnough = errors.New("that is enough")

func (h *head) Write(p []byte) (int, error) {
	h.kept = append(h.kept, p[:min(len(p), h.most-len(h.kept))]...)
	h.n += int64(len(p))
	if !h.whole && len(h.kept) == h.most {
		h.enough = true
		return 0, errEnough
	}
	return len(p), nil
}
