package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// remote is a home with a configuration whose repository lies behind the relay.
type remote struct {
	t      *testing.T
	server *sshServer
	home   string
	borg   string
}

func newRemote(t *testing.T, borg, more string) *remote {
	t.Helper()
	r := &remote{t: t, server: startSSH(t), home: t.TempDir(), borg: borg}
	config := fmt.Sprintf(`
paths: {state: %s}
repositories:
  far:
    location: %s
    borg: %s
    remote_path: %s
    encryption: none
    ssh: {identity: %s, known_hosts: %s}
jobs:
  home:
    repository: far
    sources: [%s]
    compression: none
    retry: {retries: 3, wait: 1s}
%s`, filepath.Join(r.home, "state"), r.server.location(filepath.Join(r.home, "repo")), borg, borg, r.server.identity, r.server.knownHosts,
		filepath.Join(r.home, "data"), more)
	check(t, os.WriteFile(filepath.Join(r.home, "borgcron.yaml"), []byte(config), 0o600))
	check(t, os.Mkdir(filepath.Join(r.home, "data"), 0o755))
	return r
}

// borgcron runs it and returns what it printed on both outputs.
func (r *remote) borgcron(args ...string) (string, error) {
	command := exec.CommandContext(r.t.Context(), "borgcron", args...)
	command.Env = append(os.Environ(), "HOME="+r.home, "BORGCRON_CONFIG="+filepath.Join(r.home, "borgcron.yaml"))
	output, err := command.CombinedOutput()
	return string(output), err
}

func (r *remote) must(args ...string) string {
	r.t.Helper()
	output, err := r.borgcron(args...)
	if err != nil {
		r.t.Fatalf("borgcron %v: %v\n%s", args, err, output)
	}
	return output
}

func eachBorg(t *testing.T, test func(t *testing.T, borg string)) {
	for version, path := range borgs(t) {
		t.Run(version, func(t *testing.T) { test(t, path) })
	}
}

// After a cut in the middle of a first backup the retry sends only what is missing: what a checkpoint
// holds is in the repository already.
func TestRetrySendsOnlyWhatIsMissing(t *testing.T) {
	t.Parallel()
	eachBorg(t, func(t *testing.T, borg string) {
		const file, files = 8 << 20, 12
		r := newRemote(t, borg, "    checkpoint_interval: 1s\n    borg_options: {create: [--upload-buffer=1]}\n")
		for i := range files {
			data := make([]byte, file)
			_, _ = rand.Read(data)
			check(t, os.WriteFile(filepath.Join(r.home, "data", fmt.Sprint(i)), data, 0o600))
		}
		limit := filepath.Join(r.home, "borgcron.yaml")
		text, err := os.ReadFile(limit)
		check(t, err)
		check(t, os.WriteFile(limit, []byte(strings.Replace(string(text), "    encryption: none\n",
			"    encryption: none\n    upload_limit: 12MiB/s\n", 1)), 0o600))
		r.must("init")
		const cutAt = 72 << 20 // some six checkpoints in
		r.server.relay.sent.Store(0)
		r.server.relay.cutAt.Store(cutAt)
		output := r.must("run")
		if !strings.Contains(output, "create failed") || !strings.Contains(output, "home on far: succeeded") {
			t.Fatalf("no cut and recovery:\n%s", output)
		}
		sent := r.server.relay.sent.Load()
		again := sent - file*files
		t.Logf("cut after %d MiB of %d; sent %d MiB in all, %d MiB of them twice", cutAt>>20, file*files>>20, sent>>20, again>>20)
		if again > cutAt/2 {
			t.Errorf("%d bytes were sent twice: the checkpoints before the cut were of no use", again)
		}
		if listed := r.must("borg", "home", "--", "list", "--short"); strings.Count(listed, "home-") != 1 {
			t.Errorf("one run, one archive; borg lists:\n%s", listed)
		}
	})
}

// A server that refuses is tried again; when it is back the next run goes well. Its location is never shown.
func TestRemoteRefusedThenBack(t *testing.T) {
	t.Parallel()
	eachBorg(t, func(t *testing.T, borg string) {
		r := newRemote(t, borg, "")
		check(t, os.WriteFile(filepath.Join(r.home, "data", "a"), []byte("one"), 0o600))
		r.must("init")
		r.server.relay.refused.Store(true)
		output, err := r.borgcron("run", "--skip", "check")
		if err == nil || !strings.Contains(output, "home on far: failed") {
			t.Fatalf("a run without a server: %v\n%s", err, output)
		}
		for _, part := range []string{"ssh://", "127.0.0.1", filepath.Join(r.home, "repo")} {
			if strings.Contains(output, part) {
				t.Errorf("%s of the location is shown:\n%s", part, output)
			}
		}
		r.server.relay.refused.Store(false)
		if output := r.must("run"); !strings.Contains(output, "home on far: succeeded") {
			t.Errorf("after it came back:\n%s", output)
		}
	})
}

// The connection is cut after the server has committed and before it could say so. The retry finds its name
// taken by its own archive: the run has succeeded, with the figures of that archive.
func TestCutAfterCommit(t *testing.T) {
	t.Parallel()
	eachBorg(t, func(t *testing.T, borg string) {
		r := newRemote(t, borg, "")
		check(t, os.WriteFile(filepath.Join(r.home, "data", "a"), []byte("one"), 0o600))
		r.must("init")
		cutter, err := exec.LookPath("borg-cut")
		check(t, err)
		wrapper := filepath.Join(r.home, "serve")
		script := fmt.Sprintf("#!/bin/sh\nexec %s %s %s \"$@\"\n", cutter, borg, filepath.Join(r.home, "was-cut"))
		check(t, os.WriteFile(wrapper, []byte(script), 0o700)) //nolint:gosec // a program
		config := filepath.Join(r.home, "borgcron.yaml")
		text, err := os.ReadFile(config)
		check(t, err)
		check(t, os.WriteFile(config, []byte(strings.Replace(string(text), "remote_path: "+borg, "remote_path: "+wrapper, 1)), 0o600))

		output := r.must("run")
		if _, err := os.Stat(filepath.Join(r.home, "was-cut")); err != nil {
			t.Fatalf("nothing was cut:\n%s", output)
		}
		if !strings.Contains(output, "create failed") || !strings.Contains(output, "home on far: succeeded") || !strings.Contains(output, "2 files") {
			t.Errorf("after a cut behind the commit:\n%s", output)
		}
		if listed := r.must("borg", "home", "--", "list", "--short"); strings.Count(listed, "home-") != 1 {
			t.Errorf("one run, one archive; borg lists:\n%s", listed)
		}
	})
}
