package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// ended is how one of many starts ended.
type ended struct {
	output string
	code   int
}

// allAtOnce starts as many borgcrons as there are command lines at the same moment, and waits for all of them.
func (s *site) allAtOnce(lines ...[]string) []ended {
	s.t.Helper()
	results := make([]ended, len(lines))
	ctx, cancel := context.WithTimeout(s.t.Context(), 3*time.Minute) // no deadlock
	defer cancel()
	var done sync.WaitGroup
	fire := make(chan struct{})
	for i, line := range lines {
		command := exec.CommandContext(ctx, "borgcron", line...)
		command.Env, command.WaitDelay = s.env, time.Second
		done.Go(func() {
			<-fire
			output, err := command.CombinedOutput()
			results[i] = ended{string(output), -1}
			if command.ProcessState != nil {
				results[i].code = command.ProcessState.ExitCode()
			} else {
				results[i].output = err.Error()
			}
		})
	}
	close(fire)
	done.Wait()
	return results
}

func times(n int, line ...string) (lines [][]string) {
	for range n {
		lines = append(lines, line)
	}
	return lines
}

// tally counts the results by exit code.
func tally(results []ended) map[int]int {
	counts := map[int]int{}
	for _, result := range results {
		counts[result.code]++
	}
	return counts
}

const oneRepository = `
repositories: {local: {location: "${WORK}/repo", borg: "${BORG}", encryption: none}}
defaults: {repository: local, sources: ["${WORK}/data"], bootstrap: false, retention: keep_all, retry: {retries: 0}}
jobs:
  home: {}
`

// Many starts of one job at the same moment, the first ever of this machine: there are as many archives as runs that
// say they succeeded, and whoever did not get the repository says who has it.
func TestManyStartsOfOneJob(t *testing.T) {
	t.Parallel()
	eachBorg(t, func(t *testing.T, borg string) {
		t.Parallel()
		s := newSite(t, borg, oneRepository)
		s.write(2, 1<<20)
		s.must("init", "home")
		check(t, os.RemoveAll(s.path("state"))) // so that state, tables and status files are made by all at once, too
		starts := 8
		if proving() {
			starts = 20
		}
		results := s.allAtOnce(times(starts, "run", "home", "--wait", "0s")...)
		counts := tally(results)
		for _, result := range results {
			if result.code == 75 && !strings.Contains(result.output, "locked by") {
				t.Errorf("the holder is not named:\n%s", result.output)
			}
			if result.code != 0 && result.code != 75 || strings.Contains(result.output, "error") {
				t.Errorf("exit code %d:\n%s", result.code, result.output)
			}
		}
		if archives := s.archives("home"); counts[0] < 1 || counts[0] != len(archives) {
			t.Errorf("%v by exit code, archives %q", counts, archives)
		}
		s.must("run", "home", "--only", "check")
	})
}

// A hundred, with a borg that is quick: by hand all the others are locked out, by the timer all the others find that
// nothing is due any more. The record tells the same as the exit codes.
func TestHundredStarts(t *testing.T) {
	t.Parallel()
	starts := 24
	if proving() {
		starts = 100
	}
	s := newSite(t, "", standInJobs)
	due := s.allAtOnce(times(starts, "run", "home", "--due", "--wait", "2m")...)
	made := 0
	for _, result := range due {
		made += strings.Count(result.output, "home: succeeded")
		if result.code != 0 || strings.Contains(result.output, "error") {
			t.Errorf("exit code %d:\n%s", result.code, result.output)
		}
	}
	if calls := s.calls("create --"); made != 1 || calls != 1 {
		t.Errorf("%d runs say that they succeeded, borg was started %d times", made, calls)
	}
	hand := s.allAtOnce(times(starts, "run", "home", "--wait", "0s")...)
	counts := tally(hand)
	if calls := s.calls("create --") - 1; counts[0] != calls || counts[0]+counts[75] != starts || calls < 1 {
		t.Errorf("%v by exit code, borg was started %d times", counts, calls)
		for _, result := range hand {
			if result.code != 0 && result.code != 75 {
				t.Error(result.output)
			}
		}
	}
	onRecord := map[string]int{}
	for _, outcome := range s.outcomes("home") {
		onRecord[outcome]++
	}
	if onRecord["succeeded"] != 1+counts[0] || onRecord["locked"] != counts[75] {
		t.Errorf("%v by exit code and one that was due; on record are %v", counts, onRecord)
	}
}

