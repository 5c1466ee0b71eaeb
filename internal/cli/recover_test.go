package cli

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"borgcron/internal/backup"
	"borgcron/internal/config"
)

// The passphrase that recover was given serves the restore, too, though the configuration looks for it in a file that is gone.
func TestKnownSecret(t *testing.T) {
	gone := backup.Secret{File: "/nowhere/nas.key"}
	env := &environment{secrets: map[backup.Secret][]byte{gone: []byte("known")}}
	read := env.secretReader(&config.Config{})
	if got, err := read(t.Context(), gone); string(got) != "known" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := read(t.Context(), backup.Secret{File: "/nowhere/other.key"}); err == nil {
		t.Errorf("another secret: %q", got)
	}
}

// What is printed to be typed is taken by a shell as it was meant.
func TestWords(t *testing.T) {
	args := []string{"--config", "/a b/it's", "$HOME", "*", "", "plain", `\`, "ä", "{a,b}", "#x"}
	output, err := exec.CommandContext(t.Context(), "sh", "-c", `printf '%s\n' `+strings.Join(words(args), " ")).Output()
	if got := strings.Split(strings.TrimSuffix(string(output), "\n"), "\n"); err != nil || !slices.Equal(got, args) {
		t.Errorf("%q, %v", got, err)
	}
}
