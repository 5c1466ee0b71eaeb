package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"borgcron/internal/backup"

	"go.yaml.in/yaml/v4"
)

// on returns where a mistake of a job is said: at the deepest key of the path that stands in a file, its own
// or that of the defaults, else at its name.
func (l *loader) on(j *job, path ...string) *yaml.Node {
	if node := l.where(j.tree, path...); node != nil {
		return node
	}
	return j.key
}

func (l *loader) wrongJob(j *job, message string, path ...string) {
	l.wrong(l.on(j, path...), j.path, message, "")
}

func (l *loader) doubtJob(j *job, message string, path ...string) {
	l.doubt(l.on(j, path...), j.path, message)
}

// missing says that something is not there, unless that may be because it was wrong.
func (l *loader) missing(j *job, message string, path ...string) {
	if !j.broken {
		l.wrongJob(j, message, path...)
	}
}

// checkJob checks what a job means, key by key.
func (l *loader) checkJob(j *job, file *Job) {
	l.checkSources(j)
	l.checkTimes(j, file)
	l.checkRetention(j)
	l.checkArchiveName(j)
	l.checkCheck(j)
	l.checkHooks(j, file)
	l.checkDatabases(j)
	l.checkBorgOptions(j)
}

func (l *loader) checkSources(j *job) {
	root := slices.ContainsFunc(j.result.Patterns, func(line string) bool { return strings.HasPrefix(line, "R ") })
	if len(j.result.Sources)+len(j.result.OptionalSources)+len(j.result.Databases) == 0 && !root {
		l.missing(j, "`sources` is missing: say what is backed up")
	}
	for i, pattern := range j.result.Exclude {
		if message := checkStyle(pattern); message != "" {
			l.wrong(sub(j.tree, "exclude").Content[i], j.path, "`exclude` "+message, "")
		}
	}
	for i, line := range j.result.Patterns {
		if message := checkPatternLine(line); message != "" {
			l.wrong(sub(j.tree, "patterns").Content[i], j.path, "`patterns` "+message, "")
		}
	}
}

var (
	patternStyle  = regexp.MustCompile(`^([A-Za-z0-9]{2}):`)
	patternLine   = regexp.MustCompile(`^([-+!RPr]|p)\s+(\S.*)$`)
	patternStyles = []string{"fm", "sh", "re", "pp", "pf"}
)

// checkStyle tells what is wrong with the style of a pattern of borg's, which two letters and a colon name.
func checkStyle(pattern string) string {
	if parts := patternStyle.FindStringSubmatch(pattern); parts != nil && !slices.Contains(patternStyles, parts[1]) {
		return fmt.Sprintf("has the unknown style %s: borg knows fm: sh: re: pp: and pf:", parts[1])
	}
	return ""
}

func checkPatternLine(line string) string {
	parts := patternLine.FindStringSubmatch(line)
	switch {
	case parts == nil:
		return fmt.Sprintf("wants R ROOT, + PATTERN, - PATTERN, ! PATTERN or P STYLE, not %s", quote(line))
	case parts[1] == "R" && !strings.HasPrefix(parts[2], "/"):
		return "wants a whole path after R"
	case parts[1] == "P" && !slices.Contains(patternStyles, parts[2]):
		return "wants fm, sh, re, pp or pf after P"
	case parts[1] == "R" || parts[1] == "P":
		return ""
	}
	return checkStyle(parts[2])
}

func (l *loader) checkTimes(j *job, file *Job) {
	for i, text := range file.At {
		calendar, err := backup.ParseCalendar(text)
		if err != nil {
			l.wrong(sub(j.tree, "at").Content[i], j.path, "`at` "+err.Error(), "")
			continue
		}
		j.result.At = append(j.result.At, calendar)
	}
	if run := j.result.Timeout.Run; run > 0 && j.result.Every < run {
		l.doubtJob(j, fmt.Sprintf("`every` is %s, but a run may take %s (`timeout.run`)", formatDuration(j.result.Every), formatDuration(run)), "timeout", "run")
	}
	if j.result.StaleAfter < j.result.Every {
		l.doubtJob(j, fmt.Sprintf("`stale_after` is %s, less than `every`: the job would be stale before it is due", formatDuration(j.result.StaleAfter)), "stale_after")
	}
	if j.result.Retry.MaxWait < j.result.Retry.Wait {
		l.doubtJob(j, fmt.Sprintf("`retry.max_wait` is %s, less than `retry.wait`: no pause is longer than it", formatDuration(j.result.Retry.MaxWait)), "retry", "max_wait")
	}
}

func (l *loader) checkRetention(j *job) {
	r := j.result.Retention
	within := backup.Retention{Within: r.Within}
	switch {
	case r.KeepAll && !r.IsZero():
		l.wrongJob(j, "`retention` says keep_all, and what to keep: say one of them", "retention")
	case r.ThirteenWeekly != 0 && r.ThreeMonthly != 0:
		l.wrongJob(j, "`retention` has 13weekly and 3monthly, which borg does not take together", "retention", "13weekly")
	case r.KeepAll || j.broken:
	case r.IsZero():
		l.doubtJob(j, "there is no `retention`: nothing is ever deleted; if that is meant, say `retention: keep_all`", "retention")
	case r == within:
		l.doubtJob(j, "`retention.within` is the only rule: the newest archive is always kept beside it, all others go once they are older", "retention", "within")
	}
}

func (l *loader) checkArchiveName(j *job) {
	if err := backup.CheckArchiveName(j.result.ArchiveName); err != nil {
		if !j.broken || j.result.ArchiveName != "" {
			l.wrongJob(j, "`archive_name`: "+err.Error(), "archive_name")
		}
		return
	}
	match := j.result.Prune.Match
	if err := backup.CheckPattern(match); err != nil {
		l.wrongJob(j, "`prune.match`: "+err.Error(), "prune", "match")
		return
	}
	if backup.LiteralHead(match) < 3 {
		l.wrongJob(j, "`prune.match` must begin with at least three literal characters, so that it never takes all archives", "prune", "match")
		return
	}
	sample := backup.ExpandArchiveName(j.result.ArchiveName, j.names, time.Date(2026, 11, 22, 13, 14, 15, 0, time.UTC))
	if !backup.PatternsOverlap(match, backup.MatchFor(j.result.ArchiveName, j.names)) {
		l.doubtJob(j, fmt.Sprintf("`prune.match` does not match what `archive_name` makes, such as %s: they are never deleted", quote(sample)), "prune", "match")
	}
}

func (l *loader) checkCheck(j *job) {
	c := j.result.Check
	switch {
	case !c.Repository && !c.Archives && !c.Data && !j.broken:
		l.wrongJob(j, "`check.parts` is empty; for no check say `check: {every: never}`", "check", "parts")
	case c.Last > 0 && !c.Archives && !c.Data:
		l.wrongJob(j, "`check.last` is about archives, but `check.parts` holds neither archives nor data", "check", "last")
	case c.MaxDuration > 0 && (c.Archives || c.Data):
		l.wrongJob(j, "`check.max_duration` works with `parts: [repository]` alone: borg cannot stop a check of archives", "check", "max_duration")
	}
}

func (l *loader) checkHooks(j *job, file *Job) {
	for i, hook := range file.Hooks {
		if hook.When == "before" && len(hook.States) > 0 {
			key, _ := lookup(sub(j.tree, "hooks").Content[i], "states")
			l.wrong(key, j.path, "`states` only makes sense with `when: after`: before a run nothing is known", "")
		}
	}
}
