package process

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A child leaves no core, whatever was allowed before, and may change its mind.
func TestNoCore(t *testing.T) {
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &before); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_CORE, &before) })
	if before.Max == 0 {
		t.Skip("core dumps are forbidden here already")
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: before.Max, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	ask := func() string {
		var out bytes.Buffer
		command := Shell("ulimit -c; ulimit -S -c 100 && ulimit -c")
		command.Env, command.Stdout = os.Environ(), &out
		if err := Run(t.Context(), command); err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(out.String()), " ")
	}
	if ask() == "0 100" {
		t.Fatal("the limit was 0 before")
	}
	if err := NoCore(); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != "0 100" {
		t.Errorf("the limits are %q", got)
	}
}
