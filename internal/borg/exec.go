package borg

import (
	"context"
	"strconv"

	"borgcron/internal/backup"
	"borgcron/internal/process"
)

// Exec replaces this process by borg with the caller's arguments: the repository and its passphrase are
// set, the lock is handed over, and terminal and exit codes are borg's own. It returns only if that failed.
func (c *Client) Exec(ctx context.Context, call backup.Call, args []string) error {
	program, _, err := c.program(ctx, call.Repository)
	if err != nil {
		return during("borg", err)
	}
	if err := c.CheckOwner(ctx, call.Repository); err != nil {
		return during("borg", err)
	}
	passphrase, err := c.passphrase(ctx, call.Repository)
	if err != nil {
		return during("borg", err)
	}
	files, err := handOver(passphrase, call.Lock)
	if err != nil {
		return during("borg", err)
	}
	env, caller := c.variables(call.Repository), environment(c.Environ)
	delete(env, "BORG_EXIT_CODES") // people and scripts expect what they know
	for _, name := range []string{"BORG_EXIT_CODES", "TERM", "COLUMNS", "LINES"} {
		if value, set := caller[name]; set {
			env[name] = value
		}
	}
	if passphrase != nil {
		env["BORG_PASSPHRASE_FD"] = strconv.Itoa(passphraseFD)
	}
	err = process.Exec(program, args, entries(env), files.inherited)
	files.close()
	return during("borg", notStarted(err))
}
