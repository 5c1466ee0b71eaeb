package importer

import (
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A createKey is an option of `borg create` and what borgcron has in its place.
type createKey struct {
	key    string // "": given to borg as it is
	valued bool
	how    func(j *shellJob, key, value string) (why string)
}

var createKeys = map[string]createKey{
	"-e": {"exclude", true, addPattern}, "--exclude": {"exclude", true, addPattern},
	"--exclude-from": {"exclude_from", true, addFile}, "--patterns-from": {"patterns_from", true, addFile},
	"--pattern": {"patterns", true, addPattern}, "--exclude-if-present": {"exclude_if_present", true, addWord},
	"--exclude-caches": {"exclude_caches", false, setTrue}, "--exclude-nodump": {"exclude_nodump", false, setTrue},
	"--keep-exclude-tags": {"keep_exclude_tags", false, setTrue}, "--keep-tag-files": {"keep_exclude_tags", false, setTrue},
	"-x": {"one_file_system", false, setTrue}, "--one-file-system": {"one_file_system", false, setTrue},
	"--read-special": {"read_special", false, setTrue},
	"--files-cache":  {"files_cache", true, setFilesCache}, "--ignore-inode": {"files_cache", false, setIgnoreInode},
	"-C": {"compression", true, setCompression}, "--compression": {"compression", true, setCompression},
	"--comment": {"comment", true, setText}, "--chunker-params": {"chunker", true, setText},
	"-c": {"checkpoint_interval", true, setSeconds}, "--checkpoint-interval": {"checkpoint_interval", true, setSeconds},
	"--lock-wait": {"lock_wait", true, setLockWait}, "--remote-path": {"remote_path", true, setRemotePath},
	"--remote-ratelimit": {"upload_limit", true, setRate}, "--upload-ratelimit": {"upload_limit", true, setRate},
}

// shownAnyhow are options that only say what borg tells, which borgcron asks for in a form of its own.
var shownAnyhow = []string{
	"-v", "--verbose", "--info", "--debug", "--warning", "--error", "--critical", "-s", "--stats", "--list", "-p", "--progress", "--show-rc", "--show-version", "--json",
	"--log-json", "--filter", "--debug-topic",
}

// createParams reads the additional parameters. They went through no shell again: a quote in them is part of what borg got.
func (j *shellJob) createParams(name, text string) {
	words := strings.Fields(text)
	if len(words) == 0 {
		j.say(name, Taken, "empty")
		return
	}
	j.say(name, Taken, "")
	for len(words) > 0 {
		words = j.createOption(name, words)
	}
}

// createOption converts the first of the words, and its value, and returns those behind.
func (j *shellJob) createOption(variable string, words []string) []string {
	name, value, joined := strings.Cut(words[0], "=")
	words = words[1:]
	if len(name) > 2 && !strings.HasPrefix(name, "--") && name[0] == '-' && createKeys[name[:2]].valued {
		value, joined = strings.TrimPrefix(name[2:]+"="+value, "="), true
		value, name = strings.TrimSuffix(value, "="), name[:2]
	}
	known, found := createKeys[name]
	plain, passes := extraOptions[name]
	valued := known.valued || passes && plain || name == "--filter" || name == "--debug-topic"
	if valued && !joined {
		if len(words) == 0 {
			j.say(variable, Left, "%s: its value is missing", name)
			return nil
		}
		value, words = words[0], words[1:]
	}
	switch {
	case !strings.HasPrefix(name, "-"):
		j.say(variable, Left, "%s: borg took it for something to back up, which belongs into `sources`", quoteName(name))
	case slices.Contains(shownAnyhow, name):
	case name == "-n" || name == "--dry-run":
		j.say(variable, Left, "%s: with it the old script never made an archive; borgcron does", name)
	case found:
		if why := known.how(j, known.key, value); why != "" {
			j.say(variable, Left, "%s %s: %s", name, quoteName(value), why)
		}
	case passes:
		option := name
		if plain {
			option += "=" + value
		}
		j.options["create"] = append(j.options["create"], option)
	default:
		j.say(variable, Left, "%s: borgcron may have a key for it, or relies on borg's own way (`borg_options.create`)", quoteName(name))
	}
	return words
}

const quotedWords = "the quotes went to borg as a part of it, so that it never matched anything: write it without them, if that is meant"

func addPattern(j *shellJob, key, value string) string {
	switch {
	case strings.ContainsAny(value, `'"`):
		return quotedWords
	case value == "":
		return "empty"
	case key == "patterns" && (strings.IndexByte("+-!", value[0]) < 0 || len(value) < 2):
		return "not a pattern that borgcron takes: it begins with +, - or !" // a root or a style would need a blank, which parts the words
	case !knownStyle(strings.TrimLeft(value, "+-!")):
		return "a style that borg does not know"
	case key == "patterns":
		value = value[:1] + " " + value[1:]
	}
	return addWord(j, key, value)
}

func addFile(j *shellJob, key, value string) string {
	switch {
	case strings.ContainsAny(value, `'"`):
		return "the quotes went to borg as a part of the name: write the file without them"
	case !filepath.IsAbs(value):
		return "a path that depends on the folder in which the old script was started: write the whole path"
	}
	return addWord(j, key, value)
}

func addWord(j *shellJob, key, value string) string {
	if strings.ContainsAny(value, `'"`) {
		return "the quotes went to borg as a part of it: write it without them, if that is meant"
	}
	value = escape(value)
	list := []string{}
	if at := j.node.index(key); at >= 0 {
		for _, item := range j.node.node.Content[at+1].Content {
			list = append(list, item.Value)
		}
	}
	if !slices.Contains(list, value) {
		j.node.set(key, append(list, value))
	}
	return ""
}

func setTrue(j *shellJob, key, _ string) string {
	j.node.set(key, true)
	return ""
}

func setText(j *shellJob, key, value string) string {
	if strings.ContainsAny(value, `'"{`) {
		return "look at its quotes and placeholders, and write `" + key + "` yourself"
	}
	j.node.set(key, escape(value))
	return ""
}

func setCompression(j *shellJob, key, value string) string {
	if !compressionForm.MatchString(value) {
		return "a compression that borgcron does not know"
	}
	j.node.set(key, value)
	return ""
}

var filesCacheForm = regexp.MustCompile(`^(disabled|rechunk|((ctime|mtime|size|inode|rechunk)(,(ctime|mtime|size|inode|rechunk))*))$`)

func setFilesCache(j *shellJob, key, value string) string {
	modes := []string{"ctime,size,inode", "mtime,size,inode", "ctime,size", "mtime,size", "rechunk,ctime", "rechunk,mtime", "disabled", "size"}
	if !filesCacheForm.MatchString(value) || !slices.Contains(modes, value) {
		return "write `files_cache` yourself"
	}
	j.node.set(key, value)
	return ""
}

func setIgnoreInode(j *shellJob, key, _ string) string {
	j.node.set(key, "ctime,size")
	return ""
}

func setSeconds(j *shellJob, key, value string) string { return secondsInto(j.node, key, value) }

func setLockWait(j *shellJob, key, value string) string { return secondsInto(j.borg, key, value) }

func secondsInto(m mapping, key, value string) (why string) {
	number, err := strconv.ParseUint(value, 10, 24)
	if err != nil || number == 0 {
		return "no number of seconds"
	}
	m.set(key, strconv.FormatUint(number, 10)+"s")
	return ""
}

func setRemotePath(j *shellJob, key, value string) string {
	j.borg.set(key, escape(value))
	return ""
}

func setRate(j *shellJob, key, value string) string {
	number, err := strconv.ParseUint(value, 10, 32)
	if err != nil || number == 0 {
		return "no number of KiB a second"
	}
	j.borg.set(key, strconv.FormatUint(number, 10)+"KiB/s")
	return ""
}
