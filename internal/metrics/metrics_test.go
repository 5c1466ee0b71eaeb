package metrics_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"pgregory.net/rapid"

	"borgcron/internal/backup"
	"borgcron/internal/metrics"
)

var (
	when  = time.Unix(1795000000, 0)
	build = metrics.Build{Version: "1.2.3", User: "root"}
)

// known is a row of which everything is known.
func known(job, repository string) metrics.Row {
	return metrics.Row{
		Job: job, Repository: repository, ID: "0a1b2c",
		Standing:    &metrics.Standing{Stale: true, StaleAfter: 30 * time.Hour},
		Outcomes:    []backup.Outcome{backup.Warned, backup.Locked},
		LastRun:     &metrics.Run{Ended: when, Duration: 90500 * time.Millisecond, Attempts: 2},
		LastSuccess: when.Add(-time.Hour),
		Archive:     &metrics.Archive{Files: 118000, OriginalSize: 3 << 40, DeduplicatedSize: 0, RepositorySize: 98765},
		Steps:       map[backup.Step]time.Time{backup.Create: when.Add(-2 * time.Hour), backup.Check: when.Add(-50 * time.Hour), "unheard-of": when},
	}
}

func format(t *testing.T, rows ...metrics.Row) string {
	t.Helper()
	return string(metrics.Format(rows, build))
}

// samples are the lines of a text that are no comments, but for the version.
func samples(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "borgcron_build_info") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

