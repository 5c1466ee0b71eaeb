// Package lock lets one process of this machine at a time work on a repository, by flock on a file of its own.
//
// The kernel lets go of the lock when the last descriptor of the holder's open file is closed, however the
// processes that have one end. A borg that inherits the descriptor therefore keeps the repository locked as
// long as it lives, also after the process that started it is gone. For the same reason letting go is closing
// the file and never LOCK_UN, which would take the lock from such a borg as well.
package lock

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"borgcron/internal/machine"
)

const (
	// grace is how long an attempt lasts at least: Holder takes a shared lock for an instant, and an attempt
	// of another process that meets it must not take that for a run.
	grace      = 100 * time.Millisecond
	firstPause = 10 * time.Millisecond
	maxPause   = 250 * time.Millisecond
)

var errBusy = errors.New("the lock is held")

// ErrLost is in the chain of an error of Record if the lock file was deleted or replaced while it was held.
// Another process may hold the repository as well from then on.
var ErrLost = errors.New("the lock file was deleted or replaced while it was held")

// Locker locks repositories.
type Locker struct {
	Dir string           // of the lock files; made if missing
	Now func() time.Time // the clock of the records, nil: time.Now
}

// Acquire locks the repository with this key for the job and tries for as long as wait, at least a moment.
// It returns a *HeldError if the lock stays held, and an error with the cause of ctx if that ends. Any other
// error says why there can be no lock, and what to do.
func (l *Locker) Acquire(ctx context.Context, repository, job string, wait time.Duration) (*Held, error) {
	if err := makeFolder(l.Dir); err != nil {
		return nil, err
	}
	name := l.path(repository)
	end := time.Now().Add(max(wait, grace))
	var first *Holder
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("wait for the lock: %w", context.Cause(ctx))
		}
		file, err := open(name)
		if err == nil {
			return l.hold(file, job), nil
		}
		if !errors.Is(err, errBusy) {
			return nil, err
		}
		holder := readHolder(name)
		if first == nil {
			first = &holder
		}
		left := time.Until(end)
		if left <= 0 {
			return nil, newHeldError(*first, holder)
		}
		sleep(ctx, min(pause, left))
	}
}

// Holder tells who holds the repository with this key, without waiting. It makes no file. A holder of whom
// nothing is known has the zero value.
func (l *Locker) Holder(repository string) (Holder, bool, error) {
	name := l.path(repository)
	file, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) {
		return Holder{}, false, nil
	}
	if err != nil {
		return Holder{}, false, fmt.Errorf("look at the lock: %w", err)
	}
	defer file.Close()
	err = flock(file, unix.LOCK_SH)
	if errors.Is(err, errBusy) {
		return readHolder(name), true, nil
	}
	return Holder{}, false, err
}

// path names the lock file of a repository: something for people to recognise, and the hash that counts.
func (l *Locker) path(repository string) string {
	readable := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, path.Base(repository))
	sum := sha256.Sum256([]byte(repository))
	return filepath.Join(l.Dir, readable[:min(len(readable), 32)]+"-"+hex.EncodeToString(sum[:8])+".lock")
}

// hold writes the first record of a lock that was just taken.
func (l *Locker) hold(file *os.File, job string) *Held {
	now := l.Now
	if now == nil {
		now = time.Now
	}
	held := &Held{file: file, holder: Holder{PID: os.Getpid(), BootID: machine.BootID(), Job: job, Since: now()}}
	// The record serves people only: a full disk must not keep a backup from running.
	_ = held.write()
	return held
}

// Held is a lock that is held.
type Held struct {
	file   *os.File
	holder Holder
}

// File is the locked file, for a child to inherit.
func (h *Held) File() *os.File { return h.file }

// Record writes into the lock file which step the holder has come to. An error with ErrLost means that the
// lock no longer protects; any other one that the record could not be written.
func (h *Held) Record(step string) error {
	if !isAt(h.file, h.file.Name()) {
		return fmt.Errorf("%w: %s; nobody but borgcron may touch that folder", ErrLost, h.file.Name())
	}
	h.holder.Step = step
	return h.write()
}

// RecordMount writes into the lock file where the archives are mounted. Its errors are those of Record.
func (h *Held) RecordMount(dir string) error {
	h.holder.Mounted = dir
	return h.Record("mount")
}

// Close lets go of the lock, as far as this process is concerned. The file stays.
func (h *Held) Close() error { return h.file.Close() }

// open opens and locks the file; errBusy says that another one holds it.
func open(name string) (*os.File, error) {
	if err := checkFile(name); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock file: %w; without it no backup is made: make that folder writable", err)
	}
	err = flock(file, unix.LOCK_EX)
	if err == nil && !isAt(file, name) {
		err = errBusy // deleted between open and flock: this lock would protect nothing
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func flock(file *os.File, how int) error {
	if broken {
		return nil
	}
	for {
		switch err := unix.Flock(int(file.Fd()), how|unix.LOCK_NB); {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EWOULDBLOCK):
			return errBusy
		case err != nil:
			return fmt.Errorf("lock %s: %w; the state folder must be on a file system that knows flock", file.Name(), err)
		default:
			return nil
		}
	}
}

// isAt tells whether the open file is the one that the name leads to.
func isAt(file *os.File, name string) bool {
	opened, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(name)
	return err == nil && os.SameFile(opened, there)
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
