package backup_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

const mib, gib = 1 << 20, 1 << 30

var trendStart = time.Date(2026, 3, 1, 2, 30, 0, 0, time.UTC)

// usual are the figures of so many runs that are all alike, newest first, a day apart.
func usual(n int) []backup.Figures {
	runs := make([]backup.Figures, n)
	for i := range runs {
		runs[i] = backup.Figures{
			Began: trendStart.AddDate(0, 0, n-1-i), RepositoryID: "cd", Files: 1000, OriginalSize: 100 * gib, NewData: gib,
			RepositorySize: 50 * gib, Duration: 10 * time.Minute,
		}
	}
	return runs
}

// but changes figures, those with the given numbers.
func but(runs []backup.Figures, change func(*backup.Figures), numbers ...int) []backup.Figures {
	for _, i := range numbers {
		change(&runs[i])
	}
	return runs
}

func TestUnusual(t *testing.T) {
	data := func(bytes int64) func(*backup.Figures) { return func(f *backup.Figures) { f.NewData = bytes } }
	files := func(n int64) func(*backup.Figures) { return func(f *backup.Figures) { f.Files = n } }
	took := func(d time.Duration) func(*backup.Figures) { return func(f *backup.Figures) { f.Duration = d } }
	same := func(*backup.Figures) {}
	all := make([]int, 10)
	for i := range all {
		all[i] = i
	}
	for _, test := range []struct {
		name   string
		recent []backup.Figures
		change func(*backup.Figures)
		notes  []string
	}{
		{"the first", nil, data(900 * gib), nil},
		{"too few before it", usual(4), data(900 * gib), nil},
		{"enough before it", usual(5), data(8 * gib), []string{"new data 8.00 GiB, 8 times the usual 1.00 GiB"}},
		{"as always", usual(30), same, nil},
		{"five times the new data", usual(10), data(5 * gib), nil},
		{"a byte more", usual(10), data(5*gib + 1), []string{"new data 5.00 GiB, 5 times the usual 1.00 GiB"}},
		{"no new data", usual(10), data(0), nil},
		{"nothing is usual, and now a trifle", but(usual(10), data(0), all...), data(mib - 1), nil},
		{"nothing is usual, and now something", but(usual(10), data(0), all...), data(mib), []string{"new data 1.00 MiB, more than 1000 times the usual 0 B"}},
		{"far too much", but(usual(10), data(100), all...), data(math.MaxInt64), []string{"new data 8.00 EiB, more than 1000 times the usual 100 B"}},
		{"what is usual is huge", but(usual(10), data(math.MaxInt64), all...), data(math.MaxInt64), nil},
		{"half of the files", usual(10), files(500), []string{"500 files, 50% of the usual 1000"}},
		{"hardly more than half", usual(10), files(501), nil},
		{"no file", usual(10), files(0), []string{"0 files, 0% of the usual 1000"}},
		{"one file", usual(10), files(1), []string{"1 file, 0% of the usual 1000"}},
		{"many more files", usual(10), files(100_000), nil},
		{"a handful of files", but(usual(10), files(9), all...), files(1), nil},
		{"ten files", but(usual(10), files(10), all...), files(5), []string{"5 files, 50% of the usual 10"}},
		{"three times the time", usual(10), took(30 * time.Minute), nil},
		{"longer", usual(10), took(30*time.Minute + 1), []string{"it took 30m, 3 times the usual 10m"}},
		{"ten times a moment", but(usual(10), took(time.Second), all...), took(10 * time.Second), nil},
		{"a minute more than a moment", but(usual(10), took(time.Second), all...), took(61 * time.Second), []string{"it took 1m1s, 61 times the usual 1s"}},
		{"a clock that was set back", but(usual(10), took(-time.Hour), all...), took(5 * time.Hour), nil},
		{"a time that is not known", usual(10), took(-5 * time.Hour), nil},
		{"few times are known", but(usual(9), took(0), 0, 1, 2, 3, 4), took(5 * time.Hour), nil},
		{"negative sizes", but(usual(10), data(-gib), all...), data(-5 * gib), nil},
		{"another disk", usual(10), func(f *backup.Figures) { f.RepositoryID, f.NewData = "ef", 100*gib }, nil},
		{"all at once", usual(30), func(f *backup.Figures) { f.NewData, f.Files, f.Duration = 12*gib, 10, 5*time.Hour }, []string{
			"new data 12.00 GiB, 12 times the usual 1.00 GiB", "10 files, 1% of the usual 1000", "it took 5h, 30 times the usual 10m",
		}},
		{"outliers do not hide another", but(usual(30), data(900*gib), 3, 7), data(20 * gib), []string{"new data 20.00 GiB, 20 times the usual 1.00 GiB"}},
		{"a weekly peak, the fourth time", but(usual(30), data(20*gib), 6, 13, 20), data(22 * gib), nil},
		{"a weekly peak, ten times as high", but(usual(30), data(20*gib), 6, 13, 20), data(220 * gib), []string{"new data 220.00 GiB, 220 times the usual 1.00 GiB"}},
		{"twice among ten", but(usual(10), data(20*gib), 3, 7), data(20 * gib), nil},
		{"once among ten", but(usual(10), data(20*gib), 3), data(20 * gib), []string{"new data 20.00 GiB, 20 times the usual 1.00 GiB"}},
		{"what is older does not count", append(usual(30), but(usual(10), data(20*gib), all...)...), data(20 * gib), []string{"new data 20.00 GiB, 20 times the usual 1.00 GiB"}},
		{"fewer files each week", but(usual(30), files(300), 6, 13, 20), files(400), nil},
		{"few files, where many are not rare", but(usual(30), files(2000), 6, 13, 20), files(400), []string{"400 files, 40% of the usual 1000"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			now := usual(1)[0]
			test.change(&now)
			before := slices.Clone(test.recent)
			if diff := cmp.Diff(test.notes, backup.Unusual(test.recent, now)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(before, test.recent); diff != "" {
				t.Error("the figures were changed:", diff)
			}
		})
	}
}

// A change that lasts is told a few times and then is what is usual.
func TestLastingChangeIsNotToldForEver(t *testing.T) {
	recent, told := usual(30), 0
	for range 60 {
		now := recent[0]
		now.NewData = 20 * gib
		if len(backup.Unusual(recent, now)) > 0 {
			told++
		}
		recent = slices.Insert(recent, 0, now)
	}
	if told != 3 {
		t.Errorf("told %d times", told)
	}
}

// Whatever the figures are, nothing is said that cannot be: of too few runs, of what others were, and nothing depends
// on the order of the runs.
func TestUnusualHolds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	any := func() int64 {
		switch random.IntN(8) {
		case 0:
			return 0
		case 1:
			return -random.Int64()
		case 2:
			return random.Int64()
		case 3:
			return math.MaxInt64
		case 4:
			return math.MinInt64
		}
		return random.Int64N(1 << random.IntN(40))
	}
	figures := func() backup.Figures {
		return backup.Figures{Files: any(), OriginalSize: any(), NewData: any(), RepositorySize: any(), Duration: time.Duration(any())}
	}
	for range 20_000 {
		recent := make([]backup.Figures, random.IntN(31))
		for i := range recent {
			recent[i] = figures()
		}
		now := figures()
		notes := backup.Unusual(recent, now)
		random.Shuffle(len(recent), func(i, j int) { recent[i], recent[j] = recent[j], recent[i] })
		switch {
		case len(notes) > 0 && len(recent) < 5:
			t.Fatalf("of %d runs: %q", len(recent), notes)
		case len(notes) > 3 || slices.ContainsFunc(notes, func(note string) bool { return len(note) > 100 || strings.Contains(note, "-") }):
			t.Fatalf("%q", notes)
		case !slices.Equal(notes, backup.Unusual(recent, now)):
			t.Fatalf("the order changes %q", notes)
		}
		for i := range recent { // three runs like this one make it nothing to speak of
			if recent[i] = now; i == 2 && len(backup.Unusual(recent, now)) > 0 {
				t.Fatalf("said again and again: %q", notes)
			}
		}
		if trend := backup.NewTrend(recent); (trend == nil) != (len(recent) < 5) {
			t.Fatalf("%d runs: %+v", len(recent), trend)
		} else if trend != nil && (trend.NewData < 0 || trend.Files < 0 || trend.Duration < 0) {
			t.Fatalf("%+v", trend)
		}
	}
}

