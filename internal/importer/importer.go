// Package importer turns the configurations of other backup tools into one of borgcron, and says of each of their keys
// what became of it.
package importer

// A Source is one file to import.
type Source struct {
	Path    string
	Content []byte
}

// Options are what an import depends on beside its files.
type Options struct {
	SecretDir string                            // the folder for secrets in files of their own; "" leaves them out and says so
	Hostname  string                            // the short host name, which {hostname} stands for
	FQDN      string                            // the full host name, which {fqdn} stands for; "" if unknown
	User      string                            // of who imports, which {user} stands for; "" if unknown
	Home      string                            // of who imports, for a leading ~/; "" if unknown
	ReadFile  func(path string) ([]byte, error) // for what a file includes
	Programs  bool                              // whether `command`s that give secrets may be taken over as they are
}

// A Result is a configuration and what is to be known about it.
type Result struct {
	Config  []byte // YAML with comments; `config check` passes
	Secrets []SecretFile
	Notes   []Note
	Times   []TimeFile
}

// A TimeFile is where another tool kept when the backup of a job last succeeded. It may not be there.
type TimeFile struct {
	Job  string
	Path string
}

// A SecretFile is to be written with mode 0600 beside the configuration, which refers to it.
type SecretFile struct {
	Path    string
	Content []byte
}

// A Note says what became of one key, variable or command.
type Note struct {
	File    string
	Line    int // from 1; 0 if it has none
	Key     string
	Fate    Fate
	Message string // of what it became, or why it was left; never a secret
}

// A Fate is what became of a key.
type Fate int

// From well to ill.
const (
	Taken   Fate = iota // means the same in borgcron
	Changed             // means nearly the same; the message says what differs
	Left                // has no equal; a comment stands in its place where that helps
)

func (f Fate) String() string {
	return [...]string{"taken", "changed", "left"}[f]
}
