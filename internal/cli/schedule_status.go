package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"borgcron/internal/backup"
	"borgcron/internal/schedule"
)

// scheduled is what starts runs by itself, as far as this user can see, and whether anybody could be asked. It never fails.
func (env *environment) scheduled(ctx context.Context, thorough bool) ([]schedule.Installed, bool) {
	cronFiles, _ := filepath.Glob("/etc/cron.d/*") // the pattern is a good one
	places := schedule.Places{
		System:    []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"},
		CronFiles: append([]string{"/etc/crontab"}, cronFiles...),
		Thorough:  thorough,
	}
	if os.Getuid() != 0 {
		places.Personal = []string{filepath.Join(env.configHome(), "systemd", "user")}
	}
	manager := schedule.Manager{Environ: env.Environ, Look: env.lookPath}
	crontab := schedule.Crontab{Environ: env.Environ, Look: env.lookPath}
	return schedule.Look(ctx, places, manager, crontab, env.Now())
}

// printScheduled says below the table when what is due is next looked for.
func (env *environment) printScheduled(found []schedule.Installed) error {
	for _, timer := range found {
		when := "not enabled"
		switch {
		case timer.Unknown:
			when = "of which systemd says nothing"
		case timer.Enabled && timer.Next != nil:
			when = "next " + timer.Next.Local().Format("2006-01-02 15:04")
		case timer.Enabled:
			when = "enabled"
		}
		if _, err := fmt.Fprintf(env.Stdout, "Schedule: %s %s, %s\n", timer.Kind, backup.Clean(timer.Name), when); err != nil {
			return err
		}
	}
	return nil
}
