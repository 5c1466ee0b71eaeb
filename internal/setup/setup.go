// Package setup is what a first set-up needs to know: what the answers are, whether they hold when they are tried, and the
// configuration that they make.
package setup

import (
	"crypto/rand"
	"path/filepath"
	"regexp"
	"strings"

	"borgcron/internal/backup"
)

// Answers are what a new job is made of.
type Answers struct {
	Job        string
	Repository string // its name in the configuration
	Configured bool   // the configuration has this repository already: nothing is written about it
	Sources    []string
	Location   string
	NewFolder  bool   // it is a folder of this machine that was not there
	Adopted    bool   // there was a repository at the location
	Encrypted  bool   // it has a passphrase
	Identity   string // key for ssh, "" for ssh's own
	RemotePath string // borg on the server, "" for the one on its PATH
	Borg       string // borg here, "" for the one on PATH
	HostKey    string // lines for known_hosts, "" where ssh knows the server
	Passphrase Passphrase
	Retention  backup.Retention
	When       When
}

// Passphrase is how the passphrase is kept.
type Passphrase struct {
	Kept    Kept
	File    string // where it is in the end; for Made and Typed one of ours
	Command string
}

// Kept are the ways to keep a passphrase.
type Kept string

// Made: random, in a file of ours. Typed: by a person, in a file of ours. InFile, ByCommand: the owner's own. Nowhere: there is
// none, as there is no encryption.
const (
	Made      Kept = "new"
	Typed     Kept = "ask"
	InFile    Kept = "file"
	ByCommand Kept = "command"
	Nowhere   Kept = "none"
)

// Ours tells whether the passphrase is put into a file of ours.
func (p Passphrase) Ours() bool { return p.Kept == Made || p.Kept == Typed }

// When is when the job is due.
type When struct {
	At      string // a time of day, or systemd's OnCalendar
	Every   string // with At empty
	Install bool   // start it from now on
}

// alphabet are letters that nobody takes for others, 32 of them: five bits each.
const alphabet = "abcdefghijkmnpqrstuvwxyz23456789"

// NewPassphrase makes one of 140 random bits that can be typed: seven groups of four letters.
func NewPassphrase() string {
	random := make([]byte, 28)
	_, _ = rand.Read(random) // never fails
	var text strings.Builder
	for i, b := range random {
		if i > 0 && i%4 == 0 {
			text.WriteByte('-')
		}
		text.WriteByte(alphabet[b%32])
	}
	return text.String()
}

var notInName = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

// JobName is what a job with these sources is called if nobody says: home, etc, ...
func JobName(sources []string, home string) string {
	for _, source := range sources {
		if source == "/home" || strings.HasPrefix(source, "/home/") || home != "" && source == home {
			return "home"
		}
	}
	if len(sources) == 0 || sources[0] == "/" {
		return "system"
	}
	name := strings.Trim(notInName.ReplaceAllString(filepath.Base(sources[0]), "-"), "-._")
	if name == "" || strings.HasSuffix(name, ".checkpoint") || strings.HasSuffix(name, ".dumps") {
		return "files"
	}
	return name[:min(len(name), 64)]
}
