package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/borg"
	"borgcron/internal/lock"
)

func newUmountCommand(env *environment) *cobra.Command {
	var wait time.Duration
	command := &cobra.Command{
		Use:   "umount DIR",
		Short: "Unmount what mount has mounted",
		Long: `umount unmounts the archives at DIR and waits until borg has let go of the repository, so that backups can go on.
If somebody uses what is mounted - a shell whose folder it is, a program with an open file - nothing is changed.`,
		Example: `  borgcron umount /mnt/archives`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("umount takes the folder")
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(command *cobra.Command, args []string) error {
			return unmount(command.Context(), env, args[0], wait)
		},
	}
	command.Flags().Var(newDurationValue(20*time.Second, &wait), "wait", "how long to wait for borg to end (`DURATION`)")
	return command
}

func unmount(ctx context.Context, env *environment, dir string, wait time.Duration) error {
	dir, err := borg.RealPath(dir)
	if err != nil {
		return exitError{exitFailed, fmt.Errorf("the folder to unmount: %w", err)}
	}
	mounted, ours, err := borg.Mounted(dir)
	switch {
	case err != nil:
		return exitError{exitFailed, fmt.Errorf("read the list of mounts: %w", err)}
	case !mounted:
		return exitError{exitFailed, fmt.Errorf("nothing is mounted at %s", dir)}
	case !ours:
		return exitError{exitFailed, fmt.Errorf("what is mounted at %s is none of borg's", dir)}
	}
	client := &borg.Client{Environ: env.Environ}
	err = client.Unmount(ctx, dir, false)
	if errors.Is(err, borg.ErrBusy) {
		return exitError{exitFailed, fmt.Errorf("%s is in use and was not unmounted\n  hint: leave it in every shell, close what has files of it open (fuser -vm %s shows who), then: borgcron umount %s", dir, dir, dir)}
	}
	if err != nil {
		return exitError{exitFailed, err}
	}
	return env.awaitUnlocked(ctx, dir, wait)
}

// awaitUnlocked waits until the borg that had mounted there has ended, and says what is so then. Without a configuration
// it is not known whose repository that was.
func (env *environment) awaitUnlocked(ctx context.Context, dir string, wait time.Duration) error {
	for end := time.Now().Add(wait); ; {
		job, locked := env.mountedBy(dir)
		switch {
		case !locked:
			_, err := fmt.Fprintf(env.Stdout, "unmounted %s\n", dir)
			return err
		case !time.Now().Before(end):
			return exitError{exitLocked, fmt.Errorf("%s is unmounted, but its borg still runs and keeps the repository of job %s locked; see: borgcron unlock %s", dir, job, job)}
		}
		select {
		case <-ctx.Done():
			return exitError{exitFailed, context.Cause(ctx)}
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// mountedBy tells whose lock a mount at the folder keeps.
func (env *environment) mountedBy(dir string) (job string, locked bool) {
	loaded, err := env.readConfig()
	if err != nil {
		return "", false
	}
	locks := &lock.Locker{Dir: filepath.Join(loaded.State, "locks"), Now: env.Now}
	for _, job := range loaded.Jobs {
		for _, repository := range job.Repositories {
			if holder, held, err := locks.Holder(repository.Key()); err == nil && held && holder.Mounted == dir {
				return backup.Clean(holder.Job), true
			}
		}
	}
	return "", false
}
