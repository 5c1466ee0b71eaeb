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
    passphrase: {file: "${WORK}/passphrase"}
    clients: shared
    ssh: {identity: "${IDENTITY}", known_hosts: "${KNOWN_HOSTS}"}
jobs:
  docs:
    repository: vault
    sources: ["${WORK}/data"]
    retention: keep_all
    check: {every: never}
`

// docs/recipes.md, "A server that forgets nothing": whoever has the client's key can hide archives, and the server brings them back.
func TestAppendOnlyServer(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		s, _ := newRemoteSite(t, borg, appendOnlyConfig)
		check(t, os.WriteFile(s.path("passphrase"), []byte("correct horse\n"), 0o600))
		appendOnly(t, s, borg)
		s.write(3, 1<<20)
		s.must("init", "docs")
		for range 6 {
			s.must("run")
		}
		before := s.archives("docs")
		good := lastTransaction(t, s.path("repo"))

		// By somebody elsewhere, who has the key of ssh and the passphrase.
		for _, args := range [][]string{{"delete", "--glob-archives", "*"}, {"compact"}} {
			attack(t, s, borg, args...)
		}
		if left := s.archives("docs"); len(left) > 0 || len(before) != 6 {
			t.Fatalf("%v before, %v after the attack", before, left)
		}
		s.must("run") // is green, as the page says, with a note of how much is new
		if said := s.must("status"); !strings.Contains(said, "new data") {
			t.Errorf("all data was sent once more, and status says:\n%s", said)
		}

		// On the server, with bare borg and no passphrase: only what was written later is taken away.
		rollBack(t, borg, s.path("repo"), good)

		// The client sees that the repository is older than it was: that is an alarm, until its owner says what it is.
		said := s.want(2, "run")
		if !strings.Contains(said, "older") {
			t.Errorf("the run says nothing of an older repository:\n%s", said)
		}
		forget(t, s)
		s.must("ack", "vault", "--yes", "--note", "rolled back after an attack")
		s.must("run")
		after := s.archives("docs")
		if len(after) != 7 || strings.Join(after[:6], " ") != strings.Join(before, " ") {
			t.Errorf("%v before, %v after the roll-back and a run", before, after)
		}
		s.must("restore", "docs", "--archive", before[0], "--to", s.path("back"), "--yes")
		run(t, "diff", "-r", s.path("data"), s.path("back")+s.path("data"))
	})
}

// appendOnly lets the client's key do no more than the recipe says.
func appendOnly(t *testing.T, s *site, borg string) {
	t.Helper()
	keys := filepath.Join(filepath.Dir(environmentOf(s, "IDENTITY")), "authorized_keys")
	public, err := os.ReadFile(keys)
	check(t, err)
	entry := fmt.Sprintf("restrict,command=\"%s serve --append-only --restrict-to-path %s\" %s", borg, s.path("repo"), public)
	check(t, os.WriteFile(keys, []byte(entry), 0o600))
}

// attack calls bare borg with the client's login, from a home of its own.
func attack(t *testing.T, s *site, borg string, args ...string) {
	t.Helper()
	command := exec.Command(borg, args...)
	command.Env = append(os.Environ(), "HOME="+t.TempDir(), "BORG_REPO="+environmentOf(s, "LOCATION"), "BORG_PASSPHRASE=correct horse",
		"BORG_RSH=ssh -o BatchMode=yes -i "+environmentOf(s, "IDENTITY")+" -o UserKnownHostsFile="+environmentOf(s, "KNOWN_HOSTS"))
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("borg %v: %v\n%s", args, err, output)
	}
}

// forget takes from borg on the client what the recipe says, and leaves the counter of nonces and the kind of key.
func forget(t *testing.T, s *site) {
	t.Helper()
	stamps, err := filepath.Glob(s.path(".config", "borg", "security", "*", "manifest-timestamp"))
	check(t, err)
	if len(stamps) != 1 {
		t.Fatalf("%v", stamps)
	}
	check(t, os.Remove(stamps[0]))
	check(t, os.RemoveAll(s.path(".cache", "borg", filepath.Base(filepath.Dir(stamps[0])))))
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
func rollBack(t *testing.T, borg, repository string, good int) {
	t.Helper()
	run(t, "sh", "-c", `cd "$1" && good=$2
for segment in data/*/*; do [ "${segment##*/}" -le "$good" ] || rm "$segment"; done
rm -f hints.* index.* integrity.*
HOME=$4 "$3" check --repository-only "$1"`, "sh", repository, strconv.Itoa(good), borg, t.TempDir())
}
