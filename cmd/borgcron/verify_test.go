package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
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

// A byte of a segment is turned, a segment is lost or cut: check and drill find it together, and a full drill finds all that touches
// the newest archive.
func TestVerifyFindsDamage(t *testing.T) { oneBorg(t, verifyFindsDamage) }

func verifyFindsDamage(t *testing.T, borg string) {
	places, seed := 50, uint64(time.Now().UnixNano())>>12
	if !proving() {
		places = 3
	}
	t.Logf("seed %d, %d places", seed, places)
	random := rand.New(rand.NewPCG(seed, 0))
	s := newSite(t, borg, verifiedHome)
	s.configure("every: always, ", "")
	s.configure("keep_all", "{last: 1}")
	s.write(40, 20_000)
	s.must("init")
	s.must("run")
	repository := segmentsOf(t, s.path("repo"))
	s.must("verify", "--full")
	for range places {
		damage := repository.turn(random)
		said, code := s.borgcron("verify", "--full")
		if code != 2 && damage.inData {
			t.Errorf("%s: a full drill ended with %d\n%s", damage.what, code, said)
		}
		if said, code := s.borgcron("run", "--only", "check,verify"); code != 2 {
			t.Errorf("%s: check and drill ended with %d\n%s", damage.what, code, said)
		}
		damage.mend()
		s.must("ack", "home", "--yes")
	}
	for _, damage := range []damage{repository.cut(), repository.lose()} {
		damage.make()
		if said, code := s.borgcron("run", "--only", "check,verify"); code != 2 {
			t.Errorf("%s: check and drill ended with %d\n%s", damage.what, code, said)
		}
		s.must("ack", "home", "--yes")
		said := s.want(2, "verify", "--full")
		if !strings.Contains(said, "alarm since") {
			t.Errorf("%s: no alarm\n%s", damage.what, said)
		}
		// Whatever becomes of it, nothing is deleted meanwhile, until a full drill is well.
		damage.mend()
		before := len(s.archives("home"))
		if said := s.want(2, "run"); !strings.Contains(said, "borgcron verify home --full") || len(s.archives("home")) != before+1 {
			t.Errorf("%s: %v\n%s", damage.what, s.archives("home"), said)
		}
		s.must("verify", "--full")
		s.must("run")
		if left := s.archives("home"); len(left) != 1 {
			t.Errorf("%s: after that %v", damage.what, left)
		}
	}
}

// segments are those of a repository as they were once. largest has the contents of files; the others what leads to them.
type segments struct {
	t       *testing.T
	content map[string][]byte
	largest string
}

// damage is done to one of them, and undone.
type damage struct {
	what       string
	inData     bool
	make, mend func()
}

func segmentsOf(t *testing.T, repository string) *segments {
	s := &segments{t: t, content: map[string][]byte{}}
	paths, err := filepath.Glob(filepath.Join(repository, "data", "*", "*"))
	check(t, err)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		check(t, err)
		s.content[path] = text
		if len(text) > len(s.content[s.largest]) {
			s.largest = path
		}
	}
	return s
}

// turn turns a bit: every other time of what the files hold, else of any segment.
func (s *segments) turn(random *rand.Rand) damage {
	path, inData := s.largest, random.IntN(2) == 0
	whole := s.content[path]
	at := len(whole)/10 + random.IntN(len(whole)*8/10)
	if !inData {
		paths := slices.Sorted(maps.Keys(s.content))
		path = paths[random.IntN(len(paths))]
		whole = s.content[path]
		at = random.IntN(len(whole))
	}
	broken := slices.Clone(whole)
	broken[at] ^= 1 << random.IntN(8)
	d := s.instead(fmt.Sprintf("turned at %d of %d of %s", at, len(whole), filepath.Base(path)), path, broken)
	d.inData = inData
	d.make()
	return d
}

func (s *segments) cut() damage {
	return s.instead("cut", s.largest, s.content[s.largest][:len(s.content[s.largest])/2])
}

func (s *segments) lose() damage {
	d := s.instead("lost", s.largest, nil)
	d.make = func() { check(s.t, os.Remove(s.largest)) }
	return d
}

func (s *segments) instead(what, path string, broken []byte) damage {
	write := func(content []byte) func() {
		return func() { s.t.Helper(); check(s.t, os.WriteFile(path, content, 0o600)) }
	}
	return damage{what: what, make: write(broken), mend: write(s.content[path])}
}

// An old repository in the place of the new one is an alarm at the next drill.
func TestVerifyFindsReplay(t *testing.T) { oneBorg(t, verifyFindsReplay) }

func verifyFindsReplay(t *testing.T, borg string) {
	s := newSite(t, borg, verifiedHome)
	s.configure("every: always, ", "")
	s.write(5, 3000)
	s.must("init")
	s.must("run")
	s.must("verify")
	check(t, os.CopyFS(s.path("old"), os.DirFS(s.path("repo"))))
	s.must("run")
	check(t, os.Rename(s.path("repo"), s.path("new")))
	check(t, os.Rename(s.path("old"), s.path("repo")))
	if said := s.want(2, "verify"); !strings.Contains(said, "alarm since") {
		t.Error(said)
	}
	if said := s.want(2, "status"); !strings.Contains(said, "alarm since") {
		t.Error(said)
	}
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
