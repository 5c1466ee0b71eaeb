package metrics_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"borgcron/internal/metrics"
)

const (
	rulesFile     = "../../contrib/prometheus/borgcron.rules.yml"
	rulesTestFile = "../../contrib/prometheus/borgcron.test.yml"
	dashboardFile = "../../contrib/grafana/borgcron.json"
	page          = "../../docs/metrics.md"
)

// missing skips a test for want of a real component, or fails it where all of them must be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("BORGCRON_MUST") == "all" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// program finds one of several names of a program.
func program(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing(t, "there is no "+names[0]+" here; scripts/setup gets it")
	return ""
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestPromtool(t *testing.T) {
	promtool := program(t, "promtool")
	for _, test := range []struct {
		name  string
		args  []string
		stdin string
	}{
		{"metrics", []string{"check", "metrics"}, format(t, known("home", "nas"), known("etc", "usb"))},
		{"rules", []string{"check", "rules", "--lint-fatal", rulesFile}, ""},
		{"alerts", []string{"test", "rules", rulesTestFile}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), promtool, test.args...)
			command.Stdin = strings.NewReader(test.stdin)
			output, err := command.CombinedOutput()
			if err != nil || test.stdin != "" && len(output) > 0 { // of metrics it only speaks if it finds something
				t.Errorf("%v\n%s", err, output)
			}
		})
	}
}

// rule is an alert of the file.
type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func rules(t *testing.T) (found []rule) {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Load(read(t, rulesFile), &file, yaml.WithKnownFields()); err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Groups {
		found = append(found, group.Rules...)
	}
	if len(found) < 5 {
		t.Fatalf("only %d rules", len(found))
	}
	return found
}

// Each alert says what is wrong and what to do, and has a test that sees it fire.
func TestRules(t *testing.T) {
	var names []string
	tests := string(read(t, rulesTestFile))
	for _, rule := range rules(t) {
		names = append(names, rule.Alert)
		if !slices.Contains([]string{"critical", "warning", "info"}, rule.Labels["severity"]) || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
			t.Errorf("%s: %v, %v", rule.Alert, rule.Labels, rule.Annotations)
		}
		if !strings.Contains(tests, "      - alertname: "+rule.Alert+"\n") || !strings.Contains(tests, "      - {alertname: "+rule.Alert+",") {
			t.Errorf("%s: no test sees it fire, or none that it does not", rule.Alert)
		}
		checkNames(t, rule.Alert, rule.Expr)
	}
	slices.Sort(names)
	if len(slices.Compact(names)) != len(names) {
		t.Errorf("two alerts have one name: %v", names)
	}
}

var ourName = regexp.MustCompile(`\bborgcron_\w+`)

