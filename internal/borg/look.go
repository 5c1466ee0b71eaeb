package borg

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"borgcron/internal/backup"
)

// Seen is what a look at a repository has shown.
type Seen struct {
	Report   backup.Report // with the repository's id and its encryption
	Archives int
}

// Look opens the repository, which shows that the passphrase is right, and counts its archives. Nothing but the list of
// archives is read. Whoever names a repository for the first time knows it: borg does not refuse it as unknown.
func (c *Client) Look(ctx context.Context, call backup.Call) (Seen, error) {
	var text bytes.Buffer
	report, err := c.run(ctx, acquainted(call), task{command: "list", options: options{"--json"}, output: &text, stall: call.Job.Timeout.Stall})
	if err != nil {
		return Seen{}, err
	}
	var parsed answerJSON
	if err := json.Unmarshal(text.Bytes(), &parsed); err != nil || parsed.Repository.ID == "" {
		return Seen{}, &backup.Failure{Op: "list", Code: -1, Err: err, Message: "borg's answer on the repository cannot be understood"}
	}
	report.RepositoryID, report.Encryption = parsed.Repository.ID, parsed.Encryption.Mode
	return Seen{Report: report, Archives: len(parsed.Archives)}, nil
}

// acquainted is a call on a repository that borg may not have seen yet, or under another location.
func acquainted(call backup.Call) backup.Call {
	env := map[string]string{"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes", "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"}
	for name, value := range call.Repository.Env {
		env[name] = value
	}
	call.Repository.Env = env
	return call
}

// Discard removes a repository that an init which was cut off has left without a manifest: there has never been an archive in
// it. The caller knows that it was that init which made it.
func (c *Client) Discard(ctx context.Context, call backup.Call) error {
	_, err := c.Look(ctx, call)
	if !HalfMade(err) {
		return refused("delete", "the repository is none that was left half made: it is not removed", "")
	}
	call = acquainted(call)
	call.Repository.Env["BORG_DELETE_I_KNOW_WHAT_I_AM_DOING"] = "YES"
	_, err = c.run(ctx, call, task{command: "delete", options: options{"--force"}, stall: call.Job.Timeout.Stall})
	return err
}

// HalfMade tells whether this is what borg says of a repository whose making was cut off.
func HalfMade(err error) bool { return is(err, "NoManifestError", "RepoKeyNotFoundError") }

// Absent tells whether borg has found no repository where it was looked for.
func Absent(err error) bool { return is(err, "DoesNotExist") }

// NoRepository tells whether there is something, but no repository.
func NoRepository(err error) bool {
	return is(err, "InvalidRepository", "InvalidRepositoryConfig", "PathAlreadyExists")
}

// Present tells whether a repository could not be made as there is one already.
func Present(err error) bool { return is(err, "AlreadyExists") }

// Sealed tells whether there is a repository which the passphrase, or none, did not open.
func Sealed(err error) bool { return is(err, "PassphraseWrong", "NoPassphraseFailure") }

// is tells whether an error is one of borg's; ids as servers send them have no part before a dot.
func is(err error, ids ...string) bool {
	var failure *backup.Failure
	return errors.As(err, &failure) && slices.Contains(ids, strings.TrimPrefix(failure.ID, "Repository."))
}
