package backup_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

func TestAlarmEndsWithCheck(t *testing.T) {
	check := backup.Alarm{Step: backup.Check}
	verify := backup.Alarm{Step: backup.Verify}
	repaired := &backup.Alarm{Step: backup.Create, Repaired: true, Findings: 1}
	tests := map[string]struct {
		alarm *backup.Alarm
		want  bool
	}{
		"found by check":               {&check, true},
		"found by create":              {&backup.Alarm{Step: backup.Create}, true},
		"found by verify":              {&verify, false},
		"repaired since":               {repaired, false},
		"repaired, found again":        {repaired.Again(check), false},
		"by verify, then by check":     {(*backup.Alarm)(nil).Again(verify).Again(check).Again(check), false},
		"by check, then by verify":     {(*backup.Alarm)(nil).Again(check).Again(verify), false},
		"by check, then by check":      {(*backup.Alarm)(nil).Again(check).Again(check), true},
		"finding that claims a repair": {(*backup.Alarm)(nil).Again(check).Again(backup.Alarm{Step: backup.Check, Repaired: true}), true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := test.alarm.EndsWithCheck(); got != test.want {
				t.Errorf("EndsWithCheck of %+v = %v", *test.alarm, got)
			}
		})
	}
}

// A full drill ends what drills of its own job alone have found, or what was repaired.
func TestAlarmEndsWithDrill(t *testing.T) {
	none := (*backup.Alarm)(nil)
	mine, other := backup.Alarm{Job: "home", Step: backup.Verify}, backup.Alarm{Job: "etc", Step: backup.Verify}
	check := backup.Alarm{Job: "home", Step: backup.Check}
	repaired := check
	repaired.Repaired = true
	for name, test := range map[string]struct {
		alarm *backup.Alarm
		want  bool
	}{
		"by its drill":                 {none.Again(mine), true},
		"twice":                        {none.Again(mine).Again(mine), true},
		"by a check":                   {none.Again(check), false},
		"by another job":               {none.Again(other), false},
		"by another job too":           {none.Again(other).Again(mine), false},
		"by a check too":               {none.Again(check).Again(mine).Again(mine), false},
		"and then by a check":          {none.Again(mine).Again(check), false},
		"which is told twice":          {none.Again(mine).Again(*none.Again(mine).Again(check)), false},
		"by a check, repaired":         {&repaired, true},
		"by another's check, repaired": {&backup.Alarm{Job: "etc", Step: backup.Check, Repaired: true}, false},
		"nobody knows by whom":         {&backup.Alarm{Repaired: true}, false},
	} {
		if got := test.alarm.EndsWithDrill("home"); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAlarmAgain(t *testing.T) {
	first := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	var none *backup.Alarm
	one := none.Again(backup.Alarm{Since: first, Problem: "a chunk is missing", Job: "home", Run: "1", Step: backup.Check})
	two := one.Again(backup.Alarm{Since: first.Add(time.Hour), Problem: "an index is wrong", Job: "etc", Run: "2", Step: backup.Create})
	want := &backup.Alarm{Since: first, Problem: "an index is wrong", Job: "etc", Run: "2", Step: backup.Create, Findings: 2, Mixed: true}
	if diff := cmp.Diff(want, two); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if one.Findings != 1 || one.Problem != "a chunk is missing" {
		t.Errorf("the first one was changed: %+v", *one)
	}
	if got, want := two.Sentence(), "alarm since 2026-03-01 02:00: an index is wrong"; got != want {
		t.Errorf("Sentence = %q", got)
	}
}