func TestWhatIsKnownOfARow(t *testing.T) {
	want := strings.Split(strings.ReplaceAll(`borgcron_last_success_timestamp_seconds{HOME} 1.7949964e+09
borgcron_last_run_timestamp_seconds{HOME} 1.795e+09
borgcron_last_run_outcome{HOME,outcome="succeeded"} 0
borgcron_last_run_outcome{HOME,outcome="skipped"} 0
borgcron_last_run_outcome{HOME,outcome="locked"} 1
borgcron_last_run_outcome{HOME,outcome="warning"} 1
borgcron_last_run_outcome{HOME,outcome="failed"} 0
borgcron_last_run_outcome{HOME,outcome="interrupted"} 0
borgcron_last_run_duration_seconds{HOME} 90.5
borgcron_last_run_attempts{HOME} 2
borgcron_archive_files{HOME} 118000
borgcron_archive_original_bytes{HOME} 3.298534883328e+12
borgcron_archive_deduplicated_bytes{HOME} 0
borgcron_repository_bytes{HOME} 98765
borgcron_stale{HOME} 1
borgcron_stale_after_seconds{HOME} 108000
borgcron_alarm{HOME} 0
borgcron_step_last_success_timestamp_seconds{HOME,step="create"} 1.7949928e+09
borgcron_step_last_success_timestamp_seconds{HOME,step="check"} 1.79482e+09`, "HOME", `job="home",repository="nas"`), "\n")
	if diff := cmp.Diff(want, samples(format(t, known("home", "nas")))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What is not known has no series: a 0 would say that the last success was in 1970, or that no file is backed up.
func TestWhatIsNotKnownIsLeftOut(t *testing.T) {
	for _, test := range []struct {
		name    string
		change  func(*metrics.Row)
		missing []string
	}{
		{"never succeeded", func(r *metrics.Row) { r.LastSuccess, r.Archive, r.Steps = time.Time{}, nil, nil },
			[]string{"last_success", "archive_files", "archive_original", "archive_deduplicated", "repository_bytes", "step_"}},
		{"never ran", func(r *metrics.Row) { r.LastRun, r.Outcomes = nil, nil },
			[]string{"last_run_timestamp", "last_run_outcome", "last_run_duration", "last_run_attempts"}},
		{"nothing on record", func(r *metrics.Row) { r.Standing = nil }, []string{"stale{", "stale_after", "alarm"}},
		{"the repository's size", func(r *metrics.Row) { r.Archive.RepositorySize = 0 }, []string{"repository_bytes"}},
		{"the time of a step", func(r *metrics.Row) { r.Steps[backup.Check] = time.Time{} }, []string{`step="check"`}},
		{"a run without an end", func(r *metrics.Row) { r.LastRun.Ended = time.Time{} }, []string{"last_run_timestamp"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			row := known("home", "nas")
			var want []string
			for _, line := range samples(format(t, row)) {
				if !containsAny(line, test.missing) {
					want = append(want, line)
				}
			}
			test.change(&row)
			if diff := cmp.Diff(want, samples(format(t, row))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func containsAny(line string, words []string) bool {
	for _, word := range words {
		if strings.Contains(line, word) {
			return true
		}
	}
	return false
}

func TestLint(t *testing.T) {
	problems, err := promlint.New(strings.NewReader(format(t, known("home", "nas"), known("etc", "usb")))).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	for line := range strings.Lines(format(t)) { // without any job it is still clear that borgcron lives
		if !strings.Contains(line, "borgcron_build_info") {
			t.Errorf("without a job: %s", line)
		}
	}
}

// parse reads a text as Prometheus does, and fails if a series stands there twice.
func parse(t interface{ Fatalf(string, ...any) }, text []byte) map[string]*dto.MetricFamily {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	seen := map[string]bool{}
	for name, family := range families {
		for _, metric := range family.GetMetric() {
			key := name
			for _, label := range metric.GetLabel() {
				key += "\x00" + label.GetName() + "\x00" + label.GetValue()
			}
			if seen[key] {
				t.Fatalf("%q stands there twice in\n%s", key, text)
			}
			seen[key] = true
		}
	}
	return families
}

// Whatever a job is called, and whatever stands in the records, one of them must not cost the metrics of all.
func TestAnyRowsCanBeRead(t *testing.T) {
	word := rapid.OneOf(rapid.SampledFrom([]string{"home", "nas", "", "\xff", "a\"b\\\n", "{}", "naïve\x00"}), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOf(rapid.Custom(func(t *rapid.T) metrics.Row {
			row := known(word.Draw(t, "job"), word.Draw(t, "repository"))
			row.ID = word.Draw(t, "id")
			row.LastRun.Duration = time.Duration(rapid.Int64().Draw(t, "duration"))
			row.LastSuccess = time.Unix(rapid.Int64().Draw(t, "success"), 0)
			row.Archive.Files = rapid.Int64().Draw(t, "files")
			return row
		})).Draw(t, "rows")
		text := metrics.Format(rows, metrics.Build{Version: word.Draw(t, "version"), User: word.Draw(t, "user")})
		families := parse(t, text)
		if got := len(families["borgcron_archive_files"].GetMetric()); got > len(rows) || len(rows) > 0 && got == 0 {
			t.Fatalf("%d rows of %d", got, len(rows))
		}
	})
}

// Two repositories without a name are both called by their job.
func TestRowsOfOneName(t *testing.T) {
	one, two, other := known("home", "home"), known("home", "home"), known("etc", "home")
	two.ID = "ffffff"
	var repositories []string
	for _, metric := range parse(t, []byte(format(t, one, two, other)))["borgcron_alarm"].GetMetric() {
		repositories = append(repositories, metric.GetLabel()[0].GetValue()+" on "+metric.GetLabel()[1].GetValue())
	}
	if diff := cmp.Diff([]string{"home on home (0a1b2c)", "home on home (ffffff)", "etc on home"}, repositories); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// The node exporter is another user. A file of somebody else is never written into, whatever leads to it.
func TestWriteReplaces(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	folder := t.TempDir()
	path, precious := filepath.Join(folder, "borgcron.prom"), filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(precious, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, before := range map[string]func() error{
		"nothing":       func() error { return nil },
		"a link":        func() error { return os.Symlink(precious, path) },
		"a second name": func() error { return os.Link(precious, path) },
		"a FIFO":        func() error { return syscall.Mkfifo(path, 0o600) },
		"an open file":  func() error { return errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o666)) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			if err := before(); err != nil {
				t.Fatal(err)
			}
			if err := metrics.Write(path, []metrics.Row{known("home", "nas")}, build); err != nil {
				t.Fatal(err)
			}
			if info, err := os.Lstat(path); err != nil || info.Mode() != 0o644 {
				t.Errorf("%v, %v", info, err)
			}
			if got, _ := os.ReadFile(path); string(got) != format(t, known("home", "nas")) {
				t.Errorf("it holds %q", got)
			}
			if got, _ := os.ReadFile(precious); string(got) != "precious" {
				t.Errorf("what was there is now %q", got)
			}
			if entries, _ := os.ReadDir(folder); len(entries) != 1 {
				t.Errorf("something was left behind: %v", entries)
			}
		})
	}
}

func TestWriteSaysWhatToDo(t *testing.T) {
	folder := t.TempDir()
	missing := filepath.Join(folder, "missing", "borgcron.prom")
	err := metrics.Write(missing, nil, build)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), missing+": its folder does not exist: create it, or change metrics.textfile") {
		t.Errorf("a folder that does not exist: %v", err)
	}
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := metrics.Write(filepath.Join(file, "borgcron.prom"), nil, build); err == nil || !strings.Contains(err.Error(), "write the metrics to ") {
		t.Errorf("a file in place of the folder: %v", err)
	}
	if err := os.Mkdir(filepath.Join(folder, "borgcron.prom"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := metrics.Write(filepath.Join(folder, "borgcron.prom"), nil, build); err == nil {
		t.Error("a folder in place of the file is no error")
	}
	if entries, _ := os.ReadDir(folder); len(entries) != 2 {
		t.Errorf("something was left behind: %v", entries)
	}
}

// Several processes may write at once, and the collector reads at any time: it sees one file or the other.
func TestReadersSeeWholeFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "borgcron.prom")
	whole := map[string]bool{}
	var rows []metrics.Row
	for _, job := range []string{"a", "b", "c"} {
		rows = append(rows, known(job, "nas"))
		whole[format(t, rows...)] = true
		if err := metrics.Write(path, rows, build); err != nil {
			t.Fatal(err)
		}
	}
	var writers sync.WaitGroup
	for n := range rows {
		writers.Go(func() {
			for range 20 {
				if err := metrics.Write(path, rows[:n+1], build); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	for {
		got, err := os.ReadFile(path)
		if err != nil || !whole[string(got)] {
			t.Fatalf("%v, %d bytes:\n%s", err, len(got), got)
		}
		select {
		case <-done:
			return
		default:
		}
	}
}
