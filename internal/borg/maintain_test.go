package borg_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

func second[T any](_ T, err error) error { return err }

func isCanceled(err error) bool { return errors.Is(err, context.Canceled) }

func sorted(text string) []string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	slices.Sort(lines)
	return lines
}

func TestPrune(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.init()
		berlin, err := time.LoadLocation("Europe/Berlin")
		if err != nil {
			t.Fatal(err)
		}
		// Given to borg in UTC: summer, winter, and the second 2:30 of the night in which the clocks went back.
		times := []string{"2026-07-01T10:00:00", "2026-10-25T01:30:00", "2026-11-02T23:30:00"}
		var want []backup.Archive
		for i, at := range times {
			f.job.BorgOptions.Create = []string{"--timestamp=" + at}
			archive := *f.create(fmt.Sprintf("host-home-%d", i)).Archive
			want = append([]backup.Archive{archive}, want...)
		}
		f.create("other")
		f.job.Retention = backup.Retention{Within: "1d"} // alone it would delete all of the series
		for _, dry := range []bool{true, false} {
			report, err := f.client.Prune(t.Context(), f.call(), dry)
			f.must(err)
			same := cmp.Comparer(func(a, b time.Time) bool {
				return a.In(berlin).Format(time.DateTime) == b.In(berlin).Format(time.DateTime)
			})
			if diff := cmp.Diff(want[:1], report.Kept, same); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(want[1:], report.Deleted, same); diff != "" {
				t.Error(diff)
			}
			left := 4
			if !dry {
				left = 2
			}
			if got := len(sorted(f.names())); got != left {
				t.Errorf("%d archives are left, want %d", got, left)
			}
		}
		f.must(second(f.client.Compact(t.Context(), f.call())))
	})
}

func TestPruneNeverWithoutRuleOrPattern(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.init()
		f.create("host-home-1")
		f.job.Retention = backup.Retention{}
		_, err := f.client.Prune(t.Context(), f.call(), false)
		f.fails(err, backup.Permanent, "")
		f.job.Retention, f.job.Prune.Match = backup.Retention{Last: 1}, ""
		_, err = f.client.Prune(t.Context(), f.call(), false)
		f.fails(err, backup.Permanent, "")
		if names := f.names(); names != "host-home-1\n" {
			t.Errorf("left: %s", names)
		}
	})
}

func TestPruneByAllRules(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.init()
		f.create("host-home-1")
		f.job.Retention = backup.Retention{Within: "2d", Last: 1, Minutely: 1, Hourly: 1, Daily: 1, Weekly: 1, Monthly: 1, Yearly: backup.All}
		report, err := f.client.Prune(t.Context(), f.call(), false)
		f.must(err)
		if len(report.Kept) != 1 || len(report.Deleted) != 0 {
			t.Errorf("%+v", report)
		}
		version, err := f.client.Version(t.Context(), *f.repo)
		f.must(err)
		f.job.Retention.ThreeMonthly = 4
		_, err = f.client.Prune(t.Context(), f.call(), true)
		if version.AtLeast(1, 4, 1) {
			f.must(err)
		} else {
			f.fails(err, backup.Permanent, "")
		}
	})
}

func TestCheckFindsDamage(t *testing.T) {
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.init()
		f.create("host-home-1")
		rules := map[string]backup.CheckRule{
			"all":              {Repository: true, Archives: true},
			"repository":       {Repository: true},
			"for a while":      {Repository: true, Archives: true, MaxDuration: time.Hour},
			"data of the last": {Data: true, Last: 1},
		}
		for name, rule := range rules {
			f.job.Check = rule
			if err := second(f.client.Check(t.Context(), f.call())); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		f.flip()
		for name, rule := range rules {
			f.job.Check = rule
			_, err := f.client.Check(t.Context(), f.call())
			if failure := backup.AsFailure("", err); failure == nil || failure.Class != backup.Alarming {
				t.Errorf("%s: %+v", name, failure)
			}
		}
		f.job.Check = backup.CheckRule{}
		f.fails(second(f.client.Check(t.Context(), f.call())), backup.Permanent, "")
	})
}

// flip changes a byte in the middle of the file's data in the repository.
func (f *fixture) flip() {
	f.t.Helper()
	segments, err := filepath.Glob(f.repo.Location + "/data/0/*")
	if err != nil {
		f.t.Fatal(err)
	}
	for _, path := range segments {
		data, err := os.ReadFile(path)
		if err != nil {
			f.t.Fatal(err)
		}
		if at := strings.Index(string(data), "some text"); at >= 0 {
			data[at] ^= 1
			if err := os.WriteFile(path, data, 0o600); err != nil {
				f.t.Fatal(err)
			}
			return
		}
	}
	f.t.Fatal("the file's data is nowhere")
}
