package borg

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"borgcron/internal/backup"
)

// DifferenceKind is how a path differs; what is worse for its content wins.
type DifferenceKind string

// The kinds of differences.
const (
	Added    DifferenceKind = "added"
	Removed  DifferenceKind = "removed"
	Replaced DifferenceKind = "replaced" // by something of another type
	Modified DifferenceKind = "modified" // its content, or where a link points to
	Metadata DifferenceKind = "metadata" // mode or owner
	Times    DifferenceKind = "times"    // nothing but its times
)

// Difference is how a path differs between two archives.
type Difference struct {
	Path     string // where it is not UTF-8 borg says question marks
	Kind     DifferenceKind
	Type     string // of what was added or removed: file, directory, link, fifo, ...; else ""
	Added    *int64 // bytes of content, by borg's chunks; nil: not known, or there is none
	Removed  *int64
	OldMode  string // as in ls -l; "": the same
	NewMode  string
	OldOwner string // USER:GROUP; "": the same
	NewOwner string
}

// Diff calls each with every difference between two archives, in no order; its error ends borg and is returned as it is. Other
// errors are of type *backup.Failure.
func (c *Client) Diff(ctx context.Context, call backup.Call, from, to string, each func(Difference) error) error {
	t := task{command: "diff", archive: from, options: options{"--json-lines"}, paths: []string{escapeBraces(to)}}
	return c.cut(ctx, call, t, func(text []byte) ([]byte, error) {
		line, after, whole := bytes.Cut(text, []byte("\n"))
		if !whole {
			return nil, nil
		}
		difference, err := parseDifference(line)
		if err != nil {
			return nil, &answerError{fmt.Errorf("%w in %.200q", err, line)}
		}
		return after, each(difference)
	})
}

// change is one thing that borg says of a path.
type change struct {
	Type     string `json:"type"`
	Size     *int64 `json:"size"`
	Added    *int64 `json:"added"`
	Removed  *int64 `json:"removed"`
	OldMode  string `json:"old_mode"`
	NewMode  string `json:"new_mode"`
	OldUser  string `json:"old_user"`
	NewUser  string `json:"new_user"`
	OldGroup string `json:"old_group"`
	NewGroup string `json:"new_group"`
}

func parseDifference(line []byte) (Difference, error) {
	var said struct {
		Path    string
		Changes []change
	}
	if err := json.Unmarshal(line, &said); err != nil {
		return Difference{}, errors.New("no JSON")
	}
	if said.Path == "" {
		return Difference{}, errors.New("no path")
	}
	d := Difference{Path: said.Path, Kind: Times}
	for _, change := range said.Changes {
		d.take(change)
	}
	return d, nil
}

// severity is the order of kinds.
var severity = map[DifferenceKind]int{Times: 0, Metadata: 1, Modified: 2, Replaced: 3, Removed: 4, Added: 5}

func (d *Difference) take(c change) {
	kind := Metadata // also what later versions may say
	word, what, _ := strings.Cut(c.Type, " ")
	if what == "" {
		what = "file"
	}
	switch {
	case word == "added":
		kind, d.Type, d.Added = Added, what, c.Size
	case word == "removed":
		kind, d.Type, d.Removed = Removed, what, c.Size
	case word == "modified":
		kind = Modified
		if c.Added != nil && c.Removed != nil && *c.Added == 0 && *c.Removed == 0 { // borg 1.2 says so of each file that differs
			return
		}
		d.Added, d.Removed = c.Added, c.Removed
	case word == "changed":
		kind = Modified
	case word == "mode":
		d.OldMode, d.NewMode = c.OldMode, c.NewMode
		if c.OldMode != "" && c.NewMode != "" && c.OldMode[0] != c.NewMode[0] {
			kind = Replaced
		}
	case word == "owner":
		d.OldOwner, d.NewOwner = c.OldUser+":"+c.OldGroup, c.NewUser+":"+c.NewGroup
	case word == "ctime", word == "mtime", word == "atime":
		kind = Times
	}
	if severity[kind] > severity[d.Kind] {
		d.Kind = kind
	}
}
