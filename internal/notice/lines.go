package notice

import (
	"strconv"
	"time"
)

const (
	header = "borgcron-notice 1"
	prefix = "borgcron: " // of every line, so that nobody can speak for another program

	// MostBytes is what a notice file has at most.
	MostBytes = 64<<10 - 1

	mostLines = 20  // are shown, then how many more there are
	mostChars = 600 // of a line are shown

	clockTolerance = 24 * time.Hour // a clock may have been wrong by so much
)

const (
	unreadable = prefix + "the records of the backups cannot be read; try: borgcron status"
	fromFuture = prefix + "the clock has gone back, or was wrong: the records of the backups are from the future; try: borgcron status"
)

// Line is one problem and when it is one.
type Line struct {
	From  int64  // shown from this second since 1970 on; 0 is always
	Until int64  // shown before this one; 0 is for ever
	Text  string // begins with "borgcron: "; printable ASCII
}

// Shown tells whether the line is shown at a second.
func (l Line) Shown(now int64) bool { return l.From <= now && (l.Until == 0 || now < l.Until) }

// Size is what a line takes in a file.
func (l Line) Size() int { return len(l.format()) }

func (l Line) format() []byte {
	line := strconv.AppendInt(nil, max(l.From, 0), 10)
	line = append(append(line, '\t'), clean([]byte(l.Text))...)
	if l.Until > 0 {
		line = strconv.AppendInt(append(line, '\t'), l.Until, 10)
	}
	return append(line, '\n')
}

// Format is a whole notice file.
func Format(lines []Line) []byte {
	file := []byte(header + "\n")
	for _, line := range lines {
		file = append(file, line.format()...)
	}
	return file
}

// Parse reads what Format wrote; what is not of its form is left out, and whole is false. The lines are clean.
func Parse(file []byte) (lines []Line, whole bool) {
	whole = parse(file, func(line Line, text []byte) {
		line.Text = string(clean(text))
		lines = append(lines, line)
	})
	return lines, whole
}

// parse calls take for each line of a file with its text, which is not clean yet: most of them are not shown, and
// so need no memory of their own. It tells whether all of the file is of the form that Format writes.
func parse(file []byte, take func(line Line, text []byte)) (whole bool) {
	first, rest, _ := cut(file, '\n')
	if string(first) != header {
		return false
	}
	whole = true
	for len(rest) > 0 {
		var raw []byte
		raw, rest, _ = cut(rest, '\n')
		from, after, _ := cut(raw, '\t')
		text, until, limited := cut(after, '\t')
		line, begins, ends := Line{}, false, !limited
		line.From, begins = epoch(from)
		if limited {
			line.Until, ends = epoch(until)
		}
		if !begins || !ends || len(text) < len(prefix) || string(text[:len(prefix)]) != prefix {
			whole = false
			continue
		}
		take(line, text)
	}
	return whole
}

// cut is bytes.Cut. Package bytes would have the tables of Unicode initialised before us.
func cut(text []byte, separator byte) (before, after []byte, found bool) {
	for i, b := range text {
		if b == separator {
			return text[:i], text[i+1:], true
		}
	}
	return text, nil, false
}

func epoch(digits []byte) (int64, bool) {
	n, err := strconv.ParseUint(string(digits), 10, 63)
	return int64(n), err == nil //nolint:gosec // 63 bits
}

// clean leaves printable ASCII, which is all that our words need, a question mark for each other character, and
// not more than a screen can take. A terminal does nothing but show it, in whatever encoding.
func clean(text []byte) []byte {
	cleaned := make([]byte, 0, min(len(text), mostChars))
	for _, r := range string(text) { // a byte that is no UTF-8 is a character of its own
		if len(cleaned) == mostChars {
			return append(cleaned[:mostChars-3], "..."...)
		}
		if r < ' ' || r > '~' {
			r = '?'
		}
		cleaned = append(cleaned, byte(r))
	}
	return cleaned
}

// Read returns the lines of the folders' notices that are to be shown now, none twice; found is false if there
// is no notice at all.
func Read(folders []string, now time.Time) (texts []string, found bool) {
	seen := map[string]bool{}
	more := 0
	say := func(text string) {
		switch {
		case seen[text]:
		case len(texts) < mostLines:
			texts = append(texts, text)
		default:
			more++
		}
		seen[text] = true
	}
	for _, folder := range folders {
		file, written, there, readable := Load(Path(folder))
		if !there {
			continue
		}
		found = true
		if readable && written.Sub(now) > clockTolerance {
			say(fromFuture)
		}
		whole := parse(file, func(line Line, text []byte) {
			if line.Shown(now.Unix()) {
				say(string(clean(text)))
			}
		})
		if !readable || !whole {
			say(unreadable)
		}
	}
	if more > 0 {
		texts = append(texts, prefix+"and "+strconv.Itoa(more)+" more; try: borgcron status")
	}
	return texts, found
}

// Join puts the lines together for printing.
func Join(texts []string) []byte {
	var all []byte
	for _, text := range texts {
		all = append(append(all, text...), '\n')
	}
	return all
}
