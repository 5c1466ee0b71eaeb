package backup_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

// pruneZones are where days, weeks and clock changes fall differently.
var pruneZones = []string{
	"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "America/St_Johns",
}

// pruneEdges are moments, with their neighbours of one second, at which periods begin or end somewhere.
var pruneEdges = []string{
	"2011-12-30T10:00:00", // Apia skips a day
	"2020-12-28T00:00:00", // ISO week 53 begins
	"2021-01-04T00:00:00", // and ends
	"2024-12-30T00:00:00", // ISO week 1 of 2025
	"2025-10-26T00:00:00", // Berlin's repeated hour, first time
	"2025-10-26T01:00:00", // second time
	"2025-11-02T04:30:00", // St John's repeated hour
	"2025-11-02T06:00:00", // New York's repeated hour
	"2025-12-31T18:30:00", // New Year in Kolkata
	"2026-01-01T00:00:00",
	"2026-01-01T03:30:00", // New Year in St John's
	"2026-03-08T07:00:00", // New York's gap
	"2026-03-29T01:00:00", // Berlin's gap
	"2026-03-30T00:00:00", // ISO week 14, the second 13 weeks
	"2026-03-31T22:00:00", // the second quarter in Berlin
}

// What `borg prune --dry-run --list` of each installed borg keeps, deletes and names as the reason is what
// Retention.Apply says: for random lists (a glob chooses some of a repository's archives), rules and zones.
// It is also the proof of Retention.Args and of Match.
func TestRetentionAgreesWithBorg(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds for each borg")
	}
	programs := borgPrograms(t)
	if len(programs) == 0 {
		if os.Getenv("BORGCRON_MUST") == "all" {
			t.Fatal("borg is needed")
		}
		t.Skip("borg is not installed")
	}
	start := seed(t)
	for _, program := range programs {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			repository := newPruneRepository(t, program, rand.New(rand.NewPCG(start, 1)))
			random := rand.New(rand.NewPCG(start, 2))
			for range rounds(200) {
				repository.compare(t, random)
			}
		})
	}
}

// borgPrograms are the borg on PATH, those of BORGCRON_TEST_BORGS and those under .tools.
func borgPrograms(t *testing.T) []string {
	t.Helper()
	programs := filepath.SplitList(os.Getenv("BORGCRON_TEST_BORGS"))
	if program, err := exec.LookPath("borg"); err == nil {
		programs = append(programs, program)
	}
	local, err := filepath.Glob("../../.tools/borg-*/bin/borg")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	var found []string
	for _, program := range append(programs, local...) {
		path, err := filepath.EvalSymlinks(program)
		if err != nil {
			t.Fatal(err)
		}
		if path, err = filepath.Abs(path); err != nil {
			t.Fatal(err)
		}
		if !seen[path] {
			seen[path] = true
			found = append(found, path)
		}
	}
	return found
}

// pruneRepository is a repository of empty archives.
type pruneRepository struct {
	program  string
	base     string
	quarters bool             // this borg knows the quarterly rules
	list     []backup.Archive // newest first, with the incomplete ones
}

func newPruneRepository(t *testing.T, program string, random *rand.Rand) *pruneRepository {
	t.Helper()
	r := &pruneRepository{program: program, base: t.TempDir()}
	if err := os.Mkdir(filepath.Join(r.base, "empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	r.borg(t, "UTC", "init", "--encryption=none")
	moments := pruneMoments(t, time.Now().UTC(), 16+rounds(40), random)
	for i, moment := range moments {
		name := fmt.Sprintf("%c%c%c-%d", 'a'+random.IntN(3), 'a'+random.IntN(3), "*?["[random.IntN(3)], i)
		switch random.IntN(10) {
		case 0:
			name += ".checkpoint"
		case 1:
			name += ".checkpoint.2"
		}
		r.borg(t, "UTC", "create", "--timestamp="+moment.Format("2006-01-02T15:04:05"), "::"+name, "empty")
	}
	r.quarters = bytes.Contains(r.borg(t, "UTC", "prune", "--help"), []byte("--keep-13weekly"))
	r.list = r.archives(t)
	if len(r.list) != len(moments) {
		t.Fatalf("%d archives were made, %d are listed", len(moments), len(r.list))
	}
	return r
}

// pruneMoments returns n moments: edges, the last weeks, the last years, equal and near ones. Those of the
// last weeks lie off the full hours before now, so that `within` says the same for the whole test.
func pruneMoments(t *testing.T, now time.Time, n int, random *rand.Rand) []time.Time {
	t.Helper()
	moments := []time.Time{now.AddDate(-3, 0, 0)}
	for len(moments) < n {
		last := moments[len(moments)-1]
		offHour := time.Duration(5+random.IntN(40)) * time.Minute
		switch random.IntN(6) {
		case 0, 1:
			edge, err := time.Parse("2006-01-02T15:04:05", pruneEdges[random.IntN(len(pruneEdges))])
			if err != nil {
				t.Fatal(err)
			}
			moments = append(moments, edge.Add(time.Duration(random.IntN(3)-1)*time.Second))
		case 2, 3:
			moments = append(moments, now.Add(-time.Duration(random.IntN(20*24))*time.Hour-offHour))
		case 4:
			moments = append(moments, now.Add(-time.Duration(random.IntN(3*365*24))*time.Hour-offHour))
		default:
			moments = append(moments, last, last)
		}
	}
	return moments
}

// borg runs a command on the repository and returns all it says.
func (r *pruneRepository) borg(t *testing.T, zone string, args ...string) []byte {
	t.Helper()
	command := exec.Command(r.program, args...)
	command.Dir = r.base
	command.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.base, "LANG=C.UTF-8", "TZ=" + zone, "BORG_REPO=" + filepath.Join(r.base, "repository"),
		"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes",
	}
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v: %s", args, err, output)
	}
	return output
}

