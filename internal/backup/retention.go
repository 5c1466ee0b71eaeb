package backup

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Kept is an archive that stays, and the rule that keeps it in borg's words, e.g. "daily #2".
type Kept struct {
	Archive
	Rule string
}

// withinHours are the units of Retention.Within, in hours; maxWithin is 250 years, which a Duration can hold.
var withinHours = map[byte]int64{'H': 1, 'd': 24, 'w': 7 * 24, 'm': 31 * 24, 'y': 365 * 24}

const maxWithin = 250 * 365 * 24

// rule is one of borg's rules that keep an archive a period.
type rule struct {
	name   string // as borg calls it in its list
	option string
	count  int
	period func(time.Time) string
}

// rules are in the order in which borg applies them, which decides what is kept.
func (r Retention) rules() []rule {
	return []rule{
		{"secondly", "--keep-last", r.last(), layout(time.DateTime)},
		{"minutely", "--keep-minutely", r.Minutely, layout("2006-01-02 15:04")},
		{"hourly", "--keep-hourly", r.Hourly, layout("2006-01-02 15")},
		{"daily", "--keep-daily", r.Daily, layout(time.DateOnly)},
		{"weekly", "--keep-weekly", r.Weekly, isoWeek},
		{"monthly", "--keep-monthly", r.Monthly, layout("2006-01")},
		{"quarterly_13weekly", "--keep-13weekly", r.ThirteenWeekly, thirteenWeeks},
		{"quarterly_3monthly", "--keep-3monthly", r.ThreeMonthly, threeMonths},
		{"yearly", "--keep-yearly", r.Yearly, layout("2006")},
	}
}

// last is Last, or 1 where `within` stands alone: once all archives are older than its interval, `within`
// alone would delete every one of them.
func (r Retention) last() int {
	if r.Within != "" && (r == Retention{Within: r.Within, KeepAll: r.KeepAll}) {
		return 1
	}
	return r.Last
}

// CheckWithin tells what is wrong with an interval in borg's notation: a whole number of H, d, w, m or y.
func CheckWithin(within string) error {
	if _, ok := parseWithin(within); !ok {
		return fmt.Errorf("%q is no interval of borg's: a whole number above 0 (at most 250 years) and one of H, d, w, m (31 days) and y (365 days), such as 2d", within)
	}
	return nil
}

func parseWithin(within string) (time.Duration, bool) {
	if within == "" {
		return 0, false
	}
	end := len(within) - 1
	hours, known := withinHours[within[end]]
	number, err := strconv.ParseUint(within[:end], 10, 31)
	hours *= int64(number) //nolint:gosec // it has 31 bits
	return time.Duration(hours) * time.Hour, known && err == nil && 0 < hours && hours <= maxWithin
}

// Args returns the rules as options of `borg prune`, nil if there are none.
func (r Retention) Args() []string {
	var args []string
	if r.Within != "" {
		args = append(args, "--keep-within", r.Within)
	}
	for _, rule := range r.rules() {
		if rule.count != 0 {
			args = append(args, rule.option, strconv.Itoa(rule.count))
		}
	}
	return args
}

// Apply divides the archives of one series, newest first, as `borg prune` does in a process whose local time
// is zone: by the rules of borg 1.2 and 1.4, to the archive. Archives of one second stay in the order in
// which they come. Without any rule nothing is removed.
func (r Retention) Apply(archives []Archive, now time.Time, zone *time.Location) (keep []Kept, remove []Archive) {
	ordered := slices.Clone(archives)
	slices.SortStableFunc(ordered, func(a, b Archive) int { return b.Time.Compare(a.Time) })
	kept := map[int]string{} // index in ordered -> why
	if r.IsZero() {
		for i := range ordered {
			kept[i] = "no rule"
		}
	} else {
		r.mark(ordered, now, zone, kept)
	}
	for i, archive := range ordered {
		if why, ok := kept[i]; ok {
			keep = append(keep, Kept{Archive: archive, Rule: why})
		} else {
			remove = append(remove, archive)
		}
	}
	return keep, remove
}

func (r Retention) mark(ordered []Archive, now time.Time, zone *time.Location, kept map[int]string) {
	var complete []int // indexes of what is no checkpoint: only these count for the rules
	for i, archive := range ordered {
		if !archive.IsCheckpoint() {
			complete = append(complete, i)
		}
	}
	if len(ordered) > 0 && ordered[0].IsCheckpoint() {
		kept[0] = "checkpoint" // of a backup that is going to be continued
	}
	if within, ok := parseWithin(r.Within); ok {
		count := 0
		for _, i := range complete {
			if ordered[i].Time.After(now.Add(-within)) {
				count++
				kept[i] = fmt.Sprintf("within #%d", count)
			}
		}
	}
	for _, rule := range r.rules() {
		rule.mark(ordered, complete, zone, kept)
	}
}

// mark keeps the newest archive of each of the last count periods. The period of an archive that an earlier
// rule keeps is used up, but does not count. A rule that finds too few periods also keeps the oldest archive.
func (r rule) mark(ordered []Archive, complete []int, zone *time.Location, kept map[int]string) {
	if r.count == 0 {
		return
	}
	last, count := "", 0
	for _, i := range complete {
		period := r.period(ordered[i].Time.In(zone))
		if period == last {
			continue
		}
		last = period
		if _, already := kept[i]; already {
			continue
		}
		count++
		kept[i] = fmt.Sprintf("%s #%d", r.name, count)
		if count == r.count {
			return
		}
	}
	if len(complete) == 0 || count >= r.count { // always, where the count is All
		return
	}
	oldest := complete[len(complete)-1]
	if _, already := kept[oldest]; !already {
		kept[oldest] = fmt.Sprintf("%s[oldest] #%d", r.name, count+1)
	}
}

func layout(layout string) func(time.Time) string {
	return func(t time.Time) string { return t.Format(layout) }
}

func isoWeek(t time.Time) string {
	year, week := t.ISOWeek()
	return fmt.Sprintf("%d-%d", year, week)
}

// thirteenWeeks puts the 53rd week of a long year to its last quarter.
func thirteenWeeks(t time.Time) string {
	year, week := t.ISOWeek()
	return fmt.Sprintf("%d-%d", year, min((week-1)/13, 3))
}

func threeMonths(t time.Time) string {
	return fmt.Sprintf("%d-%d", t.Year(), (t.Month()-1)/3)
}

// IsCheckpoint tells whether borg takes the archive for one whose creation was cut off.
func (a Archive) IsCheckpoint() bool { return checkpointName.MatchString(a.Name) }

// guardedSeries is from how many complete archives on a prune may not remove more than half of a series.
const guardedSeries = 6

// PruneGuard tells why a prune that would remove these archives of the list (newest first) must not be
// started, "" if it may. That it is most of the series the owner may allow, never that it is the newest.
func PruneGuard(list, remove []Archive, allowed bool) string {
	total, removed := 0, 0
	newest := ""
	var when time.Time
	for _, archive := range list {
		if archive.IsCheckpoint() {
			continue
		}
		total++
		if newest == "" || archive.Time.After(when) {
			newest, when = archive.Name, archive.Time
		}
	}
	for _, archive := range remove {
		if archive.IsCheckpoint() {
			continue
		}
		removed++
		if archive.Name == newest {
			return "prune would delete the newest complete archive, " + CleanLine(newest, 200)
		}
	}
	if !allowed && total >= guardedSeries && 2*removed > total {
		return fmt.Sprintf("prune would delete %d of %d archives, more than half", removed, total)
	}
	return ""
}
