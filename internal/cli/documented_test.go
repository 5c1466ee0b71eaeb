package cli_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"borgcron/internal/cli"
)

const root = "../.."

// shown returns all commands that people are shown, by their whole names without the program's.
func shown(t *testing.T) map[string]*cobra.Command {
	t.Helper()
	found := map[string]*cobra.Command{}
	var visit func(*cobra.Command)
	visit = func(command *cobra.Command) {
		command.InitDefaultHelpFlag()
		found[strings.TrimPrefix(strings.TrimPrefix(command.CommandPath(), "borgcron"), " ")] = command
		for _, child := range command.Commands() {
			if child.IsAvailableCommand() {
				visit(child)
			}
		}
	}
	visit(cli.Tree())
	if len(found) < 25 {
		t.Fatalf("only %d commands", len(found))
	}
	return found
}

// pages returns the text of each page of the manual, by its path below the root of the project.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != "." && path != "docs" && !strings.HasPrefix(path, "docs/") {
			return fs.SkipDir
		}
		if filepath.Ext(path) == ".md" && !entry.IsDir() {
			text, err := os.ReadFile(filepath.Join(root, path))
			found[path] = string(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Every command says what it is, and has its line in the overview of the manual; every flag says what it does and has
// its place in the page of all flags, which is made from the same text. What the pages say of the keys of the
// configuration is held where that page is made.
func TestEverythingIsDocumented(t *testing.T) {
	manual := pages(t)
	overview, reference := manual["docs/commands.md"], manual["docs/cli.md"]
	for name, command := range shown(t) {
		if command.Short == "" {
			t.Errorf("borgcron %s: no words on what it does", name)
		}
		top := name != "" && !strings.Contains(name, " ")
		if top && command.Long == "" && command.Runnable() && !command.HasSubCommands() && name != "version" {
			t.Errorf("borgcron %s --help explains nothing", name)
		}
		if top && !strings.Contains(overview, "`"+name+" ") && !strings.Contains(overview, "`"+name+"`") {
			t.Errorf("borgcron %s is not in docs/commands.md", name)
		}
		_, section, found := strings.Cut(reference, "\n## "+command.CommandPath()+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		if !found {
			t.Errorf("%s is not in docs/cli.md: make generate", command.CommandPath())
		}
		command.NonInheritedFlags().VisitAll(func(flag *pflag.Flag) {
			if flag.Hidden {
				return
			}
			if flag.Usage == "" {
				t.Errorf("borgcron %s --%s: no words on what it does", name, flag.Name)
			}
			if found && !strings.Contains(section, " --"+flag.Name) {
				t.Errorf("borgcron %s --%s is not in docs/cli.md: make generate", name, flag.Name)
			}
		})
	}
}

var (
	// call is a call up to what is another's: a pipe, a comment (after two blanks), another shell.
	call       = regexp.MustCompile(`(?:^|\s)borgcron((?: [a-z][a-z-]*)*)((?: [^\s|;&#$']+)*)`)
	configured = regexp.MustCompile(` (?:--config [^\s]+|-u borgcron)`) // and who it is called by, by chance of the same name
	flag       = regexp.MustCompile(`(?:^|[\s\[(])(--[a-z][a-z-]*)`)
)

// Every call of borgcron in the manual and in the helps' examples is of a command that there is, with flags that it has.
func TestCallsInTheManual(t *testing.T) {
	commands := shown(t)
	texts := pages(t)
	delete(texts, "CHANGELOG.md")
	delete(texts, "docs/cli.md") // the same as the helps, with their sentences
	for name, command := range commands {
		texts["help of "+name] = command.Example
	}
	checked := 0
	for where, text := range texts {
		for _, code := range codes(text, strings.HasPrefix(where, "help of ")) {
			for _, match := range call.FindAllStringSubmatch(configured.ReplaceAllString(code, ""), -1) {
				checked += checkCall(t, commands, where, match)
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d flags were looked at", checked)
	}
}

// checkCall looks at the flags of one call, and returns how many there are.
func checkCall(t *testing.T, commands map[string]*cobra.Command, where string, match []string) int {
	t.Helper()
	words := strings.Fields(match[1])
	var command *cobra.Command
	for i := min(len(words), 2); i >= 0 && command == nil; i-- {
		command = commands[strings.Join(words[:i], " ")]
	}
	if len(words) > 0 && !command.HasParent() {
		if later, _, err := cli.Tree().Find(words); err == nil && later.Hidden {
			return 0 // it says itself that it is not yet available
		}
		t.Errorf("%s: there is no command %q: %s", where, words[0], strings.TrimSpace(match[0]))
		return 0
	}
	ours, _, _ := strings.Cut(match[2], " -- ") // what follows is borg's
	checked := 0
	for _, found := range flag.FindAllStringSubmatch(ours, -1) {
		checked++
		if command.Flags().Lookup(found[1][2:]) == nil && command.InheritedFlags().Lookup(found[1][2:]) == nil {
			t.Errorf("%s: %s has no flag %s: %s", where, command.CommandPath(), found[1], strings.TrimSpace(match[0]))
		}
	}
	return checked
}

// codes returns what of a page is code: between backquotes, or in a block.
func codes(text string, whole bool) []string {
	if whole {
		return strings.Split(text, "\n")
	}
	var found []string
	for i, part := range strings.Split(text, "```") {
		if i%2 == 1 {
			found = append(found, strings.Split(part, "\n")...)
			continue
		}
		for j, span := range strings.Split(part, "`") {
			if j%2 == 1 {
				found = append(found, strings.ReplaceAll(span, "\n", " "))
			}
		}
	}
	return found
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	dropped = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// Every page is reached from README.md, and every link within the project leads to a file, and to a heading in it.
func TestLinks(t *testing.T) {
	manual := pages(t)
	reached := map[string]bool{"README.md": true}
	for queue := []string{"README.md"}; len(queue) > 0; queue = queue[1:] {
		for _, match := range link.FindAllStringSubmatch(prose(manual[queue[0]]), -1) {
			path, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(path, ":") {
				continue
			}
			target := queue[0]
			if path != "" {
				target = filepath.Join(filepath.Dir(queue[0]), path)
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: dead link %s", queue[0], match[1])
				continue
			}
			if anchor != "" && !slices.Contains(anchors(manual[target]), anchor) {
				t.Errorf("%s: %s has no heading for #%s", queue[0], target, anchor)
			}
			if filepath.Ext(target) == ".md" && !reached[target] {
				reached[target] = true
				queue = append(queue, target)
			}
		}
	}
	for page := range manual {
		if !reached[page] {
			t.Errorf("no link leads from README.md to %s", page)
		}
	}
}

// prose is a page without its code.
func prose(text string) string {
	var kept strings.Builder
	for i, part := range strings.Split(text, "```") {
		if i%2 == 0 {
			kept.WriteString(part)
		}
	}
	return kept.String()
}

// anchors are the names that a page's headings get on the web.
func anchors(text string) []string {
	var found []string
	for _, match := range heading.FindAllStringSubmatch(prose(text), -1) {
		name := dropped.ReplaceAllString(strings.ToLower(match[1]), "")
		found = append(found, strings.ReplaceAll(name, " ", "-"))
	}
	return found
}
