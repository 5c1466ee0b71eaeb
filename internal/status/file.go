package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
)

const (
	// mostBytes is more than a file of ours ever has.
	mostBytes = 1 << 20
	// lockWait is how long another process may take to write a file.
	lockWait = 5 * time.Second
)

// errDamaged says what a file cannot be what we wrote.
type errDamaged struct{ err error }

func (e errDamaged) Error() string { return "the status file is damaged: " + e.err.Error() }
func (e errDamaged) Unwrap() error { return e.err }

// Writer keeps the files of the jobs that run, and the notice.
type Writer struct {
	State string // the state folder
	Now   func() time.Time
	Jobs  []backup.Job // all that are configured: an alarm is told to each that shares the repository
}

// Observe notes that a run begins, and how it ended; then it writes the notice anew. If the file was damaged the
// error says so, and what is to be noted is noted in a new one.
func (w *Writer) Observe(_ context.Context, e backup.Event) error {
	if e.Kind != backup.RunStarted && e.Kind != backup.RunEnded {
		return nil
	}
	now := w.Now()
	err := update(w.State, e.Target.Job.Name, now, func(file *File) {
		record := file.record(e.Target.Job, e.Target.Repository, now)
		if e.Kind == backup.RunStarted {
			record.begin(e.Run)
			return
		}
		record.end(e, now)
	})
	if e.Shared != nil {
		err = errors.Join(err, w.spread(e.Target.Repository.Key(), e.Shared.Alarm))
	}
	if e.Kind == backup.RunEnded {
		err = errors.Join(err, w.notice())
	}
	return err
}

// Settled notes that the owner has acknowledged what held prune and compact of a job on a repository back.
func (w *Writer) Settled(t backup.Target) error {
	now := w.Now()
	err := update(w.State, t.Job.Name, now, func(file *File) { file.record(t.Job, t.Repository, now).Held = "" })
	return errors.Join(err, w.spread(t.Repository.Key(), nil), w.notice())
}

// KeyExported notes of every job on a repository that somebody has a copy of its key.
func (w *Writer) KeyExported(key string) error {
	var failures []error
	now := w.Now()
	for i := range w.Jobs {
		job := &w.Jobs[i]
		for _, repository := range job.Repositories {
			if repository.Key() == key {
				failures = append(failures, update(w.State, job.Name, now, func(file *File) { file.record(job, repository, now).KeyUnkept = false }))
			}
		}
	}
	return errors.Join(failures...)
}

// spread tells every job on a repository of its alarm, nil for none. Files in which it stands are left alone.
func (w *Writer) spread(key string, standing *backup.Alarm) error {
	var failures []error
	now := w.Now()
	for i := range w.Jobs {
		job := &w.Jobs[i]
		for _, repository := range job.Repositories {
			if repository.Key() != key {
				continue
			}
			tell := func(file *File) bool {
				return file.record(job, repository, now).alarm(standing, backup.Target{Job: job, Repository: repository})
			}
			if file, err := read(w.State, job.Name); err == nil && tell(&file) {
				failures = append(failures, update(w.State, job.Name, now, func(file *File) { tell(file) }))
			}
		}
	}
	return errors.Join(failures...)
}

// FirstSeen writes the job's file if there is none yet: from then on it counts how long the job has had no
// success. The job comes with all its repositories; what is on record of others is gone.
func FirstSeen(state string, job backup.Job, now time.Time) error {
	file, err := read(state, job.Name)
	if err == nil && !reconcile(&file, job, now) {
		return nil
	}
	return update(state, job.Name, now, func(file *File) { reconcile(file, job, now) })
}

// reconcile makes the records those of the job's repositories; it tells whether anything is different now.
func reconcile(file *File, job backup.Job, now time.Time) bool {
	if len(job.Repositories) == 0 { // its configuration is wrong
		return false
	}
	before, _ := json.Marshal(file)
	for i := range file.Repositories {
		file.Repositories[i].Gone = true
	}
	for _, repository := range job.Repositories {
		file.record(&job, repository, now)
	}
	after, _ := json.Marshal(file)
	return string(before) != string(after)
}

// Read reads the files of all jobs, sorted by name. Each that cannot be read is an error of its own.
func Read(state string) (files []File, wrong []error) {
	entries, err := os.ReadDir(folder(state))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, []error{fmt.Errorf("read the status folder: %w", err)}
	}
	for _, entry := range entries {
		job, isStatus := strings.CutSuffix(entry.Name(), ".json")
		if !isStatus || !jobName.MatchString(job) {
			continue
		}
		file, err := read(state, job)
		if errors.Is(err, fs.ErrNotExist) { // it was dropped just now
			continue
		}
		if err != nil {
			wrong = append(wrong, about(job, err))
			continue
		}
		files = append(files, file)
	}
	return files, wrong
}

