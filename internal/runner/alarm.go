package runner

import (
	"borgcron/internal/backup"
)

// Alarms are the files that say that a repository is damaged or not what it was. They are kept apart from the
// history, so that losing that loses no alarm; of the two, the one that knows of an alarm is right.
type Alarms interface {
	Standing(repository string) (*backup.Alarm, error) // nil: none
	Raise(repository string, alarm backup.Alarm) error
	Settle(repository string) error
}

// meetAlarm takes over what the alarm's file says. One of which only the history knows gets its file again.
func (r *row) meetAlarm() {
	key := r.target.Repository.Key()
	standing, err := r.Alarms.Standing(key)
	known := r.last.Shared.Alarm
	switch {
	case err != nil:
		r.Log.Error("whether there is an alarm cannot be read; prune and compact wait", "repository", r.run.Repository, "error", err)
		r.blind = "whether there is an alarm cannot be read"
	case standing != nil:
		r.last.Shared.Alarm = standing
	case known != nil && r.held != nil:
		r.keep(r.Alarms.Raise(key, *known))
	}
}

// keepAlarm puts the alarm that a step has raised, or ended, on disk before the run goes on.
func (r *row) keepAlarm(before *backup.Alarm, result backup.StepResult) {
	now := r.last.Shared.Alarm
	switch {
	case result.Alarm:
		now.Repository, now.Run = r.run.Repository, r.run.ID
		r.keep(r.Alarms.Raise(r.target.Repository.Key(), *now))
	case before != nil && now == nil:
		r.keep(r.Alarms.Settle(r.target.Repository.Key()))
	}
}

func (r *row) keep(err error) {
	if err != nil {
		r.Log.Error("keeping the alarm", "repository", r.run.Repository, "error", err)
	}
}

// alarm makes every run on a repository with an alarm a failed one, until it is settled.
func (r *row) alarm() {
	alarm := r.last.Shared.Alarm
	if alarm == nil {
		return
	}
	ends := "; once that is settled: borgcron ack " + r.job.Name
	switch {
	case alarm.EndsWithDrill(r.job.Name):
		ends = "; a clean restore drill of everything ends it: borgcron verify " + r.job.Name + " --full" + ends
	case alarm.EndsWithCheck():
		ends = "; a clean check of repository, archives and data ends it: borgcron run " + r.job.Name + " --only check"
	}
	r.run.Problem = "" // whatever else is wrong, this is what has to be seen to
	r.worsen(backup.Failed, alarm.Sentence()+ends)
}
