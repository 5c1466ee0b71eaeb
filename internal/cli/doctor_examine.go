package cli

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"borgcron/internal/alarm"
	"borgcron/internal/backup"
	"borgcron/internal/borg"
	"borgcron/internal/condition"
	"borgcron/internal/config"
	"borgcron/internal/doctor"
	"borgcron/internal/history"
	"borgcron/internal/hook"
	"borgcron/internal/lock"
	"borgcron/internal/machine"
	"borgcron/internal/status"
)

// How long a probe may take: what it starts is ended after that, and what hangs in the kernel is left behind a little later.
const (
	probeTime      = 30 * time.Second
	repositoryTime = 90 * time.Second // ssh, Python, and borg's wait for a lock, one after the other
	leaveBehind    = 30 * time.Second
	probesAtOnce   = 8
)

// examination is one call of doctor. It changes no record.
type examination struct {
	env     *environment
	loaded  *config.Config
	jobs    []backup.Job
	options doctorOptions

	state      error // why the state folder cannot be used, nil if it can
	client     *borg.Client
	locks      *lock.Locker
	alarms     *alarm.Store
	conditions *condition.Checker
	history    *history.Store // nil: unread says why
	unread     error
	rows       []status.Row
}

func (env *environment) newExamination(ctx context.Context, loaded *config.Config, jobs []backup.Job, options doctorOptions) *examination {
	x := &examination{env: env, loaded: loaded, jobs: jobs, options: options, state: loaded.MakeState()}
	x.conditions = &condition.Checker{Environ: hook.Environ(env.Environ, env.secretVariables(loaded))}
	x.client = &borg.Client{Environ: env.Environ, Secret: env.secretReader(loaded), Owners: loaded.Owners()}
	x.alarms = &alarm.Store{Dir: filepath.Join(loaded.State, "alarms"), Now: env.Now}
	if x.state != nil {
		x.unread = x.state
		return x
	}
	x.client.State = loaded.State
	x.client.HostID, _ = machine.HostID(loaded.State) // "" is borg's own
	x.locks = &lock.Locker{Dir: filepath.Join(loaded.State, "locks"), Now: env.Now}
	x.history, x.unread = history.OpenReader(ctx, filepath.Join(loaded.State, "history.db"), env.Now)
	if x.unread != nil {
		x.history = nil
	} else {
		x.client.KnownID = x.history.RepositoryID
	}
	files, _ := status.Read(loaded.State)
	for i := range jobs {
		x.rows = append(x.rows, jobRows(&jobs[i], files, env.Now())...)
	}
	return x
}

func (x *examination) close() {
	if x.history != nil {
		_ = x.history.Close()
	}
}

// recall is what the records know of a job on a repository; nothing, if there are none.
func (x *examination) recall(ctx context.Context, target backup.Target) backup.Last {
	if x.history == nil {
		return backup.Last{}
	}
	last, err := x.history.Recall(ctx, target)
	if err != nil {
		return backup.Last{}
	}
	return last
}

// absent tells whether there are no records yet.
func (x *examination) absent() bool { return x.state == nil && errors.Is(x.unread, fs.ErrNotExist) }

// blind tells whether there may be records that cannot be read: nothing can be said of what stands there.
func (x *examination) blind() bool { return x.unread != nil && !x.absent() }

const noRecordsRead = "the records cannot be read"

// probe looks at something, of which check is the chief matter.
type probe struct {
	job, repository, check string
	limit                  time.Duration
	look                   func(context.Context) []doctor.Finding
}

// probes are all that is looked at; what concerns no job only if all jobs are meant.
func (x *examination) probes(all bool) []probe {
	probes := []probe{
		{check: doctor.Program, look: x.program},
		{check: doctor.ConfigurationSafe, look: x.files},
		{check: doctor.State, look: x.stateFolder},
		{check: doctor.History, look: x.records},
		{check: doctor.Schedule, look: x.schedule},
		{check: doctor.Clock, look: x.clock},
		{check: doctor.Channel, look: x.channels},
		{check: doctor.Metrics, look: x.metrics},
		{check: doctor.SameRepository, look: x.places},
	}
	if !all {
		probes = []probe{{check: doctor.State, look: x.stateFolder}, {check: doctor.Channel, look: x.channels}}
	}
	seen := map[string]bool{}
	for i := range x.jobs {
		job := &x.jobs[i]
		if job.Problem != "" && len(job.Repositories) == 0 {
			continue // the mistake is told, and nothing else is known of it
		}
		probes = append(probes,
			probe{job: job.Name, check: doctor.Sources, look: func(ctx context.Context) []doctor.Finding { return x.sources(ctx, job) }},
			probe{job: job.Name, check: doctor.Programs, look: func(ctx context.Context) []doctor.Finding { return x.programs(ctx, job) }},
			probe{job: job.Name, check: doctor.Retention, look: func(context.Context) []doctor.Finding { return doctor.JudgeRetention(job) }},
			probe{job: job.Name, check: doctor.Conditions, look: func(ctx context.Context) []doctor.Finding { return x.conditionsOf(ctx, job) }},
		)
		for _, repository := range job.Repositories {
			target := backup.Target{Job: job, Repository: repository}
			on := probe{job: job.Name, repository: job.RepositoryName(repository), limit: repositoryTime + x.options.from.wait}
			on.check, on.look = doctor.LastSuccess, func(ctx context.Context) []doctor.Finding { return x.standing(ctx, target) }
			probes = append(probes, on)
			if !seen[repository.Key()] { // whichever job comes first stands for all
				seen[repository.Key()] = true
				on.check, on.look = doctor.Repository, func(ctx context.Context) []doctor.Finding { return x.repository(ctx, target) }
				probes = append(probes, on)
				on.check, on.look = doctor.CacheOwner, func(ctx context.Context) []doctor.Finding { return x.owners(ctx, target) }
				probes = append(probes, on)
			}
		}
	}
	return probes
}

// run makes all probes, some at once, and returns what each has found.
func (x *examination) run(ctx context.Context, probes []probe) [][]doctor.Finding {
	found := make([][]doctor.Finding, len(probes))
	slots := make(chan struct{}, probesAtOnce)
	var all sync.WaitGroup
	for i, p := range probes {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			found[i] = doctor.About(p.job, p.repository, p.within(ctx))
		})
	}
	all.Wait()
	return found
}

// within gives the probe its time.
func (p probe) within(ctx context.Context) []doctor.Finding {
	limit := p.limit
	if limit == 0 {
		limit = probeTime
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answer := make(chan []doctor.Finding, 1)
	go func() { answer <- p.look(ctx) }()
	late := time.NewTimer(limit + leaveBehind)
	defer late.Stop()
	select {
	case findings := <-answer:
		return findings
	case <-late.C:
		return []doctor.Finding{doctor.Hangs(p.check, limit+leaveBehind)}
	}
}
