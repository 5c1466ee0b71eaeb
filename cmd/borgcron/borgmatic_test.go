package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"borgcron/internal/importer"

	"github.com/google/go-cmp/cmp"
)

// In sections, as each borgmatic knows them; %s are the home and the borg.
const borgmaticFile = `location:
    source_directories: [%[1]s/data]
    repositories: [%[1]s/repo]
    local_path: %[2]s
storage:
    unknown_unencrypted_repo_access_is_ok: true
    %[3]s
retention:
    keep_hourly: 2
    keep_daily: 4
    keep_weekly: 3
    keep_yearly: -1
    %[4]s
consistency:
    checks: [disabled]
`

// What borgmatic began borgcron goes on with: the same series, of which the same archives are deleted.
func TestBorgmaticGoesOn(t *testing.T) {
	t.Parallel()
	borgmatic, err := exec.LookPath("borgmatic")
	if err != nil {
		missing(t, "no borgmatic on PATH; make setup gets one")
	}
	for name, naming := range map[string]struct{ storage, retention, foreign string }{
		"default name": {"", "", "elsewhere-2020-01-01T00:00:00"},
		"own name":     {"archive_name_format: '{hostname}-docs-{now:%%Y-%%m-%%dT%%H%%M%%S.%%f}'", "prefix: '{hostname}-docs-'", "{hostname}-other-2020-01-01T00:00:00"},
	} {
		t.Run(name, func(t *testing.T) {
			oneBorg(t, func(t *testing.T, borg string) {
				s := newSite(t, borg, "")
				s.env = append(s.env, "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes")
				s.write(3, 1000)
				text := fmt.Appendf(nil, borgmaticFile, s.home, borg, strings.ReplaceAll(naming.storage, "%%", "%"), naming.retention)
				check(t, os.WriteFile(s.path("docs.yaml"), text, 0o600))
				other := func(program string, args ...string) string {
					t.Helper()
					command := exec.Command(program, args...)
					command.Env = s.env
					output, err := command.CombinedOutput()
					if err != nil {
						t.Fatalf("%s %v: %v\n%s", program, args, err, output)
					}
					return string(output)
				}
				other(borg, "init", "-e", "none", s.path("repo"))
				other(borg, "create", "--timestamp", "2020-01-01T00:00:00", s.path("repo")+"::"+naming.foreign, s.path("data"))
				head := "{hostname}-"
				if naming.storage != "" {
					head += "docs-"
				}
				for day := range 12 { // as borgmatic would have made them
					at := time.Now().UTC().Add(-time.Duration(day*31+5) * time.Hour)
					other(borg, "create", "--timestamp", at.Format("2006-01-02T15:04:05"), s.path("repo")+"::"+head+at.Format("2006-01-02T15:04:05")+".123456", s.path("data"))
				}
				for range 3 {
					other(borgmatic, "--config", s.path("docs.yaml"), "create")
				}

				hostname, err := os.Hostname()
				check(t, err)
				hostname, _, _ = strings.Cut(hostname, ".")
				imported, err := importer.Borgmatic([]importer.Source{{Path: s.path("docs.yaml"), Content: text}}, importer.Options{Hostname: hostname, Home: s.home})
				check(t, err)
				check(t, os.WriteFile(s.path("borgcron.yaml"), append([]byte("paths: {state: \"${WORK}/state\"}\n"), imported.Config...), 0o600))
				s.must("config", "check")
				before := s.archives("docs")
				s.must("run", "--only", "create")
				all := s.archives("docs")
				if len(before) != 16 || len(all) != 17 {
					t.Fatalf("%d archives before, %d after\n%s", len(before), len(all), imported.Config)
				}

				var want []string
				said := other(borgmatic, "--config", s.path("docs.yaml"), "--dry-run", "--verbosity", "2", "prune", "--list")
				for _, found := range regexp.MustCompile(`Would prune:\s+(\S+)`).FindAllStringSubmatch(said, -1) {
					want = append(want, found[1])
				}
				want = slices.Compact(slices.Sorted(slices.Values(want))) // it says each twice
				if len(want) < 5 {
					t.Fatalf("borgmatic would delete %v:\n%s", want, said)
				}
				s.must("run", "--only", "prune", "--yes")
				left := s.archives("docs")
				gone := slices.DeleteFunc(slices.Clone(all), func(archive string) bool { return slices.Contains(left, archive) })
				if diff := cmp.Diff(want, slices.Sorted(slices.Values(gone))); diff != "" {
					t.Errorf("borgmatic would delete, borgcron deletes (-want +got):\n%s\n%s", diff, imported.Config)
				}
				if !slices.ContainsFunc(left, func(archive string) bool { return strings.HasSuffix(archive, "2020-01-01T00:00:00") }) {
					t.Errorf("the archive of another series is gone: %v", left)
				}
			})
		})
	}
}
