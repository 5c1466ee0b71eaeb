package borg

import (
	"path/filepath"

	"borgcron/internal/backup"
)

// What a folder is for.
const (
	cacheFolder  = "borg's cache"
	configFolder = "borg's configuration" // with `security` and `keys` below
)

// Folder is one in which borg keeps something of its own.
type Folder struct{ What, Path string }

// Folders are those in which borg writes on this machine when it works on the repository: caches, and what it knows of
// repositories for its and their safety. Not all of them need exist.
func (c *Client) Folders(r backup.Repository) []Folder {
	env := c.variables(r)
	var folders []Folder
	for _, path := range cacheFolders(env) {
		folders = append(folders, Folder{cacheFolder, path})
	}
	for _, path := range configFolders(env) {
		folders = append(folders, Folder{configFolder, path})
	}
	if r.Keys != "" {
		folders = append(folders, Folder{"borg's keys", r.Keys})
	}
	return folders
}

// configFolders are the places where the borgs 1.2 and 1.4 look for their configuration, see cacheFolders.
func configFolders(env map[string]string) []string {
	if folder, set := env["BORG_CONFIG_DIR"]; set {
		return []string{folder}
	}
	if base := env["BORG_BASE_DIR"]; base != "" {
		return []string{filepath.Join(base, ".config", "borg")}
	}
	if folder, set := env["XDG_CONFIG_HOME"]; set {
		return []string{filepath.Join(folder, "borg")}
	}
	var folders []string
	for _, home := range homes(env) {
		folders = append(folders, filepath.Join(home, ".config", "borg"))
	}
	return folders
}
