package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Version is the program's version; the build sets it (-ldflags -X).
var Version = "0.1.0-dev"

func newVersionCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of borgcron",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			revision := ""
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, setting := range info.Settings {
					if setting.Key == "vcs.revision" && len(setting.Value) >= 12 {
						revision = ", " + setting.Value[:12]
					}
				}
			}
			fmt.Fprintf(env.Stdout, "borgcron %s (%s/%s%s)\n", Version, runtime.GOOS, runtime.GOARCH, revision)
			return nil
		},
	}
}

func noArgs(command *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%s takes no argument %q; see %s --help", command.CommandPath(), args[0], command.CommandPath())
	}
	return nil
}
