package dump

import (
	"bytes"
	"database/sql"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

func restoreSQLite(t *testing.T, path string, size int64, r io.Reader) error {
	t.Helper()
	return sqlite{}.restore(t.Context(), &Maker{}, backup.DatabaseDump{Size: size}, Target{Database: &backup.Database{Type: "sqlite", Path: path}}, r)
}

// dumped is the dump of a database in which nothing was paid yet.
func dumped(t *testing.T, journal string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "old.db")
	newSQLite(t, path, journal, 4096)
	var copied bytes.Buffer
	if err := (sqlite{}).dump(t.Context(), &Maker{}, sqlitePart(path), &copied); err != nil {
		t.Fatal(err)
	}
	return copied.Bytes()
}

// leftBehind is a database whose program was killed after three payments: most of it is in files beside.
func leftBehind(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "app.db")
	newSQLite(t, path, "wal", 4096)
	program := startSQLite(t, path, 0)
	for range 3 {
		program.must(t, "pay")
	}
	program.kill()
	if sizeOf(path+"-wal") == 0 {
		t.Fatal("the program left no log")
	}
	return path
}

func alone(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 || entries[0].Name() != filepath.Base(path) {
		t.Errorf("in the folder are %v, %v", entries, err)
	}
}

func restored(t *testing.T, path string) int {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return wholeSQLite(t, content)
}

func TestSQLiteRestoreBesideAnOldLog(t *testing.T) {
	for _, journal := range []string{"wal", "delete"} {
		path := leftBehind(t, t.TempDir())
		if err := os.Chmod(path, 0o640); err != nil {
			t.Fatal(err)
		}
		dump := dumped(t, journal)
		if err := restoreSQLite(t, path, int64(len(dump)), bytes.NewReader(dump)); err != nil {
			t.Fatal(err)
		}
		alone(t, path)
		if info, _ := os.Stat(path); info.Mode() != 0o640 {
			t.Errorf("mode = %v", info.Mode())
		}
		program := startSQLite(t, path, 0) // what it sees counts
		program.must(t, "INSERT INTO log SELECT 1 / (count(*) = 0), '' FROM log WHERE n > 0")
		program.end(t)
	}
}