func TestNewTrend(t *testing.T) {
	growing := usual(30)
	for i := range growing {
		growing[i].OriginalSize -= int64(i) * gib
		growing[i].RepositorySize += int64(i) * mib
	}
	growing[0].OriginalSize, growing[29].OriginalSize = 1, math.MaxInt64 // one odd archive makes no trend
	growing[3].Duration, growing[4].NewData, growing[5].Files = 0, 900*gib, 1
	for _, test := range []struct {
		name   string
		recent []backup.Figures
		want   *backup.Trend
	}{
		{"none", nil, nil},
		{"too few", usual(4), nil},
		{"alike", usual(5), &backup.Trend{Runs: 5, Since: trendStart, Duration: 600, NewData: gib, Files: 1000}},
		{"many", usual(99), &backup.Trend{Runs: 30, Since: trendStart.AddDate(0, 0, 69), Duration: 600, NewData: gib, Files: 1000}},
		{"growing", growing, &backup.Trend{
			Runs: 30, Since: trendStart, Duration: 600, NewData: gib, Files: 1000, OriginalSizeChange: 25 * gib, RepositorySizeChange: -27 * mib,
		}},
		{"another disk now", but(usual(10), func(f *backup.Figures) { f.RepositoryID = "ef" }, 0), nil},
		{"two disks in turns", but(usual(10), func(f *backup.Figures) { f.RepositoryID = "ef" }, 1, 3, 5, 7, 9), &backup.Trend{
			Runs: 5, Since: trendStart.AddDate(0, 0, 1), Duration: 600, NewData: gib, Files: 1000,
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, backup.NewTrend(test.recent)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFiguresOf(t *testing.T) {
	create := backup.StepResult{
		Step: backup.Create, Started: trendStart, Ended: trendStart.Add(time.Minute), Attempts: 1,
		Report: backup.Report{Archive: &backup.Archive{Name: "a"}, RepositoryID: "cd", Files: 1, OriginalSize: 2, DeduplicatedSize: 3, RepositorySize: 4},
	}
	whole := backup.Figures{
		Began: trendStart, RepositoryID: "cd", Files: 1, OriginalSize: 2, NewData: 3, RepositorySize: 4, Duration: time.Minute,
	}
	waited := whole
	waited.Duration = 0
	for name, test := range map[string]struct {
		change func(*backup.StepResult)
		want   backup.Figures
		made   bool
	}{
		"made":                {func(*backup.StepResult) {}, whole, true},
		"made after attempts": {func(s *backup.StepResult) { s.Attempts = 3 }, waited, true},
		"not believable":      {func(s *backup.StepResult) { s.Breached = true }, backup.Figures{}, false},
		"failed after all":    {func(s *backup.StepResult) { s.Outcome = backup.Failed }, backup.Figures{}, false},
		"none":                {func(s *backup.StepResult) { s.Report = backup.Report{} }, backup.Figures{}, false},
		"no create":           {func(s *backup.StepResult) { s.Step = backup.Check }, backup.Figures{}, false},
	} {
		changed := create
		test.change(&changed)
		got, made := backup.FiguresOf(backup.Run{Steps: []backup.StepResult{changed}})
		if diff := cmp.Diff(test.want, got); diff != "" || made != test.made {
			t.Errorf("%s: %t %s", name, made, diff)
		}
	}
}
