package lock

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFolderIsMade(t *testing.T) {
	l := newLocker(t)
	held := acquire(t, l, 0)
	for path, want := range map[string]os.FileMode{l.Dir: 0o700, held.File().Name(): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
}

// Every mistake is refused with what is wrong and what to do, and nothing is locked.
func TestUnsafePlaces(t *testing.T) {
	tests := map[string]struct {
		spoil func(t *testing.T, l *Locker) error
		want  string
	}{
		"folder writable by its group": {
			func(t *testing.T, l *Locker) error { return os.Chmod(l.Dir, 0o770) }, "can be written by others: chmod 700 "},
		"folder writable by all": {
			func(t *testing.T, l *Locker) error { return os.Chmod(l.Dir, 0o777|os.ModeSticky) }, "can be written by others: chmod 700 "},
		"state folder writable by all": {
			func(t *testing.T, l *Locker) error { return os.Chmod(filepath.Dir(l.Dir), 0o777) }, "can be written by others: chmod 755 "},
		"folder is a symbolic link": {
			func(t *testing.T, l *Locker) error {
				return replace(l.Dir, func() error { return os.Symlink(t.TempDir(), l.Dir) })
			}, "is a symbolic link: remove it"},
		"folder is a file": {
			func(t *testing.T, l *Locker) error {
				return replace(l.Dir, func() error { return os.WriteFile(l.Dir, nil, 0o600) })
			}, "is no folder: remove it"},
		"folder of another owner": {
			func(t *testing.T, l *Locker) error {
				if os.Geteuid() != 0 {
					t.Skip("only root can give a folder away")
				}
				return os.Chown(l.Dir, 65534, -1)
			}, "belongs to user 65534, not to user 0 who runs this: run as that user"},
		"file is a symbolic link": {
			func(t *testing.T, l *Locker) error {
				return os.Symlink(filepath.Join(t.TempDir(), "target"), l.path(repository))
			}, "is a symbolic link: remove it"},
		"file is a pipe": {
			func(t *testing.T, l *Locker) error { return unix.Mkfifo(l.path(repository), 0o600) }, "is no regular file: remove it"},
		"file is a folder": {
			func(t *testing.T, l *Locker) error { return os.Mkdir(l.path(repository), 0o700) }, "is no regular file: remove it"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := newLocker(t)
			if err := os.MkdirAll(l.Dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := test.spoil(t, l); err != nil {
				t.Fatal(err)
			}
			_, err := l.Acquire(t.Context(), repository, "home", 0)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Acquire: %v, want %q", err, test.want)
			}
		})
	}
}

func replace(path string, with func() error) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return with()
}

func TestFolderNotWritable(t *testing.T) {
	for _, spoiled := range []string{"state/locks", "state", "."} {
		t.Run(spoiled, func(t *testing.T) {
			l := newLocker(t)
			root := filepath.Dir(filepath.Dir(l.Dir))
			path := filepath.Join(root, spoiled)
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, 0o555); err != nil {
				t.Fatal(err)
			}
			defer os.Chmod(path, 0o700)
			asNobody(func() {
				_, err := l.Acquire(t.Context(), repository, "home", 0)
				if err == nil || !strings.Contains(err.Error(), "permission denied") || !strings.Contains(err.Error(), "writable") {
					t.Errorf("Acquire: %v", err)
				}
			})
		})
	}
}

// asNobody runs f, if the tests run as root, on a thread whose access to files is that of an ordinary user.
func asNobody(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if os.Geteuid() == 0 {
			runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
			leaveRoot()
		}
		f()
	}()
	<-done
}
