package borg_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"borgcron/internal/backup"
	"borgcron/internal/borg"
)

// Whose folders stop a borg of root's: those that it writes in, or would make others in. What lies in a folder of its own root can
// use. How a user sees it is tested with a user.
func TestCheckOwnerAsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	const other = 65534
	id, foreign := strings.Repeat("ab", 32), strings.Repeat("cd", 32)
	cache, config := "home/.cache/borg", "home/.config/borg"
	for name, row := range map[string]struct {
		others []string // what another user has, folders but for `file`
		env    []string
		owners []int
		want   string // the path that is named, "" if nothing is refused
	}{
		"all is root's":                {},
		"home":                         {others: []string{"home"}, want: "home"},
		"home, and the cache is ours":  {others: []string{"home", "!" + cache}, want: "home"},
		"home of who owns all":         {others: []string{"home"}, owners: []int{0, other}},
		"cache":                        {others: []string{cache}, want: cache},
		"the repository's cache":       {others: []string{cache + "/" + id}, want: cache + "/" + id},
		"another repository's cache":   {others: []string{cache + "/" + foreign, config + "/security/" + foreign}},
		"a file in it":                 {others: []string{cache + "/" + id + "/file", cache + "/file"}},
		"what is known of security":    {others: []string{config + "/security"}, want: config + "/security"},
		"the same of the repository":   {others: []string{config + "/security/" + id}, want: config + "/security/" + id},
		"home, where it is not used":   {others: []string{"home"}, env: []string{"XDG_CACHE_HOME=DIR/c", "XDG_CONFIG_HOME=DIR/f"}},
		"home, where half of it is":    {others: []string{"home"}, env: []string{"XDG_CACHE_HOME=DIR/c"}, want: "home"},
		"a cache elsewhere":            {others: []string{"c/borg"}, env: []string{"XDG_CACHE_HOME=DIR/c"}, want: "c/borg"},
		"keys, which are but read":     {others: []string{config + "/keys"}},
		"a folder that cannot be made": {others: []string{"c"}, env: []string{"XDG_CACHE_HOME=DIR/c/d/e"}, want: "c"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, path := range row.others {
				path, ours := strings.CutPrefix(path, "!")
				folder := filepath.Join(dir, strings.TrimSuffix(path, "file"))
				err := os.MkdirAll(folder, 0o700)
				if strings.HasSuffix(path, "file") {
					err = errors.Join(err, os.WriteFile(filepath.Join(dir, path), nil, 0o600))
				}
				if !ours {
					err = errors.Join(err, os.Chown(filepath.Join(dir, path), other, other))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			c := &borg.Client{Environ: []string{"HOME=" + dir + "/home"}, Owners: row.owners}
			c.KnownID = func(_ context.Context, key string) string {
				if key != "ssh://nas/r" {
					t.Errorf("asked for %q", key)
				}
				return id
			}
			for _, variable := range row.env {
				c.Environ = append(c.Environ, strings.ReplaceAll(variable, "DIR", dir))
			}
			err := c.CheckOwner(t.Context(), backup.Repository{Location: "ssh://nas/r"})
			var failure *backup.Failure
			switch {
			case row.want == "" && err == nil:
			case !errors.As(err, &failure) || failure.Class != backup.Permanent || failure.Hint == "" ||
				row.want == "" || !strings.Contains(failure.Message, ": "+filepath.Join(dir, row.want)+" belongs to "):
				t.Errorf("%v, want %q", err, row.want)
			}
		})
	}
}
