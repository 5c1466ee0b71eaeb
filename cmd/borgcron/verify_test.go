package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const verifiedHome = `
repositories:
  local: {location: "${WORK}/repo", borg: "${BORG}", encryption: none, clients: single}
jobs:
  home:
    repository: local
    sources: ["${WORK}/data"]
    retention: keep_all
    check: {every: never}
    retry: {retries: 0}
    compression: none
    verify: {every: always, files: 20, size: 1MiB}
`

// drilled is what the newest run of the job had to say of its drill.
func (s *site) drilled() (drill struct{ Of, Files, Compared, Differ, Dumps, Recent, Seed int64 }) {
	s.t.Helper()
	var history struct{ Runs []struct{ ID string } }
	check(s.t, json.Unmarshal([]byte(s.must("history", "home", "--json", "--limit", "1")), &history))
	var one struct {
		Runs []struct {
			Steps []struct {
				Step  string
				Drill json.RawMessage
			}
		}
	}
	check(s.t, json.Unmarshal([]byte(s.must("history", "--run", history.Runs[0].ID, "--json")), &one))
	for _, step := range one.Runs[0].Steps {
		if step.Step == "verify" && step.Drill != nil {
			check(s.t, json.Unmarshal(step.Drill, &drill))
			return drill
		}
	}
	s.t.Fatal("there was no drill")
	return drill
}

// A drill reads files back that were never read before, until all were; it compares them, and leaves nothing behind.
func TestVerify(t *testing.T) { eachBorg(t, verify) }

func verify(t *testing.T, borg string) {
	s := newSite(t, borg, verifiedHome)
	s.write(45, 3000)
	for _, name := range []string{"line\nbreak", "-dash", "tab\t", "n\xffot UTF-8", strings.Repeat("x", 255)} {
		check(t, os.WriteFile(s.path("data", name), []byte(name), 0o600))
	}
	check(t, os.Symlink("0", s.path("data", "link")))
	check(t, os.Link(s.path("data", "0"), s.path("data", "hard")))
	s.must("init")
	s.must("run")
	recent := s.drilled().Recent
	if first := s.drilled(); first.Files != 20 || first.Compared != 20 || first.Recent != 20 || first.Of < 50 {
		t.Errorf("the first drill: %+v", first)
	}
	s.must("verify", "home")
	s.must("verify")
	last := s.drilled()
	if last.Recent != last.Of || last.Differ != 0 || last.Recent <= recent {
		t.Errorf("three drills of 20 did not read all of %d: %+v", last.Of, last)
	}
	if said := s.want(0, "status", "--json"); !strings.Contains(said, "100 % of the files read back within 90 days") {
		t.Error(said)
	}
	said := s.must("verify", "home", "--full", "--seed", "5")
	if full := s.drilled(); full.Files != full.Of || full.Compared != full.Of || full.Seed != 5 {
		t.Errorf("a full drill: %+v\n%s", full, said)
	}
	left, err := filepath.Glob(s.path("state", "restore", "*"))
	check(t, err)
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	// A source that is not in the archive.
	check(t, os.Mkdir(s.path("more"), 0o755))
	s.configure(`sources: ["${WORK}/data"]`, `sources: ["${WORK}/data", "${WORK}/more"]`)
	if said := s.want(2, "verify"); !strings.Contains(said, "not in the archive") {
		t.Error(said)
	}
	s.must("run")
}

// While a tree changes all the time, a drill never cries wolf.
func TestVerifyNoFalseAlarm(t *testing.T) { oneBorg(t, verifyNoFalseAlarm) }

func verifyNoFalseAlarm(t *testing.T, borg string) {
	drills := 200
	if !proving() {
		drills = 10
	}
	s := newSite(t, borg, verifiedHome+"    tolerate: [changed, vanished]\n")
	s.write(60, 4000)
	s.must("init")
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		random := rand.New(rand.NewPCG(1, 1))
		for {
			select {
			case <-stop:
				return
			default:
			}
			path := s.path("data", fmt.Sprint(random.IntN(40))) // the others stay as they are
			switch random.IntN(3) {
			case 0:
				_ = os.Remove(path)
			case 1: // the same size, and the same mtime
				now := time.Now().Truncate(time.Hour)
				_ = os.WriteFile(path, []byte(strings.Repeat(fmt.Sprint(random.IntN(10)), 4000)), 0o600)
				_ = os.Chtimes(path, now, now)
			default:
				_ = os.WriteFile(path, make([]byte, random.IntN(8000)), 0o600)
			}
			time.Sleep(time.Millisecond) // the rate of changes, not a wait for anything
		}
	}()
	defer func() { close(stop); <-done }()
	compared := int64(0)
	for i := range drills {
		if said, code := s.borgcron("run"); code != 0 {
			t.Fatalf("drill %d: exit code %d\n%s", i, code, said)
		}
		drill := s.drilled()
		if drill.Differ > 0 || drill.Files == 0 {
			t.Fatalf("drill %d: %+v", i, drill)
		}
		compared += drill.Compared
	}
	if compared < int64(drills) {
		t.Errorf("only %d files were compared", compared)
	}
	t.Logf("%d drills, %d files compared", drills, compared)
}

// A drill that is killed leaves files behind; the next one removes them.
func TestVerifyKilled(t *testing.T) { oneBorg(t, verifyKilled) }

func verifyKilled(t *testing.T, borg string) {
	s := newSite(t, borg, verifiedHome)
	s.configure("every: always, ", "")
	s.write(50, 50_000)
	s.must("init")
	s.must("run")
	left := func() []string {
		found, err := filepath.Glob(s.path("state", "restore", "*", "*"))
		check(t, err)
		return found
	}
	drill := s.start("verify", "--full")
	eventually(t, func() bool { return len(left()) > 0 }, func() string { return "nothing was extracted:\n" + drill.text() })
	drill.signal(syscall.SIGKILL)
	drill.wait()
	if len(left()) == 0 {
		t.Fatal("it was killed too late")
	}
	s.must("verify")
	if found, err := os.ReadDir(s.path("state", "restore")); err != nil || len(found) > 0 {
		t.Errorf("left behind: %v, %v", found, err)
	}
}
