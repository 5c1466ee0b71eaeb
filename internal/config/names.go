package config

import (
	"fmt"
	"regexp"
	"strings"
)

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// checkNames checks the names of jobs, repositories and channels. A bad name stops everything, like one that
// is defined twice: records and locks are kept under it.
func (l *loader) checkNames() {
	for _, section := range []string{"repositories", "jobs", "notify"} {
		_, node := lookup(l.root, section)
		first := map[string]string{}
		for _, name := range keys(node) {
			key, _ := lookup(node, name)
			lower := strings.ToLower(name)
			message := ""
			switch {
			case !validName.MatchString(name):
				message = "a name begins with a letter or a digit and has at most 64 letters, digits, _ . and -"
			case section == "jobs" && (strings.HasSuffix(name, ".checkpoint") || strings.HasSuffix(name, ".dumps")):
				message = "a job's name must not end in .checkpoint or .dumps: its archives would be taken for others"
			case first[lower] != "":
				message = fmt.Sprintf("%s differs from %s by upper and lower case only", quote(name), quote(first[lower]))
			}
			if message != "" {
				l.wrong(key, nil, message, "")
			}
			if first[lower] == "" {
				first[lower] = name
			}
		}
	}
}
