package schedule

import (
	"strings"
)

// The lines between which a crontab is ours.
const (
	cronBegin = "# BEGIN borgcron schedule: written by `borgcron schedule install`, between these two lines"
	cronEnd   = "# END borgcron schedule"
)

// usualPath is where programs are looked for; cron's own is shorter.
const usualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Path is PATH for units and lines of cron: the usual one, with the folders before it that are not in it.
func Path(folders ...string) string {
	path := usualPath
	for _, folder := range folders {
		if folder != "" && !strings.Contains(folder, ":") && !strings.Contains(":"+path+":", ":"+folder+":") {
			path = folder + ":" + path
		}
	}
	return path
}

// CronFile is the plan as a file for /etc/cron.d.
func (p *Plan) CronFile(path string) File {
	user := p.User
	if user == "" {
		user = "root"
	}
	var b strings.Builder
	b.WriteString(mark + ", which writes it anew.\n")
	b.WriteString("# What is due is decided by `run --due`; a good run prints nothing. What is printed is mailed to the user in the sixth\n" +
		"# column; MAILTO=somebody in a line of its own mails it to somebody else, MAILTO=\"\" to nobody.\n")
	b.WriteString("SHELL=/bin/sh\n")
	for _, line := range p.cronLines() {
		b.WriteString(line.when + " " + user + " " + line.command + "\n")
	}
	return File{Path: path, Text: b.String()}
}

// CronBlock are the lines of the plan for a user's crontab, between the two that say whose they are.
func (p *Plan) CronBlock() string {
	var b strings.Builder
	b.WriteString(cronBegin + "\n")
	for _, line := range p.cronLines() {
		b.WriteString(line.when + " " + line.command + "\n")
	}
	b.WriteString(cronEnd + "\n")
	return b.String()
}

type cronLine struct{ when, command string }

// cronLines look for what is due every 15 minutes, whenever that is: cron has no words for most calendars.
func (p *Plan) cronLines() []cronLine {
	return []cronLine{
		{"*/15 * * * *", p.shell("nice -n 10 ", p.command("run", "--due", "--quiet"))},
		{"7 * * * *", p.shell("", p.command("status", "--notify", "--quiet"))},
	}
}

// shell is a command line for the shell as cron passes it on: an unescaped percent sign would end it. Variables stand
// before the command, as a line of their own would hold for other people's lines too.
func (p *Plan) shell(before string, words []string) string {
	var b strings.Builder
	variables := p.Environment
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		b.WriteString(name + "=" + shellWord(value) + " ")
	}
	b.WriteString(before)
	for i, word := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(shellWord(word))
	}
	return strings.ReplaceAll(b.String(), "%", `\%`)
}

// shellWord quotes a word for the shell.
func shellWord(word string) string {
	special := strings.ContainsFunc(word, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/._-:,@+=%", r)
	})
	if !special && word != "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// WithBlock returns a crontab in which ours is block, "" for none; all else stays as it is, byte by byte.
func WithBlock(crontab, block string) string {
	before, after, found := cutBlock(crontab)
	switch {
	case found:
		return before + block + after
	case block == "":
		return crontab
	case crontab != "" && !strings.HasSuffix(crontab, "\n"): // cron ignores a last line that does not end
		return crontab + "\n" + block
	}
	return crontab + block
}

// Block returns our part of a crontab, "" if there is none.
func Block(crontab string) string {
	before, after, found := cutBlock(crontab)
	if !found {
		return ""
	}
	return crontab[len(before) : len(crontab)-len(after)]
}

// cutBlock finds our part of a crontab. One whose last line is missing is not touched: where it ends is not known.
func cutBlock(crontab string) (before, after string, found bool) {
	start := lineIndex(crontab, cronBegin)
	if start < 0 {
		return "", "", false
	}
	length := lineIndex(crontab[start:], cronEnd)
	if length < 0 {
		return "", "", false
	}
	end := start + length + len(cronEnd)
	if end < len(crontab) { // its newline
		end++
	}
	return crontab[:start], crontab[end:], true
}

// lineIndex returns where a line begins that is exactly this, -1 if there is none.
func lineIndex(text, line string) int {
	at := 0
	for part := range strings.Lines(text) {
		if strings.TrimSuffix(part, "\n") == line {
			return at
		}
		at += len(part)
	}
	return -1
}
