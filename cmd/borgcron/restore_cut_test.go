package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// restoredFiles counts the files below a folder.
func restoredFiles(dir string) (n int) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			n++
		}
		return nil
	})
	return n
}

// cutRestore starts a restore and ends it by a signal when some files are there.
func (s *site) cutRestore(signal syscall.Signal, dir string, files int, args ...string) *started {
	s.t.Helper()
	b := s.start(args...)
	eventually(s.t, func() bool { return restoredFiles(dir) > files }, func() string { return "it restores nothing:\n" + b.text() })
	b.signal(signal)
	b.endsWithin(15 * time.Second)
	return b
}

// journals are those of restores that are not whole.
func (s *site) journals() int {
	found, _ := filepath.Glob(s.path("state", "restores", "*.json"))
	return len(found)
}

// A restore that was cut off goes on with the same command, and what is whole is not written again. A newer archive changes nothing.
func TestRestoreGoesOn(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		oneBorg(t, func(t *testing.T, borg string) {
			s := newSite(t, borg, restoreConfig)
			s.write(300, 300<<10)
			for i := range 100 {
				check(t, os.Link(s.path("data", fmt.Sprint(3*i)), s.path("data", fmt.Sprintf("%d-link", 3*i))))
			}
			s.must("init")
			s.must("run")
			want := portrait(t, s.path("data"), true)
			out := filepath.Join(s.path("out"), s.path("data"))
			restore := []string{"restore", "home", "--to", s.path("out")}
			b := s.cutRestore(signal, out, 20, restore...)
			if signal == syscall.SIGTERM && (b.wait() != 128+int(signal) || !strings.Contains(b.text(), "the same command again goes on")) {
				t.Errorf("exit code %d:\n%s", b.wait(), b.text())
			}
			before := portrait(t, out, true)
			if len(before) < 20 || len(before) >= len(want) || s.journals() != 1 {
				t.Fatalf("%d of %d, %d journals", len(before), len(want), s.journals())
			}
			eventually(t, func() bool { _, code := s.borgcron("borg", "home", "--", "list"); return code == 0 }, func() string { return "borg holds the lock" })
			check(t, os.WriteFile(s.path("data", "newer"), []byte("newer"), 0o600))
			s.must("run")
			check(t, os.Remove(s.path("data", "newer")))
			inodes := map[string]uint64{}
			for path, line := range before {
				if line == want[path] && path != "" {
					inodes[path] = inode(t, out+path)
				}
			}
			if output := s.must(restore...); !strings.Contains(output, "going on with the restore that was interrupted") || !strings.Contains(output, "were there before") {
				t.Errorf("it does not say that it goes on:\n%s", output)
			}
			got := portrait(t, out, true)
			delete(want, "")
			delete(got, "") // the folder itself has got a newer time
			if diff := cmp.Diff(want, got); diff != "" || s.journals() != 0 {
				t.Errorf("not as it was (-data +restored), %d journals:\n%s", s.journals(), diff)
			}
			kept := 0
			for path, number := range inodes {
				if inode(t, out+path) == number {
					kept++
				}
			}
			if kept < len(inodes)-4 { // a file and its links may have been written anew
				t.Errorf("only %d of %d whole files were kept", kept, len(inodes))
			}
		})
	}
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Lstat(path)
	check(t, err)
	return info.Sys().(*syscall.Stat_t).Ino
}

// What was there before stays protected through a restore that was cut off.
func TestRestoreGoesOnAndProtects(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"skip", "rename"} {
		oneBorg(t, func(t *testing.T, borg string) {
			s := newSite(t, borg, restoreConfig)
			s.write(300, 300<<10)
			s.must("init")
			s.must("run")
			out := filepath.Join(s.path("out"), s.path("data"))
			check(t, os.MkdirAll(out, 0o755))
			for i := range 300 {
				if i%10 == 0 {
					check(t, os.WriteFile(filepath.Join(out, fmt.Sprint(i)), []byte("mine"), 0o600))
				}
			}
			restore := []string{"restore", "home", "--to", s.path("out")}
			s.cutRestore(syscall.SIGTERM, out, 100, append(restore, "--existing", mode)...)
			if output := s.want(64, append(restore, "--existing", "overwrite")...); !strings.Contains(output, "begun with --existing "+mode) {
				t.Error(output)
			}
			s.must(restore...)
			for i := range 300 {
				want, err := os.ReadFile(s.path("data", fmt.Sprint(i)))
				check(t, err)
				got, err := os.ReadFile(filepath.Join(out, fmt.Sprint(i)))
				check(t, err)
				old := string(got)
				if i%10 == 0 && mode == "rename" {
					aside, _ := filepath.Glob(filepath.Join(out, fmt.Sprint(i)+".before-restore-*"))
					if len(aside) != 1 {
						t.Fatalf("%d: set aside as %q", i, aside)
					}
					text, err := os.ReadFile(aside[0])
					check(t, err)
					old = string(text)
				}
				if i%10 == 0 && old != "mine" {
					t.Errorf("%d was not protected", i)
				}
				if (i%10 > 0 || mode == "rename") && string(got) != string(want) {
					t.Errorf("%d was not restored", i)
				}
			}
		})
	}
}

