package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// userSite is a site that belongs to nobody, with a program of root's that everybody may start.
func userSite(t *testing.T, borg, config string) (s *site, program string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can be another user as well")
	}
	s = newSite(t, borg, config)
	if output, ok := s.asNobody(borg, "--version"); !ok {
		t.Skipf("this borg is not for everybody: %s", output)
	}
	installed, err := exec.LookPath("borgcron")
	check(t, err)
	data, err := os.ReadFile(installed)
	check(t, err)
	run(t, "chown", "-R", "65534:65534", s.home)
	program = filepath.Join(t.TempDir(), "borgcron")
	check(t, os.WriteFile(program, data, 0o755))
	for _, folder := range []string{s.home, filepath.Dir(program), filepath.Dir(s.home)} {
		check(t, os.Chmod(folder, 0o755))
	}
	return s, program
}

// atHome runs a program as a user with the site for a home.
func (s *site) atHome(uid uint32, name string, args ...string) (string, int) {
	command := exec.CommandContext(s.t.Context(), name, args...)
	command.Env, command.Dir = append(s.env, "USER=", "LOGNAME="), "/"
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	output, err := command.CombinedOutput()
	if command.ProcessState == nil {
		s.t.Fatal(err)
	}
	return string(output), command.ProcessState.ExitCode()
}

// ofRoot are the files of root's below a folder.
func ofRoot(t *testing.T, folder string) (found []string) {
	t.Helper()
	check(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		check(t, err)
		info, err := entry.Info()
		check(t, err)
		if info.Sys().(*syscall.Stat_t).Uid == 0 {
			found = append(found, path)
		}
		return nil
	}))
	return found
}

const ownerConfig = `
repositories: {r: {location: "${WORK}/repo", encryption: none, borg: "${BORG}", env: {BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: "yes"}}}
jobs: {home: {repository: r, sources: ["${WORK}/data"], retention: keep_all, retry: {retries: 1, wait: 1s}}}
`

// The classic trap, from both sides: root in a user's home would leave files in the user's cache that are closed to the user; and
// where that has happened, by hand with borg itself, the user's run says so instead of borg's traceback.
func TestWrongOwner(t *testing.T) {
	t.Parallel()
	eachBorg(t, func(t *testing.T, borg string) {
		s, program := userSite(t, borg, ownerConfig)
		must := func(uid uint32, args ...string) {
			t.Helper()
			if output, code := s.atHome(uid, program, args...); code != 0 {
				t.Fatalf("%v: %d\n%s", args, code, output)
			}
		}
		refused := func(uid uint32, words string, args ...string) {
			t.Helper()
			if output, code := s.atHome(uid, program, args...); code != 2 || !strings.Contains(output, words) || strings.Contains(output, "Traceback") {
				t.Errorf("%v: %d, it does not say %q:\n%s", args, code, words, output)
			}
		}
		must(nobody, "init")
		must(nobody, "run")

		// Root with the user's home, and a state and a configuration of its own.
		own := filepath.Join(t.TempDir(), "own.yaml")
		check(t, os.WriteFile(own, []byte("paths: {state: \""+filepath.Dir(own)+"/state\"}\n"+ownerConfig), 0o600))
		refused(0, "run as that user: sudo -H -u ", "run", "--config", own)
		refused(0, "cache-owner", "doctor", "--config", own)
		if left := ofRoot(t, s.home); len(left) > 0 {
			t.Errorf("root has left: %v", left)
		}

		// A borg of root's by hand leaves what closes the cache to its owner.
		if output, code := s.atHome(0, borg, "create", s.path("repo")+"::by-hand", s.path("data")); code != 0 {
			t.Fatalf("borg: %d\n%s", code, output)
		}
		left := ofRoot(t, s.path(".cache"))
		if len(left) == 0 {
			t.Fatal("borg itself leaves nothing of root's in the cache: what is all this for?")
		}
		run(t, "chown", "-R", "65534:65534", s.path("repo"), s.path(".config")) // of the repository borg itself speaks
		refused(nobody, "as root: chown -R ", "run")
		refused(nobody, "cache-owner", "doctor")
		run(t, "chown", "-R", "65534:65534", s.path(".cache"))
		must(nobody, "run")
	})
}
