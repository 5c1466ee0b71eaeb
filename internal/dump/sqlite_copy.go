package dump

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
)

const (
	copyBuffer = 256 << 10
	// copyTries is how often a file that nothing can lock is copied anew because it changed meanwhile.
	copyTries = 5
)

// copy writes a database as it is at one moment. With a write-ahead log readers block nobody, and the pages go to w as fast
// as it takes them; the log grows meanwhile. Without one a reader blocks all writers: there the copy is made first, beside, and w is served from it.
// A file of ours does not let us wait, so it needs no copy beside.
//
// The copy keeps the mode of the database (write-ahead log or not, in its header): whoever restores it finds the
// mode that its program has chosen, and no log is needed to open it, as all that was committed is in the pages.
func (s sqlite) copy(ctx context.Context, m *Maker, path string, w io.Writer) error {
	for try := 1; ; try++ {
		r, err := s.read(ctx, path)
		if err != nil {
			return err
		}
		_, direct := w.(*fileWriter)
		if r.before == nil && (r.wal || direct) {
			return errors.Join(r.pages(ctx, w), r.close())
		}
		err = r.copyAside(ctx, m.Scratch, w)
		if !errors.Is(err, errChanged) || try == copyTries {
			return err
		}
	}
}

// copyAside writes a database to a file without a name, lets go of it, and writes the file to w.
func (r *reading) copyAside(ctx context.Context, dir string, w io.Writer) error {
	aside, err := scratch(dir)
	if err != nil {
		return errors.Join(err, r.close())
	}
	defer aside.Close()
	if err := room(aside, sizeOf(r.path)); err != nil {
		return errors.Join(err, r.close())
	}
	err = errors.Join(r.pages(ctx, aside), r.close())
	if r.before != nil && r.changed() {
		return errChanged
	}
	if err != nil {
		return inScratch(aside, err)
	}
	if _, err := aside.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err = io.CopyBuffer(plainWriter{w}, readerWith(ctx, aside), make([]byte, copyBuffer))
	return err
}

// version is what the system changes whenever somebody writes a file.
type version struct {
	inode            uint64
	size             int64
	written, changed unix.Timespec
}

func versionOf(path string) (version, error) {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return version{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return version{stat.Ino, stat.Size, stat.Mtim, stat.Ctim}, nil
}

// changed tells whether somebody wrote a file that was not locked, or still may.
func (r *reading) changed() bool {
	after, err := versionOf(r.path)
	return err != nil || after != *r.before || beside(r.path, sqliteSuffixes...)
}

// scratch makes a file that goes away when it is closed, however that happens.
func scratch(dir string) (*os.File, error) {
	file, err := os.CreateTemp(dir, ".borgcron-*.sqlite") // 0600
	if err != nil {
		return nil, &backup.Failure{Code: -1, Class: backup.Permanent, Err: err, Message: fmt.Sprintf("no copy can be made aside: %v", err),
			Hint: "see that the folder for temporary files can be written to (TMPDIR)"}
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("remove the name of a temporary file: %w", err), file.Close())
	}
	return file, nil
}

// room tells whether so many bytes go into the file.
func room(file *os.File, size int64) error {
	free, known := freeFor(file)
	if !known || size <= free {
		return nil
	}
	return &backup.Failure{Code: -1, Class: backup.Permanent, Err: unix.ENOSPC, Message: fmt.Sprintf("%s are needed in %s, %s are free",
		inBytes(size), filepath.Dir(file.Name()), inBytes(free)), Hint: "make room there, or name another folder by TMPDIR"}
}

// inScratch says where the disk is full.
func inScratch(file *os.File, err error) error {
	if !isFull(err) {
		return err
	}
	return &backup.Failure{Code: -1, Class: backup.Permanent, Err: err, Message: "the disk is full in " + filepath.Dir(file.Name()),
		Hint: "make room there, or name another folder by TMPDIR"}
}

// pages writes all pages of the database.
func (r *reading) pages(ctx context.Context, w io.Writer) error {
	var size, count int64
	err := r.tx.QueryRowContext(ctx, "SELECT page_size, page_count FROM pragma_page_size, pragma_page_count").Scan(&size, &count)
	if err != nil {
		return fmt.Errorf("ask for the number of pages: %w", err)
	}
	rows, err := r.tx.QueryContext(ctx, "SELECT pgno, data FROM sqlite_dbpage ORDER BY pgno")
	if err != nil {
		return fmt.Errorf("read the pages: %w", err)
	}
	defer rows.Close()
	buffered := bufio.NewWriterSize(plainWriter{w}, copyBuffer)
	p := &pageWriter{w: buffered, size: size}
	for rows.Next() {
		var number int64
		var data sql.RawBytes
		if err := rows.Scan(&number, &data); err != nil {
			return fmt.Errorf("read a page: %w", err)
		}
		if err := p.write(number, data); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the pages: %w", err)
	}
	if p.written != count {
		return fmt.Errorf("%w: %d of %d pages were read", errDamaged, p.written, count)
	}
	return buffered.Flush()
}

// pageWriter puts pages in a row.
type pageWriter struct {
	w             io.Writer
	size, written int64
}

// lockedByte is where SQLite takes its locks: the page with it holds nothing and is never read.
const lockedByte = 1 << 30

// write writes the next page, and before it the page of the locks if that was left out.
func (p *pageWriter) write(number int64, data []byte) error {
	if locks := lockedByte/p.size + 1; p.written+1 == locks && number == locks+1 {
		if err := p.write(locks, bytes.Repeat([]byte{0}, int(p.size))); err != nil {
			return err
		}
	}
	if number != p.written+1 || int64(len(data)) != p.size {
		return fmt.Errorf("%w: page %d with %d bytes came after page %d", errDamaged, number, len(data), p.written)
	}
	p.written++
	_, err := p.w.Write(data)
	return err
}

// plainWriter hides what else a writer can do: reading from a pipe's other side or a file's descriptor does not end with the context.
type plainWriter struct{ io.Writer }

// readerWith is a reader that ends with the context.
func readerWith(ctx context.Context, r io.Reader) io.Reader { return contextReader{ctx, r} }

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, c.ctx.Err()
	}
	return c.r.Read(p)
}
