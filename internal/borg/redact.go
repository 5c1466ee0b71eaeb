package borg

import (
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"borgcron/internal/backup"
)

// redactor replaces, in what borg says, every spelling of the repository's location by its name, and the
// passphrase should it ever occur.
type redactor struct {
	pattern *regexp.Regexp // nil: nothing to replace
	name    string
	secret  string
	remote  bool
}

// minSecret is the length of a passphrase below which replacing it would rather garble other words.
const minSecret = 4

func newRedactor(call backup.Call, passphrase []byte) *redactor {
	d := &redactor{name: call.Job.RepositoryName(call.Repository), remote: !call.Repository.IsLocal()}
	if len(passphrase) >= minSecret {
		d.secret = string(passphrase)
	}
	words, host := spellings(call.Repository)
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) }) // the longest first
	var alternatives []string
	for _, word := range slices.Compact(words) {
		if len(strings.Trim(word, "/.")) > 1 { // "/" and the like are no secret
			alternatives = append(alternatives, regexp.QuoteMeta(word))
		}
	}
	if len(host) > 1 {
		alternatives = append(alternatives, regexp.QuoteMeta(host)+`(?:\.[\w-]+)*`) // also with its domain
	}
	if len(alternatives) > 0 {
		// As a whole only: neither the end of a longer path or host nor the beginning of a longer word.
		d.pattern = regexp.MustCompile(`(^|[^\w.-])(?:` + strings.Join(alternatives, "|") + `)(?:/?)($|[^\w.-]|\.\W|\.$)`)
	}
	return d
}

// spellings are the ways in which borg, ssh and the server may write where a repository is, and its host.
func spellings(r backup.Repository) (words []string, host string) {
	location := strings.TrimRight(r.Location, "/")
	if r.IsLocal() {
		path := strings.TrimPrefix(location, "file://")
		words = []string{location, path, filepath.Clean(path), "file://" + filepath.Clean(path)}
		if absolute, err := filepath.Abs(path); err == nil {
			words = append(words, absolute)
			if resolved, err := filepath.EvalSymlinks(absolute); err == nil {
				words = append(words, resolved)
			}
		}
		return words, ""
	}
	words = []string{location, r.Key()}
	authority, path, found := strings.Cut(location, ":")
	if rest, ok := strings.CutPrefix(location, "ssh://"); ok {
		words = append(words, rest, strings.TrimPrefix(r.Key(), "ssh://"))
		authority, path, found = strings.Cut(rest, "/")
		path = "/" + path
	}
	host = authority[strings.LastIndex(authority, "@")+1:]
	words = append(words, authority, host)
	if name, port, ok := strings.Cut(host, ":"); ok && strings.Trim(port, "0123456789") == "" {
		host = name
		words = append(words, strings.TrimSuffix(authority, ":"+port))
	}
	if relative := strings.TrimPrefix(path, "/./"); found {
		words = append(words, path, relative, strings.TrimPrefix(path, "/~/"))
	}
	return words, host
}

// redact replaces all that it knows in a text.
func (d *redactor) redact(text string) string {
	if d.secret != "" {
		text = strings.ReplaceAll(text, d.secret, "[secret]")
	}
	if d.pattern != nil {
		// Twice: one boundary may end the one match and begin the next.
		for range 2 {
			text = d.pattern.ReplaceAllString(text, "${1}"+strings.ReplaceAll(d.name, "$", "$$")+"${2}")
		}
	}
	if d.remote {
		text = word.ReplaceAllStringFunc(text, d.address)
	}
	return text
}

// word finds what may be the address of a server.
var word = regexp.MustCompile(`[^\s()'"]+`)

// address replaces the address of a server, which ssh names where it could name the host.
func (d *redactor) address(word string) string {
	plain := strings.TrimRight(word, ".,;:")
	_, err := netip.ParseAddrPort(plain)
	if err != nil {
		_, err = netip.ParseAddr(strings.Trim(plain, "[]"))
	}
	if err != nil {
		return word
	}
	return d.name + word[len(plain):]
}
