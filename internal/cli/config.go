package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/config"
)

func newConfigCommand(env *environment) *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:   "config check|show|schema",
		Short: "Check the configuration, show it whole, or print its schema",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("unknown command \"config %s\"%s; see borgcron config --help", args[0], didYouMean(args[0], []string{"check", "show", "schema"}))
			}
			return nil
		},
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.PersistentFlags().BoolVar(&asJSON, "json", false, "print JSON")
	command.AddCommand(
		&cobra.Command{
			Use:   "check",
			Short: "Say all that is wrong in the configuration, each with its line",
			Long: `Say all that is wrong in all files of the configuration: where, what, and what was
probably meant. Exits with 0, also if there are warnings, or with 78 if anything is wrong.`,
			Args: noArgs,
			RunE: func(*cobra.Command, []string) error { return checkConfig(env, asJSON) },
		},
		&cobra.Command{
			Use:   "show",
			Short: "Print the complete configuration: all files in one, with all defaults",
			Long: `Print the complete configuration as it counts: all files in one, the defaults of the file
and those of borgcron applied. Secrets are shown as ***.`,
			Args: noArgs,
			RunE: func(*cobra.Command, []string) error { return showConfig(env, asJSON) },
		},
		&cobra.Command{
			Use:   "schema",
			Short: "Print the JSON Schema of the configuration, for editors",
			Args:  noArgs,
			RunE: func(*cobra.Command, []string) error {
				_, err := env.Stdout.Write(config.Schema)
				return err
			},
		},
	)
	return command
}

func checkConfig(env *environment, asJSON bool) error {
	loaded, err := env.readConfig()
	if err != nil && !asJSON {
		return exitError{exitConfig, err}
	}
	if err != nil { // whoever reads JSON gets JSON; without a scope it is fatal
		loaded = &config.Config{Errors: []config.Mistake{{Message: err.Error()}}}
	}
	if loaded.Fatal() {
		env.noteConfiguration(loaded)
	} else {
		if err := loaded.MakeState(); err != nil {
			env.Log.Warn("the jobs are not noted", "error", err)
		} else {
			env.noteJobs(loaded)
		}
	}
	if asJSON {
		err = printCheckJSON(env.Stdout, loaded)
	} else {
		err = printCheck(env.Stdout, loaded)
	}
	if err == nil && len(loaded.Errors) > 0 {
		return exitError{code: exitConfig}
	}
	return err
}

func printCheckJSON(w io.Writer, loaded *config.Config) error {
	return printJSONLine(w, map[string][]config.Mistake{
		"errors":   append([]config.Mistake{}, loaded.Errors...),
		"warnings": append([]config.Mistake{}, loaded.Warnings...),
	})
}

// printCheck is the answer of `config check`: the mistakes, and one line that sums up.
func printCheck(w io.Writer, loaded *config.Config) error {
	if err := printMistakes(w, loaded); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s in %s, %s: %s, %s\n",
		count(len(loaded.Jobs), "job"), count(len(loaded.Files), "file"), backup.Clean(loaded.Files[0]),
		count(len(loaded.Errors), "error"), count(len(loaded.Warnings), "warning"))
	return err
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// logMistakes says what is wrong with a configuration, as all verbs but `config check` do beside their
// answer: without the lines themselves, which can hold the location of a repository.
func (env *environment) logMistakes(loaded *config.Config) {
	say := func(m config.Mistake) string {
		if m.Suggestion == "" {
			return m.Message
		}
		return fmt.Sprintf("%s; did you mean %q?", m.Message, m.Suggestion)
	}
	for _, m := range loaded.Errors {
		env.Log.Error(say(m), "at", m.Place.String())
	}
	for _, m := range loaded.Warnings {
		if !env.Quiet {
			env.Log.Warn(say(m), "at", m.Place.String())
		}
	}
}

func printMistakes(w io.Writer, loaded *config.Config) error {
	for _, m := range loaded.Errors {
		if err := m.Print(w, "error: "); err != nil {
			return err
		}
	}
	for _, m := range loaded.Warnings {
		if err := m.Print(w, "warning: "); err != nil {
			return err
		}
	}
	return nil
}

func showConfig(env *environment, asJSON bool) error {
	loaded, err := env.loadConfig()
	if err != nil {
		return err
	}
	show := loaded.Show
	if asJSON {
		show = loaded.ShowJSON
	}
	text, err := show()
	if err != nil {
		return fmt.Errorf("show the configuration: %w", err)
	}
	_, err = io.WriteString(env.Stdout, text)
	return err
}
