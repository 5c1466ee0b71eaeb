package importer

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
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
	if path, ok := j.secretFile(hint, plain(text)); ok {
		j.note(s, Changed, "it is in a file of its own now")
		return map[string]string{"file": path}
	}
	j.note(s, Left, "a secret, which is not copied into the configuration: import with --write-secrets, or write it into a file with mode 0600 and name that (`{file: ...}`)")
	return nil
}

// secretFile gives a secret a file: the one that holds it already, if there is one.
func (b *borgmatic) secretFile(hint, secret string) (string, bool) {
	if b.o.SecretDir == "" {
		return "", false
	}
	for _, file := range b.secrets {
		if string(file.Content) == secret+"\n" {
			return file.Path, true
		}
	}
	name := freeName(hint, func(free string) bool {
		return slices.ContainsFunc(b.secrets, func(f SecretFile) bool {
			return strings.EqualFold(f.Path, filepath.Join(b.o.SecretDir, free+".key"))
		})
	})
	file := SecretFile{Path: filepath.Join(b.o.SecretDir, name+".key"), Content: []byte(secret + "\n")}
	b.secrets = append(b.secrets, file)
	return file.Path, true
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
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
		j.note(s, Left, "a command of more than one line: put it into a script")
		return nil
	}
	words, whole := splitWords(text)
	if !whole || len(words) == 0 {
		j.note(s, Left, "a command whose quotes are not whole")
		return nil
	}
	if words[0] == "cat" && len(words) == 2 && filepath.IsAbs(words[1]) && !hasVariable(text) {
		j.note(s, Changed, "the file is read without a program")
		return map[string]string{"file": expandable(words[1])}
	}
	if strings.ContainsAny(text, "$`*?;&|<>()~#!") {
		var quoted []string
		for _, word := range words {
			quoted = append(quoted, shellQuote(plain(word)))
		}
		if hasVariable(text) {
			j.note(s, Changed, "a shell runs it, and fills in the variables")
			return map[string]string{"command": text}
		}
		j.note(s, Changed, "a shell runs it: its words are quoted")
		return map[string]string{"command": strings.Join(quoted, " ")}
	}
	j.note(s, Taken, "")
	return map[string]string{"command": text}
}

// leftOut is the comment in place of a secret that was left out.
func leftOut(key string) string {
	return fmt.Sprintf("`%s` was left out, see the report of the import: `%s: {file: /a/file/with/mode/0600}`", key, key)
}