// calls counts the calls of the borg that stands in, of those that hold a word.
func (s *site) calls(word string) int {
	data, err := os.ReadFile(s.path("borg.calls"))
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	count := 0
	for line := range strings.Lines(string(data)) {
		if strings.Contains(line, word) {
			count++
		}
	}
	return count
}

// Jobs that have the same two repositories in opposite orders, at the same moment: no deadlock, each in both.
func TestOppositeOrders(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		t.Parallel()
		s := newSite(t, borg, `
repositories:
  one: {location: "${WORK}/one", borg: "${BORG}", encryption: none}
  two: {location: "${WORK}/two", borg: "${BORG}", encryption: none}
defaults: {sources: ["${WORK}/data"], bootstrap: false, retention: keep_all, check: {every: never}, retry: {retries: 0}}
jobs:
  forth: {repositories: [one, two]}
  back: {repositories: [two, one]}
  single: {repository: two}
`)
		s.write(2, 1<<20)
		s.must("init", "forth")
		results := s.allAtOnce([]string{"run", "forth", "--wait", "2m"}, []string{"run", "back", "--wait", "2m"}, []string{"run", "single", "--wait", "2m"})
		for _, result := range results {
			if result.code != 0 {
				t.Errorf("exit code %d:\n%s", result.code, result.output)
			}
		}
		for repository, want := range map[string]int{"one": 2, "two": 3} {
			if listed := strings.Fields(s.must("borg", "forth", "--repository", repository, "--", "list", "--format={archive}{NL}")); len(listed) != want {
				t.Errorf("%s holds %q, not %d archives", repository, listed, want)
			}
		}
	})
}

// One repository under two locations has two local locks, and one cache. Until borg's id has told that they are one,
// borg's own locks make them wait for each other; the next start refuses both.
func TestOneRepositoryTwoLocations(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		t.Parallel()
		s, _ := newRemoteSite(t, borg, `
repositories:
  near: {location: "${WORK}/repo", borg: "${BORG}", encryption: none, lock_wait: 30s, env: {BORG_RELOCATED_REPO_ACCESS_IS_OK: "yes"}}
  link: {location: "${WORK}/link", borg: "${BORG}", encryption: none, lock_wait: 30s, env: {BORG_RELOCATED_REPO_ACCESS_IS_OK: "yes"}}
  far:
    location: "${LOCATION}"
    borg: "${BORG}"
    remote_path: "${BORG}"
    encryption: none
    lock_wait: 30s
    ssh: {identity: "${IDENTITY}", known_hosts: "${KNOWN_HOSTS}"}
    env: {BORG_RELOCATED_REPO_ACCESS_IS_OK: "yes"}
defaults: {sources: ["${WORK}/data"], bootstrap: false, retention: {last: 1}, check: {every: never}, retry: {retries: 1, wait: 1s}}
jobs:
  near: {repository: near}
  link: {repository: link}
  far: {repository: far}
`)
		s.write(8, 1<<20)
		s.must("init", "near")
		check(t, os.Symlink(s.path("repo"), s.path("link")))
		results := s.allAtOnce([]string{"run", "near"}, []string{"run", "link"}, []string{"run", "far"})
		made := 0
		for i, name := range []string{"near", "link", "far"} {
			if strings.Contains(results[i].output, fmt.Sprintf("%s: succeeded", name)) {
				made++
				if results[i].code != 0 {
					t.Errorf("%s says that it succeeded, with exit code %d", name, results[i].code)
				}
			} else if results[i].code != 2 {
				t.Errorf("%s: exit code %d\n%s", name, results[i].code, results[i].output)
			}
		}
		again := s.want(2, "run", "near")
		if !strings.Contains(again, "one repository under two locations") {
			t.Errorf("the next start:\n%s", again)
		}
		// Only one of them from now on: nothing is damaged, and what was reported as made is there.
		text := s.config()
		text = text[:strings.Index(text, "  link: {repository")]
		check(t, os.WriteFile(s.path("borgcron.yaml"), []byte(text), 0o600))
		if archives := s.archives("near"); len(archives) != made {
			t.Errorf("%d runs say that they succeeded, archives are %q:\n%+v", made, archives, results)
		}
		s.must("run", "near", "--only", "check")
		time.Sleep(1100 * time.Millisecond) // names have seconds
		s.must("run", "near")
	})
}
