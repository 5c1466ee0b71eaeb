package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Find returns the path of the main configuration file: the explicit one, else $BORGCRON_CONFIG, else the
// user's own, else the machine's. The error names the places where it was looked for.
func Find(explicit string, env Environment) (string, error) {
	if explicit != "" {
		return mustExist(explicit, "--config")
	}
	if named := env.Getenv("BORGCRON_CONFIG"); named != "" {
		return mustExist(named, "$BORGCRON_CONFIG")
	}
	places := places(env)
	for _, path := range places {
		if _, err := os.Stat(path); err == nil || !os.IsNotExist(err) {
			return path, nil
		}
	}
	return "", fmt.Errorf("no configuration found; looked at %s; `borgcron init` sets a backup up", strings.Join(places, ", "))
}

// NewFile is where a new main configuration file belongs: the explicit one, else $BORGCRON_CONFIG, else the user's own, for root
// the machine's.
func NewFile(explicit string, env Environment) (string, error) {
	if explicit == "" {
		explicit = env.Getenv("BORGCRON_CONFIG")
	}
	if explicit == "" {
		explicit = places(env)[0]
	}
	return filepath.Abs(explicit)
}

func places(env Environment) []string {
	const machine = "/etc/borgcron/config.yaml"
	folder := env.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(folder) && env.Home != "" {
		folder = filepath.Join(env.Home, ".config")
	}
	if env.UID == 0 || !filepath.IsAbs(folder) {
		return []string{machine}
	}
	return []string{filepath.Join(folder, "borgcron", "config.yaml"), machine}
}

func mustExist(path, source string) (string, error) {
	if _, err := os.Stat(path); os.IsNotExist(err) {
		return "", fmt.Errorf("no configuration found; looked at %s (%s); `borgcron init` sets a backup up", path, source)
	}
	return path, nil
}
