package main

import (
	_ "embed"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// rootSections are the sections of borgcron(1) that are about all commands.
//
//go:embed root.md
var rootSections string

// manual returns the manual pages by the names of their files: one for each command, and one for the configuration,
// which is made from the reference page.
func manual(tree *cobra.Command, referencePage string) (map[string]string, error) {
	pages := map[string]string{}
	visible(tree, func(command *cobra.Command) {
		pages[dashed(command)+".1"] = render(commandPage(command))
	})
	markdown, err := os.ReadFile(referencePage)
	if err != nil {
		return nil, fmt.Errorf("read the reference of the configuration: %w", err)
	}
	pages["borgcron.yaml.5"] = render(configurationPage(string(markdown)))
	return pages, nil
}

func dashed(command *cobra.Command) string {
	return strings.ReplaceAll(command.CommandPath(), " ", "-")
}

// title is the line that .TH is made of. It has no date: the same source gives the same page at any time.
func title(name, section string) string {
	return fmt.Sprintf("%% %q %q \"\" \"borgcron\" \"borgcron manual\"\n", strings.ToUpper(name), section)
}

func commandPage(command *cobra.Command) string {
	var page strings.Builder
	page.WriteString(title(dashed(command), "1"))
	fmt.Fprintf(&page, "# NAME\n%s - %s\n", dashed(command), escape(command.Short))
	fmt.Fprintf(&page, "# SYNOPSIS\n`%s`\n", command.UseLine())
	description := command.Long
	if description == "" {
		description = command.Short + "."
	}
	page.WriteString("# DESCRIPTION\n" + prose(description))
	if command.HasAvailableSubCommands() {
		page.WriteString("# COMMANDS\n")
		for _, child := range command.Commands() {
			if child.IsAvailableCommand() {
				fmt.Fprintf(&page, "**%s**(1)\n: %s\n\n", escape(dashed(child)), escape(child.Short))
			}
		}
	}
	if command.Example != "" {
		page.WriteString("# EXAMPLES\n```\n" + command.Example + "\n```\n")
	}
	page.WriteString(options("OPTIONS", command.NonInheritedFlags()))
	page.WriteString(options("OPTIONS OF EVERY COMMAND", command.InheritedFlags()))
	if !command.HasParent() {
		page.WriteString(rootSections)
		return page.String()
	}
	fmt.Fprintf(&page, "# SEE ALSO\n**%s**(1), **borgcron.yaml**(5)\n", escape(dashed(command.Parent())))
	return page.String()
}

// options are flags as a list of definitions.
func options(heading string, flags *pflag.FlagSet) string {
	var list strings.Builder
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden {
			return
		}
		names := "**--" + flag.Name + "**"
		if flag.Shorthand != "" {
			names = "**-" + flag.Shorthand + "**, " + names
		}
		value, usage := pflag.UnquoteUsage(flag)
		switch {
		case flag.NoOptDefVal != "" && flag.Value.Type() != "bool":
			names += "[=*" + escape(value) + "*]"
		case value != "":
			names += " *" + escape(value) + "*"
		}
		if shown := flag.DefValue; shown != "" && shown != "false" && shown != "0" && shown != "[]" {
			usage += " (default " + shown + ")"
		}
		fmt.Fprintf(&list, "%s\n: %s\n\n", names, escape(usage))
	})
	if list.Len() == 0 {
		return ""
	}
	return "# " + heading + "\n" + list.String()
}

// prose makes Markdown of a help text: its paragraphs, and lines that are indented in it as they are.
func prose(text string) string {
	var page strings.Builder
	verbatim := false
	for line := range strings.Lines(text + "\n") {
		line = strings.TrimPrefix(strings.TrimRight(line, "\n"), "#### ")
		indented := line != strings.TrimLeft(line, " \t")
		if indented != verbatim && line != "" {
			page.WriteString("\n```\n"[map[bool]int{true: 0, false: 1}[indented]:])
			verbatim = indented
		}
		if !indented {
			line = escape(line)
		}
		page.WriteString(line + "\n")
	}
	if verbatim {
		page.WriteString("```\n")
	}
	return page.String()
}

var (
	special = regexp.MustCompile("[\\\\`*_\\[\\]<>#~|&{}]")
	leading = regexp.MustCompile(`^([-+:=%]|\d+\.)`)
)

// escape keeps plain text from being taken for Markdown.
func escape(text string) string {
	text = special.ReplaceAllString(text, `\$0`)
	return leading.ReplaceAllStringFunc(text, func(mark string) string {
		return mark[:len(mark)-1] + `\` + mark[len(mark)-1:]
	})
}

var (
	pageLink = regexp.MustCompile(`\[([^\]]+)\]\([^)]*\)`)
	heading  = regexp.MustCompile(`(?m)^(#+) (.*)$`)
	yaml     = regexp.MustCompile("(?m)^```yaml$")
)

// configurationPage makes borgcron.yaml(5) of the reference page, whose headings become sections, and its links names.
func configurationPage(markdown string) string {
	_, markdown, _ = strings.Cut(markdown, "\nborgcron reads ") // below the words on the page itself
	markdown = pageLink.ReplaceAllString(markdown, "$1")
	markdown = yaml.ReplaceAllString(markdown, "```")
	markdown = heading.ReplaceAllStringFunc(markdown, func(line string) string {
		if rest, section := strings.CutPrefix(line, "## "); section {
			return "# " + strings.ToUpper(strings.ReplaceAll(rest, "`", ""))
		}
		return strings.ReplaceAll(line, "`", "")
	})
	return title("borgcron.yaml", "5") +
		"# NAME\nborgcron.yaml - the configuration of borgcron\n# DESCRIPTION\nborgcron reads " + markdown +
		"\n# SEE ALSO\n**borgcron**(1), **borgcron-config**(1)\n"
}

// dash is one that roff would turn into a hyphen, which nobody can paste into a command line.
var dash = regexp.MustCompile(`([^\\])-`)

// render makes roff of Markdown.
func render(markdown string) string {
	var page strings.Builder
	for line := range strings.Lines(string(md2man.Render([]byte(markdown)))) {
		if !strings.HasPrefix(line, ".") {
			line = dash.ReplaceAllString(dash.ReplaceAllString("\n"+line, `$1\-`), `$1\-`)[1:]
		}
		page.WriteString(line)
	}
	return page.String()
}
