package borg

import (
	"bytes"
	"context"

	"borgcron/internal/backup"
)

// KeyForm is how a key is written.
type KeyForm string

// The forms of borg's `key export`.
const (
	KeyFile  KeyForm = ""        // as `borg key import` and BORG_KEY_FILE take it
	KeyPaper KeyForm = "paper"   // lines with checksums, to be printed and typed in again
	KeyHTML  KeyForm = "qr-html" // a page for printing, with QR codes
)

// ExportKey gives the repository's key, which the passphrase still protects. A repository without encryption has none: the
// failure's id is UnencryptedRepo then.
func (c *Client) ExportKey(ctx context.Context, call backup.Call, form KeyForm) ([]byte, error) {
	var o options
	o.flag(string(form), form != KeyFile)
	var key bytes.Buffer
	_, err := c.run(ctx, call, task{command: "key export", options: o, output: &key, stall: call.Job.Timeout.Stall})
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(key.Bytes())) == 0 {
		return nil, &backup.Failure{Op: "key export", Code: -1, Message: "borg ended without an error, but gave no key"}
	}
	return key.Bytes(), nil
}
