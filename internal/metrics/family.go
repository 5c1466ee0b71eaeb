package metrics

import (
	"runtime"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"

	"borgcron/internal/backup"
)

// sample is one value of a row; label is that of the metric's own label, if it has one.
type sample struct {
	label string
	value float64
}

// metric is one of ours: all are gauges. Of returns nothing for what is not known.
type metric struct {
	name, help string
	label      string // besides job and repository
	of         func(Row) []sample
}

// metrics are all that are told of a row, in the order of the file.
func metrics() []metric {
	return []metric{
		{"borgcron_last_success_timestamp_seconds", "Unix time when the last successful backup ended. Missing if there was none.", "",
			func(r Row) []sample { return timestamp("", r.LastSuccess) }},
		{"borgcron_last_run_timestamp_seconds", "Unix time when the last run ended that was not skipped or locked.", "",
			ofRun(func(run *Run) []sample { return timestamp("", run.Ended) })},
		{"borgcron_last_run_outcome", "1 for the outcome of the last run, 0 for all others. " +
			"If the runs since then were only skipped or locked, skipped or locked is 1 as well.", "outcome", outcomes},
		{"borgcron_last_run_duration_seconds", "How long the last run took that was not skipped or locked.", "",
			ofRun(func(run *Run) []sample { return value(max(run.Duration, 0).Seconds()) })},
		{"borgcron_last_run_attempts", "How often the most tried step of the last run was tried.", "",
			ofRun(func(run *Run) []sample { return value(float64(run.Attempts)) })},
		{"borgcron_archive_files", "Files in the archive of the last success.", "",
			ofArchive(func(a *Archive) int64 { return a.Files })},
		{"borgcron_archive_original_bytes", "Size of what the archive of the last success holds, before compression and deduplication.", "",
			ofArchive(func(a *Archive) int64 { return a.OriginalSize })},
		{"borgcron_archive_deduplicated_bytes", "New data that the archive of the last success added to the repository.", "",
			ofArchive(func(a *Archive) int64 { return a.DeduplicatedSize })},
		{"borgcron_repository_bytes", "Compressed and deduplicated size of all archives in the repository after the last success.", "", repositorySize},
		{"borgcron_stale", "1 if the last success was too old when this file was written, or none came in time.", "",
			ofStanding(func(s *Standing) float64 { return truth(s.Stale) })},
		{"borgcron_stale_after_seconds", "How old the last success may become: stale_after of the job.", "",
			ofStanding(func(s *Standing) float64 { return s.StaleAfter.Seconds() })},
		{"borgcron_alarm", "1 while an alarm stands: the repository is damaged or not what it was.", "",
			ofStanding(func(s *Standing) float64 { return truth(s.Alarm) })},
		{"borgcron_step_last_success_timestamp_seconds", "Unix time when the last successful try at a step of a run began.", "step", steps},
	}
}

// families are the metrics of all rows and that of the program itself.
func families(rows []Row, build Build) []*dto.MetricFamily {
	info := gauge("borgcron_build_info", "Always 1. The version of borgcron that wrote this file, of the Go it was built with, and the user it ran as.")
	info.Metric = append(info.Metric, series(1, "version", build.Version, "goversion", runtime.Version(), "user", build.User))
	all := []*dto.MetricFamily{info}
	for _, metric := range metrics() {
		family := gauge(metric.name, metric.help)
		for _, row := range rows {
			for _, sample := range metric.of(row) {
				labels := []string{"job", row.Job, "repository", row.Repository}
				if metric.label != "" {
					labels = append(labels, metric.label, sample.label)
				}
				family.Metric = append(family.Metric, series(sample.value, labels...))
			}
		}
		all = append(all, family)
	}
	return all
}

func gauge(name, help string) *dto.MetricFamily {
	return &dto.MetricFamily{Name: new(name), Help: new(help), Type: dto.MetricType_GAUGE.Enum()}
}

// series is one value; labels are names and values in turn. Prometheus drops all of a file for one byte that is not UTF-8.
func series(value float64, labels ...string) *dto.Metric {
	one := &dto.Metric{Gauge: &dto.Gauge{Value: new(value)}}
	for pair := range slices.Chunk(labels, 2) {
		one.Label = append(one.Label, &dto.LabelPair{Name: new(pair[0]), Value: new(strings.ToValidUTF8(pair[1], "\uFFFD"))})
	}
	return one
}

func value(v float64) []sample { return []sample{{value: v}} }

// timestamp is a time as Prometheus has it, nothing for one that is not known.
func timestamp(label string, t time.Time) []sample {
	if t.IsZero() {
		return nil
	}
	return []sample{{label, float64(t.Unix())}}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func ofRun(of func(*Run) []sample) func(Row) []sample {
	return func(r Row) []sample {
		if r.LastRun == nil {
			return nil
		}
		return of(r.LastRun)
	}
}

func ofArchive(of func(*Archive) int64) func(Row) []sample {
	return func(r Row) []sample {
		if r.Archive == nil {
			return nil
		}
		return value(float64(of(r.Archive)))
	}
}

func ofStanding(of func(*Standing) float64) func(Row) []sample {
	return func(r Row) []sample {
		if r.Standing == nil {
			return nil
		}
		return value(of(r.Standing))
	}
}

func repositorySize(r Row) []sample {
	if r.Archive == nil || r.Archive.RepositorySize <= 0 {
		return nil
	}
	return value(float64(r.Archive.RepositorySize))
}

// outcomes are a 0 or 1 for each, so that the series of one that is over goes back to 0.
func outcomes(r Row) (samples []sample) {
	if len(r.Outcomes) == 0 {
		return nil
	}
	for outcome := backup.Succeeded; outcome <= backup.Interrupted; outcome++ {
		samples = append(samples, sample{outcome.String(), truth(slices.Contains(r.Outcomes, outcome))})
	}
	return samples
}

func steps(r Row) (samples []sample) {
	for _, step := range append([]backup.Step{backup.Dump}, backup.Steps...) {
		samples = append(samples, timestamp(string(step), r.Steps[step])...)
	}
	return samples
}
