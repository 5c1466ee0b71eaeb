package backup

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Bootstrap is the configuration that an archive holds.
type Bootstrap struct {
	Archive Archive
	Host    string   // {hostname} in the archives' names
	Main    string   // path of the main file; one that had a secret in it is not in the archive
	Files   []string // paths of the files in the archive; behind a symbolic link comes what it leads to
}

// Known tells whether the main file is in the archive.
func (b Bootstrap) Known() bool { return len(b.Files) > 0 && b.Files[0] == b.Main }

const noteBegins = "borgcron configuration ("

var bootstrapNote = regexp.MustCompile(`^borgcron configuration \(host ([A-Za-z0-9][A-Za-z0-9_.-]{0,63}), ([0-9]{1,6}) files?\): (/[^\x00-\x1f\x7f]*)$`)

// BootstrapNote is what the comment of an archive says of the configuration in it; which files these are the end of
// the archive's command line tells. It is empty if there is none, or if its name could not be said so.
func BootstrapNote(host string, files int, main string) string {
	word := "files"
	if files == 1 {
		word = "file"
	}
	note := fmt.Sprintf("borgcron configuration (host %s, %d %s): %s", host, files, word, main)
	if files == 0 || !bootstrapNote.MatchString(note) {
		return ""
	}
	return note
}

// ParseBootstrap reads what an archive's comment and the command line that made it say of the configuration in it.
func ParseBootstrap(comment string, command []string) (Bootstrap, bool) {
	match := bootstrapNote.FindStringSubmatch(comment[max(0, strings.LastIndex(comment, noteBegins)):]) // the owner's words come before
	if match == nil {
		return Bootstrap{}, false
	}
	count, err := strconv.Atoi(match[2])
	if err != nil || count == 0 || count > len(command) {
		return Bootstrap{}, false
	}
	found := Bootstrap{Host: match[1], Main: match[3], Files: command[len(command)-count:]}
	for _, path := range append([]string{found.Main}, found.Files...) {
		if !filepath.IsAbs(path) || filepath.Clean(path) != path { // it is to be found below a folder of ours
			return Bootstrap{}, false
		}
	}
	return found, true
}
