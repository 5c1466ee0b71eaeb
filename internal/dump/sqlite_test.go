package dump

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"borgcron/internal/backup"
)

func TestSQLiteWhileItIsWritten(t *testing.T) {
	for _, journal := range []string{"wal", "delete"} {
		t.Run(journal, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.db")
			newSQLite(t, path, journal, 4096)
			program := startSQLite(t, path, 0)
			program.must(t, "pay")
			stop, ended := make(chan struct{}), make(chan error, 1)
			go func() {
				for {
					select {
					case <-stop:
						ended <- nil
						return
					default:
					}
					if err := program.ask("pay"); err != nil {
						ended <- err
						return
					}
				}
			}()
			seen := map[int]bool{}
			for range 20 {
				var copied bytes.Buffer
				if err := (sqlite{}).dump(t.Context(), &Maker{}, sqlitePart(path), &copied); err != nil {
					t.Fatal(err)
				}
				seen[wholeSQLite(t, copied.Bytes())] = true
			}
			close(stop)
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			if len(seen) < 3 {
				t.Errorf("the writer did not work meanwhile: %v", seen)
			}
		})
	}
}

// A backup may take hours to read a dump: whoever writes does not wait for it.
func TestSQLiteWhileItsReaderStalls(t *testing.T) {
	for _, journal := range []string{"wal", "delete", "truncate", "persist"} {
		t.Run(journal, func(t *testing.T) {
			path, scratch := filepath.Join(t.TempDir(), "app.db"), t.TempDir()
			newSQLite(t, path, journal, 4096)
			program := startSQLite(t, path, 0)
			program.must(t, "pay")
			w, ended := newStalled(), make(chan error, 1)
			go func() {
				ended <- sqlite{}.dump(t.Context(), &Maker{Scratch: scratch}, sqlitePart(path), w)
			}()
			<-w.began
			for range 20 {
				program.must(t, "pay")
			}
			if left := state(t, scratch); len(left) > 0 {
				t.Errorf("a kill would leave %v", left)
			}
			close(w.letGo)
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			if last := wholeSQLite(t, w.Bytes()); last != 1 {
				t.Errorf("the copy is of payment %d, want 1: the state when it began", last)
			}
		})
	}
}

func TestSQLiteCopies(t *testing.T) {
	for _, journal := range []string{"wal", "delete"} {
		for _, name := range []string{"plain.db", "a b?c#d%41'é\";&mode=rw.db", "-dash"} {
			for _, size := range []int{512, 4096, 65536} {
				path := filepath.Join(t.TempDir(), name)
				newSQLite(t, path, journal, size)
				before := state(t, filepath.Dir(path))
				part := sqlitePart(path)
				parts, err := sqlite{}.parts(t.Context(), &Maker{}, &backup.Database{Type: "sqlite", Path: filepath.Dir(path) + "/../" + filepath.Base(filepath.Dir(path)) + "/" + name})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff([]backup.DatabaseDump{part.DatabaseDump}, parts); diff != "" {
					t.Error(diff)
				}
				var copied bytes.Buffer
				if err := (sqlite{}).dump(t.Context(), &Maker{}, part, &copied); err != nil {
					t.Fatal(err)
				}
				want, _ := os.ReadFile(path)
				if !bytes.Equal(want, copied.Bytes()) || int(want[16])<<8+int(want[17]) != size&0xffff|size>>16 {
					t.Errorf("%s, %s, pages of %d: the copy differs", journal, name, size)
				}
				wholeSQLite(t, copied.Bytes())
				if diff := cmp.Diff(before, state(t, filepath.Dir(path))); diff != "" {
					t.Errorf("%s: the folder changed: %s", journal, diff)
				}
				if estimate, err := (sqlite{}).estimate(t.Context(), &Maker{}, part); err != nil || estimate != int64(len(want)) {
					t.Errorf("estimate = %d, %v, want %d", estimate, err, len(want))
				}
			}
		}
	}
}

