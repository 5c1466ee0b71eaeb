package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

const introduction = `# All commands and flags

What ` + "`borgcron COMMAND --help`" + ` says, for all commands. This page is made from the program's own help by
` + "`go generate ./internal/cli`" + `, and so are the manual pages (` + "`borgcron man COMMAND`" + `). What the commands are for
stands in [Commands](commands.md), and which of the names may still change in [Names that may still change](experimental.md).
`

// reference is the page with the help of all commands. The flags of every command stand once, with the first.
func reference(tree *cobra.Command) []byte {
	var page bytes.Buffer
	page.WriteString(introduction)
	visible(tree, func(command *cobra.Command) {
		fmt.Fprintf(&page, "\n## %s\n\n```\n%s```\n", command.CommandPath(), help(command))
	})
	return page.Bytes()
}

// help is what --help prints, without the flags of the parents and the advice to ask for more help.
func help(command *cobra.Command) string {
	var text bytes.Buffer
	command.SetOut(&text)
	if err := command.Help(); err != nil {
		panic(err) // into a buffer
	}
	whole := text.String()
	for _, end := range []string{"\nGlobal Flags:\n", "\nUse \"" + command.CommandPath() + " [command] --help\""} {
		whole, _, _ = strings.Cut(whole, end)
	}
	return strings.TrimRight(whole, "\n") + "\n"
}
