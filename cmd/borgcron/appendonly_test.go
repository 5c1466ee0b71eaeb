package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const appendOnlyConfig = `
repositories:
  vault:
    location: "${LOCATION}"
    borg: "${BORG}"
    encryption: none
    clients: shared
    env: {BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: "yes"}
    ssh: {identity: "${IDENTITY}", known_hosts: "${KNOWN_HOSTS}"}
jobs:
  docs:
    repository: vault
    sources: ["${WORK}/data"]
    retention: keep_all
    check: {every: never}
`

// docs/recipes.md, "A server that forgets nothing": whoever has taken the client over can hide archives, and the server brings them back.
func TestAppendOnlyServer(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		s, _ := newRemoteSite(t, borg, appendOnlyConfig)
		keys := filepath.Join(filepath.Dir(environmentOf(s, "IDENTITY")), "authorized_keys")
		public, err := os.ReadFile(keys)
		check(t, err)
		entry := fmt.Sprintf("restrict,command=\"%s serve --append-only --restrict-to-path %s\" %s", borg, s.path("repo"), public)
		check(t, os.WriteFile(keys, []byte(entry), 0o600))
		s.write(3, 1000)
		s.must("init", "docs")
		for range 3 {
			s.write(3, 1000)
			s.must("run")
		}
		before := s.archives("docs")
		good := lastTransaction(t, s.path("repo"))

		attack := func(args ...string) {
			t.Helper()
			s.must(append([]string{"borg", "docs", "--"}, args...)...)
		}
		attack("delete", "--glob-archives", "*")
		attack("compact")
		if left := s.archives("docs"); len(left) > 0 || len(before) != 3 {
			t.Fatalf("%v before, %v after the attack", before, left)
		}

		// On the server, with bare borg: only what was written later is taken away.
		rollBack(t, s.path("repo"), good)
		list := exec.Command(borg, "list", "--short", s.path("repo"))
		list.Env = append(os.Environ(), "HOME="+t.TempDir(), "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes")
		output, err := list.Output()
		if got := strings.Fields(string(output)); err != nil || strings.Join(got, " ") != strings.Join(before, " ") {
			t.Fatalf("after the roll-back: %v\n%s", err, output)
		}

		// The client sees that the repository is older than it was: that is an alarm, until its owner says what it is.
		said := s.want(2, "run")
		if !strings.Contains(said, "older") && !strings.Contains(said, "newer") {
			t.Errorf("the run says nothing of an older repository:\n%s", said)
		}
		folders, err := filepath.Glob(s.path(".config", "borg", "security", "*"))
		check(t, err)
		caches, err := filepath.Glob(s.path(".cache", "borg", "*"))
		check(t, err)
		if len(folders) != 1 {
			t.Fatalf("%v, %v", folders, caches)
		}
		for _, folder := range append(folders, caches...) {
			check(t, os.RemoveAll(folder))
		}
		s.must("ack", "vault", "--yes", "--note", "rolled back after an attack")
		s.must("run")
		if after := s.archives("docs"); len(after) != 4 {
			t.Errorf("%v after the roll-back and a run", after)
		}
	})
}

var transactionLine = regexp.MustCompile(`(?m)^transaction (\d+), UTC time`)

// lastTransaction reads what an append-only repository keeps of its transactions: the number of the last segment of each.
func lastTransaction(t *testing.T, repository string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "transactions"))
	check(t, err)
	all := transactionLine.FindAllStringSubmatch(string(text), -1)
	if len(all) == 0 {
		t.Fatalf("no transactions: %s", text)
	}
	number, err := strconv.Atoi(all[len(all)-1][1])
	check(t, err)
	return number
}

// rollBack does what the recipe says.
func rollBack(t *testing.T, repository string, good int) {
	t.Helper()
	run(t, "sh", "-c", `cd "$1" && good=$2
for segment in data/*/*; do [ "${segment##*/}" -le "$good" ] || rm "$segment"; done
rm -f hints.* index.* integrity.*`, "sh", repository, strconv.Itoa(good))
}
