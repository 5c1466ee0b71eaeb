package condition

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/moby/sys/mountinfo"

	"borgcron/internal/backup"
)

// Ready tells whether what the job backs up is there: each source exists, each path of guard.mounted is a
// mount point. The error is a *backup.Failure that names all that is missing. If everything that is missing
// stands under conditions.mounted too, there is no error but a reason to skip the run.
func (c *Checker) Ready(ctx context.Context, job *backup.Job) (reason string, err error) {
	var missing []string
	expected := true
	note := func(path, what string) {
		if text := backup.Clean(path + " " + what); !slices.Contains(missing, text) {
			missing = append(missing, text)
		}
		expected = expected && slices.ContainsFunc(job.Conditions.Mounted, func(mount string) bool {
			return filepath.Clean(mount) == filepath.Clean(path)
		})
	}
	for _, path := range job.Guard.Mounted {
		switch is, err := c.mounted(ctx, path); {
		case err != nil:
			note(path, "cannot be looked at: "+why(err))
		case !is:
			note(path, "is not mounted")
		}
	}
	for _, path := range slices.Concat(job.Sources, patternRoots(job.Patterns)) {
		switch link, err := isFolderLink(ctx, path); {
		case missingPath(err):
			note(path, "does not exist")
		case err != nil:
			note(path, "cannot be looked at: "+why(err))
		case link:
			note(path, "is a symbolic link to a folder, and borg would archive the link alone")
		}
	}
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case len(missing) == 0:
		return "", nil
	case expected:
		return strings.Join(missing, ", "), nil
	}
	return "", &backup.Failure{
		Op: string(backup.Create), Code: -1, Class: backup.Permanent,
		Message: "sources are not as they should be: " + strings.Join(missing, ", "),
		Hint:    "mount or restore what is missing, name the folder that a link leads to, or take it out of the configuration (optional_sources may be missing)",
	}
}

// Present returns the paths that exist. One that cannot be looked at counts as present, for borg to say so:
// left out it would be missing in the archive without a word.
func (c *Checker) Present(ctx context.Context, paths []string) []string {
	var present []string
	for _, path := range paths {
		if !missingPath(exists(ctx, path)) {
			present = append(present, path)
		}
	}
	return present
}

// patternRoots are the paths that borg's patterns add to the sources: "R PATH".
func patternRoots(patterns []string) []string {
	var roots []string
	for _, pattern := range patterns {
		if root, ok := strings.CutPrefix(strings.TrimSpace(pattern), "R "); ok {
			roots = append(roots, strings.TrimSpace(root))
		}
	}
	return roots
}

// isFolderLink tells whether a path that must be there is a symbolic link to a folder: its archive would be
// green and empty.
func isFolderLink(ctx context.Context, path string) (bool, error) {
	return within(ctx, statTimeout, func() (bool, error) {
		info, err := os.Lstat(path)
		if err != nil || info.Mode().Type() != os.ModeSymlink {
			return false, err
		}
		target, err := os.Stat(path)
		return err == nil && target.IsDir(), nil
	})
}

// exists looks at the path itself, as borg does: a symbolic link counts, wherever it leads.
func exists(ctx context.Context, path string) error {
	_, err := within(ctx, statTimeout, func() (os.FileInfo, error) { return os.Lstat(path) })
	return err
}

func missingPath(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// why is an error's cause without the path, which stands before it already.
func why(err error) string {
	var pathError *os.PathError
	if errors.As(err, &pathError) {
		return pathError.Err.Error()
	}
	return err.Error()
}

func (c *Checker) mounted(ctx context.Context, path string) (bool, error) {
	look := c.Mounted
	if look == nil {
		look = isMountPoint
	}
	return within(ctx, statTimeout, func() (bool, error) { return look(path) })
}

// isMountPoint tells whether something is mounted at the path itself. An automount point that has nothing
// mounted yet is made to, and does not count if that fails.
func isMountPoint(path string) (bool, error) {
	real, err := filepath.EvalSymlinks(path)
	if missingPath(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if real, err = filepath.Abs(real); err != nil {
		return false, err
	}
	// Opening starts an automount; the table tells whether that worked.
	if folder, err := os.OpenFile(real, os.O_RDONLY|syscall.O_DIRECTORY, 0); err == nil {
		folder.Close()
	}
	if is, err := mountinfo.Mounted(real); err != nil || !is {
		return false, err
	}
	mounts, err := mountinfo.GetMounts(func(info *mountinfo.Info) (skip, stop bool) {
		return info.Mountpoint != real, false
	})
	if err != nil {
		return false, fmt.Errorf("read the table of mounts: %w", err)
	}
	// The last one lies on top. The root of a chroot may not be in the table.
	return len(mounts) == 0 || mounts[len(mounts)-1].FSType != "autofs", nil
}
