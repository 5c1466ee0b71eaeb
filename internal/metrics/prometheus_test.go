package metrics_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
	"borgcron/internal/metrics"
)

// landscape are rows of all kinds, so that every alert that can fire at once does.
func landscape(now time.Time) []metrics.Row {
	row := func(job string, success time.Time, outcome backup.Outcome) metrics.Row {
		r := known(job, "nas")
		r.Standing.Stale = false
		r.LastSuccess, r.LastRun.Ended = success, success
		r.Outcomes = []backup.Outcome{outcome}
		r.Steps = map[backup.Step]time.Time{backup.Create: success, backup.Check: now.Add(-10 * 24 * time.Hour), backup.Prune: success}
		return r
	}
	good := row("good", now.Add(-time.Hour), backup.Succeeded)
	failed := row("failed", now.Add(-20*time.Hour), backup.Failed)
	failed.Standing.Alarm = true
	warned := row("warned", now.Add(-2*time.Hour), backup.Warned)
	old := row("old", now.Add(-40*time.Hour), backup.Succeeded) // stale since it was written
	old.Steps[backup.Check] = now.Add(-70 * 24 * time.Hour)
	never := metrics.Row{Job: "never", Repository: "nas", Standing: &metrics.Standing{Stale: true, StaleAfter: time.Hour}, Outcomes: []backup.Outcome{backup.Skipped}}
	return []metrics.Row{good, failed, warned, old, never}
}

// server is a program that listens on loopback until the test ends.
func server(t *testing.T, command *exec.Cmd) (address string) {
	t.Helper()
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	found, drained := make(chan string, 1), make(chan struct{})
	listening := regexp.MustCompile(`msg="Listening on".* address=(\S+)`)
	go func() {
		defer close(drained)
		defer close(found)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			fmt.Fprintln(t.Output(), lines.Text())
			if match := listening.FindStringSubmatch(lines.Text()); match != nil && address == "" {
				found <- match[1]
				listening = regexp.MustCompile(`^$`)
			}
		}
	}()
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		<-drained
		_ = command.Wait()
	})
	select {
	case address = <-found:
	case <-time.After(time.Minute):
	}
	if address == "" {
		t.Fatalf("%s does not listen", command.Path)
	}
	return address
}

// openFolder is a folder that another user may look into.
func openFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "borgcron-textfiles")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil { //nolint:gosec // it is meant to be open
		t.Fatal(err)
	}
	return folder
}

