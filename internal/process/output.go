package process

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
)

const (
	// MaxLine is the length in bytes to which a line of stderr is cut. A path of 4 KiB, escaped, fits.
	MaxLine = 64 << 10
	// TailLines is how many lines of stderr are kept for an ExitError.
	TailLines = 50
	// TailLine is the length in bytes to which each of them is cut.
	TailLine = 2 << 10
)

// output takes what a program prints, in bounded memory.
type output struct {
	stdout   io.Writer
	line     func([]byte)
	count    atomic.Int64 // of all bytes that came: signs of life
	closed   atomic.Bool
	writeErr atomic.Pointer[error]

	mu      sync.Mutex // of what follows, which belongs to stderr
	pending []byte     // the line that has no end yet, at most MaxLine
	tail    [][]byte
	next    int // where the next line goes in a full tail
}

type (
	stdoutWriter output
	stderrWriter output
)

// Write is not under the lock: whoever takes stdout may be slow.
func (w *stdoutWriter) Write(p []byte) (int, error) {
	w.count.Add(int64(len(p)))
	if w.closed.Load() {
		return len(p), nil
	}
	n, err := w.stdout.Write(p)
	if err != nil {
		w.writeErr.Store(&err)
	}
	return n, err
}

func (w *stderrWriter) Write(p []byte) (int, error) {
	w.count.Add(int64(len(p)))
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed.Load() {
		(*output)(w).cut(p)
	}
	return len(p), nil
}

// cut divides what came into lines.
func (o *output) cut(p []byte) {
	for {
		end := bytes.IndexByte(p, '\n')
		part := p
		if end >= 0 {
			part = p[:end]
		}
		room := MaxLine - len(o.pending)
		o.pending = append(o.pending, part[:min(room, len(part))]...)
		if end < 0 {
			return
		}
		o.endLine()
		p = p[end+1:]
	}
}

func (o *output) endLine() {
	line := bytes.TrimSuffix(o.pending, []byte("\r"))
	o.keep(line)
	if o.line != nil {
		o.line(line)
	}
	o.pending = o.pending[:0]
}

// keep puts a line into the tail, a ring that reuses its memory.
func (o *output) keep(line []byte) {
	line = line[:min(len(line), TailLine)]
	if len(o.tail) < TailLines {
		o.tail = append(o.tail, bytes.Clone(line))
		return
	}
	o.tail[o.next] = append(o.tail[o.next][:0], line...)
	o.next = (o.next + 1) % TailLines
}

// close ends the last line and gives the tail; what still comes is dropped.
func (o *output) close() (tail []string, writeErr error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.pending) > 0 {
		o.endLine()
	}
	o.closed.Store(true)
	for i := range o.tail {
		tail = append(tail, string(o.tail[(o.next+i)%len(o.tail)]))
	}
	if err := o.writeErr.Load(); err != nil {
		writeErr = *err
	}
	return tail, writeErr
}
