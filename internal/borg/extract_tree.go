package borg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"borgcron/internal/backup"
)

// Extraction is what of an archive is written where. Paths are those of the archive, with whatever bytes they have. Without
// Paths and Entries it is all of the archive.
type Extraction struct {
	Dir     string   // what borg writes below; it must exist
	Paths   []string // entries, each with all that is below it. Few: borg compares each entry of the archive with each of them
	Entries []string // entries alone, without what is below a folder. Any number
	Exclude []string // entries that are left out all the same, again without what is below them
	DryRun  bool     // read all and write nothing
	Bare    bool     // contents, modes and times alone: no ACLs, attributes, or flags, of which one makes a file that nobody can remove
}

// DiskFull is the ID of the failure of an extraction that found no room. The file that it was at is incomplete.
const DiskFull = "DiskFull"

const (
	maxArgument  = 100 << 10 // bytes of one argument: Linux takes 128 KiB
	maxArguments = 1 << 20   // of all of ours: Linux takes a quarter of the stack's limit, which is 8 MiB
)

var errNames = &backup.Failure{
	Op: "extract", Code: -1, Class: backup.Permanent, Message: "there are too many names with line breaks or bytes that are not UTF-8 for borg's command line",
	Hint: "extract fewer at a time",
}

// ExtractTree writes files and folders of an archive below e.Dir, each with its whole path, as borg does: over what is there. The
// caller makes sure that nothing there is lost, and that no symbolic link leads out of it. Borg dies with us, and a file that it is at
// then is incomplete; its mtime is set last. What could not be written is a warning, of which call.Warn hears all, but a full disk
// ends it. For call.Progress Current and Total are bytes, Files counts all entries, and Message is the path.
func (c *Client) ExtractTree(ctx context.Context, call backup.Call, archive string, e Extraction) (backup.Report, error) {
	batches, cleanUp, err := e.batches()
	if err != nil {
		return backup.Report{}, during("extract", err)
	}
	defer cleanUp()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	x := &extracting{heard: call.Warn, told: call.Progress, cancel: cancel}
	call.Warn = x.warn
	if call.Progress != nil {
		call.Progress = x.progress
	}
	for _, batch := range batches {
		x.before = x.now
		o := options{"--sparse"}
		o.flag("dry-run", e.DryRun)
		o.flag("list", call.Progress != nil)
		for _, what := range []string{"noacls", "noflags", "noxattrs"} {
			o.flag(what, e.Bare)
		}
		report, err := c.run(ctx, call, task{
			command: "extract", archive: archive, options: append(o, batch...), dir: e.Dir, list: x.listed,
			stall: call.Job.Timeout.Stall, mortal: syscall.SIGTERM,
		})
		switch {
		case x.full, err != nil && noRoom.MatchString(err.Error()): // borg dies of it if the file's last bytes have no room
			return x.report, &backup.Failure{Op: "extract", ID: DiskFull, Code: -1, Class: backup.Permanent, Message: "the disk is full", Err: err}
		case err != nil:
			return x.report, err
		}
		x.add(report)
		x.finish()
	}
	return x.report, nil
}

// extracting is how far an extraction is.
type extracting struct {
	heard       func(backup.Warning)
	told        func(backup.Progress)
	cancel      func()
	full        bool
	report      backup.Report
	before, now backup.Progress // when this batch began, and now
}

var noRoom = regexp.MustCompile(fmt.Sprintf(`\[Errno (%d|%d)\]`, syscall.ENOSPC, syscall.EDQUOT))

// warn takes a warning. On a full disk borg would go on, and make an empty file of all that is still to come.
func (x *extracting) warn(w backup.Warning) {
	if noRoom.MatchString(w.Message) {
		x.full = true
		x.cancel()
	}
	if x.heard != nil && !x.full {
		x.heard(w)
	}
}

// listed hears of each entry when borg begins with it.
func (x *extracting) listed(path string) {
	if x.told == nil {
		return
	}
	x.now.Files++
	x.now.Message = backup.CleanLine(path, maxPath)
	x.told(x.now)
}

// progress takes borg's own: bytes, at each thousandth of them. What else it counts (folders whose times it sets) is not passed on.
func (x *extracting) progress(p backup.Progress) {
	if p.Total == 0 || !strings.Contains(p.Message, "Extracting: ") {
		return
	}
	x.now.Current, x.now.Total = x.before.Current+p.Current, x.before.Current+p.Total
	x.told(x.now)
}

