// Command gen writes docs/cli.md and the manual pages in manual.json.gz, from the commands' own help. It is run by
// `go generate ./internal/cli`.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"borgcron/internal/cli"
)

func main() {
	if err := write(); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func write() error {
	tree := cli.Tree()
	if err := os.WriteFile("../../docs/cli.md", reference(tree), 0o644); err != nil {
		return err
	}
	pages, err := manual(tree, "../../docs/reference.md")
	if err != nil {
		return err
	}
	packed, err := cli.PackManual(pages)
	if err != nil {
		return err
	}
	return os.WriteFile("manual.json.gz", packed, 0o644)
}

// visible calls do for a command and all below it that people are shown, parents first.
func visible(command *cobra.Command, do func(*cobra.Command)) {
	command.InitDefaultHelpFlag()
	do(command)
	for _, child := range command.Commands() {
		if child.IsAvailableCommand() {
			visible(child, do)
		}
	}
}
