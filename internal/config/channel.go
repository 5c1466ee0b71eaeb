package config

import (
	"net/url"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// decodeChannels reads the channels and the metrics. What is wrong in one leaves it out.
func (l *loader) decodeChannels() {
	_, section := lookup(l.root, "notify")
	for _, name := range keys(section) {
		key, node := lookup(section, name)
		path := []string{"notify", name}
		fillKeys(node, reflect.TypeFor[Channel]())
		channel := NamedChannel{Name: name}
		l.decode(node, &channel.Channel, path...)
		l.config.Secrets = append(l.config.Secrets, channel.URL.Secret(), channel.Token.Secret(), channel.Password.Secret())
		for _, header := range channel.Headers {
			l.config.Secrets = append(l.config.Secrets, header.Secret())
		}
		l.checkChannel(key, node, channel, path)
		l.config.Notify = append(l.config.Notify, channel)
	}
	if _, node := lookup(l.root, "metrics"); node != nil && node.Kind == yaml.MappingNode {
		l.decode(node, &l.config.Metrics, "metrics")
		l.checkTextfile(sub(node, "textfile"))
	}
}

// checkTextfile warns of a name that the collector passes over in silence.
func (l *loader) checkTextfile(node *yaml.Node) {
	if node != nil && !strings.HasSuffix(string(l.config.Metrics.Textfile), ".prom") {
		l.doubt(node, []string{"metrics"}, "the textfile collector of the node exporter reads only files whose names end in .prom")
	}
}

// leaveOut drops the channels and the metrics with a mistake, and gives each job its channels.
func (l *loader) leaveOut() {
	l.config.Notify = slices.DeleteFunc(l.config.Notify, func(c NamedChannel) bool { return l.isLeftOut(InChannel, c.Name) })
	if l.isLeftOut(InMetrics, "") {
		l.config.Metrics = Metrics{}
	}
	for _, j := range l.jobs {
		l.channelsOf(j)
	}
}

// isLeftOut tells whether there is a mistake in a channel or in the metrics.
func (l *loader) isLeftOut(part Part, name string) bool {
	return slices.ContainsFunc(l.errors, func(m Mistake) bool {
		return m.Scope.Part == part && (name == "" || slices.Contains(m.Scope.Names, name))
	})
}

func (l *loader) checkChannel(key, node *yaml.Node, channel NamedChannel, path []string) {
	switch channel.Type {
	case "email":
		l.checkEmail(key, node, channel.Channel, path)
	case "ntfy", "healthchecks", "webhook":
		if at := sub(sub(node, "url"), "text"); at != nil && !isURL(channel.URL.Text, "https", "http") {
			l.wrong(at, path, "`url` wants an address that begins with https:// or http://", "")
		}
	}
}

func (l *loader) checkEmail(key, node *yaml.Node, channel Channel, path []string) {
	server, sendmail := l.where(node, "server"), l.where(node, "sendmail")
	switch {
	case server != nil && sendmail != nil:
		l.wrong(sendmail, path, "`server` and `sendmail` stand there both: use one", "")
	case server == nil && sendmail == nil && !l.isLeftOut(InChannel, path[1]):
		l.wrong(key, path, "`server` is missing: say smtp://HOST:PORT, or `sendmail`", "")
	case server != nil && channel.Server != "" && !isURL(channel.Server, "smtp", "smtps"):
		l.wrong(server, path, "`server` wants smtp://HOST:PORT", "")
	}
	if node := l.where(node, "from"); node != nil && channel.From != "" && !strings.Contains(channel.From, "@") {
		l.wrong(node, path, "`from` wants an address such as a@b", "")
	}
	for i, address := range channel.To {
		if !strings.Contains(address, "@") {
			l.wrong(sub(node, "to").Content[i], path, "`to` wants addresses such as c@d", "")
		}
	}
	if len(channel.To) == 0 && sub(node, "to") != nil && !l.isLeftOut(InChannel, path[1]) {
		l.wrong(l.where(node, "to"), path, "`to` is empty: say who gets the mail", "")
	}
}

func isURL(text string, schemes ...string) bool {
	parsed, err := url.Parse(text)
	return err == nil && slices.Contains(schemes, parsed.Scheme) && parsed.Hostname() != "" && parsed.User == nil
}

// channelsOf finds the channels of a job: those it names, or all.
func (l *loader) channelsOf(j *job) {
	known := keys(sub(l.root, "notify"))
	named := known
	if list := sub(j.tree, "notify"); list != nil && list.Kind == yaml.SequenceNode {
		named = nil
		for _, node := range list.Content {
			named = append(named, node.Value)
			if !slices.Contains(known, node.Value) {
				l.wrong(node, j.path, "there is no channel "+quote(node.Value)+" in `notify`", nearest(node.Value, known))
			}
		}
	}
	for _, name := range named {
		if slices.ContainsFunc(l.config.Notify, func(c NamedChannel) bool { return c.Name == name }) {
			j.result.Notify = append(j.result.Notify, name)
		}
	}
}