// exporter starts a node exporter, as another user if that can be.
func exporter(t *testing.T, folder string) string {
	t.Helper()
	command := exec.Command(program(t, "prometheus-node-exporter", "node_exporter"), "--web.listen-address=127.0.0.1:0",
		"--collector.disable-defaults", "--collector.textfile", "--collector.textfile.directory="+folder)
	command.Env, command.Dir = []string{}, "/"
	if os.Getuid() == 0 {
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	return server(t, command)
}

// prometheus starts a Prometheus that scrapes an address and judges our rules.
func prometheus(t *testing.T, target string) string {
	t.Helper()
	path, err := filepath.Abs(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	config := fmt.Sprintf(`{"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [%q],
		"scrape_configs": [{"job_name": "node", "static_configs": [{"targets": [%q]}]}]}`, path, target)
	if err := os.WriteFile(filepath.Join(folder, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program(t, "prometheus"), "--config.file="+filepath.Join(folder, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(folder, "data"), "--web.listen-address=127.0.0.1:0")
	command.Env = []string{}
	return server(t, command)
}

// ask asks Prometheus' HTTP API.
func ask(t *testing.T, address, path string, query url.Values, data any) error {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/api/v1/"+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer := struct {
		Status string `json:"status"`
		Error  string `json:"error"`
		Data   any    `json:"data"`
	}{Data: data}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return errors.New(answer.Error)
	}
	return nil
}

// series is one of the answer to a query.
type series struct {
	Metric map[string]string `json:"metric"`
	Value  [2]any            `json:"value"`
}

func queried(t *testing.T, address, expr string) []series {
	t.Helper()
	var result struct {
		Result []series `json:"result"`
	}
	if err := ask(t, address, "query", url.Values{"query": {expr}}, &result); err != nil {
		t.Errorf("%s: %v", expr, err)
	}
	return result.Result
}

// await asks until it is so: two programs talk to each other at their own pace.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

// The file goes the whole way: through a real node exporter, which is another user, into a real Prometheus. There
// every query of the dashboard has an answer, and those alerts fire that should.
func TestRealPrometheus(t *testing.T) {
	folder := openFolder(t)
	path := filepath.Join(folder, "borgcron.prom")
	now := time.Now()
	if err := metrics.Write(path, landscape(now), build); err != nil {
		t.Fatal(err)
	}
	// What a writer leaves that was killed.
	if err := os.WriteFile(filepath.Join(folder, ".borgcron.prom123"), []byte("no metrics"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, now, now.Add(-48*time.Hour)); err != nil {
		t.Fatal(err)
	}
	address := prometheus(t, exporter(t, folder))
	await(t, "metrics in Prometheus", func() bool {
		var result struct {
			Result []series `json:"result"`
		}
		err := ask(t, address, "query", url.Values{"query": {"borgcron_build_info"}}, &result)
		return err == nil && len(result.Result) == 1 // at first it answers that it is not ready
	})

	t.Run("exporter", func(t *testing.T) {
		if found := queried(t, address, "node_textfile_scrape_error"); len(found) != 1 || found[0].Value[1] != "0" {
			t.Errorf("the collector could not read the file: %v", found)
		}
		for _, name := range written(t) {
			if len(queried(t, address, name)) == 0 {
				t.Errorf("%s did not arrive", name)
			}
		}
		if found := queried(t, address, `borgcron_archive_files{exported_job="good",repository="nas",job="node"}`); len(found) != 1 || found[0].Value[1] != "118000" {
			t.Errorf("files of the job good: %v", found)
		}
	})
	t.Run("dashboard", func(t *testing.T) { checkAnswers(t, address) })
	t.Run("rules", func(t *testing.T) { checkAlerts(t, address) })
}

// checkAnswers asks every query of the dashboard, with all machines and jobs chosen.
func checkAnswers(t *testing.T, address string) {
	board := loadDashboard(t)
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			expr := variableName.ReplaceAllString(target.Expr, ".*")
			if len(queried(t, address, expr)) == 0 {
				t.Errorf("%s %s: no data from %s", panel.Title, target.RefID, expr)
			}
		}
	}
	values := func(title string, query int) map[string]string {
		i := slices.IndexFunc(board.Panels, func(p panel) bool { return p.Title == title })
		found := map[string]string{}
		for _, one := range queried(t, address, variableName.ReplaceAllString(board.Panels[i].Targets[query].Expr, ".*")) {
			found[one.Metric["exported_job"]] = one.Value[1].(string)
		}
		return found
	}
	for _, test := range []struct {
		title string
		query int
		want  map[string]string
	}{
		{"Jobs", 0, map[string]string{"": "5"}},
		{"Failed", 0, map[string]string{"": "1"}},
		{"Stale", 0, map[string]string{"": "2"}},
		{"Alarms", 0, map[string]string{"": "1"}},
		{"Backups", 0, map[string]string{"good": "0", "warned": "1", "failed": "2", "old": "0"}}, // never ran: none of them
		{"Backups", 2, map[string]string{"good": "0", "warned": "0", "failed": "0", "old": "1", "never": "1"}},
		{"Backups", 3, map[string]string{"good": "0", "warned": "0", "failed": "1", "old": "0", "never": "0"}},
		{"Backups", 4, map[string]string{"good": "0", "warned": "0", "failed": "0", "old": "0", "never": "1"}},
		{"How the last run ended", 0, map[string]string{"good": "0", "warned": "1", "failed": "2", "old": "0"}},
	} {
		if diff := cmp.Diff(test.want, values(test.title, test.query)); diff != "" {
			t.Errorf("%s, query %d: -want +got:\n%s", test.title, test.query, diff)
		}
	}
	for _, variable := range board.Templating.List {
		if match := regexp.MustCompile(`label_values\((.*), (\w+)\)`).FindStringSubmatch(strings.ReplaceAll(string(variable.Query), `\"`, `"`)); match != nil {
			found := queried(t, address, variableName.ReplaceAllString(match[1], ".*"))
			if len(found) == 0 || found[0].Metric[match[2]] == "" {
				t.Errorf("variable %s has no values: %v", variable.Name, found)
			}
		}
	}
}

// checkAlerts waits for the alerts that must fire, or be on their way to, and sees that there are no others.
func checkAlerts(t *testing.T, address string) {
	want := []string{
		"BorgcronAlarm failed", "BorgcronFailed failed", "BorgcronNeverSucceeded never", "BorgcronSilent ",
		"BorgcronStale old", "BorgcronUnchecked old", "BorgcronWarning warned",
	}
	var got []string
	await(t, "alerts in Prometheus", func() bool {
		var answer struct {
			Alerts []struct {
				Labels map[string]string `json:"labels"`
			} `json:"alerts"`
		}
		if err := ask(t, address, "alerts", nil, &answer); err != nil {
			t.Fatal(err)
		}
		got = nil
		for _, alert := range answer.Alerts {
			got = append(got, alert.Labels["alertname"]+" "+alert.Labels["exported_job"])
		}
		return len(got) >= len(want)
	})
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	judged := map[string]string{}
	await(t, "all rules judged", func() bool {
		var answer struct {
			Groups []struct {
				Rules []struct {
					Name, Health, LastError string
				} `json:"rules"`
			} `json:"groups"`
		}
		if err := ask(t, address, "rules", nil, &answer); err != nil {
			t.Fatal(err)
		}
		for _, group := range answer.Groups {
			for _, rule := range group.Rules {
				judged[rule.Name] = rule.Health + rule.LastError
			}
		}
		return !slices.Contains(slices.Collect(maps.Values(judged)), "unknown")
	})
	for _, rule := range rules(t) {
		if judged[rule.Alert] != "ok" {
			t.Errorf("%s: %q", rule.Alert, judged[rule.Alert])
		}
	}
}
