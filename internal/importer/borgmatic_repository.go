package importer

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// borgmaticRepository is a repository with what all of its jobs say of it.
type borgmaticRepository struct {
	name, location, rendered string
	node                     mapping
}

// addRepositories makes the repositories of a job, once all else that is said of them is known. One that another job has just so
// is the same one.
func (j *borgmaticJob) addRepositories(s *setting) {
	if s == nil {
		return
	}
	items := s.items
	if s.kind == yaml.ScalarNode {
		items = []*setting{s}
	}
	if s.kind == yaml.MappingNode {
		j.wrong(s, "wants a list")
		return
	}
	for _, item := range items {
		place, label := item, (*setting)(nil)
		if item.kind == yaml.MappingNode {
			place, label = item.get("path"), item.get("label")
		}
		if place.null() {
			continue
		}
		if location, ok := j.location(place); ok {
			j.addRepository(item, location, label)
		} else if place != item {
			for _, other := range item.items {
				if other != place {
					j.note(other, Left, "%sits path", goesWith)
				}
			}
		}
	}
}

var repositoryScheme = regexp.MustCompile(`^([a-zA-Z0-9+.-]+):(//)?`)

// location makes a location of borgcron's from one of borgmatic's.
func (j *borgmaticJob) location(s *setting) (string, bool) {
	text, ok := j.text(s)
	if !ok {
		return "", false
	}
	said := j.o.fillNames(text)
	if strings.Contains(strings.NewReplacer("${", "").Replace(said), "{") {
		j.note(s, Left, "it holds a placeholder of borg that the import cannot fill in: write what it stands for")
		return "", false
	}
	fate, message := Taken, ""
	if said != text {
		fate, message = Changed, "borg's placeholders are filled in"
	}
	remote, why := judgeLocation(said)
	if why != "" {
		j.note(s, Left, "%s", why)
		return "", false
	}
	if remote {
		j.note(s, fate, "%s", message)
		return expandable(said), true
	}
	whole, why := j.path(strings.TrimPrefix(said, "file://"))
	if why != "" {
		j.note(s, Left, "%s", why)
		return "", false
	}
	j.note(s, fate, "%s", message)
	return whole, true
}

// judgeLocation tells whether borg's location of a repository is on a server, or why it cannot be one of ours.
func judgeLocation(said string) (remote bool, why string) {
	scheme := repositoryScheme.FindStringSubmatch(strings.TrimPrefix(said, "file://"))
	head, _, colon := strings.Cut(said, ":")
	switch {
	case strings.ContainsFunc(said, func(r rune) bool { return r <= ' ' }):
		return false, "a location with a space: borgcron wants it as ssh://USER@HOST/PATH with %20, or a link without one"
	case strings.HasPrefix(said, "ssh://"):
		where, err := url.Parse(said)
		if !strings.Contains(said, "${") && (err != nil || where.Host == "" || len(where.Path) < 2 || hasPassword(where) ||
			strings.HasPrefix(where.Host, "-") || strings.HasPrefix(where.User.Username(), "-")) {
			return false, "wants ssh://USER@HOST:PORT/PATH, without a password"
		}
		return true, ""
	case strings.Contains(said, "::"):
		return false, "it names an archive: borgcron wants the repository"
	case scheme != nil && (scheme[2] != "" || slices.Contains([]string{"rclone", "s3", "b2", "sftp"}, scheme[1])):
		return false, "borgcron knows folders of this machine and ssh://, not " + scheme[1] + ":"
	case strings.HasPrefix(said, "file://") || !colon || strings.Contains(head, "/") || strings.HasPrefix(said, "${") || strings.HasPrefix(said, "~"):
		return false, ""
	case head == "" || strings.HasPrefix(head, "-") || len(said) == len(head)+1:
		return false, "wants USER@HOST:PATH"
	}
	return true, ""
}

func hasPassword(where *url.URL) bool {
	_, has := where.User.Password()
	return has
}

func (j *borgmaticJob) addRepository(item *setting, location string, label *setting) {
	node := newMapping()
	node.set("location", location)
	for i := 0; i+1 < len(j.borg.node.Content); i += 2 {
		key := *j.borg.node.Content[i]
		node.node.Content = append(node.node.Content, &key, j.borg.node.Content[i+1])
	}
	if item.kind == yaml.MappingNode {
		j.repositoryKeys(item, node)
	}
	if j.withheld {
		node.comment("location", leftOut("passphrase"))
	}
	rendered, err := node.render()
	if err != nil {
		j.wrong(item, "cannot be written: %v", err)
		return
	}
	name := ""
	if label != nil {
		if text, ok := j.text(label); ok {
			name = validName(text)
			if name == text {
				j.note(label, Taken, "the name of the repository")
			} else {
				j.note(label, Changed, "the name of the repository is made of letters, digits, _ . and -")
			}
		}
	}
	for _, other := range j.borgmatic.repositories {
		if other.location == location && other.rendered == string(rendered) {
			if !slices.Contains(j.repositories, other.name) {
				j.repositories = append(j.repositories, other.name)
			}
			return
		}
	}
	if name == "" {
		name = nameOfLocation(location)
	}
	name = freeName(name, func(free string) bool {
		return slices.ContainsFunc(j.borgmatic.repositories, func(r borgmaticRepository) bool { return strings.EqualFold(r.name, free) })
	})
	j.borgmatic.repositories = append(j.borgmatic.repositories, borgmaticRepository{name, location, string(rendered), node})
	j.repositories = append(j.repositories, name)
}

var encryptions = []string{"none", "authenticated", "authenticated-blake2", "repokey", "repokey-blake2", "keyfile", "keyfile-blake2"}

func (j *borgmaticJob) repositoryKeys(item *setting, node mapping) {
	for i, name := range item.names {
		value := item.items[i]
		switch name {
		case "path", "label":
		case "encryption":
			if text, ok := j.text(value); ok && slices.Contains(encryptions, text) {
				node.set("encryption", text)
				j.note(value, Taken, "")
			} else if ok {
				j.note(value, Left, "only `borgcron init` of a new repository asks for it, and borg 1 does not know this one")
			}
		case "append_only", "storage_quota", "make_parent_directories", "id_hash", "key_location":
			j.note(value, Left, "only for making a repository: this one exists")
		}
	}
}

// nameOfLocation names a repository by its server, or by its folder.
func nameOfLocation(location string) string {
	name := ""
	rest, remote := strings.CutPrefix(location, "ssh://")
	head, _, colon := strings.Cut(location, ":")
	switch {
	case remote:
		host, _, _ := strings.Cut(rest, "/")
		name = host[strings.LastIndexByte(host, '@')+1:]
		name, _, _ = strings.Cut(name, ":")
	case colon && !strings.Contains(head, "/"):
		name = head[strings.LastIndexByte(head, '@')+1:]
	default:
		name = strings.TrimSuffix(path.Base(location), ".borg")
	}
	if remote || colon && !strings.Contains(head, "/") {
		if short, _, _ := strings.Cut(name, "."); validName(short) != "" && strings.ContainsFunc(short, func(r rune) bool { return r > '9' }) {
			name = short
		}
	}
	if name = validName(name); name == "" {
		name = "repository"
	}
	return name
}
