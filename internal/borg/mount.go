package borg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/moby/sys/mountinfo"

	"borgcron/internal/backup"
	"borgcron/internal/process"
)

// Mount is what is mounted where.
type Mount struct {
	Dir        string // absolute
	Archive    string // "": all archives that match, a folder each
	Match      string
	Options    string // of FUSE, as after borg's -o
	Foreground bool   // borg ends when it is unmounted, or stopped; else it goes on in the background
}

// Mount mounts archives by FUSE. In the background borg goes on when this returns, and keeps the lock that it inherited.
func (c *Client) Mount(ctx context.Context, call backup.Call, m Mount) error {
	var o options
	o.flag("foreground", m.Foreground)
	if m.Archive == "" {
		o.text("glob-archives", escapeBraces(m.Match))
	}
	if m.Options != "" {
		o = append(o, "-o", m.Options)
	}
	_, err := c.run(ctx, call, task{command: "mount", archive: m.Archive, options: o, paths: []string{m.Dir}})
	var failure *backup.Failure
	if errors.As(err, &failure) && failure.Hint == "" {
		failure.Hint = mountHint(strings.Join(append(failure.Tail, failure.Message), "\n"))
	}
	return err
}

// mountHint says what to do about what borg and FUSE said; it has no message id.
func mountHint(said string) string {
	switch {
	case strings.Contains(said, "no FUSE support"):
		return "borg finds neither pyfuse3 nor llfuse: install python3-pyfuse3 or python3-llfuse, or name a borg that has one with the key `borg`"
	case strings.Contains(said, "exec fusermount"):
		return "install fuse3"
	case strings.Contains(said, "user_allow_other"):
		return "only root may give others access, unless /etc/fuse.conf has the line user_allow_other"
	}
	return ""
}

// CheckFUSE tells why nothing can be mounted on this machine, as far as that can be seen beforehand.
func (c *Client) CheckFUSE() error {
	if runtime.GOOS != "linux" {
		return nil
	}
	device, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	switch {
	case errors.Is(err, os.ErrPermission):
		return refused("mount", "you may not use FUSE: "+err.Error(), "usually everybody may (chmod a+rw /dev/fuse); a container needs --device /dev/fuse")
	case err != nil:
		return refused("mount", "there is no FUSE here: "+err.Error(), "load it (modprobe fuse); a container needs --device /dev/fuse and the right to mount (CAP_SYS_ADMIN)")
	}
	device.Close()
	if os.Getuid() == 0 {
		return nil
	}
	if _, err := c.fusermount(); err != nil {
		return refused("mount", "only root can mount without fusermount: "+err.Error(), "install fuse3")
	}
	return nil
}

func (c *Client) fusermount() (string, error) {
	path, err := process.LookPath("fusermount3", environment(c.Environ)["PATH"])
	if err != nil {
		path, err = process.LookPath("fusermount", environment(c.Environ)["PATH"])
	}
	return path, err
}

// ErrBusy is in the chain of an error of Unmount if somebody uses what is mounted.
var ErrBusy = errors.New("it is in use")

// Unmount unmounts what borg has mounted at the folder. Lazy: also while somebody uses it; it vanishes at once, and borg
// ends with its last user.
func (c *Client) Unmount(ctx context.Context, dir string, lazy bool) error {
	var said []string
	command := process.Command{Env: entries(map[string]string{"PATH": environment(c.Environ)["PATH"], "LC_ALL": "C"}), Line: func(line []byte) {
		said = append(said, string(line))
	}}
	path, err := c.fusermount()
	switch {
	case runtime.GOOS == "linux" && err == nil:
		command.Path, command.Args = path, []string{"-u", "-z", dir}
		if !lazy {
			command.Args = []string{"-u", dir}
		}
	default:
		if command.Path, err = process.LookPath("umount", environment(c.Environ)["PATH"]); err != nil {
			return fmt.Errorf("unmount %s: %w", dir, err)
		}
		command.Args = []string{"-l", dir}
		if !lazy || runtime.GOOS != "linux" {
			command.Args = []string{dir}
		}
	}
	err = process.Run(ctx, command)
	words := strings.Join(said, "; ")
	switch {
	case err == nil:
		return nil
	case strings.Contains(words, "busy"):
		return fmt.Errorf("unmount %s: %w", dir, ErrBusy)
	case words != "":
		return fmt.Errorf("unmount %s: %s", dir, backup.Clean(words))
	}
	return fmt.Errorf("unmount %s: %w", dir, err)
}

// Mounted tells whether something is mounted at the folder, and whether that is borg's. It looks at the list of mounts, as a
// folder whose borg has died cannot be looked at.
func Mounted(dir string) (mounted, ours bool, err error) {
	mounts, err := mountinfo.GetMounts(mountinfo.SingleEntryFilter(dir))
	if err != nil || len(mounts) == 0 {
		return false, false, err
	}
	top := mounts[len(mounts)-1] // what was mounted last hides the others
	return true, top.Source == "borgfs" || runtime.GOOS != "linux", nil
}

// RealPath is the path of a folder as the list of mounts has it, also of one that cannot be looked at.
func RealPath(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real, nil
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(dir))
	if err != nil {
		return "", err
	}
	return filepath.Join(parent, filepath.Base(dir)), nil
}
