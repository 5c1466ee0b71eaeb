package importer

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
)

// secret reads where a secret is kept; what is one itself goes into a file of its own. It returns nil, and has said so, if it has to be
// left out.
func (j *borgmaticJob) secret(s *setting, hint string) map[string]string {
	text, ok := j.text(s)
	if !ok {
		return nil
	}
	if parts := variablePattern.FindStringSubmatch(text); parts != nil && parts[0] == text && parts[1] == "" && parts[3] == "" && variableName.MatchString(parts[2]) {
		j.note(s, Taken, "")
		return map[string]string{"env": parts[2]}
	}
	if strings.HasPrefix(text, "{credential") {
		return j.credential(s, text)
	}
	if hasVariable(text) {
		j.note(s, Left, "a secret made of variables: write it into a file and name that (`{file: ...}`)")
		return nil
	}
	if path, ok := j.secrets.add(hint, plain(text)); ok {
		j.note(s, Changed, "it is in a file of its own now")
		return map[string]string{"file": path}
	}
	j.note(s, Left, "a secret, which is not copied into the configuration: import with --write-secrets, or write it into a file with mode 0600 and name that (`{file: ...}`)")
	return nil
}

var credentialPattern = regexp.MustCompile(`^\{credential +([^}]*)\}`)

// credential reads where borgmatic 2 would have a secret from.
func (j *borgmaticJob) credential(s *setting, text string) map[string]string {
	parts := credentialPattern.FindStringSubmatch(text)
	if parts == nil {
		j.wrong(s, "wants {credential KIND NAME}")
		return nil
	}
	words, whole := splitWords(parts[1])
	if !whole || len(words) < 2 {
		j.wrong(s, "wants {credential KIND NAME}")
		return nil
	}
	kind, name := words[0], words[1]
	switch {
	case kind == "systemd" && len(words) == 2 && validName(name) == name:
		j.note(s, Taken, "")
		return map[string]string{"credential": name}
	case kind == "container" && len(words) == 2 && validName(name) == name:
		folder := "/run/secrets"
		if own := j.top.get("container").get("secrets_directory"); own != nil && filepath.IsAbs(own.text) {
			folder = own.text
		}
		j.note(s, Taken, "")
		return map[string]string{"file": expandable(filepath.Join(folder, name))}
	case kind == "file" && len(words) == 2:
		if path, why := j.path(name); why == "" {
			j.note(s, Taken, "")
			return map[string]string{"file": path}
		}
	case kind == "keepassxc" || kind == "onepassword":
		j.note(s, Left, "borgcron does not know %s itself: say `{command: ...}` with the program that prints the secret and asks nothing", kind)
		return nil
	}
	j.note(s, Left, "a kind of credential that borgcron does not know: say `{file: ...}` or `{command: ...}`")
	return nil
}

// passcommand reads a command that prints a secret.
func (j *borgmaticJob) passcommand(s *setting) map[string]string {
	text, ok := j.text(s)
	if !ok {
		return nil
	}
	if !j.o.Programs {
		j.note(s, Left, "a command that gives a secret is not taken over unseen: look at it and say `passphrase: {command: ...}`")
		return nil
	}
	if hasVariable(text) {
		if _, whole := splitWords(text); whole && !strings.ContainsFunc(text, unicode.IsControl) {
			j.note(s, Changed, "a shell runs it, and fills in the variables")
			return map[string]string{"command": text}
		}
	}
	secret, fate, message := passcommandSecret(plain(text))
	j.note(s, fate, "%s", message)
	return secret
}

// passcommandSecret turns a command line as borg takes it, without a shell, into a secret of ours, whose commands a shell runs; nil if
// that cannot be.
func passcommandSecret(text string) (secret map[string]string, fate Fate, message string) {
	if strings.ContainsFunc(text, unicode.IsControl) {
		return nil, Left, "a command of more than one line: put it into a script"
	}
	words, whole := splitWords(text)
	switch {
	case !whole || len(words) == 0:
		return nil, Left, "a command whose quotes are not whole"
	case words[0] == "cat" && len(words) == 2 && filepath.IsAbs(words[1]):
		return map[string]string{"file": escape(words[1])}, Changed, "the file is read without a program"
	case !strings.ContainsAny(text, "$`*?;&|<>()~#!"):
		return map[string]string{"command": text}, Taken, ""
	}
	for i, word := range words {
		words[i] = shellQuote(word)
	}
	return map[string]string{"command": strings.Join(words, " ")}, Changed, "a shell runs it: its words are quoted"
}

// leftOut is the comment in place of a secret that was left out.
func leftOut(key string) string {
	return fmt.Sprintf("`%s` was left out, see the report of the import: `%s: {file: /a/file/with/mode/0600}`", key, key)
}
