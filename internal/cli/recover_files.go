package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"borgcron/internal/backup"
)

// recentArchives are looked at first: on a server that is far, each costs an answer.
const recentArchives = 20

// bringBack finds the newest configuration in the repository and brings its files back.
func (r *recovery) bringBack(ctx context.Context) error {
	var err error
	if r.archives, err = r.client.Archives(ctx, r.call, "*"); err != nil {
		return err
	}
	if len(r.archives) == 0 {
		return exitError{exitFailed, errors.New("there is no archive in this repository")}
	}
	newest := r.archives[len(r.archives)-1]
	fmt.Fprintf(r.env.Stdout, "The repository has %s, the newest %s of %s.\n", counted(len(r.archives), "archive"), backup.Clean(newest.Name), r.when(newest))
	if err := r.findBootstrap(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return exitError{exitFailed, fmt.Errorf("make the folder for the configuration: %w", err)}
	}
	if r.files, err = os.OpenRoot(r.dir); err != nil { // no link in the archive leads out of it
		return exitError{exitFailed, fmt.Errorf("open the folder for the configuration: %w", err)}
	}
	report, err := r.client.ExtractFiles(ctx, r.call, r.found.Archive.Name, r.dir, r.found.Files)
	if err != nil {
		return err
	}
	for _, warning := range report.Warnings {
		r.env.Log.Warn(warning.Message)
	}
	return r.settle()
}

// findBootstrap finds the archive that --archive names among those with a configuration.
func (r *recovery) findBootstrap(ctx context.Context) error {
	for _, last := range []int{recentArchives, 0} {
		if r.options.archive != "latest" && last > 0 {
			continue
		}
		found, err := r.client.Bootstraps(ctx, r.call, last)
		if err != nil {
			return err
		}
		var archives []backup.Archive
		for _, bootstrap := range found {
			archives = append(archives, bootstrap.Archive)
		}
		archive, err := backup.WhichArchive(archives, r.options.archive, r.env.Now())
		if len(found) > 0 && err != nil {
			return exitError{exitFailed, fmt.Errorf("archives with a configuration: %w", err)}
		}
		if i := slices.IndexFunc(found, func(b backup.Bootstrap) bool { return b.Archive.ID == archive.ID }); i >= 0 {
			r.found = found[i]
			return nil
		}
	}
	return exitError{exitFailed, errors.New("no archive in this repository holds a configuration of borgcron's" +
		"\n  hint: write one of four lines with this repository (see docs/configuration.md); then 'borgcron archives' and 'borgcron restore' work with it")}
}

// settle puts what a symbolic link led to in its place, and says what came back.
func (r *recovery) settle() error {
	var missing []string
	for i, path := range r.found.Files {
		info, err := r.files.Lstat(below(path))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, path)
			continue
		case err != nil:
			return exitError{exitFailed, err}
		case info.Mode().Type() == fs.ModeSymlink && i+1 < len(r.found.Files):
			if err := r.replaceLink(path, r.found.Files[i+1]); err != nil {
				return exitError{exitFailed, err}
			}
		case !info.Mode().IsRegular():
			return exitError{exitFailed, fmt.Errorf("%s is no regular file in the archive", path)}
		}
	}
	fmt.Fprintf(r.env.Stdout, "Its configuration, of %s (archive %s), is in %s:\n", r.when(r.found.Archive), backup.Clean(r.found.Archive.Name), r.dir)
	for _, path := range r.found.Files {
		if !slices.Contains(missing, path) {
			fmt.Fprintf(r.env.Stdout, "  %s\n", backup.Clean(path))
		}
	}
	if len(missing) > 0 {
		r.env.Log.Warn("the archive does not hold " + strings.Join(missing, ", "))
	}
	return nil
}

// replaceLink makes of a link a file with the content of what it led to, as that is here now.
func (r *recovery) replaceLink(link, target string) error {
	content, err := r.files.ReadFile(below(target))
	if err != nil {
		return fmt.Errorf("what %s led to: %w", link, err)
	}
	if err := r.files.Remove(below(link)); err != nil {
		return err
	}
	return r.files.WriteFile(below(link), content, 0o600)
}

// inside is where a file of the archive is now.
func (r *recovery) inside(path string) string { return filepath.Join(r.dir, path) }

// below is a path of the archive as seen from the folder.
func below(path string) string { return strings.TrimPrefix(path, "/") }

func (r *recovery) when(archive backup.Archive) string {
	return archive.Time.Local().Format("2006-01-02 15:04") + " (" + humanize.RelTime(archive.Time, r.env.Now(), "ago", "ahead") + ")"
}

// counted says how many of something there are.
func counted(n int, what string) string {
	if n == 1 {
		return "one " + what
	}
	return humanize.Comma(int64(n)) + " " + what + "s"
}
