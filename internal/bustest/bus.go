// Package bustest starts a real D-Bus of a test's own.
package bustest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>%s</policy>
</busconfig>
`

// Start starts a bus that anybody may use, and returns its address. Without a dbus-daemon the test is skipped, or fails
// where everything must be there.
func Start(t *testing.T) string {
	t.Helper()
	return StartAs(t, filepath.Join(Folder(t), "bus"), os.Getuid(), `<allow user="*"/>`)
}

// StartAs starts a bus of a user's own at a path, as session buses are: by default nobody else may use it, not even root.
func StartAs(t *testing.T, path string, uid int, policy string) string {
	t.Helper()
	program, err := exec.LookPath("dbus-daemon")
	if err != nil {
		if os.Getenv("BORGCRON_MUST") == "all" {
			t.Fatal("dbus-daemon is not installed")
		}
		t.Skip("dbus-daemon is not installed")
	}
	config := path + ".conf"
	if err := os.WriteFile(config, fmt.Appendf(nil, busConfig, path, policy), 0o644); err != nil {
		t.Fatal(err)
	}
	daemon := exec.Command(program, "--nofork", "--print-address", "--config-file="+config)
	if uid != os.Getuid() {
		daemon.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}} //nolint:gosec // a user id
	}
	stdout, err := daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Kill()
		_ = daemon.Wait()
	})
	if address, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatalf("dbus-daemon: %q, %v", address, err)
	}
	return "unix:path=" + path
}

// Folder makes a folder for a socket, whose path must be short.
func Folder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "bus")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}
