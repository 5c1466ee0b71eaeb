package borg

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
	"borgcron/internal/process"
)

// Version is a version of borg.
type Version struct{ Major, Minor, Patch int }

// String returns the version as borg writes it, without what is behind the numbers.
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

// AtLeast tells whether the version is this one or later.
func (v Version) AtLeast(major, minor, patch int) bool {
	if v.Major != major {
		return v.Major > major
	}
	if v.Minor != minor {
		return v.Minor > minor
	}
	return v.Patch >= patch
}

// Version returns the version of the repository's borg. Versions that we do not know how to drive are a
// permanent failure.
func (c *Client) Version(ctx context.Context, r backup.Repository) (Version, error) {
	_, version, err := c.program(ctx, r)
	return version, err
}

// versionTimeout is generous: a cold Python on a slow disk takes its time.
const versionTimeout = time.Minute

// cached is what a program said its version was when it was this file.
type cached struct {
	Size    int64     `json:"size"`
	Changed time.Time `json:"changed"`
	Version Version   `json:"version"`
}

func (c *Client) version(ctx context.Context, path string) (Version, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Version{}, notStarted(err)
	}
	cache := c.readCache()
	entry, ok := cache[path]
	if !ok || entry.Size != info.Size() || !entry.Changed.Equal(info.ModTime()) {
		version, err := c.askVersion(ctx, path)
		if err != nil {
			return Version{}, err
		}
		entry = cached{Size: info.Size(), Changed: info.ModTime(), Version: version}
		cache[path] = entry
		c.writeCache(cache)
	}
	return entry.Version, supported(entry.Version)
}

func supported(v Version) error {
	hint := "install borg 1.2 or 1.4, or name its program with the key `borg` of the repository"
	switch {
	case !v.AtLeast(1, 2, 0):
		return &backup.Failure{Code: -1, Class: backup.Permanent, Message: "borg " + v.String() + " is too old", Hint: hint}
	case v.AtLeast(2, 0, 0):
		return &backup.Failure{Code: -1, Class: backup.Permanent, Message: "borg " + v.String() + " is not supported yet", Hint: hint}
	}
	return nil
}

var versionText = regexp.MustCompile(`^borg\S* (\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?`)

func (c *Client) askVersion(ctx context.Context, path string) (Version, error) {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	stdout := &limited{}
	err := process.Run(ctx, process.Command{
		Path: path, Args: []string{"--version"}, Env: entries(c.variables(backup.Repository{})), Stdout: stdout,
	})
	if err != nil {
		return Version{}, notStarted(err)
	}
	version, ok := parseVersion(stdout.text)
	if !ok {
		return Version{}, &backup.Failure{
			Code: -1, Class: backup.Permanent, Message: path + " does not say its version as borg does",
			Hint: "look at the key `borg` of the repository",
		}
	}
	return version, nil
}

// parseVersion reads what `borg --version` prints.
func parseVersion(text []byte) (Version, bool) {
	m := versionText.FindSubmatch(bytes.TrimSpace(text))
	if m == nil {
		return Version{}, false
	}
	number := func(text []byte) int {
		n, _ := strconv.Atoi(string(text))
		return n
	}
	return Version{number(m[1]), number(m[2]), number(m[3])}, true
}

func (c *Client) cacheFile() string { return filepath.Join(c.State, "borg-versions.json") }

// maxCache is more bytes than the file ever has.
const maxCache = 1 << 20

// readCache never fails: what cannot be read is asked again.
func (c *Client) readCache() map[string]cached {
	cache := map[string]cached{}
	if c.State == "" {
		return cache
	}
	// Nothing is followed, waited for or read without end: at worst borg is asked again.
	file, err := os.OpenFile(c.cacheFile(), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return cache
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return cache
	}
	data, err := io.ReadAll(io.LimitReader(file, maxCache))
	if err == nil && json.Unmarshal(data, &cache) != nil {
		cache = map[string]cached{}
	}
	if cache == nil { // the file says null
		cache = map[string]cached{}
	}
	return cache
}

// writeCache is allowed to fail: then borg is asked again the next time.
func (c *Client) writeCache(cache map[string]cached) {
	if c.State == "" {
		return
	}
	data, err := json.Marshal(cache)
	if err != nil {
		return
	}
	file, err := os.CreateTemp(c.State, ".borg-versions-*")
	if err != nil {
		return
	}
	_, err = file.Write(data)
	if closeErr := file.Close(); err == nil && closeErr == nil && os.Rename(file.Name(), c.cacheFile()) == nil {
		return
	}
	_ = os.Remove(file.Name())
}

// forgetVersion has the program asked again at the next call.
func (c *Client) forgetVersion(path string) {
	cache := c.readCache()
	if _, ok := cache[path]; ok {
		delete(cache, path)
		c.writeCache(cache)
	}
}
