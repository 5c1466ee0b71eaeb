package backup

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	latestName = regexp.MustCompile(`^latest(?:~(\d{1,6}))?$`)
	agoName    = regexp.MustCompile(`^(\d{1,6}) (minute|hour|day|week)s? ago$`)
	agoUnits   = map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour}
	dateForms  = []struct {
		layout string
		whole  time.Duration // what a text of this form stands for
	}{{"2006-01-02", 0}, {"2006-01-02 15:04", time.Minute}, {"2006-01-02T15:04", time.Minute}, {time.DateTime, time.Second}, {"2006-01-02T15:04:05", time.Second}}
)

// WhichArchive finds the archive that a text names: `latest`, `latest~2` (the second before it), a name, the beginning of a
// name that no other has, or a time (`today`, `yesterday`, `2026-11-20`, `2026-11-20 12:00`, `3 days ago`), for which the
// newest archive stands that was begun before that time was over. The error says what there is.
func WhichArchive(archives []Archive, text string, now time.Time) (Archive, error) {
	archives = slices.Clone(archives)
	slices.SortStableFunc(archives, func(a, b Archive) int { return b.Time.Compare(a.Time) })
	if len(archives) == 0 {
		return Archive{}, fmt.Errorf("there is no archive")
	}
	for _, archive := range archives {
		if archive.Name == text {
			return archive, nil
		}
	}
	if match := latestName.FindStringSubmatch(text); match != nil {
		n, _ := strconv.Atoi(match[1]) // digits, or nothing, which is 0
		if n >= len(archives) {
			return Archive{}, fmt.Errorf("%s: there are only %d archives", text, len(archives))
		}
		return archives[n], nil
	}
	if end, ok := endOf(text, now); ok {
		for _, archive := range archives {
			if archive.Time.Before(end) {
				return archive, nil
			}
		}
		return Archive{}, fmt.Errorf("%s: the oldest archive is %s, of %s", text, Clean(archives[len(archives)-1].Name),
			archives[len(archives)-1].Time.In(now.Location()).Format("2006-01-02 15:04"))
	}
	return byPrefix(archives, text)
}

func byPrefix(archives []Archive, text string) (Archive, error) {
	var found []Archive
	for _, archive := range archives {
		if text != "" && strings.HasPrefix(archive.Name, text) {
			found = append(found, archive)
		}
	}
	switch len(found) {
	case 0:
		return Archive{}, fmt.Errorf("no archive is called %q; the newest is %s", text, Clean(archives[0].Name))
	case 1:
		return found[0], nil
	}
	return Archive{}, fmt.Errorf("%d archives begin with %q: %s, %s and so on", len(found), text, Clean(found[0].Name), Clean(found[1].Name))
}

// endOf is the end of the span of time that a text names.
func endOf(text string, now time.Time) (time.Time, bool) {
	day := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	switch text {
	case "now", "today":
		return now.Add(time.Second), true
	case "yesterday":
		return day, true
	}
	if match := agoName.FindStringSubmatch(text); match != nil {
		n, _ := strconv.Atoi(match[1])
		if match[2] == "day" || match[2] == "week" { // whole days
			days := n * int(agoUnits[match[2]]/agoUnits["day"])
			return day.AddDate(0, 0, 1-days), true
		}
		return now.Add(time.Second - time.Duration(n)*agoUnits[match[2]]), true
	}
	for _, form := range dateForms {
		at, err := time.ParseInLocation(form.layout, text, now.Location())
		switch {
		case err != nil:
		case form.whole == 0:
			return at.AddDate(0, 0, 1), true
		default:
			return at.Add(form.whole), true
		}
	}
	return time.Time{}, false
}
