package config

import (
	"os/user"
	"reflect"
	"slices"
	"strconv"
	"time"

	"borgcron/internal/backup"

	"go.yaml.in/yaml/v4"
)

// job is a job being made.
type job struct {
	result backup.Job
	key    *yaml.Node // its name in the file
	tree   *yaml.Node // what it is made of: its own keys, laid over the defaults
	path   []string
	names  backup.Names
	broken bool // something of it was taken out already, so that what is missing may be only that
}

func (l *loader) decodeJobs() {
	_, defaults := lookup(l.root, "defaults")
	_, all := lookup(l.root, "jobs")
	for _, name := range keys(all) {
		key, own := lookup(all, name)
		tree := merge(defaults, own)
		for _, pair := range [][2]string{{"repository", "repositories"}, {"repositories", "repository"}} {
			if sub(own, pair[0]) != nil && sub(own, pair[1]) == nil {
				remove(tree, pair[1]) // the job's own way to say it wins
			}
		}
		set(all, name, tree)
		j := &job{key: key, tree: tree, path: []string{"jobs", name}, broken: l.isBroken(name)}
		l.jobs = append(l.jobs, j)
		l.decodeJob(j, name)
	}
}

// isBroken tells whether the walker found something wrong in a job or in the defaults.
func (l *loader) isBroken(name string) bool {
	return slices.ContainsFunc(l.errors, func(m Mistake) bool {
		return m.Scope.Part == Whole || m.Scope.Part == InJob && slices.Contains(m.Scope.Names, name)
	})
}

func (l *loader) decodeJob(j *job, name string) {
	fillKeys(j.tree, reflect.TypeFor[Job]())
	settled := *j.tree
	settle(&settled, reflect.TypeFor[Job]())
	var file Job
	l.decode(&settled, &file, j.path...)
	j.result = file.job(name)
	for _, database := range file.Databases {
		l.config.Secrets = append(l.config.Secrets, database.Password.Secret())
	}
	j.result.Host = l.config.Host
	j.names = backup.Names{Hostname: l.config.Host, FQDN: l.env.Hostname, User: l.user(), Job: name}
	if j.result.Prune.Match == "" && backup.CheckArchiveName(j.result.ArchiveName) == nil {
		j.result.Prune.Match = backup.MatchFor(j.result.ArchiveName, j.names)
	}
	l.repositoriesOf(j)
	l.checkJob(j, &file)
	l.showWorkedOut(j)
}

// showWorkedOut writes the defaults that were worked out into the job's tree.
func (l *loader) showWorkedOut(j *job) {
	set(j.tree, "stale_after", text(formatDuration(j.result.StaleAfter)))
	prune := sub(j.tree, "prune")
	set(prune, "retries", number(j.result.Prune.Retries))
	set(prune, "match", text(j.result.Prune.Match))
}

