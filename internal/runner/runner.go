// Package runner performs one job: it knows the order of things, and none of how they are done.
package runner

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"os"
	"slices"
	"time"

	"borgcron/internal/backup"
	"borgcron/internal/lock"
)

// Borg carries out borg's commands. Warnings are in the report; every error is a *backup.Failure.
type Borg interface {
	Create(ctx context.Context, call backup.Call, archive string) (backup.Report, error)
	CreateDumps(ctx context.Context, call backup.Call, archive string, stream backup.DumpStream) (backup.Report, error)
	Info(ctx context.Context, call backup.Call, archive string) (backup.Report, error)
	Newest(ctx context.Context, call backup.Call, match, before string) (*backup.Report, error)
	Check(ctx context.Context, call backup.Call) (backup.Report, error)
	Prune(ctx context.Context, call backup.Call, dryRun bool) (backup.Report, error)
	Compact(ctx context.Context, call backup.Call) (backup.Report, error)
	// Evidence tells who holds borg's locks, as far as that can be seen from here.
	Evidence(repository backup.Repository, repositoryID string) backup.Evidence
	BreakLock(ctx context.Context, call backup.Call) error
}

// Preflight looks at the machine before a run: conditions that make it a skip, sources that must exist.
type Preflight interface {
	Holds(ctx context.Context, job *backup.Job) (reason string, err error)
	Reachable(ctx context.Context, job *backup.Job, repository backup.Repository) (reason string, err error)
	Ready(ctx context.Context, job *backup.Job) (reason string, err error)
	Present(ctx context.Context, paths []string) []string
	// Room says why there is no room for another archive, "" if there is.
	Room(ctx context.Context, repository backup.Repository) (reason string, err error)
}

// Databases makes dumps. Every error is a *backup.Failure.
type Databases interface {
	// Stream prepares the job's dumps as named pipes. What left names by its path is left out, with the reason.
	Stream(ctx context.Context, job *backup.Job, left map[string]string) (backup.DumpStream, error)
	// Spool makes the job's dumps as files in its spool. It returns those that were made also where there is an error.
	Spool(ctx context.Context, job *backup.Job) ([]backup.DatabaseDump, error)
}

// Hooks runs the user's command lines and returns the end of what they printed.
type Hooks interface {
	Run(ctx context.Context, hook backup.Hook, variables map[string]string) (tail []string, err error)
}

// Records is what is known from former runs.
type Records interface {
	Recall(ctx context.Context, target backup.Target) (backup.Last, error)
	Save(ctx context.Context, target backup.Target, last backup.Last) error
	// Reap closes runs that were begun and never ended. The caller holds the repository's lock.
	Reap(ctx context.Context, target backup.Target) ([]backup.Run, error)
	// Dangling tells whether there may be such runs: one that is at work looks the same.
	Dangling(ctx context.Context, target backup.Target) (bool, error)
	// Recent returns the figures of the last n runs that ended and that the job's archives can be compared with.
	Recent(ctx context.Context, target backup.Target, n int) ([]backup.Figures, error)
}

// Observer hears of everything that happens in a run. One that fails is logged and changes nothing.
type Observer interface {
	Observe(ctx context.Context, event backup.Event) error
}

// Runner performs jobs.
type Runner struct {
	Borg      Borg
	Locks     *lock.Locker
	Preflight Preflight
	Hooks     Hooks
	Databases Databases
	Drill     Driller
	Records   Records
	Alarms    Alarms
	Keepers   []Observer                                                        // the records: they hear first, and a run that they lose is a warning
	Observers []Observer                                                        // all others
	Awake     func(ctx context.Context, why string) (release func(), err error) // keeps the machine from going to sleep
	Names     backup.Names                                                      // of this machine and user; the job's own host and name are put in
	Now       func() time.Time
	Log       *slog.Logger
}

// Options are what the caller asks of one start.
type Options struct {
	Due      bool // do nothing for what is not due
	Choice   backup.Choice
	Wait     time.Duration // for the local lock
	Progress bool
	Full     bool   // a drill reads everything
	Seed     uint64 // of a drill; 0: any
}

// Run performs one job on all its repositories and returns a run for each; with Options.Due, none for what
// is not due. A failed run is a result, not an error.
func (r *Runner) Run(ctx context.Context, job *backup.Job, options Options) []backup.Run {
	s := &session{Runner: r, job: job, options: options}
	for _, repository := range job.Repositories {
		s.rows = append(s.rows, s.newRow(repository))
	}
	if options.Due && job.Problem == "" {
		s.leaveOut(ctx, s.notDue)
	}
	s.perform(ctx)
	runs := make([]backup.Run, 0, len(s.rows))
	for _, row := range s.rows {
		row.end(ctx)
		runs = append(runs, row.run)
	}
	return runs
}

