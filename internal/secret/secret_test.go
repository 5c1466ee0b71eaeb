package secret_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"borgcron/internal/backup"
	"borgcron/internal/secret"
)

func write(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRead(t *testing.T) {
	dir, credentials := t.TempDir(), t.TempDir()
	write(t, filepath.Join(credentials, "borg"), "from systemd\n", 0o444)
	environ := []string{
		"PATH=" + os.Getenv("PATH"), "CREDENTIALS_DIRECTORY=" + credentials, "MINE=from the environment", "BORG_PASSPHRASE=stray",
	}
	for name, test := range map[string]struct {
		secret backup.Secret
		want   string
	}{
		"file":                {backup.Secret{File: write(t, filepath.Join(dir, "key"), " a b \r\n\n", 0o640)}, " a b "},
		"file of credentials": {backup.Secret{File: filepath.Join(credentials, "borg")}, "from systemd"},
		"command":             {backup.Secret{Command: `printf '%s\n' "$MINE$BORG_PASSPHRASE"; echo noise >&2`}, "from the environment"},
		"credential":          {backup.Secret{Credential: "borg"}, "from systemd"},
		"variable":            {backup.Secret{Env: "MINE"}, "from the environment"},
		"text":                {backup.Secret{Text: "itself"}, "itself"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := secret.Read(t.Context(), test.secret, environ)
			if err != nil || string(got) != test.want {
				t.Errorf("%q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestReadFailsWithoutTelling(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		secret backup.Secret
		says   string
	}{
		"missing file":         {backup.Secret{File: filepath.Join(dir, "none")}, "no such file"},
		"readable by all":      {backup.Secret{File: write(t, filepath.Join(dir, "open"), "hunter2", 0o644)}, "chmod o="},
		"folder":               {backup.Secret{File: dir}, "not a regular file"},
		"FIFO":                 {backup.Secret{File: fifo}, "not a regular file"},
		"empty file":           {backup.Secret{File: write(t, filepath.Join(dir, "empty"), "\n", 0o600)}, "is empty"},
		"long file":            {backup.Secret{File: write(t, filepath.Join(dir, "long"), strings.Repeat("hunter2", 10000), 0o600)}, "longer than"},
		"command that fails":   {backup.Secret{Command: "echo hunter2; echo hunter2 >&2; exit 3"}, "exit status 3"},
		"command that floods":  {backup.Secret{Command: "yes hunter2 | head -c 10000000"}, "longer than"},
		"command without any":  {backup.Secret{Command: "true"}, "is empty"},
		"missing credential":   {backup.Secret{Credential: "none-of-this-name"}, "none-of-this-name"},
		"credential with path": {backup.Secret{Credential: "../key"}, "no plain name"},
		"unset variable":       {backup.Secret{Env: "BORGCRON_UNSET"}, "BORGCRON_UNSET is empty"},
		"none":                 {backup.Secret{}, "no secret"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := secret.Read(t.Context(), test.secret, []string{"PATH=" + os.Getenv("PATH"), "CREDENTIALS_DIRECTORY=" + t.TempDir()})
			if err == nil {
				t.Fatalf("got %q", got)
			}
			if !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error is %q, it should say %q and not the secret", err, test.says)
			}
		})
	}
	_, err := secret.Read(t.Context(), backup.Secret{File: filepath.Join(dir, "none")}, nil)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v does not wrap its cause", err)
	}
}
