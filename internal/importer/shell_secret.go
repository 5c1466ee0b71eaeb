package importer

import (
	"path/filepath"
	"slices"
	"strings"
)

const leftSecret = "a secret, which is not copied into the configuration: import with --write-secrets, or write it into a file with mode 0600 and name that (`{file: ...}`)"

// passphrase reads what stands in the file itself, or the program that prints it.
func (j *shellJob) passphrase(name, value string) {
	if !j.seen(name) {
		return
	}
	if marked(value) {
		if secret, fate, message := j.printed(value); secret != nil {
			j.borg.set("passphrase", secret)
			j.say(name, fate, "%s", message)
			return
		}
		j.withheld = true
		j.say(name, Left, "it is made of what `%s` prints and more: write a command that prints the whole (`{command: ...}`)", j.programOf(value))
		return
	}
	if path, ok := j.secrets.add(j.name, value); ok {
		j.borg.set("passphrase", map[string]string{"file": path})
		j.say(name, Changed, "it is in a file of its own now")
		return
	}
	j.withheld = true
	j.say(name, Left, leftSecret)
}

// printed turns a value that is the output of one command, and nothing else, into a secret; nil if it is not.
func (j *shellJob) printed(value string) (secret map[string]string, fate Fate, message string) {
	call := j.callOf(value)
	if call == nil || strings.Count(value, markOpen) != 1 || !strings.HasPrefix(value, markOpen) || !strings.HasSuffix(value, markClose) {
		return nil, Left, ""
	}
	if call.args[0] == "cat" && len(call.args) == 2 && filepath.IsAbs(call.args[1]) && !marked(call.args[1]) {
		return map[string]string{"file": escape(call.args[1])}, Taken, "the file is read without a program"
	}
	subst := j.substitution(call.pos)
	if subst == nil {
		return nil, Left, ""
	}
	text := strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(strings.Trim(j.text(subst), "`"), "$("), ")"))
	if secretIn(subst) != "" {
		return nil, Left, ""
	}
	if strings.Contains(text, "$") || strings.Contains(text, "\n") { // of its variables the command would know nothing
		if slices.ContainsFunc(usedVariables(subst), secretName.MatchString) || slices.ContainsFunc(call.args, marked) || len(subst.Stmts) != 1 || j.pipes(subst.Stmts[0]) {
			return nil, Left, ""
		}
		words := make([]string, len(call.args))
		for i, arg := range call.args {
			words[i] = shellQuote(arg)
		}
		text = strings.Join(words, " ")
	}
	if j.callsFunction(subst) {
		return nil, Left, ""
	}
	return map[string]string{"command": text}, Taken, "the program is asked each time"
}

// passcommand reads a command that prints the passphrase; borg runs it without a shell.
func (j *shellJob) passcommand(name, text string) {
	if !j.seen(name) {
		return
	}
	if j.borg.has("passphrase") || j.withheld {
		j.say(name, Left, "BORG_PASSPHRASE stands there as well, and borg takes that")
		return
	}
	secret, fate, message := passcommandSecret(text)
	if words, _ := splitWords(text); secret != nil && len(words) > 1 && words[0] == "cat" && !filepath.IsAbs(words[len(words)-1]) {
		secret = nil
		fate, message = Left, "a path that depends on the folder in which the old script was started: write the whole path (`{file: ...}`)"
	}
	if secret == nil {
		j.withheld = true
	} else {
		j.borg.set("passphrase", secret)
	}
	j.say(name, fate, "%s", message)
}

// passphraseFile reads where the oldest of the scripts had the passphrase from.
func (j *shellJob) passphraseFile(name, text string) {
	switch {
	case j.borg.has("passphrase") || j.withheld:
		j.say(name, Left, "the passphrase is said in another way as well, and borg takes that")
	case !filepath.IsAbs(text):
		j.withheld = true
		j.say(name, Left, "a path that depends on the folder in which the old script was started: write the whole path (`passphrase: {file: ...}`)")
	default:
		j.borg.set("passphrase", map[string]string{"file": escape(text)})
		j.say(name, Taken, "")
	}
}

// addRepository makes the repository of the job, once all else that is said of it is known. One that another job has just so is the
// same one.
func (j *shellJob) addRepository() {
	j.repository = j.repositoryName()
	own := newMapping()
	own.set("repository", j.repository)
	j.node.node.Content = append(own.node.Content, j.node.node.Content...)
}

func (j *shellJob) repositoryName() string {
	node := newMapping()
	node.set("location", j.location)
	for _, key := range []string{"passphrase", "lock_wait", "ssh", "remote_path", "borg", "upload_limit", "cache", "keys", "env"} {
		if at := j.borg.index(key); at >= 0 {
			node.set(key, j.borg.node.Content[at+1])
		}
	}
	clients := "single"
	if pidFolder, set := j.value("RUN_PID_DIR"); set && pidFolder == "" {
		clients = "shared"
	}
	node.set("clients", clients)
	if j.withheld {
		node.comment("location", leftOut("passphrase"))
	}
	rendered, err := node.render()
	if err != nil {
		panic(err) // of plain texts
	}
	for _, other := range j.repositories {
		if other.location == j.location && other.rendered == string(rendered) {
			return other.name
		}
	}
	name := freeName(nameOfLocation(j.location), func(free string) bool {
		return slices.ContainsFunc(j.repositories, func(r shellRepository) bool { return strings.EqualFold(r.name, free) })
	})
	j.repositories = append(j.repositories, shellRepository{name, j.location, string(rendered), node})
	return name
}
