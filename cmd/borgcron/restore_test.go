package main

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

const restoreConfig = `
repositories: {near: {location: "${WORK}/repo", borg: "${BORG}", encryption: none}}
jobs: {home: {repository: near, sources: ["${WORK}/data"], bootstrap: false, retention: keep_all, check: {every: never}, retry: {retries: 0}}}
`

var farRestoreConfig = strings.Replace(restoreConfig, `location: "${WORK}/repo", borg: "${BORG}",`,
	`location: "${LOCATION}", borg: "${BORG}", remote_path: "${BORG}", ssh: {identity: "${IDENTITY}", known_hosts: "${KNOWN_HOSTS}"},`, 1)

// oddTree fills a folder with all that a file system takes and borg restores, and a socket, which it leaves out.
func oddTree(t *testing.T, dir string) {
	t.Helper()
	names := []string{"new\nline", "tab\there", "re\rturn", "latin \xe9\xff", "-dash", "--option", " blank ", "#", "*?[a]", "{now}", "pp:x", "\\", strings.Repeat("n", 255)}
	random := rand.New(rand.NewPCG(1, 2))
	for i, name := range names {
		check(t, os.MkdirAll(filepath.Join(dir, "odd", name), 0o755))
		data := make([]byte, random.IntN(5000))
		for at := range data {
			data[at] = byte(random.Uint32())
		}
		for _, path := range []string{filepath.Join(dir, "odd", name, name), filepath.Join(dir, name)} {
			check(t, os.WriteFile(path, data, os.FileMode(0o400+i)))
		}
	}
	deep := dir
	for range 20 {
		deep = filepath.Join(deep, strings.Repeat("d", 50))
	}
	check(t, os.MkdirAll(deep, 0o755))
	check(t, os.WriteFile(filepath.Join(deep, "file"), []byte("deep"), 0o644))
	sparse, err := os.Create(filepath.Join(dir, "sparse"))
	check(t, err)
	check(t, sparse.Truncate(300<<20))
	_, err = sparse.WriteAt([]byte("in the middle"), 150<<20)
	check(t, errors.Join(err, sparse.Close()))
	large := make([]byte, 24<<20)
	for at := 0; at < len(large); at += 8 {
		binary.LittleEndian.PutUint64(large[at:], random.Uint64())
	}
	check(t, os.WriteFile(filepath.Join(dir, "large"), large, 0o640))
	check(t, os.WriteFile(filepath.Join(dir, "empty"), nil, 0o600))
	for _, link := range []string{"hard1", "odd/hard2"} {
		check(t, os.Link(filepath.Join(dir, "large"), filepath.Join(dir, link)))
	}
	check(t, os.Symlink("large", filepath.Join(dir, "link")))
	check(t, os.Symlink("/nowhere/at all\xff", filepath.Join(dir, "dangling")))
	check(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o620))
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "s"), Net: "unix"})
	if err == nil { // the path may be too long for a socket
		listener.SetUnlinkOnClose(false)
		check(t, listener.Close())
	}
	check(t, os.WriteFile(filepath.Join(dir, "attributes"), []byte("x"), 0o644))
	for _, path := range []string{"attributes", "odd"} {
		for _, attribute := range []struct {
			name  string
			value []byte
		}{{"user.borgcron", []byte("value\x00of it")}, {"system.posix_acl_access", someACL()}} {
			if err := unix.Setxattr(filepath.Join(dir, path), attribute.name, attribute.value, 0); err != nil {
				t.Logf("without %s: %v", attribute.name, err)
			}
		}
	}
	check(t, os.Chmod(filepath.Join(dir, "empty"), 0o4755))
	check(t, os.Chmod(filepath.Join(dir, "odd", "-dash"), 0o1711))
	if os.Getuid() == 0 {
		check(t, os.Lchown(filepath.Join(dir, "large"), 1234, 4321))
		check(t, os.Lchown(filepath.Join(dir, "link"), 1234, 4321))
	}
	ancient := time.Date(1999, 12, 31, 23, 59, 59, 123456789, time.UTC)
	for i, path := range []string{"odd/new\nline", "sparse", "large", "dangling", "fifo", "odd", "."} {
		stamp := unix.NsecToTimespec(ancient.Add(time.Duration(i) * 987654321 * time.Hour / 1000).UnixNano())
		check(t, unix.UtimesNanoAt(unix.AT_FDCWD, filepath.Join(dir, path), []unix.Timespec{stamp, stamp}, unix.AT_SYMLINK_NOFOLLOW))
	}
}

