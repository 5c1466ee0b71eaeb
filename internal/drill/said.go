package drill

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"borgcron/internal/backup"
)

// damaged are borg's words for a file of which chunks are lost, or were replaced by zeros when the repository was repaired.
var damaged = regexp.MustCompile(`(?i)damaged|all-zero|missing chunk|size inconsistency|integrity|corrupted archive`)

// spelled is a path as a warning may spell it: without control characters, and each byte that is no UTF-8 as a question mark.
func spelled(path string) string {
	var b strings.Builder
	for len(path) > 0 {
		r, size := utf8.DecodeRuneInString(path)
		if r == utf8.RuneError {
			r = '?'
		}
		b.WriteRune(r)
		path = path[size:]
	}
	return backup.CleanLine(b.String(), 1<<20)
}

// said sorts what borg said by the files it is about. What tells of damage and is about none of them is damage all the same.
func (v *drill) said(items []backup.Item, warnings []backup.Warning) map[string]string {
	said := make(map[string]string, len(warnings))
	if len(warnings) == 0 {
		return said
	}
	asked := make(map[string]string, len(items))
	for _, item := range items {
		asked[spelled(item.Path)] = item.Path
	}
	for _, warning := range warnings {
		message := backup.CleanLine(warning.Message, 200)
		path, known := asked[spelled(warning.Path)]
		switch {
		case known && !damaged.MatchString(said[path]): // what is gravest, or came last
			said[path] = message
		case !known && damaged.MatchString(message):
			v.findings.Damaged = append(v.findings.Damaged, fmt.Sprintf("borg says: %s", message))
		}
	}
	return said
}

// isDamage tells whether borg streamed a file to its end and then said that it is not what it was: that is a warning of borg's, and
// a failure of no class of its own.
func isDamage(err error) bool {
	if err == nil {
		return false
	}
	failure := backup.AsFailure("", err)
	return failure.Class == backup.Permanent && damaged.MatchString(failure.Message)
}