func TestSQLiteThatIsEmpty(t *testing.T) {
	path := filepath.Join(t.TempDir(), "empty.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var copied bytes.Buffer
	if err := (sqlite{}).dump(t.Context(), &Maker{}, sqlitePart(path), &copied); err != nil || copied.Len() > 0 {
		t.Errorf("%d bytes, %v", copied.Len(), err)
	}
	if err := restoreSQLite(t, path, 0, &copied); err != nil {
		t.Error(err)
	}
}

// What a program that was killed has left is its own; what it committed is in the copy.
func TestSQLiteOfDeadProgram(t *testing.T) {
	t.Run("log", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "app.db")
		newSQLite(t, path, "wal", 4096)
		program := startSQLite(t, path, 0)
		program.must(t, "pay")
		program.must(t, "pay")
		program.kill()
		before := state(t, filepath.Dir(path))
		if len(before) != 3 {
			t.Fatalf("the program left %v", before)
		}
		var copied bytes.Buffer
		if err := (sqlite{}).dump(t.Context(), &Maker{}, sqlitePart(path), &copied); err != nil {
			t.Fatal(err)
		}
		if last := wholeSQLite(t, copied.Bytes()); last != 2 {
			t.Errorf("the copy is of payment %d", last)
		}
		if diff := cmp.Diff(before, state(t, filepath.Dir(path))); diff != "" {
			t.Error(diff)
		}
		if estimate, _ := (sqlite{}).estimate(t.Context(), &Maker{}, sqlitePart(path)); estimate < int64(copied.Len()) {
			t.Errorf("estimate = %d, the copy has %d bytes", estimate, copied.Len())
		}
	})
	t.Run("journal", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "app.db")
		newSQLite(t, path, "delete", 4096)
		program := startSQLite(t, path, 0)
		program.must(t, "pay")
		program.must(t, "BEGIN")
		program.must(t, "UPDATE left SET sum = 0")
		program.must(t, "UPDATE log SET b = randomblob(3000)") // more than its cache holds
		program.kill()
		if size := sizeOf(path + "-journal"); size == 0 {
			t.Fatal("the program left no journal")
		}
		var copied bytes.Buffer
		if err := (sqlite{}).dump(t.Context(), &Maker{}, sqlitePart(path), &copied); err != nil {
			t.Fatal(err)
		}
		if last := wholeSQLite(t, copied.Bytes()); last != 1 {
			t.Errorf("the copy is of payment %d", last)
		}
	})
}

// A log that has to be there for the time of reading belongs to the database's owner, else he could not use it; and goes away again.
func TestSQLiteOfAnotherUser(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "app.db")
	newSQLite(t, path, "wal", 4096)
	for _, name := range []string{dir, path} {
		if err := os.Chown(name, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	before := state(t, dir)
	w, ended := newStalled(), make(chan error, 1)
	go func() { ended <- sqlite{}.dump(t.Context(), &Maker{}, sqlitePart(path), w) }()
	<-w.began
	openTo(t, dir)
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		info, _ := entry.Info()
		if uid, gid, _ := ownerOf(info); uid != nobody || gid != nobody {
			t.Errorf("%s belongs to %d:%d", entry.Name(), uid, gid)
		}
	}
	if len(entries) != 3 {
		t.Errorf("%d files, want the database, its log and the index", len(entries))
	}
	program := startSQLite(t, path, nobody)
	program.must(t, "pay")
	program.end(t)
	close(w.letGo)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if last := wholeSQLite(t, w.Bytes()); last != 0 {
		t.Errorf("the copy is of payment %d", last)
	}
	if after := state(t, dir); len(after) != len(before) {
		t.Errorf("left: %v", after)
	}
}

// Who may only read finds no place for a log, and needs none as long as nobody writes.
func TestSQLiteByReader(t *testing.T) {
	needRoot(t)
	dir := openTo(t, t.TempDir())
	path := filepath.Join(dir, "app.db")
	newSQLite(t, path, "wal", 4096)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	before := state(t, dir)
	ask := func() error {
		program := startSQLite(t, path, nobody)
		defer program.kill()
		return program.ask("dump")
	}
	if err := ask(); err == nil || !strings.Contains(err.Error(), "permission denied") { // it writes its copy there
		t.Errorf("err = %v, want that only the copy failed", err)
	}
	if diff := cmp.Diff(before, state(t, dir)); diff != "" {
		t.Error(diff)
	}
	if err := os.WriteFile(path+"-copy", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path+"-copy", 0o666); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err != nil {
		t.Error(err)
	}
	copied, _ := os.ReadFile(path + "-copy")
	wholeSQLite(t, copied)
	owner := startSQLite(t, path, 0) // now there is a log
	owner.must(t, "pay")
	if err := ask(); err != nil {
		t.Error(err)
	}
	copied, _ = os.ReadFile(path + "-copy")
	if last := wholeSQLite(t, copied); last != 1 {
		t.Errorf("the copy is of payment %d", last)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("err = %v", err)
	}
}

func TestSQLiteHolds(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"empty": "", "text": strings.Repeat("no", 1000)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	newSQLite(t, filepath.Join(dir, "app.db"), "wal", 4096)
	for name, want := range map[string]string{"missing": "", "empty": "", "text": "file " + dir + "/text with 2000 bytes", "app.db": "file " + dir + "/app.db with 3 tables"} {
		got, err := sqlite{}.holds(t.Context(), &Maker{}, Target{Database: &backup.Database{Type: "sqlite", Path: filepath.Join(dir, name)}})
		if err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
	if _, err := (sqlite{}).holds(t.Context(), &Maker{}, Target{Database: &backup.Database{Type: "sqlite", Path: dir}}); err == nil {
		t.Error("a folder is no target")
	}
}
