package dump

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"borgcron/internal/backup"
	"borgcron/internal/dbtest"
)

// mysqlTest is a server, and a maker of dumps of it.
type mysqlTest struct {
	*dbtest.MariaServer
	maker *Maker
	said  *mysqlLog
}

// mysqlLog keeps what is logged.
type mysqlLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *mysqlLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// take returns what was logged since it was last asked.
func (l *mysqlLog) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

// mysqlMaker is a maker whose passwords are the texts of their `env`.
func mysqlMaker(said io.Writer) *Maker {
	return &Maker{
		Environ: os.Environ(), Log: slog.New(slog.NewTextHandler(said, nil)),
		Secret: func(_ context.Context, s backup.Secret) ([]byte, error) { return []byte(s.Env), nil },
	}
}

func newMySQLTest(t *testing.T) *mysqlTest {
	t.Helper()
	said := &mysqlLog{}
	return &mysqlTest{dbtest.MariaDB(t), mysqlMaker(said), said}
}

// database is an entry that reaches the server through its socket.
func (s *mysqlTest) database(names ...string) *backup.Database {
	return &backup.Database{Type: "mariadb", Socket: s.Socket, User: s.User, Password: backup.Secret{Env: s.Password}, Names: names}
}

func mysqlPart(database *backup.Database, name string) Part {
	return Part{DatabaseDump: backup.DatabaseDump{Kind: backup.OneDatabase, Type: database.Type, Server: database.Server(), Name: name, Format: "sql"}, Database: database}
}

func (s *mysqlTest) mustDump(t *testing.T, part Part) []byte {
	t.Helper()
	var dumped bytes.Buffer
	if err := s.maker.Write(t.Context(), part, &dumped); err != nil {
		t.Fatal(explained(err))
	}
	return dumped.Bytes()
}

func (s *mysqlTest) mustRestore(t *testing.T, part Part, target Target, dumped []byte) {
	t.Helper()
	if err := s.maker.Restore(t.Context(), part.DatabaseDump, target, bytes.NewReader(dumped)); err != nil {
		t.Fatal(explained(err))
	}
}

// create makes an empty database of any name.
func (s *mysqlTest) create(t *testing.T, name string) {
	t.Helper()
	s.SQL(t, "", carriedOut("CREATE DATABASE "+quoteName(name)))
}

func (s *mysqlTest) drop(t *testing.T, name string) {
	t.Helper()
	s.SQL(t, "", carriedOut("DROP DATABASE "+quoteName(name)))
}

// explained is a failure with all that it says.
func explained(err error) string {
	var failure *backup.Failure
	if !errors.As(err, &failure) {
		return "no failure: " + err.Error()
	}
	return failure.Class.String() + ": " + failure.Sentence() + "\n" + strings.Join(failure.Tail, "\n")
}

// mustFail checks a failure: its class, and that it says all of the texts.
func mustFail(t *testing.T, err error, class backup.Class, texts ...string) {
	t.Helper()
	var failure *backup.Failure
	if !errors.As(err, &failure) {
		t.Fatalf("got %v, no failure", err)
	}
	if failure.Class != class {
		t.Errorf("it is %v, not %v: %s", failure.Class, class, explained(err))
	}
	for _, text := range texts {
		if !strings.Contains(failure.Sentence(), text) {
			t.Errorf("%q is not in: %s", text, explained(err))
		}
	}
}

// script makes a program of a shell's lines.
func script(t *testing.T, dir, name, lines string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+lines+"\n"), 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	return path
}

// trigger writes nowhere, and calls a function once when so many bytes have come.
type trigger struct {
	after int
	call  func()
}

func (w *trigger) Write(p []byte) (int, error) {
	if w.after -= len(p); w.after <= 0 && w.call != nil {
		w.call()
		w.call = nil
	}
	return len(p), nil
}

// broken is a stream that breaks after a text.
type broken struct {
	text io.Reader
	err  error
}

func (b *broken) Read(p []byte) (int, error) {
	n, err := b.text.Read(p)
	if errors.Is(err, io.EOF) {
		err = b.err
	}
	return n, err
}
