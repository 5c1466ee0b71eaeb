// Package schedule makes what starts runs by itself, units of systemd or lines of cron, and puts it in its place.
package schedule

import (
	"path/filepath"
	"slices"
	"strings"

	"borgcron/internal/backup"
)

// Plan is what a schedule is made of. The zero values of the optional fields are safe.
type Plan struct {
	Program     string   // absolute path of borgcron
	Config      string   // --config, "": where it is found anyway
	ConfigOwner string   // --config-owner, "" for none
	Personal    bool     // units of the user's own manager, not of the machine's
	User        string   // who a unit of the machine runs as, "" for root
	Home        string   // of who the units run as
	Environment []string // NAME=value, beside HOME
	State       string   // the state folder
	Calendars   []string // when to look for what is due, in systemd's words; empty: every 15 minutes
	Credentials []Credential
	Open        bool     // jobs run commands of the owner's own, of which nobody knows what they need
	OpenAlways  bool     // so do secrets and channels, which `status --notify` needs too
	Strict      bool     // such commands get no more rights than we do
	Databases   bool     // servers are asked, whose sockets may lie anywhere
	Read, Write []string // paths that borg reads, and that it or we write
}

// Credential is a secret that systemd hands to a service.
type Credential struct{ Name, Path string }

// Take adds what the jobs need.
func (p *Plan) Take(jobs []backup.Job) {
	timed := len(jobs) > 0
	for i := range jobs {
		timed = timed && len(jobs[i].At) > 0
		p.take(&jobs[i])
	}
	for i := range jobs {
		for _, calendar := range jobs[i].At {
			if timed && !slices.Contains(p.Calendars, calendar.Text) {
				p.Calendars = append(p.Calendars, calendar.Text)
			}
		}
	}
}

func (p *Plan) take(job *backup.Job) {
	p.Open = p.Open || len(job.Hooks) > 0 || job.Conditions.Command != ""
	p.Read = append(p.Read, job.Sources...)
	p.Read = append(p.Read, job.OptionalSources...)
	for _, pattern := range job.Patterns {
		if root, ok := strings.CutPrefix(pattern, "R "); ok {
			p.Read = append(p.Read, strings.TrimSpace(root))
		}
	}
	if len(job.PatternsFrom) > 0 { // roots may stand there
		p.Read = append(p.Read, "/")
	}
	p.Write = append(p.Write, job.Spool)
	for _, database := range job.Databases {
		p.Databases = true
		p.Open = p.Open || database.Container != "" || database.RunAs != ""
		if database.Path != "" { // SQLite keeps files of its own beside one that it only reads
			p.Write = append(p.Write, filepath.Dir(database.Path))
		}
	}
	p.Read = append(append(p.Read, job.ExcludeFrom...), job.PatternsFrom...)
	for _, repository := range job.Repositories {
		p.Read = append(p.Read, repository.SSH.Identity, repository.SSH.KnownHosts, repository.Borg)
		if repository.IsLocal() {
			p.Write = append(p.Write, repository.Key())
		}
		p.Write = append(p.Write, repository.Cache, repository.Keys)
		for _, name := range []string{"BORG_BASE_DIR", "BORG_CACHE_DIR", "BORG_CONFIG_DIR", "BORG_SECURITY_DIR", "BORG_KEYS_DIR", "TMPDIR"} {
			p.Write = append(p.Write, repository.Env[name])
		}
	}
}

// writable are the folders that a service that may write nothing else needs, sorted, each once.
func (p *Plan) writable() []string {
	var paths []string
	for _, path := range append(slices.Clone(p.Write), p.State, p.Home) {
		if path = filepath.Clean(path); filepath.IsAbs(path) && path != "/" {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// touches tells whether something that is read or written lies in a folder, or is above it: what hides the
// folder would then make an archive incomplete without a word.
func (p *Plan) touches(folder string) bool {
	return slices.ContainsFunc(slices.Concat(p.Read, p.Write, []string{p.State, p.Home}), func(path string) bool {
		return path != "" && (within(filepath.Clean(path), folder) || within(folder, filepath.Clean(path)))
	})
}

func within(path, folder string) bool {
	return path == folder || folder == "/" || strings.HasPrefix(path, folder+"/")
}

// command is the command line of a verb, word by word.
func (p *Plan) command(verb ...string) []string {
	words := append([]string{p.Program}, verb...)
	if p.Config != "" {
		words = append(words, "--config", p.Config)
	}
	if p.ConfigOwner != "" {
		words = append(words, "--config-owner", p.ConfigOwner)
	}
	return words
}
