package cli

import (
	"bytes"
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

func newImportCommand(env *environment) *cobra.Command {
	var writeSecrets bool
	var secretsDir string
	command := &cobra.Command{
		Use:   "import FILE...",
		Short: "Make a configuration of borgmatic's",
		Long: `import reads configuration files of borgmatic and prints one for borgcron that goes on with the same archives: same names, same
retention, same pattern for what is deleted. Each file becomes a job.

A report on stderr has a line for each key: taken (means the same), changed (the line says what differs), left (has no equal).
Secrets are left out, unless --write-secrets puts each into a file of its own, which only you can read.

Exit codes: 0 everything was taken, 1 something was changed or left, 2 a file cannot be used.`,
		Example: `  borgcron import /etc/borgmatic/config.yaml
  borgcron import --write-secrets /etc/borgmatic.d/*.yaml > ~/.config/borgcron/config.yaml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("import takes the files to read")
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(_ *cobra.Command, files []string) error {
			if secretsDir != "" && !writeSecrets {
				return usage("--secrets-dir says where secrets go that --write-secrets writes")
			}
			return importFiles(env, files, writeSecrets, secretsDir)
		},
	}
	command.Flags().BoolVar(&writeSecrets, "write-secrets", false, "put secrets into files that only you can read")
	command.Flags().StringVar(&secretsDir, "secrets-dir", "", "the `FOLDER` for them (default: where the configuration belongs)")
	_ = command.MarkFlagDirname("secrets-dir")
	return command
}

func importFiles(env *environment, files []string, writeSecrets bool, secretsDir string) error {
	where := env.where()
	short, _, _ := strings.Cut(where.Hostname, ".")
	options := importer.Options{
		Hostname: short, FQDN: where.Hostname, User: where.User, Home: where.Home, ReadFile: readSmall, Programs: true,
	}
	if writeSecrets {
		dir, err := secretsFolder(env, secretsDir)
		if err != nil {
			return exitError{exitFailed, err}
		}
		options.SecretDir = dir
	}
	var sources []importer.Source
	for _, file := range files {
		if extension := strings.ToLower(filepath.Ext(file)); extension != ".yaml" && extension != ".yml" {
			return usage("%s: only borgmatic's YAML (*.yaml, *.yml) can be imported; shell configurations are not yet supported by this version", file)
		}
		content, err := readSmall(file)
		if err != nil {
			return exitError{exitFailed, err}
		}
		sources = append(sources, importer.Source{Path: file, Content: content})
	}
	result, err := importer.Borgmatic(sources, options)
	if err != nil {
		return exitError{exitFailed, err}
	}
	for _, secret := range result.Secrets {
		if err := writeSecret(secret); err != nil {
			return exitError{exitFailed, err}
		}
	}
	all := reportImport(env, result.Notes)
	if _, err := env.Stdout.Write(result.Config); err != nil {
		return exitError{exitFailed, fmt.Errorf("print the configuration: %w", err)}
	}
	if !all {
		return exitError{code: exitWarning}
	}
	return nil
}

// secretsFolder is where secrets are written: the folder that is asked for, else that of the configuration.
func secretsFolder(env *environment, asked string) (string, error) {
	if asked != "" {
		return filepath.Abs(asked)
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
