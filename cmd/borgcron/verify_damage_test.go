package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

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

// What a repair has put zeros in the place of is an alarm, however the file is called: no check finds it.
func TestVerifyFindsZeros(t *testing.T) { oneBorg(t, verifyFindsZeros) }

func verifyFindsZeros(t *testing.T, borg string) {
	s := newSite(t, borg, verifiedHome)
	s.configure("every: always, ", "")
	s.write(1, 20_000)
	check(t, os.Rename(s.path("data", "0"), s.path("data", "a: n\xffot UTF-8\n")))
	s.must("init")
	s.must("run")
	segmentsOf(t, s.path("repo")).turn(rand.New(rand.NewPCG(2, 0)))
	repair := exec.Command(borg, "check", "--repair", s.path("repo"))
	repair.Env = append(s.env, "BORG_CHECK_I_KNOW_WHAT_I_AM_DOING=YES", "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes")
	if said, err := repair.CombinedOutput(); !strings.Contains(string(said), "all-zero") {
		t.Fatalf("%v\n%s", err, said)
	}
	for _, args := range [][]string{{"verify"}, {"verify", "--full"}} {
		said := s.want(2, args...)
		if !strings.Contains(said, "File has damaged") && !strings.Contains(said, "File is damaged") || !strings.Contains(said, "alarm since") || strings.Contains(said, "borg says") {
			t.Errorf("%v: %s", args, said)
		}
	}
	if said := s.want(2, "run", "--only", "check"); !strings.Contains(said, "check ended job=home repository=local outcome=succeeded") {
		t.Error(said)
	}
}
