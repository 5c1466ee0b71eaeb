package importer

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// place converts the keys that say what is backed up and how it is read. It returns whether the key is one of them.
func (j *borgmaticJob) place(name string, s *setting) bool {
	switch name {
	case "source_directories":
		j.sources(s)
	case "source_directories_must_exist":
		if value, ok := j.truth(s); ok {
			j.note(s, Taken, "%s", map[bool]string{true: "`sources` must exist", false: "the sources are `optional_sources`"}[value])
		}
	case "working_directory":
		if _, ok := j.text(s); ok {
			j.note(s, Changed, "relative paths are whole ones now, in the archives too: a relative pattern no longer matches")
		}
	case "exclude_patterns":
		j.excludes(s)
	case "patterns":
		j.patterns(s)
	case "atime", "ctime", "birthtime", "flags", "bsd_flags", "numeric_ids", "numeric_owner":
		j.createFlag(name, s)
	case "files_changed":
		j.filesChanged(s)
	case "bootstrap", "store_config_files":
		j.bootstrap(s)
	case "constants":
		for _, item := range s.items {
			j.note(item, Taken, "filled in where it is used")
		}
		if len(s.items) == 0 {
			j.note(s, Taken, "empty")
		}
	default:
		return false
	}
	return true
}

// sources reads what is backed up. borgmatic fills in wildcards, borgcron does not: the folder above them is taken as a whole, because
// a backup of too much is mended more easily than one of too little.
func (j *borgmaticJob) sources(s *setting) {
	texts, ok := j.list(s)
	if !ok {
		return
	}
	var sources []string
	fate, messages := Taken, []string{}
	for _, text := range texts {
		source, why := j.path(text)
		wild := strings.IndexAny(source, "*?[")
		switch {
		case why != "":
			fate, messages = Left, append(messages, fmt.Sprintf("%.80q: %s", text, why))
			continue
		case wild >= 0 && path.Dir(source[:wild]+"x") == "/":
			fate, messages = Left, append(messages, fmt.Sprintf("%.80q: borgcron fills in no wildcards, and the folder above is everything: name the folders", text))
			continue
		case wild >= 0:
			source = path.Dir(source[:wild] + "x")
			fate, messages = max(fate, Changed), append(messages, fmt.Sprintf("%.80q: borgcron fills in no wildcards, the folder above them is backed up as a whole", text))
		case !strings.HasPrefix(text, "~") && source != expandable(text):
			fate, messages = max(fate, Changed), append(messages, fmt.Sprintf("%.80q: a whole path now", text))
		}
		if !slices.Contains(sources, source) {
			sources = append(sources, source)
		}
	}
	key := "sources"
	must := j.top.get("source_directories_must_exist")
	if must != nil && strings.EqualFold(must.text, "false") {
		key = "optional_sources"
	} else if must.null() {
		fate, messages = max(fate, Changed), append(messages, "a source that is missing fails the run: what may be missing belongs into `optional_sources`")
	}
	if len(sources) > 0 {
		j.node.set(key, sources)
	}
	j.note(s, fate, "%s", strings.Join(messages, "; "))
}

// createFlag converts the switches that are options of borg create. The value that borg has by itself needs none.
func (j *borgmaticJob) createFlag(name string, s *setting) {
	value, ok := j.truth(s)
	if !ok {
		return
	}
	option, when := map[string]string{
		"atime": "--atime", "ctime": "--noctime", "birthtime": "--nobirthtime", "flags": "--noflags", "bsd_flags": "--noflags",
		"numeric_ids": "--numeric-ids", "numeric_owner": "--numeric-ids",
	}[name], name == "atime" || strings.HasPrefix(name, "numeric")
	if value == when && !slices.Contains(j.options["create"], option) {
		j.options["create"] = append(j.options["create"], option)
	}
	j.note(s, Taken, "")
}

// filesChanged converts how borg 2 says how changed files are found.
func (j *borgmaticJob) filesChanged(s *setting) {
	text, ok := j.text(s)
	if !ok {
		return
	}
	mode, known := map[string]string{"ctime": "ctime,size,inode", "mtime": "mtime,size,inode", "disabled": "disabled"}[text]
	if !known || j.top.get("files_cache") != nil {
		j.note(s, Left, "a key for borg 2: `files_cache` says it for borg 1")
		return
	}
	j.node.set("files_cache", mode)
	j.note(s, Changed, "in the words of borg 1")
}

// bootstrap reads whether the configuration files are backed up too.
func (j *borgmaticJob) bootstrap(s *setting) {
	value := s
	if s.get("store_config_files") != nil {
		value = s.get("store_config_files")
	} else if len(s.items) > 0 || s.null() {
		return
	}
	if truth, ok := j.truth(value); ok {
		j.node.set("bootstrap", truth)
		j.note(value, Taken, "")
	}
}

