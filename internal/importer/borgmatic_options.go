package importer

import (
	"slices"
	"strconv"
	"strings"
)

func (j *borgmaticJob) umask(s *setting) {
	text, ok := j.text(s)
	if !ok {
		return
	}
	text = strings.TrimPrefix(text, "0o")
	if _, err := strconv.ParseUint(text, 8, 12); err != nil {
		j.wrong(s, "wants an octal number such as 0077")
		return
	}
	for _, command := range []string{"create", "prune", "compact", "check"} {
		j.options[command] = append(j.options[command], "--umask="+text)
	}
	j.note(s, Changed, "for borg alone, not for hooks")
}

// borgOptions converts extra_borg_options, and writes them with those that came of other keys. Only those are taken that nothing of
// borgcron's depends on.
func (j *borgmaticJob) borgOptions() {
	if extra := j.top.get("extra_borg_options"); !extra.null() {
		if len(extra.names) == 0 {
			j.wrong(extra, "wants commands of borg with their options")
			return
		}
		for i, command := range extra.names {
			j.extra(command, extra.items[i])
		}
	} else if extra != nil {
		j.note(extra, Taken, "empty")
	}
	for _, command := range []string{"create", "prune", "compact", "check"} {
		if len(j.options[command]) > 0 {
			j.node.sub("borg_options").set(command, j.options[command])
		}
	}
}

// extraOptions are the options of borg that may be given as they are, and whether they have a value.
var extraOptions = map[string]bool{
	"--atime": false, "--noatime": false, "--noctime": false, "--nobirthtime": false, "--noflags": false, "--nobsdflags": false,
	"--noacls": false, "--noxattrs": false, "--numeric-ids": false, "--numeric-owner": false, "--umask": true,
	"--cleanup-commits": false, "--save-space": false, "--upload-buffer": true,
}

func (j *borgmaticJob) extra(command string, s *setting) {
	if !slices.Contains([]string{"create", "prune", "compact", "check"}, command) {
		j.note(s, Left, "borgcron has no options for this command of borg: `borgcron borg JOB -- ...` takes them by hand")
		return
	}
	text, ok := j.text(s)
	if !ok {
		return
	}
	words, whole := splitWords(text)
	if !whole {
		j.wrong(s, "has quotes that are not whole")
		return
	}
	left := []string{}
	for len(words) > 0 {
		option := words[0]
		words = words[1:]
		name, _, joined := strings.Cut(option, "=")
		valued, known := extraOptions[name]
		if (!known || valued) && !joined && len(words) > 0 && !strings.HasPrefix(words[0], "-") {
			option += "=" + words[0]
			words = words[1:]
			joined = true
		}
		if !known || valued != joined || hasVariable(option) {
			left = append(left, quoteName(strings.SplitN(option, "=", 2)[0]))
			continue
		}
		if !slices.Contains(j.options[command], option) {
			j.options[command] = append(j.options[command], option)
		}
	}
	switch {
	case len(left) > 0:
		j.note(s, Left, "%s: borgcron may have a key for it, or relies on borg's own way (`borg_options.%s`)", strings.Join(left, ", "), command)
	default:
		j.note(s, Taken, "")
	}
}
