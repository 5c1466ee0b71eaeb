package main

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// missing skips a test for want of a real component, or fails it where all of them must be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("BORGCRON_MUST") == "all" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// newSeries is a series that this checkout and this machine can do.
func newSeries(t *testing.T, rounds int) (*series, *bytes.Buffer) {
	t.Helper()
	if _, err := os.Stat(sshd); err != nil {
		missing(t, "no sshd; make setup gets one")
	}
	if _, err := findBorgs(".."); errors.Is(err, errNoBorg) {
		missing(t, err.Error())
	}
	var out bytes.Buffer
	return &series{seed: seed(t), rounds: rounds, workers: 2, source: "..", out: &out}, &out
}

// seed is that of the shortened series: it is printed, and can be given.
func seed(t *testing.T) uint64 {
	t.Helper()
	given := os.Getenv("BORGCRON_SEED")
	if given == "" {
		return uint64(time.Now().Unix())
	}
	number, err := strconv.ParseUint(given, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

// Whatever happens to a run, borgcron keeps its promises. The series whole: BORGCRON_PROVE=1.
func TestRounds(t *testing.T) {
	rounds := 20
	if os.Getenv("BORGCRON_PROVE") != "" {
		rounds = 100
	}
	s, out := newSeries(t, rounds)
	err := s.run(t.Context())
	t.Logf("\n%s", out)
	if err != nil {
		t.Error(err)
	}
	if len(s.done) != rounds {
		t.Errorf("%d of %d rounds", len(s.done), rounds)
	}
}

// A borgcron that breaks a rule is found out, and what is reported is the rule. The same rounds with a sound one are clean.
func TestBrokenRulesAreFound(t *testing.T) {
	for tag, test := range map[string]struct {
		faults    string
		invariant string
	}{
		"broken_lock":  {"second_start:five", "never_two_borgs"},
		"broken_retry": {"unplugged", "agree"},
		"broken_ack":   {"damage", "held_back"},
	} {
		t.Run(tag, func(t *testing.T) {
			t.Parallel()
			for _, tags := range []string{"", tag} {
				s, out := newSeries(t, 1)
				s.only, s.tags, s.place = []string{test.faults}, tags, "local"
				err := s.run(t.Context())
				t.Logf("\n%s", out)
				found := slices.ContainsFunc(s.done, func(r *record) bool { held, judged := r.Invariants[test.invariant]; return judged && !held })
				if tags == "" && err != nil {
					t.Errorf("a sound borgcron: %v", err)
				}
				if tags != "" && (!errors.Is(err, errViolated) || !found) {
					t.Errorf("nobody found that %s is violated with %s: %v", test.invariant, tags, err)
				}
				s.forget(t)
			}
		})
	}
}

// forget removes what is kept of worlds with violations, where those are wanted.
func (s *series) forget(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(s.temp); err != nil {
		t.Error(err)
	}
}

func TestSameSeedSamePlan(t *testing.T) {
	plans := func(seed uint64) []plan {
		var plans []plan
		for round := range 200 {
			plans = append(plans, newPlan(seed, round, newOptions(seed, round/perWorld, 2, true, "", nil), nil))
		}
		return plans
	}
	show := cmp.AllowUnexported(plan{}, fault{}, moment{})
	if diff := cmp.Diff(plans(7), plans(7), show); diff != "" {
		t.Errorf("two plans of one seed differ:\n%s", diff)
	}
	if cmp.Equal(plans(7), plans(8), show) {
		t.Error("two seeds have the same plan")
	}
}

// A long series has faults of all kinds, and both places with each borg; a short one has both places and both borgs.
func TestPlansHaveEverything(t *testing.T) {
	seen := map[string]bool{}
	for world := range 100 {
		o := newOptions(3, world, 2, true, "", nil)
		for i := range perWorld {
			p := newPlan(3, world*perWorld+i, o, nil)
			if len(p.faults) == 0 {
				t.Fatalf("round %d has no fault", p.round)
			}
			for _, f := range p.faults {
				seen[f.String()] = true
				if !o.allows(f.String()) {
					t.Errorf("%s cannot be done in %+v", f, o)
				}
			}
		}
	}
	for _, k := range kinds {
		if !seen[k.String()] {
			t.Errorf("%s never came", k)
		}
	}
	type combination struct {
		remote bool
		borg   int
	}
	for seed := range uint64(20) {
		var found []combination
		for world := range 4 {
			o := newOptions(seed, world, 2, true, "", nil)
			if c := (combination{o.Remote, o.Borg}); !slices.Contains(found, c) {
				found = append(found, c)
			}
		}
		if len(found) != 4 || found[0].remote == found[1].remote {
			t.Errorf("seed %d: the first worlds are %v", seed, found)
		}
	}
}

// Whoever wants one kind of fault gets worlds in which it can be done.
func TestOnlyWhatIsWanted(t *testing.T) {
	for _, k := range kinds {
		for _, wanted := range []string{k.String(), k.kind} {
			for seed := range uint64(10) {
				o := newOptions(seed, 0, 1, true, "", []string{wanted})
				p := newPlan(seed, 0, o, []string{wanted})
				if len(p.faults) == 0 || p.faults[0].String() != wanted && p.faults[0].kind != wanted {
					t.Errorf("wanted %s, got %v", wanted, p.faults)
				}
			}
		}
	}
}

func TestSummaryKeepsWhatPeopleWrote(t *testing.T) {
	dir := t.TempDir()
	rounds, page := dir+"/rounds.jsonl", dir+"/chaos.md"
	line := `{"seed":1,"round":0,"commit":"abc","borg":"1.2.4","place":"ssh","faults":[{"kind":"cut","at_seconds":1},{"kind":"kill","target":"borg","at_seconds":-1}],` +
		`"invariants":{"check_clean":true,"agree":false},"violations":["agree: no"],"seconds":60}` + "\n"
	if err := os.WriteFile(rounds, []byte(strings.Repeat(line, 2)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(page, []byte("old\n\n## Bugs found\n\n- one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := summarise(rounds, page); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"2 rounds, 2m0s", "| cut | 2 | 2 |", "| check_clean | 2 | 0 |", "| agree | 2 | 2 |", "| borg 1.2.4, ssh | 2 | 2 |",
		"| 1 | abc |", "(rounds.jsonl)", "## Bugs found\n\n- one\n",
	} {
		if strings.Count(string(text), want) != 1 {
			t.Errorf("not once in the page: %s\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "kill:borg") || strings.Contains(string(text), "old") {
		t.Errorf("a fault that never came, or the former sum, is in the page:\n%s", text)
	}
}
