package schedule

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
)

// File is a file or a symbolic link of the schedule.
type File struct {
	Path string
	Text string // of a file
	Link string // where a link points, "" for a file
}

// Change is a file that is not as it should be.
type Change struct {
	File
	Old     string // what is there
	New     bool   // nothing is there
	Foreign bool   // what is there is not ours
}

// Compare returns what is to be changed on disk. A link of the right name enables a timer wherever it points.
func Compare(files []File) ([]Change, error) {
	var changes []Change
	for _, file := range files {
		info, err := os.Lstat(file.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			changes = append(changes, Change{File: file, New: true})
			continue
		case err != nil:
			return nil, fmt.Errorf("look at the schedule: %w", err)
		case file.Link != "":
			if info.Mode().Type() != fs.ModeSymlink {
				changes = append(changes, Change{File: file, Foreign: true})
			}
			continue
		}
		old, err := readOurs(file.Path, info)
		if err != nil {
			return nil, err
		}
		if old != file.Text {
			changes = append(changes, Change{File: file, Old: old, Foreign: !isOurs(old)})
		}
	}
	return changes, nil
}

// readOurs reads a file; what is none, as a link that masks a unit, has the empty text, which is not ours.
func readOurs(path string, info fs.FileInfo) (string, error) {
	if !info.Mode().IsRegular() {
		return "", nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("look at the schedule: %w", err)
	}
	return string(text), nil
}

func isOurs(text string) bool { return strings.HasPrefix(text, mark) }

// Write makes the changes: each file is replaced whole or not at all.
func Write(changes []Change) error {
	for _, change := range changes {
		if err := change.write(); err != nil {
			return fmt.Errorf("write the schedule: %w", err)
		}
	}
	return nil
}

func (c *Change) write() error {
	folder := filepath.Dir(c.Path)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if c.Link != "" {
		return renameio.Symlink(c.Link, c.Path)
	}
	return renameio.WriteFile(c.Path, []byte(c.Text), 0o644, renameio.WithStaticPermissions(0o644), renameio.WithTempDir(folder))
}

// Present returns those of the files that are there and ours. The link to a timer is ours if the timer is.
func Present(files []File) ([]File, error) {
	var present []File
	timers := map[string]bool{}
	for _, file := range files {
		info, err := os.Lstat(file.Path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look at the schedule: %w", err)
		}
		if file.Link != "" {
			if target, err := os.Readlink(file.Path); err == nil && (target == file.Link || timers[filepath.Base(file.Path)]) {
				present = append(present, file)
			}
			continue
		}
		text, err := readOurs(file.Path, info)
		if err != nil {
			return nil, err
		}
		if isOurs(text) {
			present, timers[filepath.Base(file.Path)] = append(present, file), true
		}
	}
	return present, nil
}

// Remove deletes the files, and the folder of links if it is then empty.
func Remove(files []File) error {
	for _, file := range files {
		if err := os.Remove(file.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the schedule: %w", err)
		}
		if file.Link != "" {
			_ = os.Remove(filepath.Dir(file.Path)) // fails if others have links there
		}
	}
	return nil
}

// Difference shows how a text changes, line by line: "-" goes, "+" comes, " " stays.
func Difference(old, text string) string {
	a, b := lines(old), lines(text)
	// common[i][j] is the length of the longest common part of a from i on and of b from j on.
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out strings.Builder
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out.WriteString(" " + a[i] + "\n")
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			out.WriteString("-" + a[i] + "\n")
			i++
		default:
			out.WriteString("+" + b[j] + "\n")
			j++
		}
	}
	return out.String()
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// inFile puts a text into a file that has no name any more, to be read from its start.
func inFile(text string) (*os.File, error) {
	file, err := os.CreateTemp("", "borgcron-")
	if err != nil {
		return nil, fmt.Errorf("make a temporary file: %w", err)
	}
	if err = os.Remove(file.Name()); err == nil {
		_, err = file.WriteString(text)
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("write a temporary file: %w", err)
	}
	return file, nil
}
