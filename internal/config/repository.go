package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"borgcron/internal/backup"

	"go.yaml.in/yaml/v4"
)

// repository is one that a job can use.
type repository struct {
	result backup.Repository
	// tree is what the repository was made of, path where that stands.
	tree *yaml.Node
	path []string
}

func (l *loader) decodeRepositories() {
	_, node := lookup(l.root, "repositories")
	for _, name := range keys(node) {
		_, tree := lookup(node, name)
		l.repositories[name] = l.repository(name, tree, []string{"repositories", name})
	}
}

// repository makes a repository of its tree, and adds the defaults to that.
func (l *loader) repository(name string, tree *yaml.Node, path []string) *repository {
	fillKeys(tree, reflect.TypeFor[Repository]())
	var file Repository
	l.decode(tree, &file, path...)
	l.config.Secrets = append(l.config.Secrets, file.Passphrase.Secret())
	r := &repository{tree: tree, path: path, result: backup.Repository{
		Name:        name,
		Location:    string(file.Location),
		Passphrase:  file.Passphrase.Secret(),
		Encryption:  file.Encryption,
		Single:      file.Clients == "single",
		LockWait:    time.Duration(file.LockWait),
		RemotePath:  file.RemotePath,
		Borg:        string(file.Borg),
		UploadLimit: int64(file.UploadLimit),
		Cache:       string(file.Cache),
		Keys:        string(file.Keys),
		MinFree:     int64(file.MinFree),
		Env:         file.Env,
		SSH: backup.SSH{
			Command:    string(file.SSH.Command),
			Identity:   string(file.SSH.Identity),
			Port:       file.SSH.Port,
			KnownHosts: string(file.SSH.KnownHosts),
			Options:    file.SSH.Options,
		},
	}}
	l.checkEnv(r)
	l.checkRemote(r)
	return r
}

// Secret is where the secret is kept, as package secret takes it.
func (s Secret) Secret() backup.Secret {
	return backup.Secret{File: string(s.File), Command: string(s.Command), Credential: s.Credential, Env: s.Env, Text: s.Text}
}

// ownVariables are environment variables of borg that a key of ours sets, or that nobody may set.
var ownVariables = map[string]string{
	"BORG_REPO":         "`location` sets it",
	"BORG_RSH":          "`ssh` sets it",
	"BORG_REMOTE_PATH":  "`remote_path` sets it",
	"BORG_CACHE_DIR":    "`cache` sets it",
	"BORG_KEYS_DIR":     "`keys` sets it",
	"BORG_KEY_FILE":     "`keys` sets it",
	"BORG_LOCK_WAIT":    "`lock_wait` sets it",
	"BORG_HOST_ID":      "borgcron sets it, because locks are judged by it",
	"BORG_EXIT_CODES":   "borgcron sets it, because failures are judged by it",
	"BORG_CONFIG_DIR":   "borg's folder of configuration is never moved",
	"BORG_SECURITY_DIR": "borg's folder of security information is never moved",
	"BORG_BASE_DIR":     "it would move borg's folder of security information, which is never moved",
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (l *loader) checkEnv(r *repository) {
	_, env := lookup(r.tree, "env")
	for _, name := range keys(env) {
		key, _ := lookup(env, name)
		why, own := ownVariables[name]
		switch {
		case strings.HasPrefix(name, "BORG_PASS") || name == "BORG_NEW_PASSPHRASE":
			l.wrong(key, r.path, fmt.Sprintf("`env` must not hold %s: `passphrase` sets it", name), "passphrase")
		case own:
			l.wrong(key, r.path, fmt.Sprintf("`env` must not hold %s: %s", name, why), "")
		case !variableName.MatchString(name):
			l.wrong(key, r.path, "`env` wants names of environment variables, not "+quote(name), "")
		}
	}
}

var sshOption = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*[= ].*\S`)

// checkRemote checks what only makes sense for a repository of one kind.
func (l *loader) checkRemote(r *repository) {
	for i, option := range r.result.SSH.Options {
		if !sshOption.MatchString(option) {
			_, list := lookup(sub(r.tree, "ssh"), "options")
			l.wrong(list.Content[i], r.path, "`ssh.options` wants NAME=VALUE as after ssh -o, not "+quote(option), "")
		}
	}
	if r.result.Location == "" {
		return
	}
	if r.result.IsLocal() {
		return
	}
	if at := l.where(r.tree, "min_free"); at != nil && r.result.MinFree > 0 {
		l.doubt(at, r.path, "`min_free` is looked at on local repositories only, and this one is remote")
	}
	if at := l.where(r.tree, "ssh", "port"); at != nil && r.result.SSH.Port > 0 {
		if port := portOf(r.result.Location); port > 0 && port != r.result.SSH.Port {
			l.wrong(at, r.path, fmt.Sprintf("`ssh.port` is %d, but the location has the port %d", r.result.SSH.Port, port), "")
		}
	}
}

func portOf(location string) int {
	rest, found := strings.CutPrefix(location, "ssh://")
	authority, _, _ := strings.Cut(rest, "/")
	colon := strings.LastIndexByte(authority, ':')
	if !found || colon < 0 {
		return 0
	}
	port, err := strconv.Atoi(authority[colon+1:]) // "1]" of an address in brackets is no number
	if err != nil {
		return 0
	}
	return port
}

func sub(tree *yaml.Node, key string) *yaml.Node {
	_, value := lookup(tree, key)
	return value
}

// findRepository returns the repository that a job names, nil if there is none. A location needs no entry of
// its own: it is a repository with all defaults. No message repeats a location.
func (l *loader) findRepository(j *job, node *yaml.Node) *repository {
	name := node.Value
	if r := l.repositories[name]; r != nil {
		return r
	}
	if !strings.ContainsAny(name, "/:") {
		l.wrong(node, j.path, "there is no repository "+quote(name), nearest(name, keys(sub(l.root, "repositories"))))
		return nil
	}
	if strings.HasPrefix(name, "~/") && l.env.Home != "" {
		name = filepath.Join(l.env.Home, name[2:])
	}
	var location Location
	if err := location.UnmarshalText([]byte(name)); err != nil {
		l.wrong(node, j.path, "`repository` "+err.Error(), "")
		return nil
	}
	tree := mapping()
	tree.Content = []*yaml.Node{text("location"), text(name)}
	return l.repository("", tree, j.path)
}

// repositoriesOf finds the repositories of a job.
func (l *loader) repositoriesOf(j *job) {
	one, several := sub(j.tree, "repository"), sub(j.tree, "repositories")
	nodes := []*yaml.Node{one}
	switch {
	case one != nil && several != nil:
		l.wrong(l.where(j.tree, "repositories"), j.path, "`repository` and `repositories` stand there both: use one", "")
		return
	case one == nil && several == nil:
		l.missing(j, "`repository` is missing: say where the backup goes")
		return
	case one == nil && len(several.Content) == 0:
		l.missing(j, "`repositories` is empty: say where the backup goes", "repositories")
		return
	case one == nil:
		nodes = several.Content
	}
	for _, node := range nodes {
		r := l.findRepository(j, node)
		if r == nil {
			continue
		}
		if r.result.Location != "" && slices.ContainsFunc(j.result.Repositories, func(other backup.Repository) bool { return other.Key() == r.result.Key() }) {
			l.wrong(node, j.path, "this repository stands there twice", "")
			continue
		}
		j.result.Repositories = append(j.result.Repositories, r.result)
	}
}

// RepositoryNames are the names that repositories have, also those that no job uses.
func (c *Config) RepositoryNames() []string { return keys(sub(c.tree, "repositories")) }
