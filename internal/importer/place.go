package importer

import (
	"strings"

	"borgcron/internal/backup"
)

// fillNames fills in the placeholders of borg that say where and who this is.
func (o Options) fillNames(text string) string {
	pairs := []string{}
	for _, pair := range [][2]string{{"{hostname}", o.Hostname}, {"{fqdn}", o.FQDN}, {"{user}", o.User}} {
		if pair[1] != "" {
			pairs = append(pairs, pair[0], pair[1])
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// made are the names of what a template makes for a job, as far as the import knows who that is.
func (o Options) made(job string) backup.Names {
	return backup.Names{Hostname: orWord(o.Hostname), FQDN: orWord(o.FQDN), User: orWord(o.User), Job: job}
}

func orWord(text string) string {
	if text == "" {
		return "unknown"
	}
	return text
}

// escape makes a text one that borgcron takes as it stands.
func escape(text string) string { return strings.ReplaceAll(text, "${", "$${") }
