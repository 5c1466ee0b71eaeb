package importer

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// keepRules are borgmatic's rules of retention and ours. borg knows keep-secondly and keep-last as one option.
var keepRules = []struct{ theirs, ours string }{
	{"keep_within", "within"}, {"keep_last", "last"}, {"keep_secondly", "last"}, {"keep_minutely", "minutely"}, {"keep_hourly", "hourly"}, {"keep_daily", "daily"},
	{"keep_weekly", "weekly"}, {"keep_monthly", "monthly"}, {"keep_13weekly", "13weekly"}, {"keep_3monthly", "3monthly"}, {"keep_yearly", "yearly"},
}

var withinForm = regexp.MustCompile(`^[1-9][0-9]{0,5}[Hdwmy]$`)

// retention converts which archives are kept: exactly, as borg itself judges by the same rules.
func (j *borgmaticJob) retention() {
	for _, rule := range keepRules {
		s := j.top.get(rule.theirs)
		if s == nil {
			continue
		}
		if rule.ours == "within" {
			j.within(s)
			continue
		}
		number, ok := j.number(s)
		switch {
		case !ok:
		case rule.ours == "3monthly" && j.node.has("retention") && j.node.sub("retention").has("13weekly"):
			j.note(s, Left, "borg does not take it together with keep_13weekly")
		case number < 0:
			j.node.sub("retention").set(rule.ours, "all")
			j.note(s, Taken, "without a limit")
		default:
			j.node.sub("retention").set(rule.ours, number)
			j.note(s, Taken, "%s", map[bool]string{true: "borg knows it as keep-last as well"}[rule.theirs == "keep_secondly"])
		}
	}
	threshold := j.top.get("compact_threshold")
	if threshold != nil {
		if percent, ok := j.number(threshold); ok && (percent < 0 || percent > 99) {
			j.wrong(threshold, "wants a number from 0 to 99")
		} else if ok {
			j.node.sub("compact").set("threshold", percent)
			j.note(threshold, Taken, "")
		}
	}
	j.skipped()
}

func (j *borgmaticJob) within(s *setting) {
	text, ok := j.text(s)
	switch {
	case !ok:
	case !withinForm.MatchString(text):
		j.wrong(s, "wants a number and H, d, w, m or y, such as 2d")
	default:
		j.node.sub("retention").set("within", text)
		j.note(s, Taken, "")
	}
}

// skipped converts the steps that borgmatic is told to leave out.
func (j *borgmaticJob) skipped() {
	s := j.top.get("skip_actions")
	if s == nil {
		return
	}
	texts, ok := j.list(s)
	if !ok {
		return
	}
	fate, left := Taken, []string{}
	for _, text := range texts {
		switch text {
		case "prune", "compact", "check":
			j.node.sub(text).set("every", "never")
		default:
			fate, left = Left, append(left, quoteName(text))
		}
	}
	message := ""
	if len(left) > 0 {
		message = strings.Join(left, ", ") + ": not a step that a run of borgcron can be without"
	}
	j.note(s, fate, "%s", message)
}

// A borgmaticCheck is one of borgmatic's checks.
type borgmaticCheck struct {
	name      string
	every     time.Duration // 0: always
	place     *setting
	frequency *setting
}

// checks converts the checks. borgcron has one rhythm for all parts of a check, and one for the restore drill.
func (j *borgmaticJob) checks() {
	s := j.top.get("checks")
	for _, name := range []string{"check_repositories", "consistency.prefix"} {
		if other := j.top.get(name); other != nil {
			j.note(other, Left, "borgcron checks every repository of a job, and all archives in it or the last ones")
		}
	}
	var parts []string
	if s != nil {
		parts = j.checkParts(j.readChecks(s))
	}
	last := j.top.get("check_last")
	if last == nil {
		return
	}
	number, ok := j.number(last)
	switch {
	case !ok:
	case number <= 0:
		j.note(last, Taken, "no limit")
	case len(parts) > 0 && !slices.Contains(parts, "archives") && !slices.Contains(parts, "data"):
		j.note(last, Left, "no archives are checked")
	default:
		j.node.sub("check").set("last", number)
		j.note(last, Taken, "")
	}
}