// job translates a job of a file. Its repositories, channels and calendar are not known to it.
func (f *Job) job(name string) backup.Job {
	j := backup.Job{
		Name:               name,
		Sources:            texts(f.Sources),
		OptionalSources:    texts(f.OptionalSources),
		Exclude:            f.Exclude,
		ExcludeFrom:        texts(f.ExcludeFrom),
		Patterns:           f.Patterns,
		PatternsFrom:       texts(f.PatternsFrom),
		ExcludeIfPresent:   f.ExcludeIfPresent,
		KeepExcludeTags:    f.KeepExcludeTags,
		ExcludeCaches:      f.ExcludeCaches,
		ExcludeNodump:      f.ExcludeNodump,
		OneFileSystem:      f.OneFileSystem,
		ReadSpecial:        f.ReadSpecial,
		FilesCache:         string(f.FilesCache),
		Compression:        string(f.Compression),
		Chunker:            string(f.Chunker),
		CheckpointInterval: time.Duration(f.CheckpointInterval),
		Comment:            f.Comment,
		ArchiveName:        f.ArchiveName,
		BorgOptions:        backup.BorgOptions(f.BorgOptions),
		Every:              time.Duration(f.Every),
		Retry: backup.Retry{
			Retries: f.Retry.Retries, Wait: time.Duration(f.Retry.Wait), Backoff: f.Retry.Backoff, MaxWait: time.Duration(f.Retry.MaxWait),
		},
		Timeout: backup.Timeout{
			Run: time.Duration(f.Timeout.Run), Stall: time.Duration(f.Timeout.Stall), StallServer: time.Duration(f.Timeout.StallServer),
		},
		Retention: f.Retention.retention(),
		Prune:     backup.PruneRule{Every: backup.Every(f.Prune.Every), Retries: f.Retry.Retries, Match: f.Prune.Match},
		Compact:   backup.CompactRule{Every: backup.Every(f.Compact.Every), Threshold: f.Compact.Threshold},
		Check: backup.CheckRule{
			Every:      backup.Every(f.Check.Every),
			Repository: slices.Contains(f.Check.Parts, "repository"),
			Archives:   slices.Contains(f.Check.Parts, "archives"),
			Data:       slices.Contains(f.Check.Parts, "data"),
			Last:       int(f.Check.Last), MaxDuration: time.Duration(f.Check.MaxDuration),
		},
		Verify: backup.VerifyRule{Every: backup.Every(f.Verify.Every), Files: f.Verify.Files, Size: int64(f.Verify.Size)},
		Guard: backup.Guard{
			Mounted: texts(f.Guard.Mounted), MinFiles: f.Guard.MinFiles, MinSize: int64(f.Guard.MinSize), MaxShrink: float64(f.Guard.MaxShrink),
		},
		Conditions: backup.Conditions{
			OnAC: f.Conditions.Power.OnAC, BatteryAbove: f.Conditions.Power.BatteryAbove, Unmetered: f.Conditions.Unmetered,
			Mounted: texts(f.Conditions.Mounted), Reachable: f.Conditions.Reachable, Command: string(f.Conditions.Command),
		},
		Nice: f.Nice, IONice: f.IONice, Spool: string(f.Spool),
	}
	if f.Prune.Retries != nil {
		j.Prune.Retries = *f.Prune.Retries
	}
	j.StaleAfter = j.Every + max(j.Every/4, 2*time.Hour)
	if f.StaleAfter != nil {
		j.StaleAfter = time.Duration(*f.StaleAfter)
	}
	for _, kind := range f.Tolerate {
		j.Tolerate = append(j.Tolerate, backup.WarningKind(kind))
	}
	for _, hook := range f.Hooks {
		j.Hooks = append(j.Hooks, hook.hook())
	}
	for _, database := range f.Databases {
		j.Databases = append(j.Databases, database.database())
	}
	return j
}

func (r Retention) retention() backup.Retention {
	return backup.Retention{
		Within: string(r.Within), Last: int(r.Last), Minutely: int(r.Minutely), Hourly: int(r.Hourly), Daily: int(r.Daily),
		Weekly: int(r.Weekly), Monthly: int(r.Monthly), ThirteenWeekly: int(r.ThirteenWeekly), ThreeMonthly: int(r.ThreeMonthly),
		Yearly: int(r.Yearly), KeepAll: r.KeepAll,
	}
}

func (h Hook) hook() backup.Hook {
	result := backup.Hook{When: backup.Step(h.When), Run: string(h.Run), Timeout: time.Duration(h.Timeout), Warn: h.OnError == "warn"}
	for _, word := range h.States {
		var outcome backup.Outcome
		if outcome.UnmarshalText([]byte(word)) == nil {
			result.States = append(result.States, outcome)
		}
	}
	return result
}

func (d Database) database() backup.Database {
	return backup.Database{
		Type: d.Type, Host: d.Host, Socket: string(d.Socket), User: d.User, Format: d.Format, Path: string(d.Path), Program: string(d.Program), RunAs: d.RunAs,
		Container: d.Container, Port: d.Port, Names: d.Names, Exclude: d.Exclude, Options: d.Options,
		Password: d.Password.Secret(), Warn: d.OnError == "warn",
	}
}

func texts[T ~string](values []T) []string {
	var result []string
	for _, value := range values {
		result = append(result, string(value))
	}
	return result
}

// user returns the login name for archive names.
func (l *loader) user() string {
	if l.env.User != "" {
		return l.env.User
	}
	if found, err := user.LookupId(strconv.Itoa(l.env.UID)); err == nil {
		return found.Username
	}
	return strconv.Itoa(l.env.UID)
}
