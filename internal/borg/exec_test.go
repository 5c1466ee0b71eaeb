package borg_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

// In the child, the test is replaced by borg.
func TestExec(t *testing.T) {
	if dir := os.Getenv("BORGCRON_TEST_EXEC"); dir != "" {
		f := newFixture(t, os.Getenv("BORGCRON_TEST_BORG"))
		f.client.Environ = append(f.client.Environ, "HOME="+filepath.Join(dir, "home"))
		f.repo.Location, f.repo.Passphrase = filepath.Join(dir, "repository"), backup.Secret{Text: "hunter2 of the house"}
		lock, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		call := f.call()
		call.Lock = lock
		t.Fatal(f.client.Exec(t.Context(), call, strings.Fields(os.Getenv("BORGCRON_TEST_ARGS"))))
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	eachBorg(t, func(t *testing.T, f *fixture) {
		f.repo.Encryption, f.repo.Passphrase = "repokey-blake2", backup.Secret{Text: "hunter2 of the house"}
		f.init()
		f.create("host-home-1")
		run := func(args string) (string, error) {
			t.Helper()
			var stderr bytes.Buffer
			child := exec.Command(self, "-test.run=^TestExec$")
			child.Env = append(os.Environ(), "BORGCRON_TEST_EXEC="+f.dir, "BORGCRON_TEST_BORG="+f.repo.Borg, "BORGCRON_TEST_ARGS="+args)
			child.Stderr = &stderr
			out, err := child.Output()
			t.Log(stderr.String())
			return string(out), err
		}
		out, err := run("list --short")
		if diff := cmp.Diff("host-home-1\n", out); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
		_, err = run("info ::none")
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 2 { // not 31: the codes that people know
			t.Errorf("error %v", err)
		}
	})
}
