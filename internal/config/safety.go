package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"borgcron/internal/process"

	"go.yaml.in/yaml/v4"
)

// Machine is what the checks of permissions ask the machine.
type Machine interface {
	Lstat(path string) (Entry, error)
	LookPath(program string) (string, error)
	UserID(name string) (int, error)
	Opened(file fs.FileInfo) Entry
}

// Entry is a file or a folder.
type Entry struct {
	UID  int
	Mode fs.FileMode
	Link string // what a symbolic link leads to
}

// thisMachine is the machine that the program runs on.
type thisMachine struct{}

// Lstat looks at a path without following it.
func (m thisMachine) Lstat(path string) (Entry, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return Entry{}, err
	}
	entry := m.Opened(info)
	if info.Mode()&fs.ModeSymlink != 0 {
		entry.Link, err = os.Readlink(path)
	}
	return entry, err
}

// Opened tells of a file that is open, whatever its path leads to by now.
func (thisMachine) Opened(info fs.FileInfo) Entry {
	entry := Entry{UID: -1, Mode: info.Mode()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		entry.UID = int(stat.Uid)
	}
	return entry
}

// LookPath finds a program on PATH.
func (thisMachine) LookPath(program string) (string, error) {
	return process.LookPath(program, os.Getenv("PATH"))
}

// UserID returns the number of a user.
func (thisMachine) UserID(name string) (int, error) {
	found, err := user.Lookup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(found.Uid)
}

// risk is what is unsafe about a path.
type risk struct {
	message string
	warning bool // a group that can write is only doubtful
}

// risks tells who else could change what is at a path: by writing to it, to what its links lead to, or to a
// folder above any of them. What cannot be looked at is no risk here; whoever needs it will say so.
func risks(machine Machine, path string, owners []int) []risk {
	var found []risk
	here, links := "/", 0
	for pending := strings.Split(path, "/"); len(pending) > 0 && links < 40; {
		next := filepath.Join(here, pending[0]) // the first is "": the root itself. Nothing is cleaned: LINK/.. is not where the link stands
		pending = pending[1:]
		entry, err := machine.Lstat(next)
		if err != nil {
			break
		}
		for _, r := range risksOf(next, entry, owners) {
			if !slices.Contains(found, r) {
				found = append(found, r)
			}
		}
		if entry.Mode&fs.ModeSymlink == 0 {
			here = next
			continue
		}
		links++
		if filepath.IsAbs(entry.Link) {
			here = "/"
		}
		pending = append(strings.Split(entry.Link, "/"), pending...)
	}
	return found
}

// risksOf judges one entry. A sticky folder such as /tmp is safe for what the owners have in it, and that is
// judged with the entry below.
func risksOf(path string, entry Entry, owners []int) []risk {
	if entry.Mode&fs.ModeDevice != 0 {
		return nil // such as /dev/null: who writes to it changes nothing, and only root makes one
	}
	var found []risk
	if entry.UID >= 0 && !slices.Contains(owners, entry.UID) {
		found = append(found, risk{message: fmt.Sprintf("%s belongs to neither root nor the owner that --config-owner names (user id %d)", quote(path), entry.UID)})
	}
	sticky := entry.Mode.IsDir() && entry.Mode&fs.ModeSticky != 0
	switch {
	case entry.Mode&fs.ModeSymlink != 0 || sticky:
	case entry.Mode.Perm()&0o002 != 0:
		found = append(found, risk{message: fmt.Sprintf("%s can be written by everybody", quote(path))})
	case entry.Mode.Perm()&0o020 != 0:
		found = append(found, risk{message: fmt.Sprintf("%s can be written by its group", quote(path)), warning: true})
	}
	return found
}

// owners are the users that root trusts with its configuration.
func (e *Environment) owners() []int {
	owners := []int{0}
	if e.Owner != "" {
		if id, err := e.machine().UserID(e.Owner); err == nil {
			owners = append(owners, id)
		}
	}
	return owners
}

// Owners are the users whose files and folders root uses as its own: itself, and who --config-owner names.
func (c *Config) Owners() []int { return c.env.owners() }

func (e *Environment) machine() Machine {
	if e.Machine == nil {
		return thisMachine{}
	}
	return e.Machine
}

// Unsafe tells why root must not write to a path, "" if it may: somebody else could put a link to any file of
// the machine there. What another user does with files of his own is up to him.
func (e *Environment) Unsafe(path string) string {
	if e.UID != 0 {
		return ""
	}
	for _, r := range risks(e.machine(), path, e.owners()) {
		if !r.warning {
			return r.message
		}
	}
	return ""
}

