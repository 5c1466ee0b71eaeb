package importer

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// borgmaticChannel is a channel of all jobs that tell by it.
type borgmaticChannel struct {
	name, rendered string
	node           mapping
}

// addChannel makes a channel for the job; one that is there already is used again.
func (j *borgmaticJob) addChannel(name string, node mapping) {
	rendered, err := node.render()
	if err != nil {
		return // what cannot be written never came out of a file
	}
	for _, channel := range j.borgmatic.channels {
		if channel.rendered == string(rendered) {
			j.channels = append(j.channels, channel.name)
			return
		}
	}
	name = freeName(name, func(free string) bool {
		return slices.ContainsFunc(j.borgmatic.channels, func(c borgmaticChannel) bool { return c.name == free })
	})
	j.borgmatic.channels = append(j.borgmatic.channels, borgmaticChannel{name, string(rendered), node})
	j.channels = append(j.channels, name)
}

// notify converts the services that are told how a run ended.
func (j *borgmaticJob) notify() {
	for _, name := range []string{"healthchecks", "watchgoose"} {
		if s := j.top.get(name); s != nil {
			j.healthchecks(name, s)
		}
	}
	if s := j.top.get("ntfy"); s != nil {
		j.ntfy(s)
	}
	for _, name := range []string{"uptime_kuma", "cronitor"} {
		if s := j.top.get(name); s != nil {
			j.pings(name, s)
		}
	}
}

// service checks that a service has keys; a text alone stands for its address.
func (j *borgmaticJob) service(s *setting, address string) *setting {
	switch {
	case s.null():
		j.note(s, Taken, "empty")
		return nil
	case s.kind == yaml.ScalarNode:
		return s
	case s.kind != yaml.MappingNode:
		j.wrong(s, "wants keys with values")
		return nil
	case s.get(address) == nil:
		j.wrong(s, "wants `%s`", address)
		return nil
	}
	return s.get(address)
}

var checkID = regexp.MustCompile(`^[0-9A-Za-z_-]+$`)

func (j *borgmaticJob) healthchecks(name string, s *setting) {
	address := j.service(s, "ping_url")
	if address == nil {
		return
	}
	if text, ok := j.text(address); ok && checkID.MatchString(text) && name == "healthchecks" {
		address.text = "https://hc-ping.com/" + text
	}
	for i, key := range s.names {
		value := s.items[i]
		switch key {
		case "ping_url":
		case "states":
			j.note(value, Changed, "borgcron tells of start, success and failure")
		case "send_logs", "ping_body_limit":
			j.note(value, Left, "borgcron sends the message of a run, never its log")
		case "verify_tls":
			j.note(value, Left, "borgcron always looks at certificates")
		case "create_slug":
			j.note(value, Left, "make the check on the server")
		}
	}
	if secret := j.secret(address, j.name+"-"+name); secret != nil {
		node := newMapping()
		node.set("type", "healthchecks")
		node.set("url", secret)
		j.addChannel(name, node)
	}
}

// pings converts services that are told by a call of an address which ends in the state.
func (j *borgmaticJob) pings(name string, s *setting) {
	key := map[string]string{"uptime_kuma": "push_url", "cronitor": "ping_url"}[name]
	address := j.service(s, key)
	if address == nil {
		return
	}
	text, ok := j.text(address)
	if !ok {
		return
	}
	for i, other := range s.names {
		switch other {
		case key:
		case "states":
			j.note(s.items[i], Changed, "borgcron tells of success and failure")
		case "verify_tls":
			j.note(s.items[i], Left, "borgcron always looks at certificates")
		}
	}
	where, err := url.Parse(text)
	if err != nil || hasVariable(text) || strings.HasPrefix(text, "{credential") || where.Scheme != "http" && where.Scheme != "https" || where.Host == "" {
		j.note(address, Left, "say it as two channels of `type: webhook` and `method: GET`, one for success and one for failure")
		return
	}
	where.RawQuery, where.Fragment = "", ""
	states := map[string][2]string{"uptime_kuma": {"status=up&msg=OK", "status=down&msg=failed"}, "cronitor": {"state=complete", "state=fail"}}[name]
	for i, on := range [][]string{{"succeeded", "warning"}, {"failed"}} {
		where.RawQuery = states[i]
		hint := name + map[int]string{0: "-good", 1: "-failed"}[i]
		path, ok := j.secrets.add(j.name+"-"+hint, where.String())
		if !ok {
			j.note(address, Left, "an address that holds a secret: import with --write-secrets, or say two channels of `type: webhook` and `method: GET` with `url: {file: ...}`")
			return
		}
		node := newMapping()
		node.set("type", "webhook")
		node.set("url", map[string]string{"file": path})
		node.set("method", "GET")
		node.set("on", on)
		j.addChannel(hint, node)
	}
	j.note(address, Changed, "two channels, one for success and one for failure; the start of a run is not told")
}

func (j *borgmaticJob) ntfy(s *setting) {
	topic := j.service(s, "topic")
	if topic == nil || s.kind != yaml.MappingNode {
		return
	}
	name, ok := j.text(topic)
	if !ok {
		return
	}
	server := "https://ntfy.sh"
	if given := s.get("server"); !given.null() {
		text, ok := j.text(given)
		if !ok {
			return
		}
		server = strings.TrimSuffix(text, "/")
		if where, err := url.Parse(server); err != nil || !hasVariable(server) && (where.Host == "" || where.Scheme != "http" && where.Scheme != "https" || where.User != nil) {
			j.wrong(given, "wants an address such as https://ntfy.example, without a password")
			return
		}
		j.note(given, Taken, "")
	}
	node := newMapping()
	node.set("type", "ntfy")
	node.set("url", expandable(server+"/"+name))
	j.note(topic, Taken, "")
	if token := s.get("access_token"); token != nil {
		if secret := j.secret(token, j.name+"-ntfy"); secret != nil {
			node.set("token", secret)
		} else {
			node.comment("type", leftOut("token"))
		}
	}
	j.ntfyKeys(s, node)
	j.addChannel("ntfy", node)
}

// ntfyKeys converts what is sent, and when.
func (j *borgmaticJob) ntfyKeys(s *setting, node mapping) {
	for i, key := range s.names {
		value := s.items[i]
		switch key {
		case "username", "password":
			j.note(value, Left, "borgcron logs in with a token (`token`)")
		case "states":
			texts, _ := j.list(value)
			if slices.Contains(texts, "finish") {
				node.set("on", []string{"failed", "warning", "recovered", "stale", "alarm", "succeeded"})
			}
			j.note(value, Changed, "borgcron tells of what is wrong and mended again, and of success if finish stands there; not of the start")
		case "start", "finish", "fail":
			for k, part := range value.names {
				if part == "priority" && key == "fail" {
					j.ntfyPriority(value.items[k], node)
				} else {
					j.note(value.items[k], Left, "borgcron's messages have words of their own")
				}
			}
		}
	}
}

func (j *borgmaticJob) ntfyPriority(s *setting, node mapping) {
	text, ok := j.text(s)
	if text == "urgent" {
		text = "max"
	}
	if ok && slices.Contains([]string{"min", "low", "default", "high", "max"}, text) {
		node.set("priority", map[string]string{"failed": text})
		j.note(s, Taken, "")
	} else if ok {
		j.note(s, Left, "not a priority of ntfy")
	}
}
