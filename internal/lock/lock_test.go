package lock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/machine"
)

const repository = "ssh://borg@nas.example/./laptop"

var since = time.Date(2026, 3, 1, 2, 30, 0, 0, time.FixedZone("", 3600))

func newLocker(t *testing.T) *Locker {
	t.Helper()
	return &Locker{Dir: filepath.Join(t.TempDir(), "state", "locks"), Now: func() time.Time { return since }}
}

func acquire(t *testing.T, l *Locker, wait time.Duration) *Held {
	t.Helper()
	held, err := l.Acquire(t.Context(), repository, "home", wait)
	if err != nil {
		t.Fatalf("Acquire: %v", err)
	}
	t.Cleanup(func() { held.Close() })
	return held
}

func TestHolderIsNamed(t *testing.T) {
	l := newLocker(t)
	if _, held, err := l.Holder(repository); held || err != nil {
		t.Errorf("Holder before the first lock = %v, %v", held, err)
	}
	if _, err := os.Stat(l.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Holder made the folder: %v", err)
	}
	held := acquire(t, l, 0)
	if err := held.Record("create"); err != nil {
		t.Error(err)
	}
	want := Holder{PID: os.Getpid(), BootID: machine.BootID(), Job: "home", Step: "create", Since: since}
	got, isHeld, err := l.Holder(repository)
	if diff := cmp.Diff(want, got); diff != "" || !isHeld || err != nil {
		t.Errorf("Holder = %v, %v (-want +got)\n%s", isHeld, err, diff)
	}
	_, err = l.Acquire(t.Context(), repository, "other", 0)
	var heldError *HeldError
	if !errors.As(err, &heldError) {
		t.Fatalf("second Acquire: %v", err)
	}
	if diff := cmp.Diff(&HeldError{PID: os.Getpid(), Job: "home", Step: "create", Since: since}, heldError); diff != "" {
		t.Errorf("HeldError (-want +got)\n%s", diff)
	}
	if strings.Contains(err.Error(), "nas.example") || !strings.HasPrefix(err.Error(), "locked by job home (pid ") ||
		!strings.HasSuffix(err.Error(), ") since 2026-03-01 02:30:00") {
		t.Errorf("message: %s", err)
	}
	if _, err := l.Acquire(t.Context(), "/mnt/other", "other", 0); err != nil {
		t.Errorf("another repository: %v", err)
	}
	if err := held.Close(); err != nil {
		t.Error(err)
	}
	if _, isHeld, err := l.Holder(repository); isHeld || err != nil {
		t.Errorf("Holder after Close = %v, %v", isHeld, err)
	}
	acquire(t, l, 0)
}

// Archives that are mounted keep the lock without the process that took it; whoever waits is told where and what to do.
func TestMountIsNamed(t *testing.T) {
	l := newLocker(t)
	held := acquire(t, l, 0)
	if err := held.RecordMount("/mnt/archives"); err != nil {
		t.Fatal(err)
	}
	want := Holder{PID: os.Getpid(), BootID: machine.BootID(), Job: "home", Step: "mount", Since: since, Mounted: "/mnt/archives"}
	got, isHeld, err := l.Holder(repository)
	if diff := cmp.Diff(want, got); diff != "" || !isHeld || err != nil {
		t.Errorf("Holder = %v, %v (-want +got)\n%s", isHeld, err, diff)
	}
	_, err = l.Acquire(t.Context(), repository, "other", 0)
	if err == nil || err.Error() != "locked by job home: mounted at /mnt/archives since 2026-03-01 02:30:00; to go on: borgcron umount /mnt/archives" {
		t.Errorf("Acquire: %v", err)
	}
	held.Close()
	if got := acquire(t, l, 0); got.holder.Mounted != "" {
		t.Errorf("the next holder: %+v", got.holder)
	}
}

// The records of a long and then a short job: nothing of the long one may be left.
func TestRecordIsReplaced(t *testing.T) {
	l := newLocker(t)
	held := acquire(t, l, 0)
	for _, step := range []string{strings.Repeat("x", 200), "check"} {
		if err := held.Record(step); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(l.path(repository))
	if err != nil || strings.Count(string(text), "\n") != 1 || !strings.HasSuffix(string(text), "}\n") {
		t.Errorf("record %q, %v", text, err)
	}
}

func TestWaitIsObeyed(t *testing.T) {
	l := newLocker(t)
	acquire(t, l, 0)
	for _, wait := range []time.Duration{0, 20 * time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			_, err := l.Acquire(t.Context(), repository, "other", wait)
			var held *HeldError
			if !errors.As(err, &held) {
				t.Errorf("Acquire: %v", err)
			}
			if took := time.Since(began); took != max(wait, grace) {
				t.Errorf("wait %v took %v", wait, took)
			}
		})
	}
}

