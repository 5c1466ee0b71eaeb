package borg

import (
	"errors"
	"io/fs"
	"path/filepath"

	"borgcron/internal/backup"
	"borgcron/internal/machine"
)

// Evidence tells who holds borg's locks of a repository, as far as that can be seen from this machine, and what
// else of borg runs here. The repository's id is borg's own, "" if it is not known.
func (c *Client) Evidence(r backup.Repository, repositoryID string) backup.Evidence {
	evidence := backup.Evidence{Single: r.Single, Local: r.IsLocal()}
	holders, err := c.Holders(r, repositoryID)
	if err != nil {
		evidence.Unread = "who holds it cannot be read: " + backup.Clean(withoutPath(err))
	}
	evidence.Holders = holders
	if all, reason := machine.SeesAll(); !all {
		evidence.Hidden = reason
	}
	evidence.Up = machine.Uptime()
	evidence.Others = machine.Borgs(filepath.Base(r.Borg))
	return evidence
}

// withoutPath says what went wrong, without the path, which may be the repository's location.
func withoutPath(err error) string {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err.Error()
	}
	return err.Error()
}
