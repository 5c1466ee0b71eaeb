package borg

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var repositoryIDs = regexp.MustCompile(`^[0-9a-f]{64}$`)

// readRepositoryID reads borg's id of a local repository from its configuration, "" if that does not tell.
func readRepositoryID(folder string) string {
	data, _, err := readForeign(filepath.Join(folder, "config"), 1<<20)
	if err != nil {
		return ""
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), "=")
		if value = strings.TrimSpace(value); strings.TrimSpace(key) == "id" && repositoryIDs.MatchString(value) {
			return value
		}
	}
	return ""
}

// caches are the folders in which borg may keep what it knows of the repository; of all repositories, if the
// id is not known.
func caches(env map[string]string, repositoryID string) ([]string, error) {
	var folders []string
	for _, above := range cacheFolders(env) {
		if repositoryIDs.MatchString(repositoryID) {
			folders = append(folders, filepath.Join(above, repositoryID))
			continue
		}
		entries, err := os.ReadDir(above)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("look for borg's caches: %w", err)
		}
		for _, entry := range entries {
			if repositoryIDs.MatchString(entry.Name()) {
				folders = append(folders, filepath.Join(above, entry.Name()))
			}
		}
	}
	return folders, nil
}

// cacheFolders are the places where the borgs 1.2 and 1.4 look for their caches: a variable that is set counts
// even if it is empty, but for BORG_BASE_DIR and HOME.
func cacheFolders(env map[string]string) []string {
	if folder, set := env["BORG_CACHE_DIR"]; set {
		return []string{folder}
	}
	if base := env["BORG_BASE_DIR"]; base != "" {
		return []string{filepath.Join(base, ".cache", "borg")}
	}
	if folder, set := env["XDG_CACHE_HOME"]; set {
		return []string{filepath.Join(folder, "borg")}
	}
	var folders []string
	for _, home := range homes(env) {
		folders = append(folders, filepath.Join(home, ".cache", "borg"))
	}
	return folders
}

// homes are the folders that borg takes for the user's: without HOME that of the account, and from 1.4 on also
// if HOME is that of root, who runs something for another user.
func homes(env map[string]string) []string {
	var homes []string
	if home := env["HOME"]; home != "" {
		homes = append(homes, home)
		root, err := user.LookupId("0")
		if os.Geteuid() == 0 || err != nil || filepath.Clean(home) != filepath.Clean(root.HomeDir) {
			return homes
		}
	}
	if account, err := user.Lookup(env["USER"]); err == nil {
		homes = append(homes, account.HomeDir)
	}
	if account, err := user.Current(); err == nil && !slices.Contains(homes, account.HomeDir) {
		homes = append(homes, account.HomeDir)
	}
	return homes
}
