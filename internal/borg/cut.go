package borg

import (
	"context"
	"errors"
	"syscall"

	"borgcron/internal/backup"
)

// maxRecord is how many bytes a record of borg's answer may have; the longest path of the kernel's has 4 KiB.
const maxRecord = 1 << 20

// cut carries out a task whose answer is a sequence of records, however long. take takes the first record of a text and returns
// what is after it, nil if the record is not there as a whole. An error of take's ends borg and is returned as it is, unless it is an
// *answerError: that, and all else that fails, is a *backup.Failure.
func (c *Client) cut(ctx context.Context, call backup.Call, t task, take func(text []byte) (after []byte, err error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := &cutter{take: take, broken: cancel} // borg does not mind that nobody reads any more: it has to be ended
	t.output, t.stall, t.mortal = w, call.Job.Timeout.Stall, syscall.SIGTERM
	_, err := c.run(ctx, call, t)
	var unreadable *answerError
	switch {
	case errors.As(w.err, &unreadable):
	case w.err != nil:
		return w.err
	case err != nil:
		return err
	case len(w.pending) > 0:
		unreadable = &answerError{errors.New("it breaks off")}
	default:
		return nil
	}
	return &backup.Failure{
		Op: t.command, Code: -1, Class: backup.Permanent, Err: unreadable,
		Message: "borg's answer cannot be understood: " + backup.Clean(unreadable.Error()),
	}
}

// answerError is about borg's words.
type answerError struct{ error }

// cutter cuts what is written into records.
type cutter struct {
	take    func(text []byte) (after []byte, err error)
	broken  func() // called once, when no more can be taken
	pending []byte // the beginning of a record
	err     error
}

func (w *cutter) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	w.pending = append(w.pending, p...)
	rest := w.pending
	for len(rest) > 0 {
		after, err := w.take(rest)
		if err == nil && after == nil && len(rest) > maxRecord {
			err = &answerError{errors.New("a record without an end")}
		}
		if err != nil {
			w.err = err
			w.broken()
			return 0, err
		}
		if after == nil {
			break
		}
		rest = after
	}
	w.pending = append(w.pending[:0], rest...)
	return len(p), nil
}
