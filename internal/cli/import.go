package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"borgcron/internal/backup"
	"borgcron/internal/config"
	"borgcron/internal/importer"
	"borgcron/internal/setup"
)

// importLimit is how large a file may be that is imported, in bytes: configurations are small.
const importLimit = 1 << 20

// importWish is what is asked of `import`.
type importWish struct {
	files        []string
	writeSecrets bool
	secretsDir   string
	output       string
	noHistory    bool
}

func newImportCommand(env *environment) *cobra.Command {
	var wish importWish
	command := &cobra.Command{
		Use:   "import FILE...",
		Short: "Make a configuration of the old scripts', or of borgmatic's",
		Long: `import reads configuration files of the old shell scripts, or of borgmatic (*.yaml, *.yml), and prints one for borgcron that
goes on with the same archives: same names, same retention, same pattern for what is deleted. Each file becomes a job.

A shell configuration is evaluated without running a program or opening a file. Commands in it become hooks, calls of databasedump.sh
` + "`databases`" + `. When the old scripts last succeeded (*.time in LAST_BACKUP_DIR) becomes the first entry of the history, so that
'borgcron status' knows the age at once. Their repositories get 'clients: single', which promises that
` + backup.SinglePromise + `.

A report on stderr has a line for each key, variable and command: taken (means the same), changed (the line says what differs),
left (has no equal). Secrets are left out, unless --write-secrets puts each into a file of its own, which only you can read.

Exit codes: 0 everything was taken, 1 something was changed or left, 2 a file cannot be used.`,
		Example: `  borgcron import /etc/borgmatic/config.yaml
  borgcron import --write-secrets --output /etc/borgcron/config.yaml /etc/borgcron-scripts/config/*.sh`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("import takes the files to read")
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"yaml", "yml", "sh", "conf"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(command *cobra.Command, files []string) error {
			if wish.secretsDir != "" && !wish.writeSecrets {
				return usage("--secrets-dir says where secrets go that --write-secrets writes")
			}
			wish.files = files
			return importFiles(command.Context(), env, wish)
		},
	}
	flags := command.Flags()
	flags.BoolVar(&wish.writeSecrets, "write-secrets", false, "put secrets into files that only you can read")
	flags.StringVar(&wish.secretsDir, "secrets-dir", "", "the `FOLDER` for them (default: where the configuration belongs)")
	flags.StringVarP(&wish.output, "output", "o", "", "write the configuration into `FILE`, which must not be there yet, with mode 0600")
	flags.BoolVar(&wish.noHistory, "no-history", false, "leave the times of the old scripts out of the history")
	_ = command.MarkFlagDirname("secrets-dir")
	_ = command.MarkFlagFilename("output", "yaml", "yml")
	return command
}

func importFiles(ctx context.Context, env *environment, wish importWish) error {
	options, err := importOptions(env, wish)
	if err != nil {
		return exitError{exitFailed, err}
	}
	sources, convert, err := importSources(wish.files)
	if err != nil {
		return err
	}
	result, err := convert(sources, options)
	if err != nil {
		return exitError{exitFailed, err}
	}
	if err := deliverImport(env, wish, result); err != nil {
		return exitError{exitFailed, err}
	}
	all := reportImport(env, result.Notes)
	if !wish.noHistory {
		all = env.importTimes(ctx, result) && all
	}
	if !all {
		return exitError{code: exitWarning}
	}
	return nil
}

func importOptions(env *environment, wish importWish) (importer.Options, error) {
	where := env.where()
	short, _, _ := strings.Cut(where.Hostname, ".")
	options := importer.Options{
		Hostname: short, FQDN: where.Hostname, User: where.User, Home: where.Home, ReadFile: readSmall, Programs: true,
	}
	var err error
	if wish.writeSecrets {
		options.SecretDir, err = secretsFolder(env, wish)
	}
	return options, err
}

// importSources reads the files, and tells by their names whose they are.
func importSources(files []string) ([]importer.Source, func([]importer.Source, importer.Options) (importer.Result, error), error) {
	var sources []importer.Source
	yaml := 0
	for _, file := range files {
		if extension := strings.ToLower(filepath.Ext(file)); extension == ".yaml" || extension == ".yml" {
			yaml++
		}
		content, err := readSmall(file)
		if err != nil {
			return nil, nil, exitError{exitFailed, err}
		}
		sources = append(sources, importer.Source{Path: file, Content: content})
	}
	switch yaml {
	case 0:
		return sources, importer.Shell, nil
	case len(files):
		return sources, importer.Borgmatic, nil
	}
	return nil, nil, usage("import takes configurations of borgmatic (*.yaml) or of the old scripts, not both at once: import the one with --output into a file under jobs.d, which the other includes")
}

// deliverImport writes the secrets, then the configuration.
func deliverImport(env *environment, wish importWish, result importer.Result) error {
	for _, secret := range result.Secrets {
		if err := writeSecret(secret); err != nil {
			return err
		}
	}
	if wish.output == "" {
		if _, err := env.Stdout.Write(result.Config); err != nil {
			return fmt.Errorf("print the configuration: %w", err)
		}
		return nil
	}
	err := setup.WriteNew(wish.output, result.Config)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already, and is left alone: name another --output", wish.output)
	}
	return err
}

// secretsFolder is where secrets are written: the folder that is asked for, else that of the configuration.
func secretsFolder(env *environment, wish importWish) (string, error) {
	switch {
	case wish.secretsDir != "":
		return filepath.Abs(wish.secretsDir)
	case wish.output != "":
		return filepath.Abs(filepath.Dir(wish.output))
	}
	main, err := config.NewFile(env.ConfigFile, env.where())
	return filepath.Dir(main), err
}

// readSmall reads a regular file that is no larger than a configuration.
func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", path)
	}
	if err == nil && info.Size() > importLimit {
		err = fmt.Errorf("%s is larger than any configuration", path)
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// writeSecret writes a secret, or finds it there. Another one is never overwritten.
func writeSecret(secret importer.SecretFile) error {
	known, err := os.ReadFile(secret.Path)
	if err == nil && bytes.Equal(known, secret.Content) {
		return nil
	}
	if err == nil {
		return fmt.Errorf("%s is there already, with something else in it, and is left alone", secret.Path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(secret.Path), 0o700); err != nil {
		return err
	}
	return setup.WriteNew(secret.Path, secret.Content)
}

// reportImport prints what became of each key, and tells whether all were taken.
func reportImport(env *environment, notes []importer.Note) (all bool) {
	all = true
	for _, note := range notes {
		all = all && note.Fate == importer.Taken
		place := note.File
		if note.Line > 0 {
			place = fmt.Sprintf("%s:%d", note.File, note.Line)
		}
		line := fmt.Sprintf("%s: %s: %s", place, note.Key, note.Fate)
		if note.Message != "" {
			line += ": " + note.Message
		}
		fmt.Fprintln(env.Stderr, backup.Clean(line))
	}
	return all
}
