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

	"github.com/google/go-cmp/cmp"
)

// What the old scripts did with a configuration, as far as it touches archives.
const oldScript = `#!/bin/sh
BORG_BIN=borg COMPRESSION=lz4 ADD_BACKUP_PARAMS= PRUNE_PREFIX=null
. "$1"
case $2 in
create)
	$BORG_BIN create --compression "$COMPRESSION" $ADD_BACKUP_PARAMS "::$ARCHIVE_NAME" $BACKUP_DIRS || exit
	mkdir -p "$LAST_BACKUP_DIR"
	date +%%s > "$LAST_BACKUP_DIR/$BACKUP_NAME.time" ;;
prune)
	$BORG_BIN prune --dry-run --list --glob-archives "$PRUNE_PREFIX*" $PRUNE_PARAMS 2>&1 ;;
esac
`

const oldConfiguration = `#!/bin/sh
BACKUP_NAME='docs'
export BORG_REPO='%[1]s/repo'
ARCHIVE_NAME="{hostname}-$BACKUP_NAME-{now:%%Y-%%m-%%dT%%H:%%M:%%S}"
BACKUP_DIRS=
for dir in data; do
	BACKUP_DIRS="$BACKUP_DIRS %[1]s/$dir"
done
ADD_BACKUP_PARAMS="--exclude *.tmp"
PRUNE_PREFIX="{hostname}-$BACKUP_NAME-"
PRUNE_PARAMS="--keep-hourly=2 --keep-daily=4 --keep-weekly=3 --keep-yearly=-1"
LAST_BACKUP_DIR="%[1]s/last"
BORG_BIN="%[2]s"
export BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
echo done > "%[1]s/list"
`

// What the old scripts began borgcron goes on with: the same series, of which the same archives are deleted; and it knows when they last
// succeeded.
func TestOldScriptsGoOn(t *testing.T) {
	t.Parallel()
	eachBorg(t, func(t *testing.T, borg string) {
		s := newSite(t, borg, "")
		s.write(3, 1000)
		check(t, os.WriteFile(s.path("data/rubbish.tmp"), []byte("rubbish"), 0o600))
		check(t, os.WriteFile(s.path("old"), fmt.Appendf(nil, oldScript), 0o700))
		check(t, os.WriteFile(s.path("docs.sh"), fmt.Appendf(nil, oldConfiguration, s.home, borg), 0o600))
		other := func(program string, args ...string) string {
			t.Helper()
			command := exec.Command(program, args...)
			command.Env = append(s.env, "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes")
			output, err := command.CombinedOutput()
			if err != nil {
				t.Fatalf("%s %v: %v\n%s", program, args, err, output)
			}
			return string(output)
		}
		other(borg, "init", "-e", "none", s.path("repo"))
		other(borg, "create", "--timestamp", "2020-01-01T00:00:00", s.path("repo")+"::{hostname}-other-2020-01-01T00:00:00", s.path("data"))
		for day := range 12 {
			at := time.Now().UTC().Add(-time.Duration(day*31+5) * time.Hour)
			other(borg, "create", "--timestamp", at.Format("2006-01-02T15:04:05"), s.path("repo")+"::{hostname}-docs-"+at.Format("2006-01-02T15:04:05"), s.path("data"))
		}
		other(s.path("old"), s.path("docs.sh"), "create")
		check(t, os.Remove(s.path("list")))

		check(t, os.WriteFile(s.path("borgcron.yaml"), []byte("paths: {state: \"${WORK}/state\"}\ninclude: [docs.yaml]\n"), 0o600))
		report := s.must("import", "--output", s.path("docs.yaml"), s.path("docs.sh"))
		if _, err := os.Stat(s.path("list")); err == nil {
			t.Error("the import ran a command of the file")
		}
		s.must("config", "check")
		if said := s.must("status"); !strings.Contains(said, "made by the old scripts") || !strings.Contains(said, " ok ") {
			t.Errorf("the status does not know of the last backup:\n%s\n%s", said, report)
		}

		before := s.archives("docs")
		s.must("run", "--only", "create")
		all := s.archives("docs")
		if len(before) != 14 || len(all) != 15 {
			t.Fatalf("%d archives before, %d after", len(before), len(all))
		}
		if _, err := os.Stat(s.path("list")); err != nil {
			t.Errorf("the hook did not run: %v", err)
		}
		made := all[slices.IndexFunc(all, func(name string) bool { return !slices.Contains(before, name) })]
		if listed := other(borg, "list", "--short", s.path("repo")+"::"+made); strings.Contains(listed, "rubbish") || !strings.Contains(listed, "data/") {
			t.Errorf("in the archive is\n%s", listed)
		}

		var want []string
		said := other(s.path("old"), s.path("docs.sh"), "prune")
		for _, found := range regexp.MustCompile(`Would prune:\s+(\S+)`).FindAllStringSubmatch(said, -1) {
			want = append(want, found[1])
		}
		slices.Sort(want)
		if len(want) < 5 {
			t.Fatalf("the old script would delete %v:\n%s", want, said)
		}
		s.must("run", "--only", "prune", "--yes")
		left := s.archives("docs")
		gone := slices.DeleteFunc(slices.Clone(all), func(archive string) bool { return slices.Contains(left, archive) })
		if diff := cmp.Diff(want, slices.Sorted(slices.Values(gone))); diff != "" {
			t.Errorf("the old script would delete, borgcron deletes (-want +got):\n%s", diff)
		}
		if !slices.ContainsFunc(left, func(archive string) bool { return strings.HasSuffix(archive, "2020-01-01T00:00:00") }) {
			t.Errorf("the archive of another series is gone: %v", left)
		}
	})
}
