package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	thismachine "borgcron/internal/machine" // package machine, a name that is taken in here
)

const (
	systemState   = "/var/lib/borgcron"
	systemRuntime = "/run/borgcron"
)

// decodePaths works out the folders and the name of this machine.
func (l *loader) decodePaths() {
	var paths Paths
	if _, node := lookup(l.root, "paths"); node != nil {
		l.decode(node, &paths)
	}
	c := l.config
	c.State = string(paths.State)
	if c.State == "" {
		c.State = l.stateFolder()
	}
	c.State = filepath.Clean(c.State)
	if reason := l.env.Unsafe(c.State); reason != "" {
		l.wrongAt(nil, "the state folder is unsafe for root: "+reason+l.env.rather(c.State), "paths", "state")
	}
	if given := l.env.Getenv("STATE_DIRECTORY"); given != "" {
		folders := strings.Split(given, ":")
		if !slices.ContainsFunc(folders, func(folder string) bool { return filepath.Clean(folder) == c.State }) {
			l.wrongAt(nil, fmt.Sprintf("$STATE_DIRECTORY names another state folder than %s: two would be two locks; set `paths.state`, or take StateDirectory= out of the unit",
				quote(c.State)), "paths", "state")
		}
	}
	c.Runtime = string(paths.Runtime)
	if c.Runtime == "" {
		c.Runtime = l.runtimeFolder()
	}
	c.Runtime = filepath.Clean(c.Runtime)
	l.decodeHost()
	node := mapping()
	node.Content = append(node.Content, text("state"), text(c.State), text("runtime"), text(c.Runtime))
	set(l.root, "paths", node)
	set(l.root, "host", text(c.Host))
}

func (l *loader) stateFolder() string {
	entry, err := l.env.Machine.Lstat(systemState)
	if l.env.UID == 0 || err == nil && entry.Mode.IsDir() && entry.UID == l.env.UID {
		return systemState
	}
	if folder := l.env.Getenv("XDG_STATE_HOME"); filepath.IsAbs(folder) {
		return filepath.Join(folder, "borgcron")
	}
	if l.env.Home == "" {
		l.wrongAt(nil, "there is no home folder to keep the state in: set `paths.state`", "paths", "state")
		return systemState
	}
	return filepath.Join(l.env.Home, ".local", "state", "borgcron")
}

func (l *loader) runtimeFolder() string {
	if l.env.UID == 0 {
		return systemRuntime
	}
	given, _, _ := strings.Cut(l.env.Getenv("RUNTIME_DIRECTORY"), ":")
	if filepath.IsAbs(given) {
		return given
	}
	if folder := l.env.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(folder) {
		return filepath.Join(folder, "borgcron")
	}
	return filepath.Join(l.config.State, "run")
}

// decodeHost takes the name of this machine from the file, else from the state folder, else from the machine.
func (l *loader) decodeHost() {
	c := l.config
	if _, node := lookup(l.root, "host"); node != nil {
		if c.Host = node.Value; !validName.MatchString(c.Host) {
			l.wrong(node, nil, "`host` has at most 64 letters, digits, _ . and -, and begins with a letter or a digit", "")
		}
		return
	}
	short, _, _ := strings.Cut(l.env.Hostname, ".")
	if c.Host = short; !validName.MatchString(c.Host) {
		c.Host = "localhost"
	}
	c.keepHost = c.Host
	if kept, _, err := readFile(c.hostFile()); err == nil {
		if name := strings.TrimSpace(string(kept)); validName.MatchString(name) {
			c.Host, c.keepHost = name, ""
		}
	}
}

// hostFile is where the name of this machine is kept.
func (c *Config) hostFile() string { return filepath.Join(c.State, "host") }

// KeepHost writes the name of this machine to the state folder, if the configuration does not say it and it
// is not there yet, so that a machine that is renamed goes on with its series of archives.
func (c *Config) KeepHost() error {
	if c.keepHost == "" {
		return nil
	}
	// Not by way of $TMPDIR, which is perhaps another's.
	err := renameio.WriteFile(c.hostFile(), []byte(c.keepHost+"\n"), 0o644, renameio.WithStaticPermissions(0o644), renameio.WithTempDir(c.State))
	if err != nil {
		return fmt.Errorf("keep the host's name: %w", err)
	}
	return nil
}

