package cli

import (
	"github.com/agnivade/levenshtein"
	"github.com/spf13/cobra"
)

// verbs are all commands, for the nearest name.
var verbs = []string{
	"run", "status", "history", "ack", "sizes", "dump", "archives", "restore", "restore-database", "find", "diff",
	"mount", "umount", "verify", "unlock", "borg", "init", "key", "recover", "config", "import", "schedule", "notify",
	"doctor", "forget", "version", "completion", "man", "serve", "browse", "help",
}

// notYet are the commands that have their name and place, and no deed in this version.
var notYet = []string{
	"serve", "browse",
}

func laterCommands() []*cobra.Command {
	commands := make([]*cobra.Command, 0, len(notYet))
	for _, name := range notYet {
		commands = append(commands, &cobra.Command{
			Use: name, Hidden: true, DisableFlagParsing: true,
			Short: "not yet available in this version",
			RunE: func(*cobra.Command, []string) error {
				return usage("%s: not yet available in this version", name)
			},
		})
	}
	return commands
}

// didYouMean returns a question with the nearest of the names, "" if none is near.
func didYouMean(name string, names []string) string {
	best, distance := "", 3
	for _, candidate := range names {
		if d := levenshtein.ComputeDistance(name, candidate); d < distance && d < max(len(name), 2) {
			best, distance = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return ", did you mean " + best + "?"
}
