package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/borg"
	"borgcron/internal/lock"
	"borgcron/internal/process"
)

type mountOptions struct {
	from       readFrom
	archive    string
	dumps      bool
	foreground bool
	options    string
}

func newMountCommand(env *environment) *cobra.Command {
	var options mountOptions
	command := &cobra.Command{
		Use:   "mount JOB DIR",
		Short: "Look into the archives of a job as into folders",
		Long: `mount shows the archives of a job below DIR, a folder each, read-only, by FUSE; with --archive the one archive's
files. DIR must be an empty folder. Only who mounts can look into it, unless '-o allow_other' is given.

As long as it is mounted borg is at work on the repository: backups to it wait, or end as 'locked' (exit 75), until
'borgcron umount DIR'. So unmount when you are done.

An archive is named by latest, latest~2 (the second before it), its name or the beginning of it, or a time such as
yesterday, 2026-11-20 or '3 days ago'.`,
		Example: `  borgcron mount home /mnt/archives
  borgcron mount home /mnt/archives --archive yesterday
  borgcron mount home /mnt/archives -o versions      each file a folder with its versions
  borgcron umount /mnt/archives`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usage("mount takes a job and an empty folder")
			}
			return nil
		},
		ValidArgsFunction: func(command *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveFilterDirs
			}
			return env.completeJobs(command, args, start)
		},
		RunE: func(command *cobra.Command, args []string) error {
			return mountArchives(command.Context(), env, args[0], args[1], options)
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.archive, "archive", "", "only this `ARCHIVE`, its files right below DIR")
	flags.BoolVar(&options.dumps, "dumps", false, "the archives of dumps, instead of those of files")
	flags.BoolVarP(&options.foreground, "foreground", "f", false, "stay until it is unmounted; Ctrl-C unmounts")
	flags.StringVarP(&options.options, "options", "o", "", "`OPTIONS` of FUSE and of borg's mount, such as allow_other, uid=1000 or versions")
	env.addReadingFlags(command, &options.from)
	return command
}

// mounting is one call of mount.
type mounting struct {
	env     *environment
	parts   *parts
	options mountOptions
	call    backup.Call
	held    *lock.Held
	mount   borg.Mount
	what    string // in words
}

func mountArchives(ctx context.Context, env *environment, name, dir string, options mountOptions) error {
	loaded, err := env.loadConfig()
	if err != nil {
		return err
	}
	job, err := oneJob(loaded.Jobs, name)
	if err != nil {
		return err
	}
	parts, err := env.newParts(ctx, loaded)
	if err != nil {
		return err
	}
	defer parts.close()
	m := &mounting{env: env, parts: parts, options: options}
	m.mount = borg.Mount{Options: options.options, Foreground: options.foreground}
	if m.mount.Dir, err = mountPoint(dir); err != nil {
		return err
	}
	if err := parts.client.CheckFUSE(); err != nil {
		return failed(err)
	}
	m.warnOfSources(loaded.Jobs)
	if m.held, err = env.read(ctx, parts, job, options.from, m.lookUp); err != nil {
		return err
	}
	defer m.held.Close()
	if err := m.held.RecordMount(m.mount.Dir); err != nil {
		return exitError{exitFailed, fmt.Errorf("local lock: %w", err)}
	}
	if options.foreground {
		return m.stay(ctx)
	}
	return m.leave(ctx)
}

// lookUp finds what is to be mounted. That the repository can be read is known then, too.
func (m *mounting) lookUp(ctx context.Context, call backup.Call) error {
	m.call = call
	m.mount.Match, m.what = call.Job.Prune.Match, "archives"
	if m.options.dumps || call.Job.OnlyDumps() {
		m.mount.Match, m.what = call.Job.DumpsMatch(), "archives of dumps"
	}
	archives, err := m.parts.client.Archives(ctx, call, m.mount.Match)
	if err != nil {
		return failed(err)
	}
	text := m.options.archive
	if text == "" {
		text = "latest"
	}
	archive, err := backup.WhichArchive(archives, text, m.env.Now())
	if err != nil {
		return exitError{exitFailed, fmt.Errorf("%s of job %s: %w", m.what, call.Job.Name, err)}
	}
	m.what = fmt.Sprintf("%d %s of job %s", len(archives), m.what, call.Job.Name)
	if m.options.archive != "" {
		m.mount.Archive, m.what = archive.Name, "the archive "+backup.Clean(archive.Name)
	}
	return nil
}

// leave mounts in the background: borg keeps the lock that it inherited.
func (m *mounting) leave(ctx context.Context) error {
	if err := m.parts.client.Mount(ctx, m.call, m.mount); err != nil {
		return errors.Join(failed(err), m.clear(ctx)) // perhaps it had just gone to the background
	}
	if mounted, _, err := borg.Mounted(m.mount.Dir); err != nil || !mounted {
		return exitError{exitFailed, errors.Join(fmt.Errorf("borg ended without an error, but nothing is mounted at %s", m.mount.Dir), err)}
	}
	_ = m.held.Close() // from now on it is borg's alone
	if _, held, err := m.parts.locks.Holder(m.call.Repository.Key()); err != nil || !held {
		return exitError{exitFailed, errors.Join(fmt.Errorf("%s was unmounted again: borg does not keep the lock", m.mount.Dir), err, m.parts.client.Unmount(ctx, m.mount.Dir, true))}
	}
	m.say("borgcron umount " + m.mount.Dir)
	return nil
}