// written are the names of all metrics of ours.
func written(t *testing.T) (names []string) {
	t.Helper()
	for name := range parse(t, []byte(format(t, known("home", "nas")))) {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// checkNames sees whether an expression asks for what is never written.
func checkNames(t *testing.T, where, expr string) {
	t.Helper()
	for _, name := range ourName.FindAllString(expr, -1) {
		if !slices.Contains(written(t), name) {
			t.Errorf("%s asks for %s, which nobody writes", where, name)
		}
	}
}

// dashboard is what a test looks at of Grafana's model of one.
type dashboard struct {
	UID           string `json:"uid"`
	Title         string `json:"title"`
	SchemaVersion int    `json:"schemaVersion"`
	Templating    struct {
		List []struct {
			Name       string          `json:"name"`
			Type       string          `json:"type"`
			Query      json.RawMessage `json:"query"`
			Datasource *source         `json:"datasource"`
		} `json:"list"`
	} `json:"templating"`
	Panels []panel `json:"panels"`
}

type source struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type panel struct {
	ID          int    `json:"id"`
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Datasource  source `json:"datasource"`
	GridPos     struct {
		X, Y, W, H int
	} `json:"gridPos"`
	Targets []struct {
		RefID      string `json:"refId"`
		Expr       string `json:"expr"`
		Datasource source `json:"datasource"`
	} `json:"targets"`
}

func loadDashboard(t *testing.T) (board dashboard) {
	t.Helper()
	if err := json.Unmarshal(read(t, dashboardFile), &board); err != nil {
		t.Fatal(err)
	}
	if len(board.Panels) < 10 {
		t.Fatalf("only %d panels", len(board.Panels))
	}
	return board
}

// Whoever imports the dashboard chooses the source of the data, and sees every panel once.
func TestDashboard(t *testing.T) {
	board := loadDashboard(t)
	if board.Title == "" || board.UID == "" || board.SchemaVersion < 36 {
		t.Errorf("title %q, uid %q, schema %d", board.Title, board.UID, board.SchemaVersion)
	}
	chosen := source{"prometheus", "${datasource}"}
	variables := map[string]bool{}
	for i, variable := range board.Templating.List {
		variables[variable.Name] = true
		switch variable.Type {
		case "datasource":
			if i != 0 || variable.Name != "datasource" || string(variable.Query) != `"prometheus"` {
				t.Errorf("variable %d, %s, asks for %s: the source is to be the first", i, variable.Name, variable.Query)
			}
		case "query":
			if variable.Datasource == nil || *variable.Datasource != chosen {
				t.Errorf("variable %s asks %v", variable.Name, variable.Datasource)
			}
			checkNames(t, "variable "+variable.Name, string(variable.Query))
		default:
			t.Errorf("variable %s is a %s", variable.Name, variable.Type)
		}
	}
	ids, cells := map[int]string{}, map[[2]int]string{}
	for _, panel := range board.Panels {
		if other, taken := ids[panel.ID]; taken || panel.ID < 1 {
			t.Errorf("%s and %s have the id %d", panel.Title, other, panel.ID)
		}
		ids[panel.ID] = panel.Title
		at := panel.GridPos
		if at.W < 1 || at.H < 1 || at.X < 0 || at.Y < 0 || at.X+at.W > 24 {
			t.Errorf("%s is at %v of 24 columns", panel.Title, at)
			continue
		}
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				if other, taken := cells[[2]int{x, y}]; taken {
					t.Fatalf("%s lies on %s", panel.Title, other)
				}
				cells[[2]int{x, y}] = panel.Title
			}
		}
		checkPanel(t, panel, chosen, variables)
	}
}

var variableName = regexp.MustCompile(`\$(?:\{(\w+)[^}]*\}|(\w+))`)

func checkPanel(t *testing.T, panel panel, chosen source, variables map[string]bool) {
	t.Helper()
	if panel.Type == "" || panel.Title == "" || panel.Description == "" || panel.Datasource != chosen || len(panel.Targets) == 0 {
		t.Errorf("panel %d: type %q, title %q, description %q, source %v, %d queries",
			panel.ID, panel.Type, panel.Title, panel.Description, panel.Datasource, len(panel.Targets))
	}
	seen := map[string]bool{}
	for _, target := range panel.Targets {
		if target.Expr == "" || target.Datasource != chosen || seen[target.RefID] {
			t.Errorf("%s, query %q: %q from %v", panel.Title, target.RefID, target.Expr, target.Datasource)
		}
		seen[target.RefID] = true
		checkNames(t, panel.Title, target.Expr)
		for _, name := range variableName.FindAllStringSubmatch(target.Expr, -1) {
			if !variables[name[1]+name[2]] {
				t.Errorf("%s asks for the variable %s, which is not there", panel.Title, name[0])
			}
		}
	}
}

// The page lists all that is written, with its help text and labels, and nothing else; and all alerts.
func TestPage(t *testing.T) {
	families := parse(t, []byte(format(t, known("home", "nas"))))
	want, got := map[string]string{}, map[string]string{}
	for name, family := range families {
		var labels []string
		for _, label := range family.GetMetric()[0].GetLabel() {
			if label.GetName() != "job" && label.GetName() != "repository" {
				labels = append(labels, "`"+label.GetName()+"`")
			}
		}
		want[name] = strings.Join(labels, ", ") + " | " + family.GetHelp()
	}
	text := string(read(t, page))
	row := regexp.MustCompile("(?m)^\\| `(borgcron_\\w+)` \\| (.*?) ?\\| (.*) \\|$")
	for _, cells := range row.FindAllStringSubmatch(text, -1) {
		got[cells[1]] = cells[2] + " | " + strings.ReplaceAll(cells[3], "`", "")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-written +page:\n%s", diff)
	}
	for _, rule := range rules(t) {
		if !strings.Contains(text, "| `"+rule.Alert+"` |") {
			t.Errorf("the page does not tell of %s", rule.Alert)
		}
	}
}

// The metrics of nothing but a version are as well-formed as all others: the collector reads them before the first run.
func TestWithoutAnyRow(t *testing.T) {
	if text := metrics.Format(nil, build); len(parse(t, text)) != 1 {
		t.Errorf("%s", text)
	}
}
