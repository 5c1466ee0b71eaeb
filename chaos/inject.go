package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// strike waits for the moment of a fault and has it happen. It tells when that was, in seconds after the run began;
// negative if the run had no such moment, or nothing to hit.
func (r *round) strike(ctx context.Context, s *start, f fault) float64 {
	if !s.await(f.at, r.world.usual) {
		return -1
	}
	if !r.inject(ctx, s, f) {
		return -1
	}
	return time.Since(s.began).Seconds()
}

// await waits for a moment of a run; it tells whether it came.
func (s *start) await(at moment, usual time.Duration) bool {
	if at.step == "" {
		return s.pause(time.Duration(at.fraction * float64(usual)))
	}
	select {
	case <-s.done:
		return false
	case <-s.steps[at.step]:
		return s.pause(at.delay)
	}
}

// inject has a fault happen to a run that is going on, and sees to its end. It tells whether there was anything to hit.
func (r *round) inject(ctx context.Context, s *start, f fault) bool {
	w := r.world
	switch f.kind {
	case "kill":
		return r.hit(s, f, syscall.SIGKILL)
	case "term":
		return r.hit(s, f, syscall.SIGTERM)
	case "int":
		return r.hit(s, f, syscall.SIGINT)
	case "hup":
		return r.hit(s, f, syscall.SIGHUP)
	case "term_twice":
		return r.hit(s, f, syscall.SIGTERM) && s.pause(300*time.Millisecond) && r.hit(s, f, syscall.SIGTERM)
	case "stop":
		return r.stop(s, f)
	case "cut":
		w.server.cut()
	case "freeze":
		w.server.freeze(true)
		r.later(s, f.lasts, func() { w.server.freeze(false) })
	case "refuse":
		w.server.refuse(true)
		w.server.cut()
		r.later(s, f.lasts, func() { w.server.refuse(false) })
	case "full":
		return r.fill(map[string]string{"repository": "repository-disk"}[f.target], f.target)
	case "vanishing":
		r.vanish(s)
	case "changing":
		r.change(s)
	case "second_start":
		r.startMore(ctx, f.target)
	}
	return true
}

// hit sends a signal to all that the fault means, as soon as there are any.
func (r *round) hit(s *start, f fault, number syscall.Signal) bool {
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		if found := r.world.of(f.target); len(found) > 0 {
			send(found, number)
			return true
		}
		if !s.pause(10 * time.Millisecond) {
			break
		}
	}
	return false
}

// stop freezes processes, and lets them go on later.
func (r *round) stop(s *start, f fault) bool {
	if !r.hit(s, f, syscall.SIGSTOP) {
		return false
	}
	r.later(s, f.lasts, func() { send(r.world.of("all"), syscall.SIGCONT) })
	return true
}

// later undoes something when it has lasted long enough, at the latest when the run has ended.
func (r *round) later(s *start, lasts time.Duration, undo func()) {
	r.undoes(undo)
	if lasts > 0 && s.pause(lasts) {
		undo()
	}
}

// undoes keeps how a fault is undone at the end.
func (r *round) undoes(undo func()) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.world.undo = append(r.world.undo, undo)
}

// fill takes away the room on one of the small file systems.
func (r *round) fill(folder, target string) bool {
	if folder == "" {
		folder = target
	}
	path := r.world.path(folder, "ballast")
	var disk unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(path), &disk); err != nil {
		return false
	}
	free := int64(disk.Bavail) * disk.Bsize //nolint:gosec // of a small file system
	margin := r.random.Int64N(8) * r.random.Int64N(64<<10)
	file, err := os.Create(path)
	if err != nil {
		return false
	}
	defer file.Close()
	r.undoes(func() { _ = os.Remove(path) })
	r.mutex.Lock()
	r.full[target] = true
	r.mutex.Unlock()
	return unix.Fallocate(int(file.Fd()), 0, 0, max(free-margin, 1)) == nil
}

// vanish removes files while the run goes on.
func (r *round) vanish(s *start) {
	for i := range 60 {
		for _, job := range jobs {
			name := filepath.Join(fmt.Sprint(i%7), fmt.Sprint(i))
			r.touched[job][name] = true
			_ = os.Remove(r.world.path("data", job, name))
		}
		if !s.pause(10 * time.Millisecond) {
			return
		}
	}
}

// change writes to files for as long as the run goes on.
func (r *round) change(s *start) {
	var names []string
	for i := range 3 {
		name := filepath.Join(fmt.Sprint((1000+i)%7), fmt.Sprint(1000+i))
		names = append(names, name)
		for _, job := range jobs {
			r.touched[job][name] = true
		}
	}
	more := make([]byte, 512)
	for size := 0; size < 4<<20; size += len(more) { // the disk has an end, and so must this
		_, _ = rand.Read(more)
		for _, job := range jobs {
			r.append(r.world.path("data", job, names[size/len(more)%len(names)]), more)
		}
		if !s.pause(2 * time.Millisecond) {
			return
		}
	}
}

func (r *round) append(path string, content []byte) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return
	}
	defer file.Close()
	_, _ = file.Write(content)
}

// startMore starts borgcron again while it is at work.
func (r *round) startMore(ctx context.Context, target string) {
	wanted := map[string][]string{
		"same_job": {"alpha"}, "other_job": {"beta"}, "five": {"alpha", "beta", "alpha", "beta"},
	}[target]
	var started []*start
	for i, job := range wanted {
		args := []string{"run", job, "--json"}
		if i%2 == 1 {
			args = append(args, "--wait", "1s")
		}
		started = append(started, r.world.start(ctx, args...))
	}
	for _, more := range started {
		more.wait()
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.more = append(r.more, started...)
}

// unreadable puts something in the place of a file that root cannot read either: the memory of a process, whose first
// page is never there (EIO). As a user the file's mode will do.
func (r *round) unreadable() error {
	name := filepath.Join("1", "8")
	for _, job := range jobs {
		path := r.world.path("data", job, name)
		r.touched[job][name] = true
		if err := os.WriteFile(path, []byte("nobody reads this"), 0o600); err != nil {
			return err
		}
		if os.Getuid() != 0 {
			if err := os.Chmod(path, 0); err != nil {
				return err
			}
			r.undoes(func() { _ = os.Chmod(path, 0o600) })
			continue
		}
		if err := unix.Mount(fmt.Sprintf("/proc/%d/mem", os.Getpid()), path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount an unreadable file: %w", err)
		}
		r.undoes(func() { _ = unix.Unmount(path, unix.MNT_DETACH) })
	}
	return nil
}

// flip turns the bits of a byte in the middle of the repository's largest segment, and does the same again to undo it.
func (w *world) flip(r *mathrand.Rand) (undo func(), err error) {
	largest, size := "", int64(0)
	segments, err := filepath.Glob(w.path("repository-disk/repository/data/*/*"))
	if err != nil {
		return nil, err
	}
	for _, path := range segments {
		if info, err := os.Stat(path); err == nil && info.Size() > size {
			largest, size = path, info.Size()
		}
	}
	if size < 1000 {
		return nil, fmt.Errorf("no segment is large enough to be damaged")
	}
	at := size/4 + r.Int64N(size/2)
	turn := func() error { return turnByte(largest, at) }
	return func() { _ = turn() }, turn()
}

func turnByte(path string, at int64) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	b := make([]byte, 1)
	if _, err := file.ReadAt(b, at); err != nil {
		return err
	}
	b[0] ^= math.MaxUint8
	_, err = file.WriteAt(b, at)
	return err
}
