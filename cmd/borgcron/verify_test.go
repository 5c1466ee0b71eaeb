package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
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
		drills = 20
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
			path := s.path("data", fmt.Sprint(random.IntN(60)))
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
	compared := int64(0)
	for range drills {
		if said, code := s.borgcron("run"); code != 0 {
			t.Errorf("exit code %d\n%s", code, said)
			break
		}
		compared += s.drilled().Compared
	}
	close(stop)
	<-done
	if compared == 0 {
		t.Error("nothing was ever compared")
	}
	t.Logf("%d drills, %d files compared", drills, compared)
}

// A byte of a segment is turned, a segment is lost or cut: check and verify find together all that touches the sampled data, a full
// drill finds it all.
func TestVerifyFindsDamage(t *testing.T) { oneBorg(t, verifyFindsDamage) }

func verifyFindsDamage(t *testing.T, borg string) {
	places, seed := 50, uint64(time.Now().UnixNano())>>12
	if !proving() {
		places = 5
	}
	t.Logf("seed %d, %d places", seed, places)
	random := rand.New(rand.NewPCG(seed, 0))
	s := newSite(t, borg, verifiedHome)
	s.configure("every: always, ", "")
	s.write(40, 20_000)
	s.must("init")
	s.must("run")
	segments, err := filepath.Glob(s.path("repo", "data", "*", "*"))
	check(t, err)
	largest, whole := "", []byte(nil)
	for _, path := range segments {
		if text, err := os.ReadFile(path); err == nil && len(text) > len(whole) {
			largest, whole = path, text
		}
	}
	s.must("verify", "--full")
	for place := range places + 2 {
		broken := append([]byte(nil), whole...)
		what := "cut"
		switch place {
		case places:
			broken = broken[:len(broken)/2]
		case places + 1:
			broken, what = nil, "lost"
		default:
			at := len(broken)/10 + random.IntN(len(broken)*8/10) // in the files' data
			broken[at] ^= 1 << random.IntN(8)
			what = fmt.Sprintf("turned at %d of %d", at, len(broken))
		}
		check(t, os.WriteFile(largest, broken, 0o600))
		if broken == nil {
			check(t, os.Remove(largest))
		}
		said, code := s.borgcron("verify", "--full")
		if code != 2 {
			t.Errorf("%s: a full drill ended with %d\n%s", what, code, said)
		}
		if said, code := s.borgcron("run", "--only", "check,verify"); code != 2 {
			t.Errorf("%s: check and drill ended with %d\n%s", what, code, said)
		}
		check(t, os.WriteFile(largest, whole, 0o600))
		s.must("ack", "home", "--yes")
	}
	s.must("verify", "--full")
}
