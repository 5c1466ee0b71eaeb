package config

import (
	"fmt"
	"strings"
)

// option is an option of borg that borgcron sets itself, and the key that says how.
type option struct{ names, key string }

// commonOptions are refused for every command, createOptions and the others for one.
var (
	commonOptions = []option{
		{"--log-json --json --json-lines --progress -p --show-rc --debug-topic --log-level --critical --error --warning --info --verbose -v --debug --list --stats -s --filter --iec --show-version --help -h", ""},
		{"--dry-run -n --force", ""},
		{"--lock-wait", "lock_wait"},
		{"--bypass-lock --no-files-cache --repair --consider-checkpoints", ""},
		{"--rsh", "ssh"},
		{"--remote-path", "remote_path"},
		{"--upload-ratelimit --remote-ratelimit", "upload_limit"},
	}
	createOptions = []option{
		{"--exclude -e", "exclude"},
		{"--exclude-from", "exclude_from"},
		{"--pattern", "patterns"},
		{"--patterns-from", "patterns_from"},
		{"--exclude-caches", "exclude_caches"},
		{"--exclude-if-present", "exclude_if_present"},
		{"--keep-exclude-tags --keep-tag-files", "keep_exclude_tags"},
		{"--exclude-nodump", "exclude_nodump"},
		{"--one-file-system -x", "one_file_system"},
		{"--read-special", "read_special"},
		{"--files-cache", "files_cache"},
		{"--compression -C", "compression"},
		{"--chunker-params", "chunker"},
		{"--checkpoint-interval -c", "checkpoint_interval"},
		{"--comment", "comment"},
		{"--timestamp --paths-from-stdin --paths-from-command --paths-delimiter --content-from-command --stdin-name", ""},
	}
	pruneOptions = []option{
		{"--keep-within --keep-last --keep-secondly --keep-minutely --keep-hourly -H --keep-daily -d --keep-weekly -w --keep-monthly -m --keep-13weekly --keep-3monthly --keep-yearly -y", "retention"},
		{"--glob-archives -a --prefix -P", "prune.match"},
		{"--checkpoint-interval -c", "checkpoint_interval"},
	}
	compactOptions = []option{{"--threshold", "compact.threshold"}}
	checkOptions   = []option{
		{"--repository-only --archives-only --verify-data", "check.parts"},
		{"--max-duration", "check.max_duration"},
		{"--last --first --glob-archives -a --prefix -P", "check.last"},
	}
)

func (l *loader) checkBorgOptions(j *job) {
	own := j.result.BorgOptions
	for _, command := range []struct {
		name    string
		given   []string
		options []option
	}{
		{"create", own.Create, createOptions},
		{"prune", own.Prune, pruneOptions},
		{"compact", own.Compact, compactOptions},
		{"check", own.Check, checkOptions},
	} {
		for i, given := range command.given {
			if message := refuseOption(given, append(command.options[:len(command.options):len(command.options)], commonOptions...)); message != "" {
				at := sub(sub(j.tree, "borg_options"), command.name).Content[i]
				l.wrong(at, j.path, fmt.Sprintf("`borg_options.%s` %s", command.name, message), "")
			}
		}
	}
}

// refuseOption tells why an option must not be given. borg takes an option that is cut short for the long
// one, and so do we.
func refuseOption(given string, options []option) string {
	name, _, _ := strings.Cut(given, "=")
	if len(given) < 2 || given[0] != '-' || given == "--" {
		return fmt.Sprintf("wants options that begin with -, with their value as in --option=value, not %s", quote(given))
	}
	for _, option := range options {
		for own := range strings.FieldsSeq(option.names) {
			long := strings.HasPrefix(name, "--") && strings.HasPrefix(own, name)
			short := !strings.HasPrefix(name, "--") && len(own) == 2 && strings.Contains(name[1:], own[1:])
			if !long && !short {
				continue
			}
			if option.key == "" {
				return fmt.Sprintf("must not hold %s: borgcron relies on it being as it is", quote(name))
			}
			return fmt.Sprintf("must not hold %s: the key `%s` sets it", quote(name), option.key)
		}
	}
	return ""
}
