package borg

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
	"borgcron/internal/machine"
)

// mostOwnFiles bounds how many files of one folder are looked at: borg has about ten of a repository.
const mostOwnFiles = 100

// CheckOwner refuses to start borg where it would write among files of another user. One run as root leaves files in a user's
// cache that are closed to the user from then on, and a user's borg ends there with no more than a traceback. Only what borg
// needs of this one repository is looked at, and no deeper than its own files. The error is a *backup.Failure.
func (c *Client) CheckOwner(ctx context.Context, r backup.Repository) error {
	id := ""
	if r.IsLocal() {
		id = readRepositoryID(r.Key())
	}
	if id == "" && c.KnownID != nil {
		id = c.KnownID(ctx, r.Key())
	}
	refused := map[string]error{}
	for _, folder := range c.Folders(r) {
		err := c.refuse(folder, id)
		if first, known := refused[folder.What]; !known || first != nil { // the versions differ in where they look: one that is fine will do
			refused[folder.What] = err
		}
	}
	for _, what := range []string{cacheFolder, configFolder} { // keys are only read
		if err := refused[what]; err != nil {
			return err
		}
	}
	return nil
}

// refuse tells what of a folder is another user's, nil for nothing.
func (c *Client) refuse(folder Folder, id string) error {
	above, info := existing(folder.Path)
	if uid, foreign := c.foreign(above, info); foreign {
		return notOurs(folder, above, uid)
	}
	if above != folder.Path {
		return nil
	}
	own := []string{}
	if repositoryIDs.MatchString(id) {
		own = append(own, id)
	}
	if folder.What == configFolder {
		own = append([]string{"."}, own...)
		for i := range own {
			own[i] = filepath.Join("security", own[i])
		}
	}
	for _, name := range own {
		if path, uid, foreign := c.within(filepath.Join(folder.Path, name), filepath.Base(name) == id); foreign {
			return notOurs(folder, path, uid)
		}
	}
	return nil
}

// within looks at a folder that perhaps is there, and at the files in it if they are wanted.
func (c *Client) within(folder string, files bool) (path string, uid int, foreign bool) {
	info, err := os.Stat(folder)
	if err != nil {
		return "", 0, false
	}
	if uid, foreign := c.foreign(folder, info); foreign {
		return folder, uid, true
	}
	opened, err := os.Open(folder)
	if err != nil || !files || os.Geteuid() == 0 { // root can use whatever lies in a folder of its own
		return "", 0, false
	}
	defer opened.Close()
	entries, _ := opened.ReadDir(mostOwnFiles) // of what cannot be read borg says it
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		if info, err := os.Stat(path); err == nil {
			if uid, foreign := c.foreign(path, info); foreign {
				return path, uid, true
			}
		}
	}
	return "", 0, false
}

func (c *Client) foreign(path string, info fs.FileInfo) (uid int, foreign bool) {
	if info == nil {
		return 0, false
	}
	uid, foreign = machine.Foreign(path, info, unix.W_OK)
	return uid, foreign && (os.Geteuid() != 0 || !slices.Contains(c.Owners, uid))
}

// existing is the folder, or the next one above it that is there and can be seen: in that borg would make it.
func existing(folder string) (path string, info fs.FileInfo) {
	for path = filepath.Clean(folder); ; path = filepath.Dir(path) {
		if info, err := os.Stat(path); err == nil || path == filepath.Dir(path) {
			return path, info
		}
	}
}

// notOurs says whose it is, and what to do. Root can change the owner, or be the other user; a user can ask root.
func notOurs(folder Folder, path string, uid int) error {
	owner, we := machine.UserName(uid), machine.UserName(os.Geteuid())
	failure := &backup.Failure{Code: -1, Class: backup.Permanent}
	failure.Message = fmt.Sprintf("%s (%s) is not for %s who runs this: %s belongs to %s", folder.What, folder.Path, we, path, owner)
	failure.Hint = fmt.Sprintf("run borgcron as %s only, or as root: chown -R %s: %s", owner, we, folder.Path)
	if os.Geteuid() == 0 {
		failure.Message += ", who could not use what root leaves there"
		failure.Hint = fmt.Sprintf("run as that user: sudo -H -u %s borgcron; or with root's own HOME: sudo -H borgcron", owner)
	}
	return failure
}
