package borg

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"borgcron/internal/backup"
)

// inherited are the variables that borg gets as the caller has them. Everything else might change what it
// does, above all a stray BORG_REPO or BORG_PASSPHRASE.
var inherited = []string{
	"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "SSH_AUTH_SOCK", "TZ",
}

// environment makes a map of NAME=VALUE.
func environment(environ []string) map[string]string {
	variables := make(map[string]string, len(environ))
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		variables[name] = value
	}
	return variables
}

// variables is borg's environment before what depends on the one call.
func (c *Client) variables(r backup.Repository) map[string]string {
	env, caller := maps.Clone(r.Env), environment(c.Environ)
	if env == nil {
		env = map[string]string{}
	}
	for _, name := range inherited {
		value, set := caller[name]
		if _, own := env[name]; set && !own {
			env[name] = value
		}
	}
	set := func(name, value string) {
		if value != "" {
			env[name] = value
		}
	}
	set("LANG", "C.UTF-8")
	set("LC_ALL", "C.UTF-8") // under C names that are not ASCII would come as question marks
	set("BORG_EXIT_CODES", "modern")
	set("BORG_DISPLAY_PASSPHRASE", "no")
	set("SSH_ASKPASS_REQUIRE", "never")
	set("BORG_REPO", escapeBraces(r.Location))
	set("BORG_HOST_ID", c.HostID)
	set("BORG_CACHE_DIR", r.Cache)
	set("BORG_KEYS_DIR", r.Keys)
	if !r.IsLocal() {
		set("BORG_RSH", remoteShell(r.SSH))
	}
	return env
}

// environment is the whole environment of one call.
func (c *Client) environment(call backup.Call, zone, passphrase bool) []string {
	env := c.variables(call.Repository)
	if !zone {
		env["TZ"] = "UTC"
	}
	if passphrase {
		env["BORG_PASSPHRASE_FD"] = strconv.Itoa(passphraseFD)
	}
	return entries(env)
}

func entries(env map[string]string) []string {
	list := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

// remoteShell is the command line for ssh, which borg splits by the rules of a shell.
func remoteShell(s backup.SSH) string {
	words := []string{s.Command}
	if s.Command == "" {
		words[0] = "ssh"
	}
	for _, option := range sshOptions(s) {
		words = append(words, quote(option))
	}
	return strings.Join(words, " ")
}

// sshOptions are the words behind ssh's name. The owner's options come first because ssh takes the first value it is given;
// ours see to it that it neither asks nor hangs.
func sshOptions(s backup.SSH) []string {
	var words []string
	for _, option := range s.Options {
		words = append(words, "-o", option)
	}
	if s.Identity != "" {
		words = append(words, "-i", s.Identity, "-o", "IdentitiesOnly=yes")
	}
	if s.Port != 0 {
		words = append(words, "-p", strconv.Itoa(s.Port))
	}
	if s.KnownHosts != "" {
		words = append(words, "-o", "UserKnownHostsFile="+sshQuote(s.KnownHosts))
	}
	for _, option := range []string{
		"BatchMode=yes", "ConnectTimeout=30", "ServerAliveInterval=10", "ServerAliveCountMax=30",
		"ControlMaster=no", "ControlPath=none", "StrictHostKeyChecking=yes",
	} {
		words = append(words, "-o", option)
	}
	return words
}

// sshQuote protects a blank in a value that ssh itself would split.
func sshQuote(s string) string {
	if strings.ContainsAny(s, " \t") {
		return `"` + s + `"`
	}
	return s
}

// quote makes one word of s for whoever splits by the rules of a shell.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@%+=:,./_-", r)
	}
	if s != "" && strings.TrimFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'"
}

// passphraseFD is where borg finds its passphrase: a pipe is seen neither in its arguments nor in its
// environment.
const passphraseFD = 3

// handed are the files that borg inherits.
type handed struct {
	inherited []*os.File // descriptors 3, 4, ...
	pipe      *os.File   // ours to close
}

// handOver prepares what borg inherits: the passphrase in a pipe, if there is one, and the lock.
func handOver(passphrase []byte, lock *os.File) (*handed, error) {
	h := &handed{}
	if passphrase != nil {
		if len(passphrase) > maxPassphrase {
			return nil, fmt.Errorf("the passphrase is longer than %d bytes", maxPassphrase)
		}
		r, w, err := os.Pipe()
		if err != nil {
			return nil, fmt.Errorf("make a pipe for the passphrase: %w", err)
		}
		defer w.Close()
		if _, err := w.Write(passphrase); err != nil {
			r.Close()
			return nil, fmt.Errorf("hand the passphrase over: %w", err)
		}
		h.pipe, h.inherited = r, append(h.inherited, r)
	}
	if lock != nil {
		h.inherited = append(h.inherited, lock)
	}
	return h, nil
}

// maxPassphrase fits into any pipe before somebody reads.
const maxPassphrase = 4096

func (h *handed) close() {
	if h.pipe != nil {
		h.pipe.Close()
	}
}
