package setup

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"borgcron/internal/backup"
)

// Files are where the files are that a configuration names.
type Files struct {
	Passphrase string // of a passphrase in a file
	KnownHosts string // where it holds the server's key
}

// Configuration is the text of a configuration with this job, with comments for whoever goes on from there. Main tells whether it
// is the main file or one beside it.
func (a Answers) Configuration(files Files, main bool, now time.Time) string {
	var text strings.Builder
	line := func(format string, arguments ...any) { fmt.Fprintf(&text, format+"\n", arguments...) }
	line("# Made by `borgcron init` on %s, and yours from now on: after a change run `borgcron config check`.", now.Format(time.DateOnly))
	line("# Every key is in the manual (docs/reference.md); for completion in an editor: borgcron config schema")
	if main {
		line("\n# A file a job, as `borgcron init JOB` writes them.")
		line("include: [jobs.d/*.yaml]")
	}
	if !a.Configured {
		line("\nrepositories:")
		a.repository(line, files)
	}
	line("\njobs:")
	a.job(line)
	return text.String()
}

func (a Answers) repository(line func(string, ...any), files Files) {
	line("  %s:", scalar(a.Repository))
	line("    location: %s", scalar(a.Location))
	switch {
	case a.Passphrase.Kept == ByCommand:
		line("    passphrase: {command: %s}", quoted(a.Passphrase.Command)) // goes to the shell as it is
	case a.Passphrase.Kept != Nowhere:
		line("    # Keep a copy of the passphrase elsewhere: without it nobody can read the backup.")
		line("    passphrase: {file: %s}", scalar(files.Passphrase))
	case !a.Adopted:
		line("    # Whoever gets hold of the repository can read everything in it.")
		line("    encryption: none")
	}
	if a.Adopted {
		line("    # This repository was there before. Write `single` if it holds that %s.", backup.SinglePromise)
		line("    # Only then may a lock that a dead run left behind be broken.")
		line("    clients: shared")
	} else {
		line("    # `single` promises that %s.", backup.SinglePromise)
		line("    # Only then may a lock that a dead run left behind be broken. If it does not hold write `shared`.")
		line("    clients: single")
	}
	var ssh []string
	if a.Identity != "" {
		ssh = append(ssh, "identity: "+scalar(a.Identity))
	}
	if a.HostKey != "" {
		ssh = append(ssh, "known_hosts: "+scalar(files.KnownHosts))
	}
	if len(ssh) > 0 {
		line("    ssh: {%s}", strings.Join(ssh, ", "))
	}
	if a.RemotePath != "" {
		line("    remote_path: %s", scalar(a.RemotePath))
	}
	if a.Borg != "" {
		line("    borg: %s", scalar(a.Borg))
	}
	if strings.HasPrefix(a.Location, "/") {
		line("    # min_free: 2GiB           # with less room there is no backup, but old ones are pruned")
	} else {
		line("    # upload_limit: 5MiB/s")
	}
}

func (a Answers) job(line func(string, ...any)) {
	line("  %s:", scalar(a.Job))
	line("    repository: %s", scalar(a.Repository))
	line("    sources:")
	for _, source := range a.Sources {
		line("      - %s", scalar(source))
	}
	line("    exclude_caches: true         # folders that are marked as caches")
	line("    # exclude: [\"sh:/home/*/.cache\", \"*.iso\"]")
	if a.When.At != "" {
		line("    at: %s", quoted(a.When.At))
	} else {
		line("    every: %s", a.When.Every)
	}
	if a.Retention.KeepAll {
		line("    retention: keep_all          # nothing is ever deleted")
	} else {
		line("    retention: %s", Rules(a.Retention))
	}
	line("    # verify: {every: 30d}       # restores files by chance and compares them")
	line("    # hooks: [{when: before, run: \"...\"}]")
	line("    # notify: see docs/notifications.md")
}

// plain are texts that YAML takes as they are, and as texts.
var plain = regexp.MustCompile(`^(/|[A-Za-z0-9_.-]+@|ssh://|[A-Za-z][A-Za-z0-9_-]*$)[A-Za-z0-9_/.@:~+-]*$`)

// scalar writes a value of which ${NAME} means nothing.
func scalar(s string) string {
	if plain.MatchString(s) && !strings.HasSuffix(s, ":") && !words[strings.ToLower(s)] {
		return s
	}
	return quoted(strings.ReplaceAll(s, "${", "$${"))
}

// words are those that YAML takes for something else than a text.
var words = map[string]bool{"null": true, "true": true, "false": true, "yes": true, "no": true, "on": true, "off": true, "y": true, "n": true}

// quoted writes a text between quotes; what JSON takes, YAML does.
func quoted(s string) string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s) // a text always can be
	return strings.TrimSpace(text.String())
}