// someACL lets user 1234 read, see acl(5) and the kernel's posix_acl_xattr.h.
func someACL() []byte {
	text := binary.LittleEndian.AppendUint32(nil, 2)
	for _, entry := range []struct {
		tag, rights uint16
		id          uint32
	}{{1, 7, ^uint32(0)}, {2, 5, 1234}, {4, 5, ^uint32(0)}, {16, 5, ^uint32(0)}, {32, 4, ^uint32(0)}} {
		text = binary.LittleEndian.AppendUint16(text, entry.tag)
		text = binary.LittleEndian.AppendUint16(text, entry.rights)
		text = binary.LittleEndian.AppendUint32(text, entry.id)
	}
	return text
}

// portrait is all that is to be the same of a tree, a line a path. Sockets are left out.
func portrait(t *testing.T, dir string, owners bool) map[string]string {
	t.Helper()
	found, links := map[string]string{}, map[uint64]string{}
	check(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type() == fs.ModeSocket {
			return err
		}
		var stat unix.Stat_t
		if err := unix.Lstat(path, &stat); err != nil {
			return err
		}
		name := strings.TrimPrefix(path, dir)
		line := fmt.Sprintf("%o %d.%09d", stat.Mode, stat.Mtim.Sec, stat.Mtim.Nsec)
		if owners {
			line += fmt.Sprintf(" %d:%d", stat.Uid, stat.Gid)
		}
		switch {
		case entry.Type() == fs.ModeSymlink:
			to, err := os.Readlink(path)
			found[name] = line + " -> " + to
			return err
		case entry.Type().IsRegular():
			file, err := os.Open(path)
			if err != nil {
				return err
			}
			defer file.Close()
			sum := sha256.New()
			if _, err := io.Copy(sum, file); err != nil {
				return err
			}
			line += fmt.Sprintf(" %d %x", stat.Size, sum.Sum(nil)[:8])
			if stat.Nlink > 1 {
				if links[stat.Ino] == "" {
					links[stat.Ino] = name
				}
				line += " = " + links[stat.Ino]
			}
		}
		names := make([]byte, 4096)
		n, err := unix.Llistxattr(path, names)
		if err != nil && !errors.Is(err, unix.ENOTSUP) {
			return err
		}
		for _, attribute := range slices.Sorted(strings.SplitSeq(string(names[:max(n, 0)]), "\x00")) {
			value := make([]byte, 4096)
			if n, err := unix.Lgetxattr(path, attribute, value); err == nil && attribute != "" {
				line += fmt.Sprintf(" %s=%x", attribute, value[:n])
			}
		}
		found[name] = line
		return nil
	}))
	return found
}

// isBack demands that what was restored below dir is what the site's data are.
func (s *site) isBack(dir string) {
	s.t.Helper()
	want, got := portrait(s.t, s.path("data"), true), portrait(s.t, filepath.Join(dir, s.path("data")), true)
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("not as it was (-data +restored):\n%s", diff)
	}
}

// All of a tree comes back as it was, in every way in which it can be asked for.
func TestRestoreIsAsItWas(t *testing.T) {
	t.Parallel()
	eachBorg(t, func(t *testing.T, borg string) {
		s := newSite(t, borg, restoreConfig)
		s.restoresAll()
	})
}

// The same from a server.
func TestRestoreFromServer(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		s, _ := newRemoteSite(t, borg, farRestoreConfig)
		s.restoresAll()
	})
}

func (s *site) restoresAll() {
	t := s.t
	oddTree(t, s.path("data"))
	s.must("init")
	s.must("run")
	if output := s.must("restore", "home", "--to", s.path("all")); !strings.Contains(output, "restored to "+s.path("all")) {
		t.Errorf("it says:\n%s", output)
	}
	s.isBack(s.path("all"))
	var stat unix.Stat_t
	check(t, unix.Stat(filepath.Join(s.path("all"), s.path("data", "sparse")), &stat))
	if bytes := stat.Blocks * 512; bytes > 64<<20 {
		t.Errorf("the sparse file takes %d bytes on the disk", bytes)
	}
	listings, _ := filepath.Glob(s.path("state", "listings", "*", "*.listing"))
	if len(listings) > 0 {
		t.Errorf("borg was asked for the list of files, which is not needed: %q", listings)
	}

	// By a path, and over what is there.
	s.must("restore", "home", s.path("data"), "--to", s.path("path"))
	s.isBack(s.path("path"))
	s.must("restore", "home", "--to", s.path("path"), "--existing", "overwrite")
	s.isBack(s.path("path"))
	check(t, os.Remove(filepath.Join(s.path("path"), s.path("data", "odd", "new\nline", "new\nline"))))
	s.must("restore", "home", "--to", s.path("path"), "--existing", "skip")
	if _, err := os.Stat(filepath.Join(s.path("path"), s.path("data", "odd", "new\nline", "new\nline"))); err != nil {
		t.Error(err)
	}

	// In place, when it is gone.
	want := portrait(t, s.path("data"), true)
	check(t, os.RemoveAll(s.path("data")))
	s.must("restore", "home", "--in-place", "--yes")
	if diff := cmp.Diff(want, portrait(t, s.path("data"), true)); diff != "" {
		t.Errorf("in place (-was +is):\n%s", diff)
	}
}

