package cli

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"borgcron/internal/process"
)

//go:generate go generate borgcron/internal/config
//go:generate go run borgcron/internal/cli/gen

// packedManual holds the manual pages, made from the help of the commands by package gen.
//
//go:embed manual.json.gz
var packedManual []byte

// Tree returns all commands with their help, for the generator of their pages. None of them can be run.
func Tree() *cobra.Command {
	root := newRootCommand(&environment{Stdout: io.Discard, Stderr: io.Discard, Getenv: func(string) string { return "" }})
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	return root
}

// PackManual packs manual pages, by the names of their files, as the program carries them.
func PackManual(pages map[string]string) ([]byte, error) {
	var packed bytes.Buffer
	writer, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if err := json.NewEncoder(writer).Encode(pages); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// UnpackManual is the reverse of PackManual for the pages that the program carries.
func UnpackManual() (map[string]string, error) {
	reader, err := gzip.NewReader(bytes.NewReader(packedManual))
	if err != nil {
		return nil, fmt.Errorf("unpack the manual: %w", err)
	}
	var pages map[string]string
	if err := json.NewDecoder(reader).Decode(&pages); err != nil {
		return nil, fmt.Errorf("unpack the manual: %w", err)
	}
	return pages, nil
}

func newManCommand(env *environment) *cobra.Command {
	var folder string
	command := &cobra.Command{
		Use:   "man [COMMAND...]",
		Short: "Show the manual page of a command or of the configuration",
		Long: `man shows a manual page: that of borgcron itself, of a command, or of the configuration ('borgcron.yaml').
On a terminal man(1) shows it where that is installed; into a pipe or a file goes the page's source, roff.

--to DIR writes the pages, for a system without the package: into a DIR called man1 or man5 those of that section,
into any other all of them.`,
		Example: `  borgcron man run
  borgcron man key export
  borgcron man borgcron.yaml
  borgcron man --to /usr/local/share/man/man1`,
		ValidArgsFunction: completePages,
		RunE: func(_ *cobra.Command, args []string) error {
			pages, err := UnpackManual()
			if err != nil {
				return err
			}
			if folder != "" {
				if len(args) > 0 {
					return usage("--to writes all pages: name no command")
				}
				return writePages(pages, folder)
			}
			name, err := findPage(pages, args)
			if err != nil {
				return err
			}
			return env.showPage(name, pages[name])
		},
	}
	command.Flags().StringVar(&folder, "to", "", "write all pages into the folder `DIR`")
	_ = command.MarkFlagDirname("to")
	return command
}

func completePages(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	pages, err := UnpackManual()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for page := range pages {
		below := strings.Join(append([]string{"borgcron"}, args...), "-") + "-"
		if rest, ok := strings.CutPrefix(strings.TrimSuffix(page, ".1"), below); ok && (len(args) == 0 || !strings.Contains(rest, "-")) {
			names = append(names, rest)
		}
	}
	if len(args) == 0 {
		names = append(names, "borgcron.yaml")
	}
	slices.Sort(names)
	return names, cobra.ShellCompDirectiveNoFileComp
}

// findPage returns the file name of the page that is meant: by the words of a command, or by its own name.
func findPage(pages map[string]string, args []string) (string, error) {
	wanted := strings.Join(args, "-")
	if wanted == "" {
		wanted = "borgcron"
	}
	for _, name := range []string{"borgcron-" + wanted + ".1", wanted + ".1", wanted + ".5"} {
		if _, found := pages[name]; found {
			return name, nil
		}
	}
	var names []string
	for _, page := range slices.Sorted(maps.Keys(pages)) {
		names = append(names, strings.TrimPrefix(page[:len(page)-2], "borgcron-"))
	}
	return "", usage("there is no page for %q%s", strings.Join(args, " "), didYouMean(wanted, names))
}

// writePages writes the pages into a folder. In a folder of one section, such as man1, only its pages belong.
func writePages(pages map[string]string, folder string) error {
	section := strings.TrimPrefix(filepath.Base(folder), "man")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("write the manual: %w", err)
	}
	for name, page := range pages {
		if (section == "1" || section == "5") && !strings.HasSuffix(name, "."+section) {
			continue
		}
		if err := os.WriteFile(filepath.Join(folder, name), []byte(page), 0o644); err != nil {
			return fmt.Errorf("write the manual: %w", err)
		}
	}
	return nil
}

// showPage hands a page to man(1) if somebody looks at it; a program gets its source.
func (env *environment) showPage(name, page string) error {
	if !isTerminal(env.Stdout) {
		_, err := io.WriteString(env.Stdout, page)
		return err
	}
	if runtime.GOOS == "linux" {
		if program, err := process.LookPath("man", env.Getenv("PATH")); err == nil {
			return env.handToMan(program, name, page)
		}
	}
	_, err := io.WriteString(env.Stdout, plainPage(page))
	return err
}

// handToMan replaces this program by man(1), as that one's pager wants the terminal. It reads the page from a file that
// has no name any more, so that nothing is left of it.
func (env *environment) handToMan(program, name, page string) error {
	file, err := os.CreateTemp("", name)
	if err != nil {
		return fmt.Errorf("show the page: %w", err)
	}
	defer file.Close()
	if err := os.Remove(file.Name()); err != nil {
		return fmt.Errorf("show the page: %w", err)
	}
	if _, err := file.WriteString(page); err != nil {
		return fmt.Errorf("show the page: %w", err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("show the page: %w", err)
	}
	return process.Exec(program, []string{"-l", "/dev/fd/3"}, env.Environ, []*os.File{file})
}