func (j *borgmaticJob) readChecks(s *setting) []borgmaticCheck {
	var checks []borgmaticCheck
	if s.null() || s.kind != yaml.SequenceNode || len(s.items) == 0 {
		if s.null() || s.kind == yaml.SequenceNode {
			j.note(s, Taken, "empty: borgmatic's default and borgcron's are the same, every 30 days")
		} else {
			j.wrong(s, "wants a list of checks")
		}
		return nil
	}
	for _, item := range s.items {
		check := borgmaticCheck{place: item}
		if item.kind == yaml.MappingNode {
			check.place, check.frequency = item.get("name"), item.get("frequency")
		}
		if check.place == nil {
			j.wrong(item, "wants the name of a check")
			continue
		}
		ok := false
		if check.name, ok = j.text(check.place); !ok {
			continue
		}
		if check.frequency != nil {
			if check.every, ok = j.frequency(check.frequency); !ok {
				continue
			}
		}
		checks = append(checks, check)
		for i, key := range item.names {
			switch key {
			case "name", "frequency":
			case "max_duration":
				j.maxDuration(s, item.items[i])
			case "only_run_on":
				j.note(item.items[i], Left, "borgcron knows no days for checks: `run --skip check` and `run --only check` in two timers do it")
			default:
				j.note(item.items[i], Left, "borgcron's restore drill has measures of its own: `verify.files`, `verify.size`")
			}
		}
	}
	return checks
}

func (j *borgmaticJob) maxDuration(all, s *setting) {
	seconds, ok := j.number(s)
	switch {
	case !ok:
	case seconds <= 0:
		j.note(s, Taken, "no limit")
	case len(all.items) > 1:
		j.note(s, Left, "borg can stop a check of the repository alone, and archives are checked too")
	default:
		j.node.sub("check").set("max_duration", fmt.Sprintf("%ds", seconds))
		j.note(s, Taken, "")
	}
}

// frequency reads how often a check is due; months have 30 days and years 365, as in borgmatic.
func (j *borgmaticJob) frequency(s *setting) (time.Duration, bool) {
	text, ok := j.text(s)
	if !ok {
		return 0, s.null()
	}
	text = strings.ToLower(strings.TrimSpace(text))
	if text == "always" {
		return 0, true
	}
	count, unit, _ := strings.Cut(text, " ")
	units := map[string]time.Duration{
		"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour,
		"month": 30 * 24 * time.Hour, "year": 365 * 24 * time.Hour,
	}
	number, err := strconv.ParseInt(count, 10, 16)
	length, known := units[strings.TrimSuffix(unit, "s")]
	if err != nil || !known || number < 1 || number > 1000 {
		j.wrong(s, "wants always, or a number and a unit such as 2 weeks")
		return 0, false
	}
	return time.Duration(number) * length, true
}

// every writes how often a step is due.
func every(d time.Duration) string {
	switch {
	case d == 0:
		return "always"
	case d%(24*time.Hour) == 0:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// checkParts decides which checks are parts of borgcron's check, and how often.
func (j *borgmaticJob) checkParts(checks []borgmaticCheck) []string {
	var parts []string
	shortest, known := time.Duration(0), false
	for _, check := range checks {
		if check.name == "repository" || check.name == "archives" || check.name == "data" {
			if !known || check.every < shortest {
				shortest, known = check.every, true
			}
		}
	}
	for _, check := range checks {
		note := func(fate Fate, format string, args ...any) {
			for _, s := range []*setting{check.place, check.frequency} {
				if s != nil && !s.null() {
					j.note(s, fate, format, args...)
				}
			}
		}
		switch check.name {
		case "repository", "archives", "data":
			if check.every != shortest && check.name == "data" {
				note(Left, "it has a rhythm of its own, and reads everything: a timer of its own with `borgcron run --only check`, or `check.parts` with data")
				continue
			}
			parts = append(parts, check.name)
			if check.every == shortest {
				note(Taken, "")
			} else {
				note(Changed, "all parts of a check have one rhythm: the shortest, %s", every(shortest))
			}
		case "extract", "spot":
			j.node.sub("verify").set("every", every(check.every))
			note(Changed, "borgcron restores files and compares them instead (`verify`)")
		case "disabled":
			j.node.sub("check").set("every", "never")
			note(Taken, "")
		default:
			j.wrong(check.place, "is no check that borgmatic knows")
		}
	}
	switch {
	case len(parts) > 0 && j.node.has("check") && j.node.sub("check").has("every"):
	case len(parts) > 0:
		j.node.sub("check").set("every", every(shortest))
		inOrder := func(part string) bool { return slices.Contains(parts, part) }
		j.node.sub("check").set("parts", slices.DeleteFunc([]string{"repository", "archives", "data"}, func(part string) bool { return !inOrder(part) }))
	case len(checks) > 0:
		j.node.sub("check").set("every", "never")
	}
	return parts
}
