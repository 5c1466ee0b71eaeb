package secret_test

import (
	"errors"
	"strings"
	"testing"

	"borgcron/internal/backup"
	"borgcron/internal/process"
	"borgcron/internal/secret"
)

// What the command complained of is not in the error either, for nobody to find and show.
func TestErrorHasNoTail(t *testing.T) {
	_, err := secret.Read(t.Context(), backup.Secret{Command: "echo hunter2 >&2; exit 3"}, nil)
	var exit *process.ExitError
	if !errors.As(err, &exit) || exit.Code != 3 || strings.Contains(strings.Join(exit.Tail, " "), "hunter2") {
		t.Errorf("%+v", exit)
	}
}
