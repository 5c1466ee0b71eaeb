package metrics

import (
	"bytes"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

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

// Format returns the metrics of all rows and that of the program itself, in Prometheus' text format 0.0.4:
// https://prometheus.io/docs/instrumenting/exposition_formats/
//
// A metric without a series is left out. Gauges need so little of the format that its library, which links the
// reflection of protobuf, would be a twelfth of the program; the tests read the text with that library.
func Format(rows []Row, build Build) []byte {
	text := new(bytes.Buffer)
	writeHead(text, "borgcron_build_info", "Always 1. The version of borgcron that wrote this file, of the Go it was built with, and the user it ran as.")
	writeSeries(text, "borgcron_build_info", 1, "version", build.Version, "goversion", runtime.Version(), "user", build.User)
	rows = distinct(rows)
	for _, metric := range metrics() {
		headed := false
		for _, row := range rows {
			for _, sample := range metric.of(row) {
				if !headed {
					writeHead(text, metric.name, metric.help)
					headed = true
				}
				labels := []string{"job", row.Job, "repository", row.Repository}
				if metric.label != "" {
					labels = append(labels, metric.label, sample.label)
				}
				writeSeries(text, metric.name, sample.value, labels...)
			}
		}
	}
	return text.Bytes()
}

// writeHead names a metric. Our help texts have nothing in them that the format would want escaped.
func writeHead(text *bytes.Buffer, name, help string) {
	text.WriteString("# HELP " + name + " " + help + "\n# TYPE " + name + " gauge\n")
}

var escapeLabel = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// writeSeries writes one value; labels are names and values in turn. Prometheus drops all of a file for one byte that is not UTF-8.
func writeSeries(text *bytes.Buffer, name string, value float64, labels ...string) {
	text.WriteString(name)
	before := byte('{')
	for pair := range slices.Chunk(labels, 2) {
		text.WriteByte(before)
		text.WriteString(pair[0] + `="` + escapeLabel.Replace(strings.ToValidUTF8(pair[1], "\uFFFD")) + `"`)
		before = ','
	}
	text.WriteString("} " + strconv.FormatFloat(value, 'g', -1, 64) + "\n")
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