func TestLockIsTakenWhenFreed(t *testing.T) {
	l := newLocker(t)
	held := acquire(t, l, 0)
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		time.AfterFunc(10*time.Minute, func() { held.Close() })
		second, err := l.Acquire(t.Context(), repository, "other", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		defer second.Close()
		if late := time.Since(began) - 10*time.Minute; late < 0 || late > maxPause {
			t.Errorf("taken %v after it was freed", late)
		}
	})
}

func TestContextEndsTheWait(t *testing.T) {
	l := newLocker(t)
	acquire(t, l, 0)
	stopped := errors.New("stopped")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(stopped) })
		began := time.Now()
		_, err := l.Acquire(ctx, repository, "other", time.Hour)
		if !errors.Is(err, stopped) || time.Since(began) != time.Minute {
			t.Errorf("Acquire = %v after %v", err, time.Since(began))
		}
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopped)
	if _, err := l.Acquire(ctx, "/free", "other", time.Hour); !errors.Is(err, stopped) {
		t.Errorf("Acquire with an ended context: %v", err)
	}
}

// A waiter that gets the lock of a file which is no longer at its path must not believe in it.
func TestDeletedFileIsNoLock(t *testing.T) {
	l := newLocker(t)
	name := l.path(repository)
	held := acquire(t, l, 0)
	waiter, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer waiter.Close()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := held.Record("create"); !errors.Is(err, ErrLost) {
		t.Errorf("Record after the file was deleted: %v", err)
	}
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := held.Record("create"); !errors.Is(err, ErrLost) {
		t.Errorf("Record after the file was replaced: %v", err)
	}
	if isAt(waiter, name) {
		t.Error("the deleted file is taken for the one at the path")
	}
	held.Close()
	if err := acquire(t, l, 0).Record("create"); err != nil {
		t.Errorf("the new file cannot be locked: %v", err)
	}
}

func TestRubbishInTheRecord(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "binary": "\x00\xff\xfe", "list": "[1]", "no pid": `{"job":"x"}`, "negative": `{"pid":-1,"job":"x"}`,
		"huge": strings.Repeat("x", 1<<20), "cut": `{"pid":12,"job":"ho`,
	} {
		t.Run(name, func(t *testing.T) {
			l := newLocker(t)
			held := acquire(t, l, 0)
			if err := os.WriteFile(l.path(repository), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := l.Acquire(t.Context(), repository, "other", 0)
			if err == nil || err.Error() != "locked by another process" {
				t.Errorf("Acquire: %v", err)
			}
			if err := held.Record("create"); err != nil {
				t.Error(err)
			}
			if got, _, _ := l.Holder(repository); got.Step != "create" {
				t.Errorf("record after rubbish: %+v", got)
			}
		})
	}
}

func TestPathsDiffer(t *testing.T) {
	l := &Locker{Dir: "/locks"}
	seen := map[string]string{}
	for _, key := range []string{"", "/", "/a", "/a/b", "/A/B", "/x/b", "../..", "a\nb", "ä/b", "host:repo",
		"ssh://h/./b", "ssh://h/b", "/" + strings.Repeat("long", 100), "/" + strings.Repeat("long", 101)} {
		name := l.path(key)
		lower := strings.ToLower(name)
		if other, ok := seen[lower]; ok {
			t.Errorf("%q and %q have one lock", key, other)
		}
		seen[lower] = key
		if filepath.Dir(name) != "/locks" || len(filepath.Base(name)) > 60 || strings.ContainsAny(filepath.Base(name), "\n :") {
			t.Errorf("%q: bad name %q", key, name)
		}
	}
}

// Many goroutines, each through an open file of its own, and onlookers between them.
func TestOneAtATime(t *testing.T) {
	l := newLocker(t)
	var inside, done atomic.Int32 // atomic for the race detector, which does not know flock
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			for range 5 {
				held, err := l.Acquire(t.Context(), repository, "home", time.Minute)
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d hold the lock", n)
				}
				if _, isHeld, err := l.Holder(repository); !isHeld || err != nil {
					t.Errorf("Holder while held = %v, %v", isHeld, err)
				}
				inside.Add(-1)
				done.Add(1)
				held.Close()
			}
		})
	}
	group.Wait()
	if n := done.Load(); n != 100 {
		t.Errorf("%d of 100 turns", n)
	}
}

func FuzzParseHolder(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"pid":1,"job":"home","since":"2026-03-01T02:30:00+01:00"}` + "\n",
		`{"pid":1,"job":"\u001b[2J"}{"pid"`, `{"pid":1e99}`, `{"since":0}`, "null"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		holder := parseHolder(strings.NewReader(text))
		if holder.PID < 0 || holder.PID == 0 && holder != (Holder{}) {
			t.Errorf("%q: %+v", text, holder)
		}
		message := newHeldError(holder, holder).Error()
		if message != clean(message) {
			t.Errorf("%q: message %q", text, message)
		}
	})
}