// On a full disk it ends at once, names what is incomplete, and goes on when there is room.
func TestRestoreOntoAFullDisk(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		s := newSite(t, borg, restoreConfig)
		s.write(60, 100<<10)
		disk := s.smallDisk("disk", "size=8m")
		s.must("init")
		s.must("run")
		output := s.want(2, "restore", "home", "--to", s.smallDisk("tiny", "size=4m"))
		if !strings.Contains(output, "6.1 MB are needed at "+s.path("tiny")+", and 4.2 MB are free there") || restoredFiles(s.path("tiny")) > 0 {
			t.Errorf("it begins, or does not say why not:\n%s", output)
		}
		check(t, os.WriteFile(filepath.Join(disk, "ballast"), make([]byte, 4<<20), 0o600))
		restore := []string{"restore", "home", "--to", filepath.Join(disk, "out"), "--yes"}
		output = s.want(2, restore...)
		if !strings.Contains(output, "the disk is full") || !strings.Contains(output, "incomplete: "+s.path("disk", "out")+s.path("data")+"/") || !strings.Contains(output, "make room") {
			t.Errorf("it does not say what is wrong:\n%s", output)
		}
		if n := restoredFiles(filepath.Join(disk, "out")); n < 20 || n > 50 {
			t.Errorf("%d files are there", n)
		}
		check(t, os.Remove(filepath.Join(disk, "ballast")))
		s.must(restore...)
		s.isBack(filepath.Join(disk, "out"))
	})
}

// What cannot be restored is named, and the rest is.
func TestRestoreNamesWhatItCannot(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		s := newSite(t, borg, restoreConfig)
		s.write(3, 100)
		check(t, os.Mkdir(s.path("data", "folder"), 0o755))
		for _, name := range []string{"a", "latin \xe9"} {
			check(t, os.WriteFile(s.path("data", "folder", name), []byte("text"), 0o600))
		}
		s.must("init")
		s.must("run")
		s.smallDisk(filepath.Join("out", s.path("data", "folder")), "ro,size=1m")
		output := s.want(1, "restore", "home", "--to", s.path("out"))
		for _, want := range []string{s.path("data", "folder", "a")[1:] + ": open: [Errno 30] Read-only file system", "/folder/latin ", "3 paths could not be restored as it was"} {
			if !strings.Contains(output, want) {
				t.Errorf("%q is not said:\n%s", want, output)
			}
		}
		if n := restoredFiles(s.path("out")); n != 3 || s.journals() != 0 {
			t.Errorf("%d files are there, %d journals", n, s.journals())
		}
	})
}

// While a restore is going on nobody prunes its archive: neither a run here, which waits for the local lock, nor a borg elsewhere.
func TestRestoreHoldsItsArchive(t *testing.T) {
	t.Parallel()
	oneBorg(t, func(t *testing.T, borg string) {
		s := newSite(t, borg, strings.Replace(restoreConfig, "keep_all", "{last: 1}", 1))
		s.write(400, 300<<10)
		s.must("init")
		s.must("run")
		out := filepath.Join(s.path("out"), s.path("data"))
		b := s.start("restore", "home", "--to", s.path("out"))
		eventually(t, func() bool { return restoredFiles(out) > 5 }, func() string { return b.text() })
		pids := tree(b.pid)
		if len(pids) < 2 {
			t.Fatalf("no borg is at work:\n%s", b.text())
		}
		borgPID := pids[len(pids)-1]
		check(t, syscall.Kill(borgPID, syscall.SIGSTOP))
		t.Cleanup(func() { _ = syscall.Kill(borgPID, syscall.SIGCONT) })
		s.want(75, "run", "home", "--wait", "0s")
		archive := strings.Fields(string(mustOutput(t, s, borg, "list", "--short", s.path("repo"))))[0]
		if output, err := byHand(s, borg, "--lock-wait=1", "delete", s.path("repo")+"::"+archive).CombinedOutput(); err == nil {
			t.Errorf("borg deleted the archive that is restored:\n%s", output)
		}
		check(t, syscall.Kill(borgPID, syscall.SIGCONT))
		if code := b.wait(); code != 0 {
			t.Errorf("exit code %d\n%s", code, b.text())
		}
		s.isBack(s.path("out"))
	})
}

// byHand is a borg that borgcron knows nothing of.
func byHand(s *site, borg string, args ...string) *exec.Cmd {
	command := exec.CommandContext(s.t.Context(), borg, args...)
	command.Env = append(s.env, "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes", "BORG_DELETE_I_KNOW_WHAT_I_AM_DOING=YES")
	return command
}

func mustOutput(t *testing.T, s *site, borg string, args ...string) []byte {
	t.Helper()
	output, err := byHand(s, borg, args...).Output()
	check(t, err)
	return output
}
