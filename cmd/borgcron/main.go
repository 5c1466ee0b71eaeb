// Command borgcron makes BorgBackup run unattended.
package main

import (
	"os"

	"borgcron/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