// finish tells that all bytes are there: borg 1.2 is behind by the last piece of content.
func (x *extracting) finish() {
	if x.told != nil && x.now.Current != x.now.Total {
		x.now.Current = x.now.Total
		x.told(x.now)
	}
}

func (x *extracting) add(report backup.Report) {
	x.report.Warnings = append(x.report.Warnings, report.Warnings...)
	x.report.Tail = report.Tail
	for kind, n := range report.Counts {
		if x.report.Counts == nil {
			x.report.Counts = map[backup.WarningKind]int{}
		}
		x.report.Counts[kind] += n
	}
}

// batches are the options that make borg choose, for one or more calls of it. Most patterns are in a file, which takes any number
// and is seen by nobody else. Names that a line of text cannot hold are arguments, and there may be too many of them for one call.
func (e *Extraction) batches() (batches [][]string, cleanUp func(), err error) {
	cleanUp = func() {}
	if len(e.Paths)+len(e.Entries)+len(e.Exclude) == 0 {
		return [][]string{nil}, cleanUp, nil
	}
	lines, odd := sortOut(nil, nil, "+ pp:", e.Paths)
	lines, odd = sortOut(lines, odd, "+ pf:", e.Entries)
	without, last := sortOut(nil, nil, "- pf:", e.Exclude) // after the former: of two about the same entry borg takes the last
	if len(e.Paths)+len(e.Entries) > 0 {
		last = append(last, "- re:^") // and nothing else
	}
	added, err := arguments(odd)
	if err != nil {
		return nil, cleanUp, err
	}
	last, err = arguments(last)
	if err == nil && length(last) > maxArguments/2 {
		err = errNames
	}
	if err != nil {
		return nil, cleanUp, err
	}
	var files []string
	cleanUp = func() {
		for _, name := range files {
			_ = os.Remove(name)
		}
	}
	for i, chunk := range chunks(added, maxArguments/2) {
		text := without
		if i == 0 {
			text = append(lines, without...)
		}
		batch := chunk
		if len(text) > 0 {
			name, err := patternFile(text)
			files = append(files, name)
			if err != nil {
				cleanUp()
				return nil, func() {}, err
			}
			batch = append([]string{"--patterns-from=" + name}, batch...)
		}
		batches = append(batches, append(batch, last...))
	}
	return batches, cleanUp, nil
}

// sortOut appends patterns to those that can be lines of a file of text, and to the others.
func sortOut(lines, odd []string, prefix string, paths []string) (plain, others []string) {
	for _, path := range paths {
		if isLine(path) {
			lines = append(lines, prefix+path)
		} else {
			odd = append(odd, prefix+path)
		}
	}
	return lines, odd
}

// isLine tells whether borg reads from a line of text what stands there: it takes it for UTF-8 and trims it.
func isLine(path string) bool {
	last, _ := utf8.DecodeLastRuneInString(path)
	strange := func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 }
	return utf8.ValidString(path) && !unicode.IsSpace(last) && strings.IndexFunc(path, strange) < 0
}

// arguments makes options of patterns.
func arguments(patterns []string) ([]string, error) {
	var found []string
	for _, pattern := range patterns {
		if len(pattern) > maxArgument {
			return nil, errNames
		}
		found = append(found, "--pattern="+pattern)
	}
	return found, nil
}

// length is what arguments take of the room that the system has for them.
func length(arguments []string) int {
	sum := 0
	for _, argument := range arguments {
		sum += len(argument) + 1 + strconv.IntSize/8 // its end, and a pointer
	}
	return sum
}

// chunks divides arguments into as many calls as are needed, at least one.
func chunks(arguments []string, most int) [][]string {
	divided := [][]string{nil}
	sum := 0
	for _, argument := range arguments {
		size := length([]string{argument})
		if sum += size; sum > most {
			divided, sum = append(divided, nil), size
		}
		last := len(divided) - 1
		divided[last] = append(divided[last], argument)
	}
	return divided
}

// patternFile writes patterns to a private file, for --patterns-from.
func patternFile(lines []string) (name string, err error) {
	file, err := os.CreateTemp("", "borgcron-patterns-")
	if err != nil {
		return "", fmt.Errorf("write the names for borg: %w", err)
	}
	var text bytes.Buffer
	for _, line := range lines {
		text.WriteString(line)
		text.WriteByte('\n')
	}
	_, err = file.Write(text.Bytes())
	if err := errors.Join(err, file.Close()); err != nil {
		return file.Name(), fmt.Errorf("write the names for borg: %w", err)
	}
	return file.Name(), nil
}
