package dump

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"borgcron/internal/backup"
)

func TestSQLiteFailures(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	link := filepath.Join(dir, "dangling")
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	locked := filepath.Join(dir, "locked.db")
	newSQLite(t, locked, "delete", 4096)
	program := startSQLite(t, locked, 0)
	program.must(t, "BEGIN EXCLUSIVE")
	program.must(t, "UPDATE left SET sum = sum")
	before := state(t, dir)
	for name, test := range map[string]struct {
		path    string
		class   backup.Class
		message string
	}{
		"missing":        {filepath.Join(dir, "missing.db"), backup.Permanent, "the file does not exist"},
		"missing folder": {filepath.Join(dir, "no/missing.db"), backup.Permanent, "the file does not exist"},
		"dangling link":  {link, backup.Permanent, "the file does not exist"},
		"folder":         {dir, backup.Permanent, "is no regular file"},
		"pipe":           {pipe, backup.Permanent, "is no regular file"},
		"text":           {file("text", strings.Repeat("no database", 1000)), backup.Permanent, "the file is not a database"},
		"short text":     {file("short", "no"), backup.Permanent, "the file is not a database"},
		"locked":         {locked, backup.Transient, "the database is locked by another program"},
	} {
		t.Run(name, func(t *testing.T) {
			s := sqlite{patience: time.Millisecond}
			_, partsErr := s.parts(t.Context(), &Maker{}, &backup.Database{Type: "sqlite", Path: test.path})
			dumpErr := s.dump(t.Context(), &Maker{}, sqlitePart(test.path), io.Discard)
			for err, message := range map[error]string{partsErr: test.path + ": " + test.message, dumpErr: test.message} {
				var failure *backup.Failure
				if !errors.As(err, &failure) {
					t.Fatalf("err = %v", err)
				}
				if failure.Message != message || failure.Class != test.class || failure.Hint == "" || failure.Op != "dump" {
					t.Errorf("%q (%v, hint %q), want %q", failure.Message, failure.Class, failure.Hint, message)
				}
			}
		})
	}
	delete(before, "text")
	after := state(t, dir)
	for name := range after {
		if _, was := before[name]; !was && name != "text" && name != "short" {
			t.Errorf("%s was made", name)
		}
	}
}

func TestSQLiteThatIsStopped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	newSQLite(t, path, "wal", 4096)
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped by the user")
	err := sqlite{}.dump(ctx, &Maker{}, sqlitePart(path), writerFunc(func(p []byte) (int, error) {
		cancel(stopped)
		return len(p), nil
	}))
	if err == nil { // all pages had been read
		err = sqlite{}.dump(ctx, &Maker{}, sqlitePart(path), io.Discard)
	}
	if err == nil {
		t.Error("it went on")
	}
	full := errors.New("cannot write")
	err = sqlite{}.dump(t.Context(), &Maker{}, sqlitePart(path), writerFunc(func([]byte) (int, error) { return 0, full }))
	if !errors.Is(err, full) {
		t.Errorf("err = %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestSQLiteWithoutRoom(t *testing.T) {
	path, disk := filepath.Join(t.TempDir(), "app.db"), smallDisk(t, 100<<10)
	newSQLite(t, path, "delete", 4096)
	err := sqlite{}.dump(t.Context(), &Maker{Scratch: disk}, sqlitePart(path), io.Discard)
	var failure *backup.Failure
	if !errors.As(err, &failure) || failure.Class != backup.Permanent || failure.Hint == "" || !strings.Contains(failure.Message, "are needed in "+disk) {
		t.Errorf("err = %v", err)
	}
	if left := state(t, disk); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestPageWriter(t *testing.T) {
	const size, locks = 65536, lockedByte/65536 + 1
	page := bytes.Repeat([]byte{7}, size)
	for name, test := range map[string]struct {
		written int64
		numbers []int64
		data    []byte
		want    int64 // pages written; 0: an error
	}{
		"in a row":             {0, []int64{1, 2, 3}, page, 3},
		"page of locks given":  {locks - 2, []int64{locks - 1, locks, locks + 1}, page, 3},
		"page of locks absent": {locks - 2, []int64{locks - 1, locks + 1, locks + 2}, page, 4},
		"another page absent":  {0, []int64{1, 3}, page, 0},
		"two pages absent":     {locks - 1, []int64{locks + 2}, page, 0},
		"twice":                {0, []int64{1, 1}, page, 0},
		"cut":                  {0, []int64{1}, page[1:], 0},
	} {
		t.Run(name, func(t *testing.T) {
			var w bytes.Buffer
			p := &pageWriter{w: &w, size: size, written: test.written}
			var err error
			for _, number := range test.numbers {
				if err == nil {
					err = p.write(number, test.data)
				}
			}
			if test.want == 0 {
				if !errors.Is(err, errDamaged) {
					t.Errorf("err = %v", err)
				}
				return
			}
			if err != nil || int64(w.Len()) != test.want*size || p.written != test.written+test.want {
				t.Errorf("%d bytes, %d pages, %v", w.Len(), p.written, err)
			}
			if zeros := bytes.Count(w.Bytes(), make([]byte, size)); int64(zeros) != test.want-int64(len(test.numbers)) {
				t.Errorf("%d pages of zeros", zeros)
			}
		})
	}
}

// The tests would mean nothing if SQLite did not take its locks.
func TestSQLiteLocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	newSQLite(t, path, "delete", 4096)
	program := startSQLite(t, path, 0)
	program.must(t, "BEGIN EXCLUSIVE")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("SELECT 1 FROM left").Scan(new(int)); !isBusy(err) {
		t.Errorf("err = %v", err)
	}
}
