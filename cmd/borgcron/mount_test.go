package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const mountConfig = `
repositories: {near: {location: "${WORK}/repo", borg: "${BORG}", passphrase: {file: "${WORK}/pass"}}}
defaults: {repository: near, bootstrap: false, retention: keep_all, check: {every: never}, retry: {retries: 0}}
jobs:
  home: {sources: ["${WORK}/data"]}
  work: {sources: ["${WORK}/data"]}
`

// needFUSE skips a test where nothing can be mounted: borg itself is asked.
func needFUSE(t *testing.T, borg string) {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil {
		missing(t, "no FUSE: "+err.Error())
	}
	home, dir := t.TempDir(), t.TempDir()
	script := `"$0" init -e none "$1/r" && mkdir "$1/d" && "$0" create "$1/r::a" "$1/d" && "$0" mount "$1/r" "$2" && { fusermount3 -u "$2" || fusermount -u "$2" || umount "$2"; }`
	command := exec.Command("sh", "-c", script, borg, home, dir)
	command.Env = append(os.Environ(), "HOME="+home)
	if output, err := command.CombinedOutput(); err != nil {
		missing(t, "this borg cannot mount here; make setup gets what it needs, as far as the machine lets it:\n"+string(output))
	}
}

// newMountSite is one with two archives of job home, and one of job work. What is left mounted is unmounted in the end.
func newMountSite(t *testing.T, borg string) *site {
	t.Helper()
	s := newSite(t, borg, mountConfig)
	check(t, os.WriteFile(s.path("pass"), []byte("a passphrase\n"), 0o600))
	s.fillMount()
	return s
}

func (s *site) fillMount() {
	s.t.Helper()
	check(s.t, os.WriteFile(s.path("data", "file"), []byte("first"), 0o600))
	check(s.t, os.Mkdir(s.path("mnt"), 0o755))
	s.must("init")
	s.must("run")
	check(s.t, os.WriteFile(s.path("data", "file"), []byte("second"), 0o600))
	s.must("run", "home")
	s.t.Cleanup(func() { _ = exec.Command("umount", "-l", s.path("mnt")).Run() })
}

// mounted are the files named file below the mount, with their content.
func (s *site) mounted() (contents []string) {
	s.t.Helper()
	check(s.t, filepath.WalkDir(s.path("mnt"), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.Name() != "file" {
			return err
		}
		content, err := os.ReadFile(path)
		contents = append(contents, string(content))
		return err
	}))
	return contents
}

// As long as archives are mounted nobody else gets at the repository, although no borgcron runs any more; a run that waits
// goes on when they are unmounted.
func TestMount(t *testing.T) {
	t.Parallel()
	eachBorg(t, func(t *testing.T, borg string) {
		needFUSE(t, borg)
		s := newMountSite(t, borg)
		output := s.must("mount", "home", s.path("mnt"))
		if !strings.Contains(output, "2 archives of job home") || !strings.Contains(output, "backups to this repository wait until: borgcron umount "+s.path("mnt")) {
			t.Errorf("it does not say what that means:\n%s", output)
		}
		if got := s.mounted(); len(got) != 2 || got[0] != "first" || got[1] != "second" {
			t.Errorf("mounted: %q", got)
		}
		output = s.want(75, "run", "work", "--wait", "0s")
		if !strings.Contains(output, "mounted at "+s.path("mnt")+" since ") || !strings.Contains(output, "borgcron umount") {
			t.Errorf("the run does not say who holds the lock:\n%s", output)
		}
		if output, _ := s.borgcron("status", "work"); !strings.Contains(output, "the archives are mounted") || strings.Contains(output, s.path("mnt")) {
			t.Errorf("status, which everybody may read:\n%s", output)
		}
		if output := s.want(75, "unlock", "home"); !strings.Contains(output, "mounted at "+s.path("mnt")) {
			t.Errorf("unlock:\n%s", output)
		}
		waiting := s.start("run", "home", "--wait", "1m", "--verbose")
		if output := s.want(2, "mount", "home", s.path("mnt")); !strings.Contains(output, "already mounted") {
			t.Errorf("mounted twice:\n%s", output)
		}
		if got := s.mounted(); len(got) != 2 {
			t.Errorf("while a run waits: %q", got)
		}
		if output := s.must("umount", s.path("mnt")); !strings.Contains(output, "unmounted") {
			t.Errorf("umount:\n%s", output)
		}
		if code := waiting.wait(); code != 0 {
			t.Errorf("the run that waited ends with %d:\n%s", code, waiting.text())
		}
		if output := s.want(2, "umount", s.path("mnt")); !strings.Contains(output, "nothing is mounted at") {
			t.Errorf("unmounted twice:\n%s", output)
		}
	})
}

// umount says that borg has let go when it has: whatever comes next finds the repository free.
func TestUmountLeavesNothingLocked(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		needFUSE(t, borg)
		s := newMountSite(t, borg)
		for range 5 {
			s.must("mount", "home", s.path("mnt"), "--archive", "latest~1")
			if got := s.mounted(); len(got) != 1 || got[0] != "first" {
				t.Errorf("mounted: %q", got)
			}
			s.must("umount", s.path("mnt"))
			if output := s.must("unlock", "home", "--wait", "0s"); !strings.Contains(output, "nothing is locked") {
				t.Errorf("after umount:\n%s", output)
			}
		}
	})
}