// unsafeFile checks as root who can write a configuration file that was read, and tells whether it must not be
// used. The opened file is looked at as well as its path, which may lead to another one by now.
func (l *loader) unsafeFile(path string, opened fs.FileInfo, scope Scope) bool {
	if l.env.UID != 0 {
		return false
	}
	owners := l.env.owners()
	if l.env.Owner != "" && scope.Part == Whole && len(owners) < 2 {
		l.errors = append(l.errors, Mistake{Place: Place{File: path}, Message: "--config-owner names a user that is not known: " + quote(l.env.Owner)})
	}
	unsafe := false
	found := risks(l.env.machine(), path, owners)
	for _, r := range risksOf(path, l.env.machine().Opened(opened), owners) {
		if !r.warning && !slices.Contains(found, r) {
			found = append(found, r)
		}
	}
	for _, r := range found {
		m := Mistake{Place: Place{File: path}, Message: "unsafe for root: " + r.message, Scope: scope}
		if r.warning {
			l.warnings = append(l.warnings, m)
		} else {
			l.errors = append(l.errors, m)
			unsafe = true
		}
	}
	return unsafe
}

// found is something that is looked at once everything is read.
type found struct {
	thing thing
	node  *yaml.Node
	path  []string
	value string
}

func (l *loader) note(what thing, node *yaml.Node, path []string) {
	if what == inlineSecret {
		if doc := l.origin[node]; doc != nil {
			doc.secret = true
			doc.hide(node)
		}
	}
	l.found = append(l.found, found{what, l.copy(node), slices.Clone(path), node.Value}) // the node itself may become something else
}

// checkFound looks at the programs and the secrets that the configuration names.
func (l *loader) checkFound() {
	for _, f := range l.found {
		switch f.thing {
		case inlineSecret:
			if doc := l.origin[f.node]; doc != nil && doc.file.Mode().Perm()&0o077 != 0 {
				l.wrong(f.node, f.path, fmt.Sprintf("a secret may stand only in a file that its owner alone can read: chmod 600 this file, or move the secret into a file of its own (`%s: {file: ...}`)", label(f.path)), "")
			}
		case secretFile:
			l.checkSecretFile(f)
		case program:
			l.checkProgram(f, f.value)
		case list:
			l.checkList(f)
		case commandLine:
			if words := strings.Fields(f.value); len(words) > 0 {
				l.checkProgram(f, strings.Trim(words[0], `"'`))
			}
		}
	}
}

// checkSecretFile checks who can read a secret. Where systemd and container engines put secrets, everybody there may.
func (l *loader) checkSecretFile(f found) {
	for _, folder := range []string{l.env.Getenv("CREDENTIALS_DIRECTORY"), "/run/secrets"} {
		if folder != "" && strings.HasPrefix(filepath.Clean(f.value), filepath.Clean(folder)+"/") {
			return
		}
	}
	entry, err := l.follow(f.value)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.doubt(f.node, f.path, fmt.Sprintf("the file %s of `%s` does not exist", quote(f.value), label(f.path)))
	case err != nil: // who cannot look cannot tell
	case entry.Mode.Perm()&0o004 != 0:
		l.wrong(f.node, f.path, fmt.Sprintf("`%s` can be read by everybody: chmod 600 %s", label(f.path), quote(f.value)), "")
	case entry.Mode.Perm()&0o040 != 0:
		l.doubt(f.node, f.path, fmt.Sprintf("`%s` can be read by a group: better chmod 600 %s", label(f.path), quote(f.value)))
	}
}

func (l *loader) follow(path string) (Entry, error) {
	for range 40 {
		entry, err := l.env.machine().Lstat(path)
		if err != nil || entry.Mode&fs.ModeSymlink == 0 {
			return entry, err
		}
		if !filepath.IsAbs(entry.Link) {
			entry.Link = filepath.Join(filepath.Dir(path), entry.Link)
		}
		path = entry.Link
	}
	return Entry{}, syscall.ELOOP
}

// checkProgram checks as root who can change a program that root is going to run.
func (l *loader) checkProgram(f found, name string) {
	if l.env.UID != 0 {
		return
	}
	path := name
	if !filepath.IsAbs(path) {
		var err error
		if path, err = l.env.machine().LookPath(name); err != nil || !filepath.IsAbs(path) {
			return // a word of the shell, or nothing that could be run
		}
	}
	for _, r := range risks(l.env.machine(), path, l.env.owners()) {
		if r.warning {
			l.doubt(f.node, f.path, "unsafe for root: "+r.message)
		} else {
			l.wrong(f.node, f.path, "unsafe for root: "+r.message, "")
		}
	}
}

// checkList looks as root at a file of patterns: whoever can write it decides what is left out of root's
// backups. A list that users keep of their own data may be meant so, hence it is only doubtful.
func (l *loader) checkList(f found) {
	if reason := l.env.Unsafe(f.value); reason != "" {
		l.doubt(f.node, f.path, "others decide what is left out: "+reason)
	}
}
