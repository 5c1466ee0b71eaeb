package backup

import (
	"fmt"
	"math"
	"slices"
	"time"
)

const (
	// TrendRuns is how many runs a trend looks back.
	TrendRuns = 30
	// leastTrend is how many runs must be known before anything is said of them.
	leastTrend = 5
)

// From when on a run is out of the ordinary, and the floors below which that is a trifle.
const (
	muchNewData  = 5 // times the usual
	leastNewData = 1 << 20
	muchTime     = 3 // times the usual
	leastTime    = time.Minute
	leastFiles   = 10
)

// Figures are what one run tells of the job on a repository: how much is backed up, how much of it was new, how long
// it took. A figure that is 0 or less is none, but for NewData.
type Figures struct {
	Began          time.Time
	RepositoryID   string // borg's own
	Files          int64
	OriginalSize   int64
	NewData        int64
	RepositorySize int64
	Duration       time.Duration // of the create
}

// FiguresOf returns the figures of a run; false if it made no archive, or one that is not believable. The time of
// a create that was tried more than once says nothing: most of it was spent waiting.
func FiguresOf(run Run) (Figures, bool) {
	create := run.Result(Create)
	if create == nil || create.Report.Archive == nil || create.Outcome > Warned || create.Breached {
		return Figures{}, false
	}
	report := create.Report
	figures := Figures{
		Began: create.Started, RepositoryID: report.RepositoryID, Files: report.Files, OriginalSize: report.OriginalSize,
		NewData: report.DeduplicatedSize, RepositorySize: report.RepositorySize,
	}
	if create.Attempts == 1 {
		figures.Duration = create.Ended.Sub(create.Started)
	}
	return figures, true
}

// Trend is how a job on a repository usually goes and where its sizes go. Usual is the median; a change is that from
// the median of the three oldest runs to that of the three newest ones. Sizes are bytes.
type Trend struct {
	Runs                 int       `json:"runs"`
	Since                time.Time `json:"since"`    // the start of the oldest run
	Duration             float64   `json:"duration"` // usual, seconds of the create
	NewData              int64     `json:"new_data"` // usual
	Files                int64     `json:"files"`    // usual
	OriginalSizeChange   int64     `json:"original_size_change"`
	RepositorySizeChange int64     `json:"repository_size_change"`
}

// NewTrend looks at the figures of the last runs, newest first. It is nil if there are too few to say anything.
func NewTrend(recent []Figures) *Trend {
	if len(recent) == 0 {
		return nil
	}
	recent = alike(recent, recent[0])
	n := len(recent)
	if n < leastTrend {
		return nil
	}
	change := func(of func(Figures) int64) int64 {
		return median(values(recent[:3], of)) - median(values(recent[n-3:], of))
	}
	took := time.Duration(median(known(values(recent, duration))))
	return &Trend{
		Runs: n, Since: recent[n-1].Began, Duration: math.Round(took.Seconds()*100) / 100,
		NewData: median(values(recent, newData)), Files: median(values(recent, fileCount)),
		OriginalSizeChange:   change(func(f Figures) int64 { return f.OriginalSize }),
		RepositorySizeChange: change(func(f Figures) int64 { return f.RepositorySize }),
	}
}

// Unusual says, with the figures, what of a run is out of the ordinary: more than five times the usual new data, at
// most half of the usual files, more than three times the usual time. Recent are the runs before it, newest first.
//
// What happens now and then is nothing to speak of: it is left out if at least a tenth of these runs, and
// at least two, lay at least half as far from the usual. So a weekly peak is told two or three times, and so is
// a change that lasts.
func Unusual(recent []Figures, now Figures) (notes []string) {
	recent = alike(recent, now)
	if data, of := max(now.NewData, 0), values(recent, newData); len(of) >= leastTrend {
		usual := median(of)
		if exceeds(data, muchNewData, usual) && data-usual >= leastNewData && isRare(of, usual, data) {
			got, former := sizes(data, usual)
			notes = append(notes, fmt.Sprintf("new data %s, %s the usual %s", got, times(data, usual), former))
		}
	}
	if n, of := max(now.Files, 0), values(recent, fileCount); len(of) >= leastTrend {
		usual := median(of)
		if usual >= leastFiles && n <= usual/2 && isRare(of, usual, n) {
			notes = append(notes, fmt.Sprintf("%s, %d%% of the usual %d", files(n), int64(100*float64(n)/float64(usual)), usual))
		}
	}
	if took, of := int64(now.Duration), known(values(recent, duration)); len(of) >= leastTrend {
		usual := median(of)
		if exceeds(took, muchTime, usual) && took-usual >= int64(leastTime) && isRare(of, usual, took) {
			notes = append(notes, fmt.Sprintf("it took %s, %s the usual %s",
				short(time.Duration(took)), times(took, usual), short(time.Duration(usual))))
		}
	}
	return notes
}

// alike leaves the runs that went into the same repository: another disk in its place has its own figures.
func alike(recent []Figures, now Figures) []Figures {
	same := slices.DeleteFunc(slices.Clone(recent), func(f Figures) bool { return f.RepositoryID != now.RepositoryID })
	return same[:min(len(same), TrendRuns)]
}

func newData(f Figures) int64   { return f.NewData }
func fileCount(f Figures) int64 { return f.Files }
func duration(f Figures) int64  { return int64(f.Duration) }

// values are a figure of each run. What cannot be is taken for nothing.
func values(runs []Figures, of func(Figures) int64) []int64 {
	figures := make([]int64, 0, len(runs))
	for _, run := range runs {
		figures = append(figures, max(of(run), 0))
	}
	return figures
}

// known leaves out what is not known.
func known(figures []int64) []int64 {
	return slices.DeleteFunc(figures, func(figure int64) bool { return figure <= 0 })
}

// median is the middle one, or halfway between the two in the middle; 0 of nothing. No figure is negative.
func median(figures []int64) int64 {
	if len(figures) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(figures))
	low, high := sorted[(len(sorted)-1)/2], sorted[len(sorted)/2]
	return low + (high-low)/2
}

// exceeds tells whether a figure is more than so many times the usual one, however large they are.
func exceeds(figure, factor, usual int64) bool {
	return figure/factor > usual || figure/factor == usual && figure%factor > 0
}

// isRare tells whether hardly any of the figures lies at least half as far on the same side of the usual.
func isRare(figures []int64, usual, figure int64) bool {
	distance, far := figure-usual, 0
	for _, other := range figures {
		if d := other - usual; distance > 0 && d >= distance-distance/2 || distance < 0 && d <= distance-distance/2 {
			far++
		}
	}
	return far < 2 || far*10 < len(figures)
}

// times says how many times the usual a figure is.
func times(figure, usual int64) string {
	if usual <= 0 || figure/usual >= 1000 {
		return "more than 1000 times"
	}
	return fmt.Sprintf("%.0f times", float64(figure)/float64(usual))
}
