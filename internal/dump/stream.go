package dump

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
)

const (
	// readerPoll is how often a pipe is looked at until its reader has come. borg opens one when it has read the one before.
	readerPoll = 5 * time.Millisecond
	// readerGone is how long a reader that closed a pipe too early may take to end by itself: why it did is its to say.
	readerGone = 10 * time.Second
)

// stream serves dumps through named pipes. A reader of the folder sees nothing else there, and the last pipe gives
// the contents once all dumps are whole: if we die at any moment before, the reader waits for that pipe for ever, or until it
// is ended, as nobody else opens it. So there is no archive that was read to its end and is not whole.
type stream struct {
	maker *Maker
	job   string
	dir   string
	parts []Part
	left  map[string]string
	held  atomic.Pointer[os.File] // the pipe of a dump that failed, kept open
	soft  atomic.Pointer[string]
}

// Stream prepares the job's dumps as named pipes in a new private folder below dir. What left names by its path is left out,
// with the reason.
func (m *Maker) Stream(ctx context.Context, job *backup.Job, dir string, left map[string]string) (backup.DumpStream, error) {
	parts, err := m.Parts(ctx, job.Databases)
	if err != nil {
		return backup.DumpStream{}, err
	}
	s := &stream{maker: m, job: job.Name, dir: dir, parts: parts, left: left}
	result := backup.DumpStream{Dir: dir, Feed: s.feed, Soft: s.softPath, Close: s.close}
	for _, part := range parts {
		if part.Left == "" && left[part.Path()] == "" {
			result.Paths = append(result.Paths, part.Path())
		}
	}
	if len(result.Paths) > 0 {
		result.Paths = append(result.Paths, backup.ContentsPath)
	}
	for _, path := range result.Paths {
		if err := makePipe(filepath.Join(dir, path)); err != nil {
			return backup.DumpStream{}, err
		}
	}
	return result, nil
}

func makePipe(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make a folder for pipes: %w", err)
	}
	if err := unix.Mkfifo(path, 0o600); err != nil {
		if errors.Is(err, syscall.ENAMETOOLONG) {
			return &backup.Failure{Op: "dump", Code: -1, Class: backup.Permanent, Err: err,
				Message: fmt.Sprintf("the name %s is too long for a file", filepath.Base(path)), Hint: "rename the database, or `exclude` it"}
		}
		return fmt.Errorf("make a pipe: %w", err)
	}
	return nil
}

func (s *stream) softPath() string {
	if path := s.soft.Load(); path != nil {
		return *path
	}
	return ""
}

func (s *stream) close() {
	if file := s.held.Swap(nil); file != nil {
		_ = file.Close()
	}
}

// feed makes the dumps one after another, each when its reader has come.
func (s *stream) feed(ctx context.Context) ([]backup.DatabaseDump, error) {
	contents := backup.Contents{Version: 1, Job: s.job, Dumps: []backup.DatabaseDump{}}
	for _, part := range s.parts {
		dump := part.DatabaseDump
		if reason := s.left[part.Path()]; dump.Left == "" {
			dump.Left = reason
		}
		if dump.Left == "" {
			began := time.Now()
			size, err := s.serve(ctx, part.Path(), func(w io.Writer) error { return s.maker.Write(ctx, part, w) })
			if err != nil {
				if path := part.Path(); part.Database.Warn && ctx.Err() == nil && !errors.Is(err, errReaderGone) {
					s.soft.Store(&path)
				}
				return nil, about(part, err)
			}
			dump.Size, dump.Took = size, backup.Seconds(time.Since(began))
		}
		contents.Dumps = append(contents.Dumps, dump)
	}
	if !s.any() {
		return contents.Dumps, nil
	}
	_, err := s.serve(ctx, backup.ContentsPath, func(w io.Writer) error {
		return json.NewEncoder(w).Encode(contents)
	})
	return contents.Dumps, err
}

// any tells whether any dump is to be made.
func (s *stream) any() bool {
	for _, part := range s.parts {
		if part.Left == "" && s.left[part.Path()] == "" {
			return true
		}
	}
	return false
}

// about names the dump in its failure.
func about(part Part, err error) error {
	failure := *backup.AsFailure("dump", err)
	failure.Message = backup.CleanLine(fmt.Sprintf("%s %s: %s", part.Type, part.Name, failure.Message), 500)
	return &failure
}

// serve writes one pipe. It is closed, so that its reader sees the end, only if all went well.
func (s *stream) serve(ctx context.Context, path string, write func(io.Writer) error) (int64, error) {
	file, err := openForReader(ctx, filepath.Join(s.dir, path))
	if err != nil {
		return 0, err
	}
	s.held.Store(file)
	widen(file)
	stop := context.AfterFunc(ctx, func() { _ = file.SetWriteDeadline(time.Now()) })
	defer stop()
	counted := &counter{to: file}
	if err := write(counted); err != nil {
		if errors.Is(counted.err, syscall.EPIPE) {
			waitFor(ctx, readerGone)
			return 0, &backup.Failure{Op: "dump", Code: -1, Class: backup.Unknown, Err: errReaderGone, Message: errReaderGone.Error()}
		}
		return 0, err
	}
	if ctx.Err() != nil {
		return 0, fmt.Errorf("write a dump: %w", context.Cause(ctx))
	}
	s.held.Store(nil)
	if err := file.Close(); err != nil {
		return 0, fmt.Errorf("write a dump: %w", err)
	}
	return counted.n, nil
}

var errReaderGone = errors.New("borg stopped reading the dump")

func waitFor(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// openForReader opens a pipe for writing as soon as a reader has come: before, there is nobody who could lose it again.
func openForReader(ctx context.Context, path string) (*os.File, error) {
	ticks := time.NewTicker(readerPoll)
	defer ticks.Stop()
	for {
		file, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
		if err == nil || !errors.Is(err, syscall.ENXIO) {
			return file, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the reader of a dump: %w", context.Cause(ctx))
		case <-ticks.C:
		}
	}
}

// counter counts what is written, and keeps the error of the pipe.
type counter struct {
	to  io.Writer
	n   int64
	err error
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += int64(n)
	if err != nil {
		c.err = err
	}
	return n, err
}
