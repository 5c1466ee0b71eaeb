package sizes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
)

const (
	// mostText is more than what people read has, mostLog more than two logs that were not rotated yet.
	mostText = 16 << 20
	mostLog  = 32 << 20
)

// logOf is the log beside a saved text: a line of JSON for each time it was saved. The one before has another .1.
func logOf(path string) string { return path + ".log" }

// SavedText returns the text that was saved last and when that was. What it would do to a terminal is taken out.
func SavedText(path string) (text string, saved time.Time, err error) {
	data, info, err := readFile(path, mostText)
	if err != nil {
		return "", time.Time{}, err
	}
	var clean strings.Builder
	for line := range strings.Lines(string(data)) {
		columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		for i := range columns {
			columns[i] = backup.Clean(columns[i])
		}
		clean.WriteString(strings.Join(columns, "\t") + "\n")
	}
	return clean.String(), info.ModTime(), nil
}

// SavedReport returns the report that was saved last beside a text.
func SavedReport(path string) (Report, error) {
	return lastLine(path, func(Report) bool { return true })
}

// Grow fills in what has grown since the last saved report on the same folders. Without one nothing is known.
func (r *Report) Grow(path string) {
	before, err := lastLine(path, func(saved Report) bool {
		return saved.OneFileSystem == r.OneFileSystem && slices.EqualFunc(saved.Folders, r.Folders, samePath)
	})
	if err == nil {
		r.since(before)
	}
}

func (r *Report) since(before Report) {
	sizes := map[string]int64{}
	for _, entry := range before.Entries {
		sizes[entry.name()] = entry.DiskSize
	}
	for i := range r.Entries {
		entry := &r.Entries[i]
		if size, known := sizes[entry.name()]; known {
			grown := entry.DiskSize - size
			entry.Growth = &grown
		}
	}
	grown := r.Total.DiskSize - before.Total.DiskSize
	r.Total.Growth, r.Since = &grown, &before.Generated
}

func (e *Entry) name() string {
	if e.PathBytes != nil {
		return string(e.PathBytes)
	}
	return e.Path
}

// samePath compares paths of which one has been through JSON, which has no bytes that are no UTF-8.
func samePath(a, b string) bool { return string([]rune(a)) == string([]rune(b)) }

// lastLine returns the last report in a log for which it is true.
func lastLine(path string, wanted func(Report) bool) (Report, error) {
	var wrong error
	for _, log := range []string{logOf(path), logOf(path) + ".1"} {
		data, _, err := readFile(log, mostLog)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			wrong = err
		}
		lines := bytes.Split(data, []byte("\n"))
		for _, line := range slices.Backward(lines) {
			if report, ok := parse(line); ok && wanted(report) {
				return report, nil
			}
		}
	}
	if wrong != nil {
		return Report{}, wrong
	}
	return Report{}, &fs.PathError{Op: "read", Path: logOf(path), Err: fs.ErrNotExist}
}

// parse reads a line of a log. A line that was cut off, or is none of ours, is not taken.
func parse(line []byte) (Report, bool) {
	if len(bytes.TrimSpace(line)) == 0 {
		return Report{}, false
	}
	var report Report
	if err := json.Unmarshal(line, &report); err != nil || report.Generated.IsZero() {
		return Report{}, false
	}
	return report, true
}

// readFile reads a file that another user may have written: nothing is followed or waited for, and there is an end.
func readFile(path string, most int64) ([]byte, os.FileInfo, error) {
	file, info, err := openFile(unix.AT_FDCWD, path)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", path, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("it has more than %d bytes", most)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", path, err)
	}
	return data, info, nil
}