// What somebody uses is not unmounted.
func TestUmountOfWhatIsUsed(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		needFUSE(t, borg)
		s := newMountSite(t, borg)
		s.must("mount", "home", s.path("mnt"))
		used, err := os.Open(s.path("mnt"))
		check(t, err)
		output := s.want(2, "umount", s.path("mnt"))
		if !strings.Contains(output, "is in use") || !strings.Contains(output, "fuser -vm") || len(s.mounted()) != 2 {
			t.Errorf("umount of what is used:\n%s", output)
		}
		check(t, used.Close())
		s.must("umount", s.path("mnt"))
	})
}

// In the foreground a signal unmounts; so does umount.
func TestMountInForeground(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		needFUSE(t, borg)
		s := newMountSite(t, borg)
		for name, end := range map[string]func(b *started){
			"SIGINT":  func(b *started) { b.signal(syscall.SIGINT) },
			"SIGTERM": func(b *started) { b.signal(syscall.SIGTERM) },
			"umount":  func(*started) { s.must("umount", s.path("mnt")) },
			"SIGINT while it is used": func(b *started) {
				used, err := os.Open(s.path("mnt"))
				check(t, err)
				t.Cleanup(func() { used.Close() })
				b.signal(syscall.SIGINT)
			},
		} {
			b := s.start("mount", "home", s.path("mnt"), "--foreground")
			b.await("backups to this repository wait until: Ctrl-C")
			if got := s.mounted(); len(got) < 2 {
				t.Errorf("%s: mounted: %q", name, got)
			}
			end(b)
			if code := b.endsWithin(30 * time.Second); code != 0 {
				t.Errorf("%s: it ends with %d:\n%s", name, code, b.text())
			}
			if entries, err := os.ReadDir(s.path("mnt")); err != nil || len(entries) > 0 {
				t.Errorf("%s: still mounted: %v, %v", name, entries, err)
			}
			s.must("run", "home", "--wait", "20s")
		}
	})
}

// A borg that was killed leaves a folder that cannot be read, and no lock. umount clears it.
func TestMountOfABorgThatDied(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		needFUSE(t, borg)
		s := newMountSite(t, borg)
		b := s.start("mount", "home", s.path("mnt"), "--foreground")
		b.await("mounted at")
		for _, pid := range tree(b.pid)[1:] {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if code := b.wait(); code != 2 {
			t.Errorf("it ends with %d:\n%s", code, b.text())
		}
		s.must("run", "home", "--wait", "0s")
		if output := s.want(2, "mount", "home", s.path("mnt")); !strings.Contains(output, "borgcron umount "+s.path("mnt")) {
			t.Errorf("mount over it:\n%s", output)
		}
		s.must("umount", s.path("mnt"))
		s.must("mount", "home", s.path("mnt"))
		s.must("umount", s.path("mnt"))
	})
}

// A borg that cannot mount says so, and what it lacks is named.
func TestMountWithABorgThatCannot(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		if device, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
			missing(t, "no FUSE: "+err.Error())
		} else {
			check(t, device.Close())
		}
		s := newSite(t, borg, strings.Replace(mountConfig, "passphrase:", "env: {BORG_FUSE_IMPL: none}, passphrase:", 1))
		check(t, os.WriteFile(s.path("pass"), []byte("a passphrase\n"), 0o600))
		s.fillMount()
		if output := s.want(2, "mount", "home", s.path("mnt")); !strings.Contains(output, "install python3-pyfuse3 or python3-llfuse") {
			t.Errorf("it does not say what to do:\n%s", output)
		}
		s.must("run", "home", "--wait", "0s")
	})
}

// A mount of a repository on a server keeps the lock as well: of this machine, and borg's on the server.
func TestMountFromServer(t *testing.T) {
	oneBorg(t, func(t *testing.T, borg string) {
		needFUSE(t, borg)
		s, _ := newRemoteSite(t, borg, strings.Replace(mountConfig, `location: "${WORK}/repo",`,
			`location: "${LOCATION}", remote_path: "${BORG}", ssh: {identity: "${IDENTITY}", known_hosts: "${KNOWN_HOSTS}"},`, 1))
		check(t, os.WriteFile(s.path("pass"), []byte("a passphrase\n"), 0o600))
		s.fillMount()
		s.must("mount", "home", s.path("mnt"), "--archive", "latest")
		if got := s.mounted(); len(got) != 1 || got[0] != "second" {
			t.Errorf("mounted: %q", got)
		}
		if output := s.want(75, "run", "home", "--wait", "0s"); !strings.Contains(output, "mounted at ") {
			t.Errorf("the run does not say who holds the lock:\n%s", output)
		}
		s.must("umount", s.path("mnt"))
		s.must("run", "home", "--wait", "0s")
	})
}

// Whenever a mount is interrupted, either it is there and well, or nothing of it is.
func TestMountInterrupted(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		needFUSE(t, borg)
		s := newMountSite(t, borg)
		for moment := 100 * time.Millisecond; moment < 1800*time.Millisecond; moment += 200 * time.Millisecond {
			b := s.start("mount", "home", s.path("mnt"))
			time.Sleep(moment)
			_ = syscall.Kill(b.pid, syscall.SIGINT) // perhaps it has ended by then
			if code := b.wait(); code == 0 {
				s.must("umount", s.path("mnt"))
			}
			if entries, err := os.ReadDir(s.path("mnt")); err != nil || len(entries) > 0 {
				t.Errorf("after %v something is mounted: %v, %v\n%s", moment, entries, err, b.text())
			}
			s.must("unlock", "home", "--wait", "20s")
		}
	})
}