func (r *pruneRepository) archives(t *testing.T) []backup.Archive {
	t.Helper()
	var listing struct {
		Archives []struct{ Name, ID, Time string }
	}
	if err := json.Unmarshal(r.borg(t, "UTC", "list", "--json", "--consider-checkpoints"), &listing); err != nil {
		t.Fatal(err)
	}
	var list []backup.Archive
	for _, archive := range listing.Archives {
		moment, err := time.Parse("2006-01-02T15:04:05.999999", archive.Time)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, backup.Archive{Name: archive.Name, ID: archive.ID, Time: moment})
	}
	slices.Reverse(list)
	return list
}

// compare tries one set of rules on some of the archives in one zone.
func (r *pruneRepository) compare(t *testing.T, random *rand.Rand) {
	t.Helper()
	patterns := []string{"*", "*a*", "[ab]*", "?[!b]*", "c*", "*[*]*", "*[?]*", "*[/[]*", "*-[0-9]", "*-[0-9][0-9]", "[!a]?*[02468]"}
	pattern := patterns[random.IntN(len(patterns))]
	rules := randomRules(random, r.quarters)
	zoneName := pruneZones[random.IntN(len(pruneZones))]

	args := append([]string{"prune", "--dry-run", "--list", "--log-json", "--glob-archives=" + pattern}, rules.Args()...)
	got := pruneVerdicts(t, r.borg(t, zoneName, args...))

	var list []backup.Archive
	for _, archive := range r.list {
		complete, _, _ := strings.Cut(archive.Name, ".checkpoint")
		if backup.Match(pattern, archive.Name) || backup.Match(pattern, complete) {
			list = append(list, archive)
		}
	}
	keep, remove := rules.Apply(list, time.Now(), zone(t, zoneName))
	verdicts := map[string]string{}
	for _, kept := range keep {
		verdicts[kept.Name] = kept.Rule
	}
	for _, removed := range remove {
		verdicts[removed.Name] = "removed"
	}
	var want []string
	for _, archive := range list {
		want = append(want, archive.Name+" "+verdicts[archive.Name])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("TZ=%s borg %q: (- ours, + borg's)\n%s", zoneName, args, diff)
	}
}

func randomRules(random *rand.Rand, quarters bool) backup.Retention {
	var rules backup.Retention
	counts := []*int{
		&rules.Last, &rules.Minutely, &rules.Hourly, &rules.Daily, &rules.Weekly, &rules.Monthly, &rules.Yearly,
	}
	if quarters {
		counts = append(counts, []*int{&rules.ThirteenWeekly, &rules.ThreeMonthly}[random.IntN(2)])
	}
	values := []int{1, 1, 2, 2, 3, 4, 6, 10, 1000, backup.All}
	for rules.IsZero() {
		for _, count := range counts {
			if random.IntN(3) == 0 {
				*count = values[random.IntN(len(values))]
			}
		}
		if random.IntN(3) == 0 {
			withins := []string{"1H", "5H", "2d", "9d", "1w", "2w", "1m", "3m", "1y", "2y"}
			rules.Within = withins[random.IntN(len(withins))]
		}
	}
	return rules
}

// pruneVerdict is a line of `borg prune --list`.
var pruneVerdict = regexp.MustCompile(`^(Would prune|Keeping checkpoint archive|Keeping archive \(rule: (.+)\)):\s+(\S+)\s`)

// pruneVerdicts returns "NAME REASON" for each archive in borg's list.
func pruneVerdicts(t *testing.T, log []byte) []string {
	t.Helper()
	var verdicts []string
	for line := range bytes.Lines(log) {
		var entry struct{ Name, Message string }
		if err := json.Unmarshal(line, &entry); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if entry.Name != "borg.output.list" {
			t.Errorf("borg says %q", entry.Message)
			continue
		}
		match := pruneVerdict.FindStringSubmatch(entry.Message)
		if match == nil {
			t.Fatalf("not understood: %q", entry.Message)
		}
		reason := match[2]
		switch match[1] {
		case "Would prune":
			reason = "removed"
		case "Keeping checkpoint archive":
			reason = "checkpoint"
		}
		verdicts = append(verdicts, match[3]+" "+reason)
	}
	return verdicts
}