// AnyRun tells whether any job is on record with a run, or with something that is held back.
func AnyRun(state string) bool {
	files, _ := Read(state) // what cannot be read says nothing
	return slices.ContainsFunc(files, func(file File) bool {
		return slices.ContainsFunc(file.Repositories, func(r Record) bool { return !r.SuccessEnded.IsZero() || r.LastRun != nil || r.Held != "" })
	})
}

var jobName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

func folder(state string) string { return filepath.Join(state, "status") }

func path(state, job string) string { return filepath.Join(folder(state), job+".json") }

// read reads one file. The folder may be another user's, so nothing is followed or waited for. Runs of
// processes that are no more do not run.
func read(state, job string) (File, error) {
	file, err := os.OpenFile(path(state, job), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return File{}, errDamaged{errors.New("it is a symbolic link")}
	}
	if err != nil {
		return File{}, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return File{}, errDamaged{errors.Join(errors.New("it is no regular file"), err)}
	}
	data, err := io.ReadAll(io.LimitReader(file, mostBytes))
	if err != nil {
		return File{}, err
	}
	return parse(data, job)
}

func parse(data []byte, job string) (File, error) {
	var parsed File
	if err := json.Unmarshal(data, &parsed); err != nil {
		return File{}, errDamaged{err}
	}
	if err := parsed.valid(job); err != nil {
		return File{}, errDamaged{err}
	}
	parsed.clean()
	for i := range parsed.Repositories {
		if running := parsed.Repositories[i].Running; running != nil && !running.alive() {
			parsed.Repositories[i].Running = nil
		}
	}
	return parsed, nil
}

// update changes the file of a job, or makes it. One that is damaged is set aside and begun anew; that is an
// error, though the change is made.
func update(state, job string, now time.Time, change func(*File)) error {
	unlock, err := lockFolder(state)
	if err != nil {
		return about(job, err)
	}
	defer unlock()
	file, found, damage := readOrBegin(state, job, now)
	if !found {
		return about(job, damage)
	}
	change(&file)
	return about(job, errors.Join(damage, write(state, file)))
}

// readOrBegin returns the job's file, or a new one if there is none or a damaged one, which it sets aside;
// found is false if there is nothing to go on with.
func readOrBegin(state, job string, now time.Time) (file File, found bool, err error) {
	file, err = read(state, job)
	if err == nil {
		return file, true, nil
	}
	var damage errDamaged
	if errors.As(err, &damage) {
		aside, failed := setAside(path(state, job), now)
		if failed != nil {
			return File{}, false, errors.Join(err, failed)
		}
		err = fmt.Errorf("%w; it is set aside as %s and begun anew", err, aside)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	} else {
		return File{}, false, err
	}
	return File{Version: version, Job: job, FirstSeen: now}, true, err
}

func write(state string, file File) error {
	data, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(path(state, file.Job), append(data, '\n'), 0o644,
		renameio.WithStaticPermissions(0o644), renameio.WithTempDir(folder(state)))
}

func about(job string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("status of job %s: %w", job, err)
}

// setAside renames a damaged file.
func setAside(name string, now time.Time) (aside string, err error) {
	first := name + ".damaged-" + now.UTC().Format("20060102T150405Z")
	aside = first
	for n := 2; ; n++ {
		if _, err := os.Lstat(aside); err != nil {
			break
		}
		aside = fmt.Sprintf("%s.%d", first, n)
	}
	if err := os.Rename(name, aside); err != nil {
		return "", fmt.Errorf("set the damaged file aside: %w", err)
	}
	return aside, nil
}

// lockFolder makes the folder, which everybody may read, and keeps other processes from changing what is in it.
// Only the owner can open the lock's file: else anybody could keep the lock.
func lockFolder(state string) (unlock func(), err error) {
	if err := makeFolder(state); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(folder(state), ".lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(lockWait); ; time.Sleep(5 * time.Millisecond) {
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) || time.Now().After(end) {
			file.Close()
			return nil, fmt.Errorf("lock the status folder: %w", err)
		}
	}
}

func makeFolder(state string) error {
	if err := os.MkdirAll(state, 0o755); err != nil {
		return err
	}
	err := os.Mkdir(folder(state), 0o755)
	if err == nil {
		return os.Chmod(folder(state), 0o755) // whatever the umask is
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(folder(state))
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("the status folder, %s, is no folder or a symbolic link: remove it", folder(state))
	case ok && int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("the status folder, %s, belongs to user %d, not to user %d who runs this", folder(state), stat.Uid, os.Geteuid())
	}
	return nil
}
