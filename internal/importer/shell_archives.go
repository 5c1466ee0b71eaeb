package importer

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"borgcron/internal/backup"

	"mvdan.cc/sh/v3/syntax"
)

// archives decides what archives are called, which of them are kept, and by which pattern they are found, so that the series goes on.
func (j *shellJob) archives() {
	format, known := j.value("ARCHIVE_NAME")
	if format == "" { // also where only a way sets it that was not gone
		known = false
		format = "{hostname}-" + j.variables["BACKUP_NAME"].String() + "-{now:%Y-%m-%dT%H:%M:%S}"
	}
	if variable := j.variables["BACKUP_NAME"].String(); marked(variable) || variable == "" {
		format = strings.ReplaceAll(format, variable, j.name)
	}
	name, said := archiveNameOf(j.o, format)
	if strings.Contains(name, "${") || backup.CheckArchiveName(name) != nil {
		name = ""
	}
	j.series = &series{names: j.o.made(j.name), archiveName: name, repositories: []string{(&backup.Repository{Location: j.location}).Key()}, dumps: j.node.has("databases") && !j.node.has("spool")}
	switch {
	case !known:
	case name == "":
		j.say("ARCHIVE_NAME", Left, "borgcron cannot make names like it: the new series is called by host and job, and the old archives belong to none, they are deleted by hand (`borgcron borg %s -- delete ...`)", j.name)
	case said != "":
		j.say("ARCHIVE_NAME", Changed, "%s", said)
	default:
		j.say("ARCHIVE_NAME", Taken, "")
	}
	if name != "" {
		j.series.match = backup.MatchFor(name, j.series.names)
	}
	j.retention()
}

// retention reads what was pruned. Without a prefix, or without rules, the old script deleted nothing.
func (j *shellJob) retention() {
	prefix, set := j.value("PRUNE_PREFIX")
	if _, assigned := j.set["PRUNE_PREFIX"]; !assigned {
		prefix, set = "null", true
		if _, oldest := j.set["REPOSITORY"]; oldest && j.set["BORG_REPO"] == (syntax.Pos{}) {
			prefix = "{hostname}-" + j.variables["BACKUP_NAME"].String() + "-" // which was built in
		}
	}
	params, known := j.value("PRUNE_PARAMS")
	if !set || !known && j.notedVariable("PRUNE_PARAMS") || prefix == "null" || strings.TrimSpace(params) == "" {
		j.node.set("retention", "keep_all")
		fate, message := Taken, "the old script deleted nothing, and neither does borgcron (`keep_all`)"
		if j.notedVariable("PRUNE_PREFIX") || j.notedVariable("PRUNE_PARAMS") {
			fate, message = Changed, "nothing is deleted (`keep_all`) until `retention` and `prune.match` say what"
		}
		for _, name := range []string{"PRUNE_PREFIX", "PRUNE_PARAMS"} {
			if _, assigned := j.set[name]; assigned && !j.notedVariable(name) {
				j.say(name, fate, "%s", message)
			}
		}
		return
	}
	j.prunePrefix("PRUNE_PREFIX", prefix)
	j.pruneParams(strings.Fields(params))
}

func (j *shellJob) notedVariable(name string) bool {
	return slices.ContainsFunc(j.notes, func(note Note) bool { return note.Key == name })
}

// prunePrefix takes what the names of the archives began with that were pruned.
func (j *shellJob) prunePrefix(name, prefix string) {
	if prefix == "" {
		j.say(name, Changed, "the old script pruned all archives of the repository, borgcron prunes those of this job")
		return
	}
	j.pruneBy(name, prefix+"*")
}

func (j *shellJob) pruneBy(name, pattern string) {
	filled := j.o.fillNames(pattern)
	switch {
	case strings.ContainsAny(filled, "{}") || backup.CheckPattern(filled) != nil:
		j.say(name, Left, "a pattern that the import cannot make out: archives are pruned by their name")
	case backup.LiteralHead(filled) < 3:
		j.say(name, Changed, "borgcron wants a pattern that begins with three characters at least: archives are pruned by their name")
	default:
		j.series.match = filled
		if _, assigned := j.set[name]; assigned && !j.notedVariable(name) {
			j.say(name, Taken, "archives are pruned by `%s`", printable(filled))
		}
	}
}