// session is one start of one job.
type session struct {
	*Runner
	job     *backup.Job
	options Options
	rows    []*row
	named   time.Time // the time in the names of this run's archives, zero until the first is made
}

// perform goes through the run. Whatever stands between two of its steps, what was begun is undone.
func (s *session) perform(signalled context.Context) {
	if !s.preflight(signalled) {
		if s.job.Problem == "" && s.outcome() == backup.Failed { // nothing was done, but whoever waits for word gets it
			s.after(signalled)
		}
		return
	}
	defer s.unlock()
	if !s.lock(signalled) {
		return
	}
	defer s.awake(signalled)()
	ctx, cancel := s.deadline(signalled)
	defer cancel()
	for _, row := range s.active() {
		row.begin(ctx)
	}
	defer s.after(signalled)
	if !s.before(ctx) {
		return
	}
	s.spool(ctx)
	for _, row := range s.active() {
		row.dump(ctx)
		row.create(ctx)
	}
	for _, row := range s.active() {
		row.check(ctx)
		row.verify(ctx)
		row.prune(ctx, row.files())
		row.prune(ctx, row.dumps())
		row.compact(ctx)
		row.alarm()
	}
}

// awake keeps the machine from going to sleep until the returned function is called. Where that cannot be had,
// the run goes on without.
func (s *session) awake(ctx context.Context) (release func()) {
	if s.Awake == nil {
		return func() {}
	}
	release, err := s.Awake(ctx, "the backup "+s.job.Name+" is running")
	if err != nil {
		s.Log.Debug("keeping the machine awake", "error", err)
	}
	return release
}

// active are the rows that were not ended beforehand.
func (s *session) active() []*row {
	return slices.DeleteFunc(slices.Clone(s.rows), func(row *row) bool { return row.settled })
}

// leaveOut drops the rows for which `out` says so: nothing is recorded of them.
func (s *session) leaveOut(ctx context.Context, out func(context.Context, *row) bool) {
	s.rows = slices.DeleteFunc(s.rows, func(row *row) bool { return !row.settled && out(ctx, row) })
}

func (s *session) notDue(ctx context.Context, row *row) bool {
	if row.held == nil { // without the lock the records are only good for a first look
		row.recall(ctx)
	}
	due, reason := backup.IsDue(s.job, &row.last, s.Now())
	if !due && row.held == nil {
		row.reapDead(ctx)
	}
	if !due {
		s.Log.Debug("not due", "job", s.job.Name, "repository", row.run.Repository, "reason", reason)
		row.close()
	}
	return !due
}

// preflight settles the rows for which nothing can be done; it tells whether any is left.
func (s *session) preflight(ctx context.Context) bool {
	if s.job.Problem != "" {
		s.settle(backup.Failed, "configuration: "+s.job.Problem)
		return false
	}
	if len(s.rows) == 0 {
		return false
	}
	looks := []func(context.Context, *backup.Job) (string, error){s.Preflight.Holds}
	if !s.options.Choice.OnlyReads() {
		looks = append(looks, s.Preflight.Ready)
	}
	for _, look := range looks {
		if reason, err := look(ctx, s.job); err != nil || reason != "" {
			s.settle(verdict(ctx, reason, err))
			return false
		}
	}
	for _, row := range s.active() {
		if reason, err := s.Preflight.Reachable(ctx, s.job, row.target.Repository); err != nil || reason != "" {
			row.settle(verdict(ctx, reason, err))
		}
	}
	return len(s.active()) > 0
}

// verdict turns the answer of a preflight look into an outcome and what to say of it.
func verdict(ctx context.Context, reason string, err error) (backup.Outcome, string) {
	switch {
	case ctx.Err() != nil:
		return backup.Skipped, "ended by a signal before it began"
	case err != nil:
		return backup.Failed, backup.AsFailure("", err).Sentence()
	}
	return backup.Skipped, reason
}

// settle ends every row that is still active, before it began.
func (s *session) settle(outcome backup.Outcome, problem string) {
	for _, row := range s.active() {
		row.settle(outcome, problem)
	}
}

// deadline bounds the work of a run; hooks `after` and the cleaning are not bound by it.
func (s *session) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.job.Timeout.Run == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, s.job.Timeout.Run, errDeadline)
}

var errDeadline = errors.New("timeout.run is over")

// NewRunID makes an id that sorts by time and is short enough to type.
func NewRunID(now time.Time) string {
	suffix := make([]byte, 2)
	_, _ = rand.Read(suffix) // crypto/rand.Read never fails
	return now.UTC().Format("20060102T150405") + "-" + hex.EncodeToString(suffix)
}

// lockFile returns the descriptor that borg inherits.
func (r *row) lockFile() *os.File {
	if r.held == nil {
		return nil
	}
	return r.held.File()
}
