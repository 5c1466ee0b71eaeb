package backup

import (
	"path/filepath"
	"strings"
	"time"
)

// Secret tells where a secret is kept. At most one field is set; the zero value means that there is none.
type Secret struct {
	File       string // path of a file; trailing newlines are cut
	Command    string // command line for the shell, run by us; its stdout, trailing newlines cut
	Credential string // name of a systemd credential, also looked for in /run/secrets
	Env        string // name of an environment variable of ours
	Text       string // the secret itself
}

// IsZero tells whether no secret is configured.
func (s Secret) IsZero() bool { return s == Secret{} }

// Repository is where archives are kept, and how borg gets there.
type Repository struct {
	Name         string // "" for one that stands as a bare location in its job
	Location     string
	Passphrase   Secret
	Encryption   string // for init only
	Single       bool   // only this machine writes there (`clients: single`)
	LockWait     time.Duration
	SSH          SSH
	RemotePath   string
	Borg         string // program, "" for borg on PATH
	UploadLimit  int64  // bytes a second, 0: none
	Cache        string // BORG_CACHE_DIR, "" for borg's own
	Keys         string // BORG_KEYS_DIR, "" for borg's own
	MinFree      int64  // bytes, 0: none
	Env          map[string]string
	Problem      string // why it cannot be used; jobs that use it fail with that
	ProblemWhere string // the configuration's file and line of the problem
}

// SSH is how borg's ssh is called.
type SSH struct {
	Command    string
	Identity   string
	Port       int // 0: ssh's own
	KnownHosts string
	Options    []string // as for ssh -o
}

// Key identifies the repository for locks and records: its cleaned location. Two spellings of one local
// path have one key; what two different remote spellings share only borg's repository id can tell.
func (r Repository) Key() string {
	if r.IsLocal() {
		return filepath.Clean(strings.TrimPrefix(r.Location, "file://"))
	}
	if rest, ok := strings.CutPrefix(r.Location, "ssh://"); ok {
		authority, path, found := strings.Cut(rest, "/")
		if !found {
			return "ssh://" + authority
		}
		relative := strings.HasPrefix(path, "./") || strings.HasPrefix(path, "~")
		path = strings.TrimPrefix(filepath.Clean("/"+path), "/")
		if relative && !strings.HasPrefix(path, "~") {
			path = "./" + path
		}
		return "ssh://" + strings.TrimSuffix(authority, ":22") + "/" + path
	}
	return strings.TrimSuffix(r.Location, "/")
}

// IsLocal tells whether the repository is a folder of this machine. As in borg, a colon before the first
// slash makes a location remote (scp style), and so does ssh://.
func (r Repository) IsLocal() bool {
	if strings.HasPrefix(r.Location, "file://") {
		return true
	}
	if strings.Contains(r.Location, "://") {
		return false
	}
	head, _, _ := strings.Cut(r.Location, "/")
	return !strings.Contains(head, ":")
}

// Every is how often a step is due.
type Every struct {
	Interval time.Duration // with neither of the others set
	Always   bool
	Never    bool
}

// All is the retention count "no limit".
const All = -1

// Retention is which archives prune keeps, by borg's rules; zero: rule not used, All: no limit.
type Retention struct {
	Within                                string // borg's own notation, e.g. "2d"
	Last, Minutely, Hourly, Daily, Weekly int
	Monthly, ThirteenWeekly, ThreeMonthly int
	Yearly                                int
	KeepAll                               bool // nothing is ever deleted, on purpose
}

// IsZero tells whether there is no rule, so that nothing is ever deleted.
func (r Retention) IsZero() bool {
	r.KeepAll = false
	return r == Retention{}
}

// Retry is how a step that failed for a passing reason is tried again.
type Retry struct {
	Retries int // beyond the first attempt
	Wait    time.Duration
	Backoff float64 // the wait grows by this factor
	MaxWait time.Duration
}