func TestSQLiteRestoreThatBreaksOff(t *testing.T) {
	dump := dumped(t, "delete")
	flipped := bytes.Clone(dump)
	for i := 4096; i < 8192; i++ {
		flipped[i] ^= 0x55
	}
	gone := errors.New("the connection was lost")
	for name, test := range map[string]struct {
		r    io.Reader
		size int
		want string
	}{
		"error":       {io.MultiReader(bytes.NewReader(dump[:40960]), iotest.ErrReader(gone)), 0, "the connection was lost"},
		"short":       {bytes.NewReader(dump[:40960]), len(dump), "40960 of"},
		"long":        {io.MultiReader(bytes.NewReader(dump), bytes.NewReader(dump[:4096])), len(dump), "bytes came"},
		"cut":         {bytes.NewReader(dump[:40960]), 0, "no whole database"},
		"cut in page": {bytes.NewReader(dump[:len(dump)-1]), 0, "no whole database"},
		"longer":      {io.MultiReader(bytes.NewReader(dump), bytes.NewReader(dump[:100])), 0, "no whole database"},
		"damaged":     {bytes.NewReader(flipped), len(dump), "no whole database"},
		"text":        {strings.NewReader(strings.Repeat("text", 1000)), 0, "no whole database"},
		"nothing":     {strings.NewReader(""), len(dump), "0 of"},
	} {
		t.Run(name, func(t *testing.T) {
			path := leftBehind(t, t.TempDir())
			before := state(t, filepath.Dir(path))
			err := restoreSQLite(t, path, int64(test.size), test.r)
			var failure *backup.Failure
			if !errors.As(err, &failure) || !strings.Contains(failure.Message, test.want) || !strings.HasPrefix(failure.Message, path) ||
				failure.Op != "restore-database" || failure.Hint == "" {
				t.Errorf("err = %v", err)
			}
			if diff := cmp.Diff(before, state(t, filepath.Dir(path))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSQLiteRestoreOfOneInUse(t *testing.T) {
	dump := dumped(t, "delete")
	for _, journal := range []string{"wal", "delete"} {
		path := filepath.Join(t.TempDir(), "app.db")
		newSQLite(t, path, journal, 4096)
		program := startSQLite(t, path, 0)
		program.must(t, "pay") // and rests
		before := state(t, filepath.Dir(path))
		s := sqlite{patience: 1}
		target := Target{Database: &backup.Database{Type: "sqlite", Path: path}}
		err := s.restore(t.Context(), &Maker{}, backup.DatabaseDump{}, target, bytes.NewReader(dump))
		var failure *backup.Failure
		if !errors.As(err, &failure) || !strings.Contains(failure.Message, "is in use") || !strings.Contains(failure.Hint, "stop the program") {
			t.Errorf("err = %v", err)
		}
		if diff := cmp.Diff(before, state(t, filepath.Dir(path))); diff != "" {
			t.Error(diff)
		}
		program.must(t, "pay")
		program.end(t)
		if err := s.restore(t.Context(), &Maker{}, backup.DatabaseDump{}, target, bytes.NewReader(dump)); err != nil {
			t.Fatal(err)
		}
		alone(t, path)
		if last := restored(t, path); last != 0 {
			t.Errorf("payment %d is there", last)
		}
	}
}

// The lock alone finds who uses a database with a log, also where the system does not tell who has a file open.
func TestSQLiteLockFindsUser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	newSQLite(t, path, "wal", 4096)
	unlock, err := lockDatabase(path)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	program := startSQLite(t, path, 0)
	program.must(t, "pay")
	if _, err := lockDatabase(path); !isInUse(err) {
		t.Errorf("err = %v", err)
	}
}

func TestSQLiteRestoreOverDamage(t *testing.T) {
	dump := dumped(t, "wal")
	for name, content := range map[string]string{"text": strings.Repeat("text", 2000), "header": string(dump[:100]) + strings.Repeat("x", 9000), "empty": ""} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.db")
			for suffix, content := range map[string]string{"": content, "-wal": "rubbish", "-shm": "rubbish", "-journal": "rubbish"} {
				if err := os.WriteFile(path+suffix, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := restoreSQLite(t, path, 0, bytes.NewReader(dump)); err != nil {
				t.Fatal(err)
			}
			alone(t, path)
			restored(t, path)
		})
	}
}

func TestSQLiteRestoreToNewPlace(t *testing.T) {
	dump := dumped(t, "wal")
	dir := t.TempDir()
	path := filepath.Join(dir, "a b?#%41é.db")
	if err := os.WriteFile(path+"-wal", []byte("of one that was deleted"), 0o600); err != nil {
		t.Fatal(err)
	}
	owner := os.Geteuid()
	if owner == 0 {
		owner = nobody
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	if err := restoreSQLite(t, path, 0, bytes.NewReader(dump)); err != nil {
		t.Fatal(err)
	}
	alone(t, path)
	restored(t, path)
	info, _ := os.Stat(path)
	if uid, _, _ := ownerOf(info); uid != owner || info.Mode() != 0o600 {
		t.Errorf("%d, %v", uid, info.Mode())
	}
	if err := os.Symlink(path, filepath.Join(dir, "link.db")); err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{filepath.Join(dir, "missing", "app.db"), filepath.Join(dir, "link.db"), dir} {
		var failure *backup.Failure
		if err := restoreSQLite(t, place, 0, bytes.NewReader(dump)); !errors.As(err, &failure) || failure.Hint == "" || failure.Class != backup.Permanent {
			t.Errorf("%s: %v", place, err)
		}
	}
}

// A schema may name functions and collations that only the database's program has.
func TestSQLiteRestoreOfForeignSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	newSQLite(t, path, "delete", 4096)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(`PRAGMA writable_schema=1; UPDATE sqlite_schema SET sql = 'CREATE TABLE log(n COLLATE theirs CHECK (their(n)), b)' WHERE name = 'log'`)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	content, _ := os.ReadFile(path)
	if err := restoreSQLite(t, path, 0, bytes.NewReader(content)); err != nil {
		t.Error(err)
	}
	var copied bytes.Buffer
	if err := (sqlite{}).dump(t.Context(), &Maker{}, sqlitePart(path), &copied); err != nil || !bytes.Equal(content, copied.Bytes()) {
		t.Errorf("dump: %v", err)
	}
}