// storage converts the keys about the repository and borg's call.
func (j *borgmaticJob) storage(name string, s *setting) bool {
	switch name {
	case "encryption_passphrase":
		j.passphrase(s, j.secret(s, j.name))
	case "encryption_passcommand":
		if passphrase := j.top.get("encryption_passphrase"); passphrase.null() {
			j.passphrase(s, j.passcommand(s))
		} else {
			j.note(s, Left, "encryption_passphrase stands there as well, and borg takes that")
		}
	case "checkpoint_interval":
		if interval, ok := j.seconds(s); ok {
			j.node.set("checkpoint_interval", interval)
			j.note(s, Taken, "")
		}
	case "lock_wait":
		if wait, ok := j.seconds(s); ok {
			j.borg.set("lock_wait", wait)
			j.note(s, Taken, "")
		}
	case "upload_rate_limit", "remote_rate_limit":
		j.rate(s)
	case "retries", "retry_wait":
		j.retry(name, s)
	case "local_path", "remote_path", "ssh_command":
		j.program(name, s)
	case "borg_cache_directory", "borg_keys_directory", "borg_base_directory", "borg_config_directory":
		j.folder(name, s)
	case "borg_files_cache_ttl":
		if ttl, ok := j.number(s); ok {
			j.borg.sub("env").set("BORG_FILES_CACHE_TTL", quoted(strconv.Itoa(ttl)))
			j.note(s, Taken, "")
		}
	case "use_chunks_archive", "relocated_repo_access_is_ok", "unknown_unencrypted_repo_access_is_ok":
		if use, ok := j.truth(s); ok {
			j.borg.sub("env").set("BORG_"+strings.ToUpper(name), quoted(map[bool]string{true: "yes", false: "no"}[use]))
			j.note(s, Taken, "")
		}
	case "umask":
		j.umask(s)
	default:
		return false
	}
	return true
}

func (j *borgmaticJob) passphrase(s *setting, secret map[string]string) {
	if secret != nil {
		j.borg.set("passphrase", secret)
	} else if !s.null() {
		j.withheld = true
	}
}

// folder converts where borg keeps its own things. What moves all of them moves those that borgcron moves.
func (j *borgmaticJob) folder(name string, s *setting) {
	text, ok := j.text(s)
	if !ok {
		return
	}
	path, why := j.path(text)
	if why != "" {
		j.note(s, Left, "%s", why)
		return
	}
	set := func(key, below string) {
		if own := j.top.get("borg_" + key + "_directory"); name == "borg_"+key+"_directory" || own == nil && !j.borg.has(key) {
			j.borg.set(key, path+below)
		}
	}
	const security = "`%s` is moved; borg's folder of security information never is: move its contents to ~/.config/borg/security"
	switch name {
	case "borg_base_directory":
		set("cache", "/.cache/borg")
		if j.top.get("borg_config_directory") == nil {
			set("keys", "/.config/borg/keys")
		}
		j.note(s, Changed, security, "cache` and `keys")
	case "borg_config_directory":
		set("keys", "/keys")
		j.note(s, Changed, security, "keys")
	case "borg_cache_directory":
		set("cache", "")
		j.note(s, Taken, "")
	default:
		set("keys", "")
		j.note(s, Taken, "")
	}
}

func (j *borgmaticJob) rate(s *setting) {
	kib, ok := j.number(s)
	switch {
	case !ok:
	case kib < 0:
		j.wrong(s, "wants KiB a second")
	case kib == 0:
		j.note(s, Taken, "no limit")
	default:
		j.borg.set("upload_limit", fmt.Sprintf("%dKiB/s", kib))
		j.note(s, Taken, "")
	}
}

// retry converts how often and when a failed backup is tried again.
func (j *borgmaticJob) retry(name string, s *setting) {
	number, ok := j.number(s)
	switch {
	case !ok:
	case number < 0:
		j.wrong(s, "wants a number that is not negative")
	case name == "retries":
		j.node.sub("retry").set("retries", min(number, 1000))
		j.note(s, Changed, "only the step that failed is tried again, and only if the failure may pass")
	case number == 0:
		j.note(s, Left, "borgcron pauses between attempts: `retry.wait`, 5m unless it is set")
	default:
		j.node.sub("retry").set("wait", fmt.Sprintf("%ds", number))
		j.note(s, Changed, "each pause is as long as the first: borgmatic's grow by as much (see `retry.backoff`)")
	}
}

// program converts what is run here or on the server.
func (j *borgmaticJob) program(name string, s *setting) {
	text, ok := j.text(s)
	if !ok {
		return
	}
	key := map[string]string{"local_path": "borg", "remote_path": "remote_path"}[name]
	bad := strings.ContainsFunc(text, func(r rune) bool { return r < ' ' })
	switch {
	case strings.TrimSpace(text) == "" || bad:
		j.note(s, Left, "no program")
	case name == "ssh_command":
		j.borg.sub("ssh").set("command", expandable(text))
		j.note(s, Changed, "borgcron adds options of its own behind these: it asks nothing, and hangs up on a dead line")
	case name == "remote_path":
		j.borg.set(key, expandable(text))
		j.note(s, Taken, "")
	case strings.ContainsAny(text, " \t"):
		j.note(s, Left, "borgcron wants a program without arguments: put them into a script of its own")
	case strings.Contains(text, "/"):
		if path, why := j.path(text); why != "" {
			j.note(s, Left, "%s", why)
		} else {
			j.borg.set(key, path)
			j.note(s, Taken, "")
		}
	default:
		j.borg.set(key, expandable(text))
		j.note(s, Taken, "")
	}
}