// What a user backed up he gets back; what is not his becomes his.
func TestRestoreAsUser(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can be another user as well; the other tests are a user's then")
	}
	oneBorg(t, func(t *testing.T, borg string) {
		s := newSite(t, borg, restoreConfig)
		oddTree(t, s.path("data"))
		for path := s.home; path != "/tmp" && path != "/"; path = filepath.Dir(path) {
			check(t, os.Chmod(path, 0o755))
		}
		check(t, filepath.WalkDir(s.home, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || strings.HasSuffix(path, "/large") || strings.HasSuffix(path, "hard1") || strings.HasSuffix(path, "hard2") {
				return err
			}
			mode := entry.Type()
			if info, err := entry.Info(); err == nil {
				mode = info.Mode()
			}
			if err := os.Lchown(path, nobody, nobody); err != nil || mode.Type() == fs.ModeSymlink {
				return err
			}
			return os.Chmod(path, mode) // chown took its special bits
		}))
		check(t, os.Chmod(s.path("data", "large"), 0o644))
		installed, err := exec.LookPath("borgcron")
		check(t, err)
		text, err := os.ReadFile(installed)
		check(t, err)
		check(t, os.WriteFile(s.path("borgcron"), text, 0o755))
		as := func(args ...string) string {
			command := exec.Command(s.path("borgcron"), args...)
			command.Env, command.Dir = s.env, "/"
			command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			output, err := command.CombinedOutput()
			if err != nil {
				if strings.Contains(string(output), "permission denied") && strings.Contains(string(output), "borg cannot be started") {
					t.Skip("this borg is not for everybody")
				}
				t.Fatalf("borgcron %v: %v\n%s", args, err, output)
			}
			return string(output)
		}
		as("init")
		as("run")
		as("restore", "home", "--to", s.path("all"))
		want, got := portrait(t, s.path("data"), false), portrait(t, filepath.Join(s.path("all"), s.path("data")), false)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("not as it was (-data +restored):\n%s", diff)
		}
		info, err := os.Stat(filepath.Join(s.path("all"), s.path("data", "large")))
		check(t, err)
		if uid := info.Sys().(*syscall.Stat_t).Uid; uid != nobody {
			t.Errorf("it belongs to %d", uid)
		}
	})
}

// On a terminal a restore in place asks, and shows how far it is in one line that is gone in the end.
func TestRestoreOnTerminal(t *testing.T) {
	t.Parallel()
	tmux, err := exec.LookPath("tmux")
	if err != nil {
		missing(t, "no tmux; make setup gets one")
	}
	oneBorg(t, func(t *testing.T, borg string) {
		s := newSite(t, borg, strings.Replace(restoreConfig, "bootstrap: false,", "bootstrap: false, compression: none,", 1))
		s.write(200, 2<<20)
		s.must("init")
		s.must("run")
		program, err := exec.LookPath("borgcron")
		check(t, err)
		command := fmt.Sprintf("export HOME=%[1]s WORK=%[1]s BORG=%[2]s BORGCRON_CONFIG=%[1]s/borgcron.yaml; %[3]s restore home --in-place --existing overwrite; echo exit code $?; sleep 60",
			s.home, borg, program)
		socket := s.path("tmux")
		run(t, tmux, "-S", socket, "-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "20", "sh", "-c", command)
		t.Cleanup(func() { _ = exec.Command(tmux, "-S", socket, "kill-server").Run() })
		screen := func() string { return run(t, tmux, "-S", socket, "capture-pane", "-p", "-J") }
		eventually(t, func() bool { return strings.Contains(screen(), "Go on? [y/N]") }, screen)
		if text := screen(); !strings.Contains(text, "200 files, 419 MB from the archive") || !strings.Contains(text, "200 paths: overwritten") {
			t.Errorf("it does not say what it will do:\n%s", text)
		}
		run(t, tmux, "-S", socket, "send-keys", "y", "Enter")
		progress := regexp.MustCompile(`(?m)^\d+ of 201 entries, \d+ MB of 419 MB \(\d+%\)`)
		seen := false
		eventually(t, func() bool {
			seen = seen || progress.MatchString(screen())
			return strings.Contains(screen(), "exit code")
		}, screen)
		if text := screen(); !seen || !strings.Contains(text, "exit code 0") || !strings.Contains(text, "200 files, 419 MB restored to where it was") || progress.MatchString(text) {
			t.Errorf("progress seen: %v; in the end:\n%s", seen, text)
		}
	})
}
