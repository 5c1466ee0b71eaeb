package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"borgcron/internal/schedule"
)

// installSchedule shows what changes, writes it and starts it.
func (env *environment) installSchedule(ctx context.Context, options scheduleOptions) error {
	s, err := env.newScheduled(options)
	if err != nil {
		return err
	}
	if len(s.files) == 0 {
		err = s.installCrontab(ctx)
	} else {
		err = s.installFiles(ctx)
	}
	if err != nil || options.dryRun || options.root != "" {
		return err
	}
	return s.noteScheduled(ctx)
}

// installFiles writes what is not as it should be, and tells systemd.
func (s *scheduled) installFiles(ctx context.Context) error {
	changes, err := schedule.Compare(s.files)
	if err != nil {
		return err
	}
	for _, change := range changes {
		if change.Foreign && !s.options.force {
			return fmt.Errorf("%s was not written by borgcron\n  hint: look at it, then: borgcron schedule install --force", change.Path)
		}
	}
	if !s.options.dryRun {
		if err := s.prepareUser(); err != nil {
			return err
		}
	}
	for _, change := range changes {
		s.showChange(change)
	}
	if s.options.dryRun {
		return s.say(len(changes) > 0, "nothing was changed (--dry-run)", "nothing to change")
	}
	if err := schedule.Write(changes); err != nil {
		return err
	}
	if !s.systemd || !s.running {
		return s.say(len(changes) > 0, "written", "nothing to change")
	}
	timers := []string{schedule.RunTimer, schedule.StatusTimer}
	if len(changes) == 0 && s.manager.Active(ctx, timers...) {
		return s.say(false, "", "nothing to change")
	}
	if err := s.manager.Reload(ctx, timers...); err != nil {
		return fmt.Errorf("start the timers: %w", err)
	}
	return s.say(true, "installed and started: "+strings.Join(timers, ", "), "")
}

func (s *scheduled) say(changed bool, yes, no string) error {
	if !changed {
		yes = no
	}
	_, err := fmt.Fprintln(s.env.Stdout, yes)
	return err
}

func (s *scheduled) showChange(change schedule.Change) {
	if s.options.brief {
		fmt.Fprintln(s.env.Stdout, change.Path)
		return
	}
	if change.Link != "" {
		fmt.Fprintf(s.env.Stdout, "%s -> %s\n", change.Path, change.Link)
		return
	}
	fmt.Fprintf(s.env.Stdout, "%s\n%s\n", change.Path, schedule.Difference(change.Old, change.Text))
}

// installCrontab writes our lines of the user's crontab.
func (s *scheduled) installCrontab(ctx context.Context) error {
	old, err := s.crontab.Read(ctx)
	if err != nil {
		return noCron(err)
	}
	block := s.plan.CronBlock()
	if schedule.Block(old) == block {
		return s.say(false, "", "nothing to change")
	}
	if !s.options.brief {
		fmt.Fprintf(s.env.Stdout, "the crontab of %s\n%s\n", username(), schedule.Difference(schedule.Block(old), block))
	}
	if s.options.dryRun {
		return s.say(true, "nothing was changed (--dry-run)", "")
	}
	if err := s.crontab.Write(ctx, schedule.WithBlock(old, block)); err != nil {
		return err
	}
	return s.say(true, "installed", "")
}

func noCron(err error) error {
	return fmt.Errorf("read the crontab: %w\n  hint: without systemd and cron, let what starts programs here call: borgcron run --due", err)
}

// removeSchedule removes units and lines of cron, whatever of them is there.
func (env *environment) removeSchedule(ctx context.Context, options scheduleOptions) error {
	s, err := env.whereScheduled(options)
	if err != nil {
		return err
	}
	files := s.plan.Units(s.unitFolder())
	if !s.personal {
		files = append(files, s.plan.CronFile(filepath.Join("/", s.options.root, "etc/cron.d/borgcron")))
	}
	present, err := schedule.Present(files)
	if err != nil {
		return err
	}
	crontab := ""
	if s.options.root == "" { // where there is no crontab, nothing of ours is in it
		crontab, _ = s.crontab.Read(ctx)
	}
	lines := schedule.Block(crontab) != ""
	if len(present) == 0 && !lines {
		return s.say(false, "", "nothing is installed")
	}
	word := "would be removed: "
	if !options.dryRun {
		word = "removed: "
		err = s.remove(ctx, present)
		if err == nil && lines {
			err = s.crontab.Write(ctx, schedule.WithBlock(crontab, ""))
		}
	}
	if err != nil {
		return err
	}
	for _, file := range present {
		fmt.Fprintf(env.Stdout, "%s%s\n", word, file.Path)
	}
	if lines {
		fmt.Fprintf(env.Stdout, "%sthe lines in the crontab of %s\n", word, username())
	}
	return nil
}

// remove stops the timers and deletes the files.
func (s *scheduled) remove(ctx context.Context, present []schedule.File) error {
	if !s.running || len(present) == 0 {
		return schedule.Remove(present)
	}
	if err := s.manager.Stop(ctx, schedule.RunTimer, schedule.StatusTimer); err != nil {
		return fmt.Errorf("stop the timers: %w", err)
	}
	if err := schedule.Remove(present); err != nil {
		return err
	}
	return s.manager.Reload(ctx)
}
