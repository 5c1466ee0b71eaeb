package importer

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// hooks converts commands before and after, of both kinds.
func (j *borgmaticJob) hooks() {
	var hooks []mapping
	add := func(s *setting, when string, states []string, words string) {
		commands, ok := j.list(s)
		if !ok {
			return
		}
		fate := Changed
		for _, command := range commands {
			line, changed := j.command(command)
			if changed != "" {
				words = strings.TrimPrefix(words+"; "+changed, "; ")
			}
			hook := newMapping()
			hook.set("when", when)
			hook.set("run", line)
			if len(states) > 0 {
				hook.set("states", states)
			}
			hooks = append(hooks, hook)
		}
		if words == "" {
			fate = Taken
		}
		j.note(s, fate, "%s", words)
	}
	good, bad := []string{"succeeded", "warning"}, []string{"failed"}
	everything := "once before or after each job, not around all of them"
	once := "once a job, also with several repositories; exit code 75 is a failure: `conditions.command` can skip a run"
	for _, hook := range []struct {
		name, when string
		states     []string
		words      string
	}{
		{"before_everything", "before", nil, everything}, {"before_actions", "before", nil, once}, {"before_backup", "before", nil, once},
		{"after_backup", "after", good, "after all steps of the job"}, {"after_actions", "after", good, ""},
		{"after_everything", "after", nil, everything}, {"on_error", "after", bad, ""},
	} {
		if s := j.top.get(hook.name); s != nil {
			add(s, hook.when, hook.states, hook.words)
		}
	}
	for _, action := range []string{"prune", "compact", "check", "extract"} {
		for _, when := range []string{"before_", "after_"} {
			if s := j.top.get(when + action); s != nil {
				j.note(s, Left, "borgcron's hooks run before and after the whole job, not around one step")
			}
		}
	}
	if s := j.top.get("commands"); s != nil {
		for _, item := range j.maps(s) {
			j.commandHook(item, add)
		}
	}
	if len(hooks) > 0 {
		j.node.set("hooks", sequence(hooks))
	}
}

// commandHook converts an item of `commands`.
func (j *borgmaticJob) commandHook(item *setting, add func(*setting, string, []string, string)) {
	run := item.get("run")
	when, kind := "before", item.get("before")
	if after := item.get("after"); after != nil {
		when, kind = "after", after
	}
	if kind.null() || kind.kind != yaml.ScalarNode || run == nil {
		j.wrong(item, "wants `before` or `after`, and `run`")
		return
	}
	if !slices.Contains([]string{"action", "repository", "configuration", "everything", "error"}, kind.text) {
		j.wrong(kind, "wants action, repository, configuration, everything or error")
		return
	}
	actions, limited := []string(nil), item.get("when")
	if limited != nil {
		actions, _ = j.list(limited)
	}
	if kind.text == "action" && limited == nil {
		actions = []string{"create"}
	}
	if len(actions) > 0 && !slices.Contains(actions, "create") {
		for _, s := range []*setting{kind, limited, run} {
			j.note(s, Left, "borgcron's hooks run before and after the whole job, not around one step")
		}
		if states := item.get("states"); states != nil {
			j.note(states, Left, "%sits command", goesWith)
		}
		return
	}
	var states []string
	if kind.text == "error" {
		states = []string{"failed"}
	}
	if s := item.get("states"); s != nil {
		states = j.states(s, states)
	}
	words := ""
	switch kind.text {
	case "everything":
		words = "once before or after each job, not around all of them"
	case "action", "repository":
		words = "once a job, also with several repositories and steps"
	}
	j.note(kind, Taken, "")
	if limited != nil {
		j.note(limited, Changed, "a hook of borgcron's runs in every run")
	}
	add(run, when, states, words)
}

func (j *borgmaticJob) states(s *setting, states []string) []string {
	texts, _ := j.list(s)
	finish, fail := slices.Contains(texts, "finish"), slices.Contains(texts, "fail")
	j.note(s, Taken, "")
	switch {
	case finish && !fail:
		return []string{"succeeded", "warning"}
	case fail && !finish:
		return []string{"failed"}
	}
	return states
}

var (
	hookPlaceholder = regexp.MustCompile(`(\\)?\{(repository|repository_label|configuration_filename|error|output|log_file|borg_arguments)(\\)?\}`)
	hookVariables   = map[string]string{"repository": "$BORGCRON_REPOSITORY", "repository_label": "$BORGCRON_REPOSITORY", "error": "$BORGCRON_PROBLEM"}
)

// command makes a command line of borgcron's: what borgmatic fills in are variables there.
func (j *borgmaticJob) command(text string) (line, changed string) {
	line = hookPlaceholder.ReplaceAllStringFunc(text, func(found string) string {
		parts := hookPlaceholder.FindStringSubmatch(found)
		if parts[1] != "" && parts[3] != "" {
			return "{" + parts[2] + "}"
		}
		switch variable := hookVariables[parts[2]]; {
		case variable != "":
			changed = "what borgmatic fills in is in variables of the environment, a repository by its name"
			return `"` + variable + `"`
		case parts[2] == "configuration_filename":
			changed = "what borgmatic fills in is in variables of the environment, a repository by its name"
			return shellQuote(j.file)
		}
		changed = "what borgmatic fills in there borgcron does not have: it is empty"
		return `""`
	})
	return variablePattern.ReplaceAllStringFunc(line, func(found string) string { return strings.TrimPrefix(found, `\`) }), changed
}

// sequence is a list of mappings.
func sequence(items []mapping) *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	for _, item := range items {
		list.Content = append(list.Content, item.node)
	}
	return list
}

// quoted is a text that stands in quotes, so that it is no number.
func quoted(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: text}
}
