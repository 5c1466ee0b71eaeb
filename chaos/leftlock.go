package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// leaveLock puts a lock of borg's into the repository, or into the cache, as it looks when it was left behind:
//
//   - reused: its process is no more, and the number has gone to another one. borg itself leaves such a lock alone;
//   - living: of a process that lives, and is older than the lock;
//   - foreign: of another host, about which nothing can be known here.
func (r *round) leaveLock(ctx context.Context, target string) error {
	w := r.world
	host, err := w.hostID(ctx)
	if err != nil {
		return err
	}
	made := time.Now()
	switch target {
	case "reused":
		made = made.Add(-100 * 24 * time.Hour)
	case "foreign":
		host = "elsewhere@42"
	}
	configs, _ := filepath.Glob(w.path("cache/*/config")) // of the cache, and of the repository
	configs = append(configs, filepath.Join(w.repository(), "config"))
	r.leftLock = filepath.Join(filepath.Dir(configs[r.random.IntN(len(configs))]), "lock.exclusive")
	holder := fmt.Sprintf("%s.%d-0", host, os.Getpid())
	roster, err := json.Marshal(map[string]any{"exclusive": [][]any{{host, os.Getpid(), 0}}})
	if err != nil {
		return err
	}
	rosterPath := filepath.Join(filepath.Dir(r.leftLock), "lock.roster")
	if err := os.Mkdir(r.leftLock, 0o755); err != nil {
		return err
	}
	for path, content := range map[string][]byte{filepath.Join(r.leftLock, holder): nil, rosterPath: roster} {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	for _, path := range []string{filepath.Join(r.leftLock, holder), r.leftLock, rosterPath} {
		if err := os.Chtimes(path, made, made); err != nil {
			return err
		}
	}
	r.undoes(func() {
		if names, _ := filepath.Glob(filepath.Join(r.leftLock, holder)); len(names) == 1 { // if it was not broken
			_ = os.RemoveAll(r.leftLock)
			_ = os.Remove(rosterPath)
		}
	})
	return nil
}

// hostID is what borg calls this machine in its locks.
func (w *world) hostID(ctx context.Context) (string, error) {
	output, err := w.ownBorg(ctx, "with-lock", w.repository(), "ls", filepath.Join(w.repository(), "lock.exclusive"))
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, output)
	}
	id, _, found := cutLast(strings.TrimSpace(output), ".")
	if !found {
		return "", fmt.Errorf("a lock of borg's is called %q", output)
	}
	return id, nil
}

func cutLast(text, separator string) (before, after string, found bool) {
	if at := strings.LastIndex(text, separator); at >= 0 {
		return text[:at], text[at+len(separator):], true
	}
	return text, "", false
}

// examineLeftLock looks whether the lock was broken only by evidence: by whom the repository is shared with nobody, and
// where the holder can be seen to be no more. Then nothing may be deleted before a check.
func (r *round) examineLeftLock(s *start) {
	if r.leftLock == "" {
		return
	}
	w := r.world
	calls := w.calls(r.mark)
	_, err := os.Lstat(r.leftLock)
	if !r.plan.is("left_lock:reused") || w.Remote || w.Clients != "single" {
		r.holds("lock_kept", err == nil && !slices.Contains(calls, "break-lock"), "a lock was broken that may be somebody's: %v", calls)
		r.holds("lock_kept", s.exit == 2, "with a lock in the way borgcron ended with %d", s.exit)
		return
	}
	broken := slices.ContainsFunc(s.events, func(e event) bool { return e.Event == "lock_broken" })
	r.holds("lock_broken", s.exit == 0 && broken, "a lock of a process that is no more kept borgcron from its work (exit code %d): %s", s.exit, s.complaint())
	r.heldBackUntilCheck(calls[slices.Index(calls, "break-lock")+1:], "a lock was broken")
}
