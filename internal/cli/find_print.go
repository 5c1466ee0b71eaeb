package cli

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"borgcron/internal/backup"
	"borgcron/internal/listing"
)

// print shows each path, and a line a version below it.
func (f *finding) print(paths []listing.Path) error {
	for _, path := range paths {
		gone := ""
		if path.Gone != nil {
			gone = "  (gone since " + backup.Clean(path.Gone.Name) + ")"
		}
		if _, err := fmt.Fprintf(f.env.Stdout, "%s%s\n", shown(path.Path), gone); err != nil {
			return err
		}
		for _, version := range path.Versions {
			where := backup.Clean(version.Newest.Name)
			if version.Count > 1 {
				where += " back to " + backup.Clean(version.Oldest.Name)
			}
			_, err := fmt.Fprintf(f.env.Stdout, "  %10s  %s  %4d  %s%s\n", content(&version.Item), version.Item.ModTime.Local().Format(time.DateTime),
				version.Count, where, target(&version.Item))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// itemTypes are words for the first letter of a mode.
var itemTypes = map[byte]string{
	'-': "file", 'd': "directory", 'l': "symlink", 'h': "hardlink", 'p': "fifo", 'b': "block-device", 'c': "character-device", 's': "socket",
}

func itemType(item *backup.Item) string {
	if word, known := itemTypes[item.Type()]; known {
		return word
	}
	return "other"
}

// content is the size of a file; what has none is named.
func content(item *backup.Item) string {
	if item.Type() == '-' {
		return size(item.Size)
	}
	return itemType(item)
}

func target(item *backup.Item) string {
	if item.Target == "" {
		return ""
	}
	return "  -> " + shown(item.Target)
}

// shown is a path as it is; one with bytes that cannot be seen, or are no UTF-8, as a shell takes it, in $'...'.
func shown(path string) string {
	if utf8.ValidString(path) && backup.Clean(path) == path && strings.TrimSpace(path) == path && path != "" {
		return path
	}
	var quoted strings.Builder
	quoted.WriteString("$'")
	for rest := path; rest != ""; {
		r, width := utf8.DecodeRuneInString(rest)
		part := rest[:width]
		rest = rest[width:]
		switch {
		case r == '\n':
			quoted.WriteString(`\n`)
		case r == '\t':
			quoted.WriteString(`\t`)
		case r == '\\' || r == '\'':
			quoted.WriteString(`\` + part)
		case r == utf8.RuneError && width == 1 || backup.Clean(part) != part:
			for i := range len(part) {
				fmt.Fprintf(&quoted, `\x%02x`, part[i])
			}
		default:
			quoted.WriteString(part)
		}
	}
	return quoted.String() + "'"
}

type pathJSON struct {
	Path     string          `json:"path"`
	Raw      string          `json:"path_base64,omitempty"` // if it is not UTF-8
	Gone     *backup.Archive `json:"gone"`
	Versions []versionJSON   `json:"versions"`
}

type versionJSON struct {
	Type     string         `json:"type"`
	Size     int64          `json:"size"`
	Modified time.Time      `json:"modified"`
	Target   string         `json:"target,omitempty"`
	Archives int            `json:"archives"`
	Newest   backup.Archive `json:"newest"`
	Oldest   backup.Archive `json:"oldest"`
}

func (f *finding) printJSON(pattern string, paths []listing.Path) error {
	rows := make([]pathJSON, 0, len(paths))
	for _, path := range paths {
		row := pathJSON{Path: path.Path, Raw: raw(path.Path)}
		if path.Gone != nil {
			gone := local(*path.Gone)
			row.Gone = &gone
		}
		for _, version := range path.Versions {
			row.Versions = append(row.Versions, versionJSON{
				Type: itemType(&version.Item), Size: version.Item.Size, Modified: version.Item.ModTime.Local(), Target: version.Item.Target,
				Archives: version.Count, Newest: local(version.Newest), Oldest: local(version.Oldest),
			})
		}
		rows = append(rows, row)
	}
	answer := map[string]any{
		"job": f.call.Job.Name, "repository": f.call.Job.RepositoryName(f.call.Repository), "pattern": pattern,
		"archives": len(f.seen.archives) - f.unknown, "left_out": f.unknown, "paths": rows,
	}
	if !f.seen.asOf.IsZero() {
		answer["as_of"] = f.seen.asOf.Local()
	}
	return printJSON(f.env.Stdout, answer)
}

// raw are the bytes of a path that no JSON string can hold.
func raw(path string) string {
	if utf8.ValidString(path) {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(path))
}

func local(archive backup.Archive) backup.Archive {
	archive.Time = archive.Time.Local()
	return archive
}
