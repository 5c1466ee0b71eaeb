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

var repositoryScheme = regexp.MustCompile(`^([a-z0-9]+):(//)?`)

// location makes a location of borgcron's from one of borgmatic's.
func (j *borgmaticJob) location(s *setting) (string, bool) {
	text, ok := j.text(s)
	if !ok {
		return "", false
	}
	said := j.fillNames(text)
	if strings.Contains(strings.NewReplacer("${", "").Replace(said), "{") {
		j.note(s, Left, "it holds a placeholder of borg that the import cannot fill in: write what it stands for")
		return "", false
	}
	fate, message := Taken, ""
	if said != text {
		fate, message = Changed, "borg's placeholders are filled in"
	}
	if local, found := strings.CutPrefix(said, "file://"); found {
		said = local
	}
	scheme := repositoryScheme.FindStringSubmatch(said)
	head, _, colon := strings.Cut(said, ":")
	switch {
	case strings.ContainsFunc(said, func(r rune) bool { return r <= ' ' }):
		j.note(s, Left, "a location with a space: borgcron wants it as ssh://USER@HOST/PATH with %%20, or a link without one")
		return "", false
	case strings.HasPrefix(said, "ssh://"):
		if where, err := url.Parse(said); err == nil && !strings.Contains(said, "${") && (where.Host == "" || len(where.Path) < 2 || hasPassword(where) || strings.HasPrefix(where.Host, "-")) {
			j.note(s, Left, "wants ssh://USER@HOST:PORT/PATH, without a password")
			return "", false
		}
	case strings.Contains(said, "::"):
		j.note(s, Left, "it names an archive: borgcron wants the repository")
		return "", false
	case scheme != nil && (scheme[2] != "" || slices.Contains([]string{"rclone", "s3", "b2", "sftp"}, scheme[1])):
		j.note(s, Left, "borgcron knows folders of this machine and ssh://, not %s:", scheme[1])
		return "", false
	case colon && !strings.Contains(head, "/") && !strings.HasPrefix(said, "${") && !strings.HasPrefix(said, "~"):
		if head == "" || strings.HasPrefix(head, "-") || len(said) == len(head)+1 {
			j.note(s, Left, "wants USER@HOST:PATH")
			return "", false
		}
	default:
		whole, why := j.path(said)
		if why != "" {
			j.note(s, Left, "%s", why)
			return "", false
		}
		j.note(s, fate, "%s", message)
		return whole, true
	}
	j.note(s, fate, "%s", message)
	return expandable(said), true
}

func hasPassword(where *url.URL) bool {
	_, has := where.User.Password()
	return has
}

// fillNames fills in the placeholders of borg that say where and who this is.
func (j *borgmaticJob) fillNames(text string) string {
	pairs := []string{}
	for _, pair := range [][2]string{{"{hostname}", j.o.Hostname}, {"{fqdn}", j.o.FQDN}, {"{user}", j.o.User}} {
		if pair[1] != "" {
			pairs = append(pairs, pair[0], pair[1])
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
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