// pruneRules are borg's options of retention.
var pruneRules = map[string]string{
	"--keep-last": "last", "--keep-secondly": "last", "--keep-minutely": "minutely", "-H": "hourly", "--keep-hourly": "hourly", "-d": "daily", "--keep-daily": "daily",
	"-w": "weekly", "--keep-weekly": "weekly", "-m": "monthly", "--keep-monthly": "monthly", "--keep-13weekly": "13weekly", "--keep-3monthly": "3monthly",
	"-y": "yearly", "--keep-yearly": "yearly",
}

var joinedRule = regexp.MustCompile(`^(-[Hdwmy])([0-9-]+)$`)

// pruneParams reads the rules of retention, exactly: borg itself judges by the same.
func (j *shellJob) pruneParams(words []string) {
	const name = "PRUNE_PARAMS"
	j.say(name, Taken, "")
	counts := false
	for len(words) > 0 {
		option, value, joined := strings.Cut(words[0], "=")
		words = words[1:]
		if found := joinedRule.FindStringSubmatch(option); found != nil {
			option, value, joined = found[1], found[2], true
		}
		next := func() string {
			if !joined && len(words) > 0 {
				value, words = words[0], words[1:]
			}
			return value
		}
		rule := pruneRules[option]
		switch {
		case rule != "":
			counts = j.rule(name, option, rule, next()) || counts
		case option == "--keep-within" && withinForm.MatchString(next()):
			j.node.sub("retention").set("within", value)
			counts = true
		case option == "-P" || option == "--prefix":
			j.prunePrefix(name, next())
		case option == "-a" || option == "--glob-archives":
			j.pruneBy(name, next())
		case option == "-n" || option == "--dry-run":
			j.say(name, Changed, "%s: the old script deleted nothing with it, and neither does borgcron (`keep_all`)", option)
			j.node.set("retention", "keep_all")
			return
		case slices.Contains(shownAnyhow, option):
		case option == "--save-space" || option == "--cleanup-commits":
			j.options["prune"] = append(j.options["prune"], option)
			j.node.sub("borg_options").set("prune", j.options["prune"])
		default:
			j.say(name, Left, "%s: borgcron may have a key for it, or relies on borg's own way (`borg_options.prune`)", quoteName(option))
		}
	}
	if !counts {
		j.node.set("retention", "keep_all")
		j.say(name, Changed, "without a rule that keeps anything borg refuses to prune: nothing is deleted (`keep_all`)")
	}
}

// rule sets one rule of retention, and tells whether it keeps anything.
func (j *shellJob) rule(name, option, rule, text string) bool {
	number, err := strconv.Atoi(text)
	if err != nil || number > 1_000_000 {
		j.say(name, Left, "%s %s: no number", option, quoteName(text))
		return false
	}
	if rule == "3monthly" && j.node.has("retention") && j.node.sub("retention").has("13weekly") {
		j.say(name, Left, "%s: borg does not take it together with --keep-13weekly", option)
		return false
	}
	if number < 0 {
		j.node.sub("retention").set(rule, "all")
	} else {
		j.node.sub("retention").set(rule, number)
	}
	return number != 0
}

// settle writes the name and the pattern of the job's archives.
func (j *shellJob) settle() {
	own := j.series
	if own.way == byJob {
		j.tellOfArchives(Changed, "the name of the job is in the names of its archives now, because another series has the same names, or because they cannot be told apart: the archives that are there belong to no job, and are deleted by hand (`borgcron borg "+j.name+" -- delete ...`)")
		j.node.set("archive_name", "{hostname}-{job}-{now}")
		return
	}
	j.node.set("archive_name", own.archiveName)
	match := own.pattern(own.way)
	if match != backup.MatchFor(own.archiveName, own.names) {
		j.node.sub("prune").set("match", match)
	}
	if own.way == byDigits {
		j.tellOfArchives(Changed, "pruned by the digits of the time, `"+printable(match)+"`: the old pattern would take archives of another series, or all")
	}
}

// tellOfArchives says something at the variable by which the archives were found or called.
func (j *shellJob) tellOfArchives(fate Fate, message string) {
	for _, name := range []string{"PRUNE_PREFIX", "ARCHIVE_NAME"} {
		if _, set := j.set[name]; set {
			j.say(name, fate, "%s", message)
			return
		}
	}
	j.notes = append(j.notes, Note{File: j.path, Key: "ARCHIVE_NAME", Fate: fate, Message: message})
}
