package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const pullConfig = `
repositories:
  here: {location: "${WORK}/repo", borg: "${BORG}", env: {BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: "yes"}}
jobs:
  client:
    repository: here
    sources: ["${WORK}/pull"]
    exclude: ["${WORK}/pull/proc"]
    files_cache: ctime,size
    archive_name: "client-{now}"
    borg_options: {create: [--numeric-ids]}
    guard: {mounted: ["${WORK}/pull"]}
    retention: {daily: 14}
`

// docs/recipes.md, "A server that fetches": the files of a client come over sshfs, and without it there is no archive.
func TestPull(t *testing.T) {
	t.Parallel()
	sshfs, err := exec.LookPath("sshfs")
	if err != nil {
		missing(t, "no sshfs on PATH; make setup gets one")
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		missing(t, "no /dev/fuse")
	}
	oneBorg(t, func(t *testing.T, borg string) {
		s := newSite(t, borg, pullConfig)
		server := startSSH(t)
		readOnly(t, server)
		s.write(3, 1000)
		run(t, "mkdir", s.path("data", "proc"))
		check(t, os.WriteFile(s.path("data", "proc", "kcore"), []byte("no file at all"), 0o600))
		check(t, os.MkdirAll(s.path("pull"), 0o700))
		run(t, borg, "init", "-e", "none", s.path("repo"))
		if said := s.want(2, "run"); !strings.Contains(said, "mount") {
			t.Errorf("without the client's files:\n%s", said)
		}

		host, rest, _ := strings.Cut(strings.TrimPrefix(server.location(s.path("data")), "ssh://"), ":")
		port, path, _ := strings.Cut(rest, "/")
		run(t, sshfs, "-o", "ro,port="+port+",IdentityFile="+server.identity+",UserKnownHostsFile="+server.knownHosts, host+":/"+path, s.path("pull"))
		t.Cleanup(func() { _ = exec.Command("fusermount3", "-u", "-z", s.path("pull")).Run() })
		s.must("run")
		s.must("run", "--only", "create")
		archives := s.archives("client")
		if len(archives) != 2 || !strings.HasPrefix(archives[0], "client-") {
			t.Fatalf("%v", archives)
		}
		run(t, "fusermount3", "-u", s.path("pull"))
		s.want(2, "run")
		if after := s.archives("client"); len(after) != 2 {
			t.Errorf("an archive without the client's files: %v", after)
		}
		s.must("restore", "client", "--to", s.path("back"), "--yes")
		run(t, "diff", "-r", "--exclude=proc", s.path("data"), s.path("back")+s.path("pull"))
		if _, err := os.Stat(s.path("back") + s.path("pull", "proc")); err == nil {
			t.Error("what is excluded below the mount is in the archive")
		}
		sftp := exec.Command("sftp", "-b", "-", "-P", port, "-i", server.identity, "-o", "UserKnownHostsFile="+server.knownHosts, host)
		sftp.Stdin = strings.NewReader("rm /" + path + "/0\n")
		if output, err := sftp.CombinedOutput(); err == nil || !strings.Contains(string(output), "Permission denied") {
			t.Errorf("a key that may only read has removed a file: %v\n%s", err, output)
		}
	})
}

// readOnly lets the server's key do no more than the recipe says.
func readOnly(t *testing.T, server *sshServer) {
	t.Helper()
	keys := filepath.Join(filepath.Dir(server.identity), "authorized_keys")
	public, err := os.ReadFile(keys)
	check(t, err)
	check(t, os.WriteFile(keys, append([]byte(`restrict,command="internal-sftp -R" `), public...), 0o600))
}
