package dump

import (
	"io"
	"strings"
)

// inContainer gives a program its secret inside a container, where no file of ours is seen: the first lines of the input hold
// it, up to one with a single point. The file lives as long as the program.
const inContainer = `umask 077
f=$(mktemp) && trap 'rm -f "$f"' EXIT && trap 'exit 143' HUP INT TERM || exit 1
while IFS= read -r line && [ "$line" != . ]; do printf '%s\n' "$line"; done > "$f"
`

// contained makes of a call one by the container engine: `podman exec` or `docker exec`, whichever Container names
// (`podman:NAME`, `docker:NAME`), docker without. Only the container's own user can read the file with the secret.
func contained(c client) (program string, args []string, stdin io.Reader) {
	program, name := "docker", c.database.Container
	if engine, rest, found := strings.Cut(name, ":"); found && (engine == "podman" || engine == "docker") {
		program, name = engine, rest
	}
	args = []string{"exec", "-i"}
	if c.database.RunAs != "" {
		args = append(args, "-u", c.database.RunAs)
	}
	for _, assignment := range c.env {
		args = append(args, "-e", assignment)
	}
	args = append(args, name)
	if c.secret == nil {
		return program, append(append(args, c.program), c.args...), c.stdin
	}
	script := inContainer
	words := []string{}
	if c.secret.env != nil {
		for _, assignment := range c.secret.env(`$f`) {
			name, _, _ := strings.Cut(assignment, "=")
			script += name + `="$f"; export ` + name + "\n"
		}
	}
	script += `"$0" `
	if c.secret.args != nil {
		for _, word := range c.secret.args(`"$f"`) {
			script += word + " "
		}
	}
	script += `"$@"` // the shell stays, to remove the file
	words = append(append(words, c.program), c.args...)
	args = append(append(args, "sh", "-c", script), words...)
	secret := strings.NewReader(strings.TrimSuffix(c.secret.text, "\n") + "\n.\n")
	if c.stdin == nil {
		return program, args, secret
	}
	return program, args, io.MultiReader(secret, c.stdin)
}
