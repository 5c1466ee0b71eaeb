// Command gen writes the units of the packages into a folder: those of `borgcron schedule`, for jobs that are not known yet.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"borgcron/internal/schedule"
)

// origin replaces the first line of a unit, by which schedule knows what it has written itself.
const origin = "# Of the package. `borgcron schedule install` writes one that fits your jobs into /etc/systemd/system.\n"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gen DIR")
		os.Exit(64)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// write takes nothing from the services that any job could need: which ones there are is not known.
func write(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // the build names the folder
		return err
	}
	plan := schedule.Plan{Program: "/usr/bin/borgcron", State: "/var/lib/borgcron", Home: "/root", Open: true, Databases: true}
	for _, file := range plan.Units(folder) {
		if file.Link != "" {
			continue // a package enables nothing
		}
		_, text, _ := strings.Cut(file.Text, "\n")
		if err := os.WriteFile(file.Path, []byte(origin+text), 0o644); err != nil {
			return fmt.Errorf("write %s: %w", filepath.Base(file.Path), err)
		}
	}
	return nil
}