// say tells that it is mounted, and what that means for backups.
func (m *mounting) say(until string) {
	fmt.Fprintf(m.env.Stdout, "mounted at %s: %s\nbackups to this repository wait until: %s\n", m.mount.Dir, m.what, until)
}

// stay mounts and stays until it is unmounted, by us if a signal ends us.
func (m *mounting) stay(ctx context.Context) error {
	running, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	hurry := make(chan struct{}) // borg may ignore SIGINT as long as somebody uses what it has mounted
	running = process.WithHurry(running, hurry)
	ended := make(chan error, 1)
	go func() {
		ended <- m.parts.client.Mount(running, m.call, m.mount)
		close(ended)
	}()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case err := <-ended:
			return failed(err)
		case <-look.C:
			if mounted, _, err := borg.Mounted(m.mount.Dir); err == nil && mounted {
				look.Stop()
				m.say("Ctrl-C, or borgcron umount " + m.mount.Dir)
			}
		case <-ctx.Done():
			return m.endStay(context.WithoutCancel(ctx), func() { end(context.Cause(ctx)); close(hurry) }, ended)
		}
	}
}

// endStay unmounts and waits for borg. What somebody has open there does not keep it from going: whoever interrupts wants
// the end.
func (m *mounting) endStay(ctx context.Context, end func(), ended <-chan error) error {
	if mounted, _, err := borg.Mounted(m.mount.Dir); err == nil && !mounted { // not yet
		end()
		return errors.Join(failed(<-ended), m.clear(ctx))
	}
	err := m.parts.client.Unmount(ctx, m.mount.Dir, false)
	if errors.Is(err, borg.ErrBusy) {
		m.env.Log.Warn("somebody still uses "+m.mount.Dir+"; what is open there cannot be read any more", "mounted", m.what)
		err = m.parts.client.Unmount(ctx, m.mount.Dir, true)
		end()
		wait(ended)
		return err
	}
	if err == nil {
		select {
		case err := <-ended:
			return failed(err)
		case <-time.After(endGrace):
		}
	}
	end()
	wait(ended)
	return err
}

// wait waits for a borg that was told to end; that it did not end by itself is all that it says.
func wait(ended <-chan error) {
	for range ended { // until it is closed
	}
}

// clear unmounts what a borg that was ended may have left mounted.
func (m *mounting) clear(ctx context.Context) error {
	if mounted, ours, err := borg.Mounted(m.mount.Dir); err != nil || !mounted || !ours {
		return err
	}
	return m.parts.client.Unmount(context.WithoutCancel(ctx), m.mount.Dir, true)
}

// endGrace is how long borg may take to end once its archives are unmounted, before it is told to.
const endGrace = 10 * time.Second

// mountPoint is the folder's real path, if something can be mounted there without hiding anything.
func mountPoint(dir string) (string, error) {
	real, err := borg.RealPath(dir)
	if err != nil {
		return "", exitError{exitFailed, fmt.Errorf("the folder to mount at: %w", err)}
	}
	mounted, ours, err := borg.Mounted(real)
	switch {
	case err != nil:
		return "", exitError{exitFailed, fmt.Errorf("read the list of mounts: %w", err)}
	case ours:
		return "", exitError{exitFailed, fmt.Errorf("archives are already mounted at %s; to unmount them: borgcron umount %s", real, real)}
	case mounted:
		return "", exitError{exitFailed, fmt.Errorf("something else is mounted at %s: name an empty folder", real)}
	}
	entries, err := os.ReadDir(real)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", exitError{exitFailed, fmt.Errorf("there is no folder %s; make it: mkdir -p %s", real, real)}
	case errors.Is(err, syscall.ENOTDIR):
		return "", exitError{exitFailed, fmt.Errorf("%s is no folder: name an empty one", real)}
	case err != nil:
		return "", exitError{exitFailed, fmt.Errorf("the folder to mount at: %w", err)}
	case len(entries) > 0:
		return "", exitError{exitFailed, fmt.Errorf("%s is not empty, and what is in it would be hidden: name an empty folder", real)}
	}
	return real, nil
}

// warnOfSources names the jobs that would back up what is mounted.
func (m *mounting) warnOfSources(jobs []backup.Job) {
	for i := range jobs {
		for _, root := range jobs[i].Roots() {
			inside, err := filepath.Rel(root, m.mount.Dir)
			if err == nil && filepath.IsAbs(root) && inside != ".." && !strings.HasPrefix(inside, "../") && !jobs[i].OneFileSystem {
				m.env.Log.Warn(fmt.Sprintf("%s lies in %s, which job %s backs up: what is mounted there, too, unless you exclude it", m.mount.Dir, root, jobs[i].Name))
				break
			}
		}
	}
}
