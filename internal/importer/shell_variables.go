package importer

import (
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// sources reads what is backed up. The old script leaves the list to the shell, which parts it at blanks and fills in wildcards;
// borgcron does not, and takes the folder above them: a backup of too much is mended more easily than one of too little.
func (j *shellJob) sources() bool {
	text, ok := j.value("BACKUP_DIRS")
	if !ok {
		return false
	}
	words := strings.Fields(text)
	fate, messages := Taken, []string{}
	if list := j.variables["BACKUP_DIRS"].List; len(list) > 0 {
		words = list
		fate, messages = Changed, append(messages, "a list, of which sh took the first alone: all are backed up")
	}
	var sources []string
	for len(words) > 0 {
		if strings.HasPrefix(words[0], "-") {
			words = j.createOption("BACKUP_DIRS", words)
			continue
		}
		source := words[0]
		words = words[1:]
		wild := strings.IndexAny(source, "*?[")
		switch {
		case !filepath.IsAbs(source):
			fate, messages = Left, append(messages, quoteName(source)+": a path that depends on the folder in which the old script was started: write the whole path")
			continue
		case wild >= 0 && path.Dir(source[:wild]+"x") == "/":
			fate, messages = Left, append(messages, quoteName(source)+": borgcron fills in no wildcards, and the folder above is everything: name the folders")
			continue
		case wild >= 0:
			fate, messages = max(fate, Changed), append(messages, quoteName(source)+": borgcron fills in no wildcards, the folder above them is backed up as a whole")
			source = path.Dir(source[:wild] + "x")
		}
		if source = escape(source); !slices.Contains(sources, source) {
			sources = append(sources, source)
		}
	}
	if len(sources) > 0 {
		j.node.set("sources", sources)
	}
	j.say("BACKUP_DIRS", fate, "%s", strings.Join(messages, "; "))
	return len(sources) > 0
}

// conversions reads all other variables of the old script and of borg, in the order in which they are best read afterwards.
func (j *shellJob) conversions() {
	for _, known := range []struct {
		name    string
		convert func(*shellJob, string, string)
	}{
		{"COMPRESSION", (*shellJob).compression},
		{"ADD_BACKUP_PARAMS", (*shellJob).createParams},
		{"SLEEP_TIME", (*shellJob).sleepTime},
		{"RETRY_NUM", (*shellJob).retries},
		{"REPEAT_NUM", (*shellJob).retries},
		{"REPEAT_NUMS", (*shellJob).repeatNumbers},
		{"RETRY_NUM_PRUNE", (*shellJob).pruneRetries},
		{"BORG_BIN", (*shellJob).program},
		{"RUN_PID_DIR", (*shellJob).pidFolder},
		{"BORG_PASSPHRASE", (*shellJob).passphrase},
		{"BORG_PASSCOMMAND", (*shellJob).passcommand},
		{"PASSPHRASE_FILE", (*shellJob).passphraseFile},
		{"BORG_RSH", (*shellJob).remoteShell},
		{"BORG_REMOTE_PATH", (*shellJob).remotePath},
		{"BORG_CACHE_DIR", (*shellJob).folder},
		{"BORG_KEYS_DIR", (*shellJob).folder},
		{"BORG_BASE_DIR", (*shellJob).folder},
		{"BORG_CONFIG_DIR", (*shellJob).folder},
		{"BORG_SECURITY_DIR", (*shellJob).folder},
		{"BATTERY_PATH", func(j *shellJob, name, _ string) {
			j.say(name, Left, "borgcron finds the battery itself: `conditions: {power: {battery_above: 20}}` does what the old script did")
		}},
		{"GUI_OVERWRITE_ICON", (*shellJob).desktop},
		{"FALLBACK_NOTIFICATION_USER", (*shellJob).desktop},
	} {
		if _, set := j.set[known.name]; !set {
			continue
		}
		if known.name == "BORG_PASSPHRASE" { // which may be what a program prints
			known.convert(j, known.name, j.variables[known.name].String())
		} else if text, ok := j.value(known.name); ok {
			known.convert(j, known.name, text)
		}
	}
	j.lastBackup()
	if len(j.options["create"]) > 0 {
		j.node.sub("borg_options").set("create", j.options["create"])
	}
}

var compressionForm = regexp.MustCompile(`^(obfuscate,([1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|250),)?(auto,)?(none|lz4|zstd(,([1-9]|1[0-9]|2[0-2]))?|(zlib|lzma)(,[0-9])?)$`)

func (j *shellJob) compression(name, text string) {
	if !compressionForm.MatchString(text) {
		j.say(name, Left, "a compression that borgcron does not know: it takes lz4, borg's own")
		return
	}
	j.node.set("compression", text)
	j.say(name, Taken, "")
}

var sleepForm = regexp.MustCompile(`^([0-9]{1,6})([smhd]?)$`)

func (j *shellJob) sleepTime(name, text string) {
	found := sleepForm.FindStringSubmatch(text)
	switch {
	case found == nil:
		j.say(name, Left, "not a whole number of seconds, minutes, hours or days: see `retry.wait`, 5m unless it is set")
	case strings.Trim(found[1], "0") == "":
		j.say(name, Left, "borgcron pauses between attempts: `retry.wait`, 5m unless it is set")
	default:
		unit := found[2]
		if unit == "" {
			unit = "s"
		}
		j.node.sub("retry").set("wait", strings.TrimLeft(found[1], "0")+unit)
		j.say(name, Taken, "the pause before an attempt is made again")
	}
}

func (j *shellJob) count(name, text string) (int, bool) {
	number, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || number < 0 || number > 1000 {
		j.say(name, Left, "no number from 0 to 1000: see `retry.retries`, 3 unless it is set")
		return 0, false
	}
	return number, true
}

const retryWords = "only what may pass is tried again: a wrong passphrase or a missing repository is not"

func (j *shellJob) retries(name, text string) {
	if number, ok := j.count(name, text); ok {
		j.node.sub("retry").set("retries", number)
		j.say(name, Taken, retryWords)
	}
}

// repeatNumbers reads how the oldest of the scripts said it: a list with a word for each attempt.
func (j *shellJob) repeatNumbers(name, text string) {
	attempts := len(strings.Fields(text))
	j.node.sub("retry").set("retries", max(attempts-1, 0))
	j.say(name, Taken, retryWords)
}

func (j *shellJob) pruneRetries(name, text string) {
	if text == "" {
		j.say(name, Taken, "as RETRY_NUM")
	} else if number, ok := j.count(name, text); ok {
		j.node.sub("prune").set("retries", number)
		j.say(name, Taken, retryWords)
	}
}

func (j *shellJob) program(name, text string) {
	switch {
	case text == "borg":
		j.say(name, Taken, "the borg on PATH")
	case strings.ContainsAny(text, " \t\n") || text == "":
		j.say(name, Left, "borgcron wants a program without arguments: put them into a script of its own")
	case strings.Contains(text, "/") && !filepath.IsAbs(text):
		j.say(name, Left, "a path that depends on the folder in which the old script was started: write the whole path")
	default:
		j.borg.set("borg", escape(text))
		j.say(name, Taken, "")
	}
}

func (j *shellJob) pidFolder(name, text string) {
	if text == "" {
		j.say(name, Changed, "without a lock of its own the old script broke none of borg's: `clients: shared`; borgcron has a lock all the same")
		return
	}
	j.say(name, Changed, "borgcron has locks of its own, one a repository, in its state folder")
}

func (j *shellJob) remoteShell(name, text string) {
	if !j.seen(name) {
		return
	}
	if strings.TrimSpace(text) == "" || strings.Contains(text, "\n") {
		j.say(name, Left, "no program")
		return
	}
	j.borg.sub("ssh").set("command", escape(text))
	j.say(name, Changed, "borgcron adds options of its own behind these: it asks nothing, and hangs up on a dead line")
}

func (j *shellJob) remotePath(name, text string) {
	if j.seen(name) && text != "" {
		j.borg.set("remote_path", escape(text))
		j.say(name, Taken, "")
	}
}

// seen tells whether borg saw a variable, and says so if not.
func (j *shellJob) seen(name string) bool {
	if !j.variables[name].Exported {
		j.say(name, Left, "it is not exported, so borg never saw it")
		return false
	}
	return true
}

// folder converts where borg keeps its own things.
func (j *shellJob) folder(name, text string) {
	const security = "borg's folder of security information is never moved: move its contents to ~/.config/borg/security"
	switch {
	case !j.seen(name):
	case !filepath.IsAbs(text):
		j.say(name, Left, "no whole path: borg took it from the folder in which the old script was started, also where it begins with ~")
	case name == "BORG_CACHE_DIR":
		j.borg.set("cache", escape(text))
		j.say(name, Taken, "")
	case name == "BORG_KEYS_DIR":
		j.borg.set("keys", escape(text))
		j.say(name, Taken, "")
	case name == "BORG_BASE_DIR":
		j.moved("cache", text+"/.cache/borg")
		j.moved("keys", text+"/.config/borg/keys")
		j.say(name, Changed, "`cache` and `keys` are moved; %s", security)
	case name == "BORG_CONFIG_DIR":
		j.moved("keys", text+"/keys")
		j.say(name, Changed, "`keys` is moved; %s", security)
	default:
		j.say(name, Left, security)
	}
}

func (j *shellJob) moved(key, place string) {
	if !j.borg.has(key) {
		j.borg.set(key, escape(place))
	}
}

func (j *shellJob) desktop(name, _ string) {
	j.say(name, Left, "`notify: {desk: {type: desktop}}` tells whoever sits at a screen, with an icon of its own")
}

// lastBackup finds where the old script kept when it last succeeded: also where the file does not say it.
func (j *shellJob) lastBackup() {
	folder, known := j.variables["LAST_BACKUP_DIR"].String(), true
	if _, set := j.set["LAST_BACKUP_DIR"]; set {
		folder, known = j.value("LAST_BACKUP_DIR")
	}
	backupName := j.variables["BACKUP_NAME"].String()
	if known && filepath.IsAbs(folder) && backupName != "" && !marked(backupName) && !strings.Contains(backupName, "/") {
		j.timeFile = filepath.Join(folder, backupName+".time")
	}
	if _, set := j.set["LAST_BACKUP_DIR"]; set && known {
		j.say("LAST_BACKUP_DIR", Taken, "when the last backup was is read from there, once")
	}
}

// passed are the variables of borg that it gets as they are.
var passed = regexp.MustCompile(`^(TMPDIR|BORG_(FILES_CACHE_TTL|FILES_CACHE_SUFFIX|RELOCATED_REPO_ACCESS_IS_OK|UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK|HOSTNAME_IS_UNIQUE|USE_CHUNKS_ARCHIVE|SHOW_SYSINFO|WORKAROUNDS|LIBC|FUSE_IMPL|SELFTEST|DEBUG_PASSPHRASE|DISPLAY_PASSPHRASE))$`)

// rest says what became of all that nobody has looked at.
func (j *shellJob) rest() {
	for _, name := range slices.Sorted(maps.Keys(j.set)) {
		pos := j.set[name]
		if slices.ContainsFunc(j.notes, func(note Note) bool { return note.Key == name }) {
			continue
		}
		if marked(j.variables[name].String()) && !strings.HasPrefix(name, "BORG_") && !strings.HasPrefix(name, "SQL_BACKUP_") {
			j.note(pos, name, Changed, "one of the file's own, and what a program prints: it is in the hooks that use it")
			continue
		}
		text, ok := j.value(name)
		if !ok {
			continue
		}
		switch {
		case passed.MatchString(name) && j.variables[name].Exported:
			j.borg.sub("env").set(name, quoted(escape(text)))
			j.say(name, Taken, "borg gets it")
		case passed.MatchString(name):
			j.say(name, Left, "it is not exported, so borg never saw it")
		case strings.HasPrefix(name, "BORG_"):
			j.say(name, Left, "borgcron sets it itself, or does without it")
		case strings.HasPrefix(name, "SQL_BACKUP_"):
			j.say(name, Left, "the file does not call databasedump.sh: `borgcron dump` takes the place of that script, and knows this variable")
		case name == "PATH":
			j.say(name, Left, "borg and hooks are looked for on the PATH of whoever starts borgcron")
		default:
			j.say(name, Taken, "one of the file's own: it is filled in where it is used")
		}
	}
}