// MakeState makes the state folder, which everybody may enter, and refuses one that belongs to another user or
// in which others can put files in the place of ours. It is looked at again once it is made: in a folder such
// as /tmp somebody else may have been first.
func (c *Config) MakeState() error {
	if reason := c.env.Unsafe(c.State); reason != "" {
		return unusable(reason)
	}
	if err := os.MkdirAll(filepath.Dir(c.State), 0o755); err != nil {
		return fmt.Errorf("make the state folder: %w; make it, or set paths.state", err)
	}
	switch err := os.Mkdir(c.State, 0o755); {
	case err == nil:
		if err := os.Chmod(c.State, 0o755); err != nil { // whatever the umask is
			return fmt.Errorf("make the state folder: %w", err)
		}
	case !errors.Is(err, fs.ErrExist):
		return fmt.Errorf("make the state folder: %w; make it, or set paths.state", err)
	}
	info, err := os.Stat(c.State)
	if err != nil {
		return fmt.Errorf("look at the state folder: %w", err)
	}
	reason := c.env.Unsafe(c.State)
	if reason == "" {
		reason = notOurs(c.State, c.env.machine().Opened(info), append(c.env.owners(), c.env.UID))
	}
	if reason != "" {
		return unusable(reason)
	}
	return c.sameOwner(info)
}

// rather says who is to run it if the state folder is another user's, "" if that is not what is wrong.
func (e *Environment) rather(state string) string {
	entry, err := e.machine().Lstat(state)
	if err != nil || !entry.Mode.IsDir() || entry.UID < 0 || slices.Contains(e.owners(), entry.UID) {
		return ""
	}
	return fmt.Sprintf("; if the backups are that user's: sudo -u %s borgcron", thismachine.UserName(entry.UID))
}

// sameOwner refuses the records of another user. Root would leave among those of --config-owner's user what is closed to that
// user from then on; a folder whose records are root's, as in a container, is root's. Others could lock nothing.
func (c *Config) sameOwner(folder fs.FileInfo) error {
	owner := c.env.machine().Opened(folder).UID
	records, remedy := []string{"locks"}, fmt.Sprintf("as root: chown -R %s: %s; or set paths.state to a folder of your own", thismachine.UserName(c.env.UID), c.State)
	if c.env.UID == 0 && owner <= 0 {
		return nil
	}
	if c.env.UID == 0 {
		records, remedy = []string{"history.db", "locks", "status"}, fmt.Sprintf("run it as that user: sudo -u %s borgcron", thismachine.UserName(owner))
	} else if _, foreign := thismachine.Foreign(c.State, folder, unix.W_OK); foreign {
		return fmt.Errorf("the state folder %s belongs to another user (%s) and cannot be written; %s", quote(c.State), thismachine.UserName(owner), remedy)
	}
	for _, name := range records {
		entry, err := c.env.machine().Lstat(filepath.Join(c.State, name))
		if err == nil && entry.UID >= 0 && entry.UID != c.env.UID {
			return fmt.Errorf("the state folder %s has the records of another user (%s); %s", quote(c.State), thismachine.UserName(entry.UID), remedy)
		}
	}
	return nil
}

func unusable(reason string) error {
	return fmt.Errorf("the state folder cannot be used: %s; set paths.state to a folder of your own", reason)
}

// notOurs tells why a folder is none in which only its owner makes files. That it is sticky does not help:
// others could still make files that are not there yet.
func notOurs(path string, folder Entry, owners []int) string {
	switch {
	case !folder.Mode.IsDir():
		return fmt.Sprintf("%s is no folder", quote(path))
	case folder.UID >= 0 && !slices.Contains(owners, folder.UID):
		return fmt.Sprintf("%s belongs to another user (user id %d)", quote(path), folder.UID)
	case folder.Mode.Perm()&0o002 != 0:
		return fmt.Sprintf("%s can be written by everybody", quote(path))
	}
	return ""
}