// Timeout bounds a run. Zero: no limit.
type Timeout struct {
	Run         time.Duration
	Stall       time.Duration // without any sign of life from borg
	StallServer time.Duration // the same while the client only waits: check and compact
}

// Guard is what a believable archive looks like. Zero values: not asked.
type Guard struct {
	Mounted   []string
	MinFiles  int64
	MinSize   int64
	MaxShrink float64 // share by which files or original size may shrink, 0.5 for 50%; 0: not asked
}

// Conditions must hold before a run begins; each only if set.
type Conditions struct {
	OnAC         bool
	BatteryAbove int // percent; 0: not asked
	Unmetered    bool
	Mounted      []string
	Reachable    bool
	Command      string // for the shell: 0 holds, 1 does not
}

// Hook is a command line of the user's.
type Hook struct {
	When    Step // Before or After
	Run     string
	Timeout time.Duration // 0: none
	Warn    bool          // on_error: warn
	States  []Outcome     // After: only for these; empty: all
}

// PruneRule is when and what prune does.
type PruneRule struct {
	Every   Every
	Retries int
	Match   string // pattern of the archives of this series, borg's shell glob
}

// CompactRule is when compact runs; Threshold is a percentage.
type CompactRule struct {
	Every     Every
	Threshold int
}

// CheckRule is when and what check does.
type CheckRule struct {
	Every       Every
	Repository  bool
	Archives    bool
	Data        bool
	Last        int           // archives, 0: all
	MaxDuration time.Duration // 0: none
}

// VerifyRule is the restore drill's measure.
type VerifyRule struct {
	Every Every
	Files int
	Size  int64
}

// BorgOptions are the owner's own options for borg, by command.
type BorgOptions struct{ Create, Prune, Compact, Check []string }

// Job is one backup: what goes where, how often, for how long. A Job made by package config is complete and valid.
type Job struct {
	Name               string
	Host               string // {hostname} in archive names
	Repositories       []Repository
	Sources            []string
	OptionalSources    []string
	Exclude            []string
	ExcludeFrom        []string
	Patterns           []string
	PatternsFrom       []string
	ExcludeIfPresent   []string
	KeepExcludeTags    bool
	ExcludeCaches      bool
	ExcludeNodump      bool
	OneFileSystem      bool
	ReadSpecial        bool
	FilesCache         string
	Compression        string
	Chunker            string
	CheckpointInterval time.Duration
	Comment            string
	ArchiveName        string
	Bootstrap          []string // configuration files to back up too
	BootstrapNote      string   // says so in the archive's comment, see ParseBootstrap
	BorgOptions        BorgOptions
	Every              time.Duration
	At                 []Calendar
	StaleAfter         time.Duration
	Retry              Retry
	Timeout            Timeout
	Retention          Retention
	Prune              PruneRule
	Compact            CompactRule
	Check              CheckRule
	Verify             VerifyRule
	Guard              Guard
	Tolerate           []WarningKind
	Conditions         Conditions
	Nice               int    // 0: unset
	IONice             string // "" or "idle"
	Hooks              []Hook
	Databases          []Database
	Spool              string
	Notify             []string
	Problem            string // what is wrong in the configuration of this job; it is not run
	ProblemWhere       string // the file and line of the problem
}

// RepositoryName is what a repository of the job is called in everything that is shown: its name, else the job's.
func (j *Job) RepositoryName(r Repository) string {
	if r.Name != "" {
		return r.Name
	}
	return j.Name
}

// Roots are all paths that go to borg as sources, in their order.
func (j *Job) Roots() []string {
	roots := make([]string, 0, len(j.Sources)+len(j.OptionalSources)+len(j.Bootstrap))
	roots = append(roots, j.Sources...)
	roots = append(roots, j.OptionalSources...)
	if j.Spooled() {
		roots = append(roots, j.Spool)
	}
	return roots
}
