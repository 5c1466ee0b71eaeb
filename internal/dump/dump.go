// Package dump makes consistent dumps of databases and brings them back: one kind of server a file.
package dump

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"borgcron/internal/backup"
)

// Maker makes dumps and restores them. It may be used from several goroutines.
type Maker struct {
	Environ []string                                             // for the programs of databases: the caller's without what is borg's or a secret of ours
	Secret  func(context.Context, backup.Secret) ([]byte, error) // reads a password
	Stall   time.Duration                                        // a program that gives no sign of life for so long is ended; 0: never
	Scratch string                                               // the folder for copies of databases that cannot be streamed; "": the system's
	Log     *slog.Logger
}

// Part is one dump to be made, and the entry of the configuration that asks for it.
type Part struct {
	backup.DatabaseDump
	Database *backup.Database
	unknown  *backup.Failure // why it is not known what the entry asks for; nil: it is
}

// Target is where a dump is restored to.
type Target struct {
	Database *backup.Database // how to reach the server, or for SQLite (in Path) the file
	Name     string           // of the database there; "" for the dump's own
	Replace  bool             // what is there already may be replaced
}

// engine knows one kind of database. Every error is a *backup.Failure: Transient only if the server could not be reached,
// else Permanent, with a hint.
type engine interface {
	// parts names the dumps that an entry asks for. It asks the server, also where all names stand in the entry, so
	// that a name that does not exist, a wrong password or a server that is down is found before anything is begun.
	parts(ctx context.Context, m *Maker, database *backup.Database) ([]backup.DatabaseDump, error)
	// estimate is how large the dump will be at most, in bytes, as far as the server can tell.
	estimate(ctx context.Context, m *Maker, part Part) (int64, error)
	// dump writes the dump. It is complete if and only if there is no error.
	dump(ctx context.Context, m *Maker, part Part, w io.Writer) error
	// holds tells whether there is something at the target that a restore would overwrite: what, in a few words, ""
	// if the database does not exist or is empty.
	holds(ctx context.Context, m *Maker, target Target) (string, error)
	// restore brings a dump back from r. It is carried out whole or not at all where the server can do that.
	// Whether the target may be overwritten was asked before.
	restore(ctx context.Context, m *Maker, dump backup.DatabaseDump, target Target, r io.Reader) error
}

func engineOf(kind string) (engine, error) {
	switch kind {
	case "postgresql":
		return postgresql{}, nil
	case "mysql", "mariadb":
		return mysql{}, nil
	case "sqlite":
		return sqlite{}, nil
	}
	return nil, fmt.Errorf("there is no kind of database called %q", kind)
}

// Parts names all dumps that the entries of a job ask for, in their order. An entry with on_error: warn whose server
// cannot be asked becomes one part that says in Left why it is left out.
func (m *Maker) Parts(ctx context.Context, databases []backup.Database) ([]Part, error) {
	return m.parts(ctx, databases, false)
}

// EachParts is Parts for dumps that do not depend on each other: an entry that cannot be asked becomes a part that cannot be made.
func (m *Maker) EachParts(ctx context.Context, databases []backup.Database) ([]Part, error) {
	return m.parts(ctx, databases, true)
}

func (m *Maker) parts(ctx context.Context, databases []backup.Database, each bool) ([]Part, error) {
	var parts []Part
	seen := map[string]bool{}
	for i := range databases {
		database := &databases[i]
		found, err := m.partsOf(ctx, database)
		if err != nil {
			failure := *backup.AsFailure("dump", err)
			if !strings.Contains(failure.Message, database.Server()) {
				failure.Message = backup.CleanLine(database.Server()+": "+failure.Message, 500)
			}
			if !(database.Warn || each) || ctx.Err() != nil {
				return nil, &failure
			}
			name := cmp.Or(database.Path, strings.Join(database.Names, ", "))
			parts = append(parts, Part{backup.DatabaseDump{
				Kind: backup.OneDatabase, Type: database.Type, Server: database.Server(), Name: name, Left: failure.Sentence(),
			}, database, &failure})
			continue
		}
		for _, dump := range found {
			if seen[dump.Path()] {
				return nil, &backup.Failure{Op: "dump", Code: -1, Class: backup.Permanent,
					Message: fmt.Sprintf("two entries dump %s of %s: each dump would take the place of the other", backup.Clean(dump.Name), dump.Server),
					Hint:    "take it out of one of them"}
			}
			seen[dump.Path()] = true
			parts = append(parts, Part{DatabaseDump: dump, Database: database})
		}
	}
	return parts, nil
}

func (m *Maker) partsOf(ctx context.Context, database *backup.Database) ([]backup.DatabaseDump, error) {
	engine, err := engineOf(database.Type)
	if err != nil {
		return nil, err
	}
	return engine.parts(ctx, m, database)
}

// Write makes one dump. It is complete if and only if there is no error; every error is a *backup.Failure.
func (m *Maker) Write(ctx context.Context, part Part, w io.Writer) error {
	engine, err := engineOf(part.Type)
	if err != nil {
		return err
	}
	return engine.dump(ctx, m, part, w)
}

// Estimate is how large a dump will be at most, in bytes, as far as its server can tell.
func (m *Maker) Estimate(ctx context.Context, part Part) (int64, error) {
	engine, err := engineOf(part.Type)
	if err != nil {
		return 0, err
	}
	return engine.estimate(ctx, m, part)
}

// Restore brings a dump back to the target. What is there already is only replaced if the target says so.
func (m *Maker) Restore(ctx context.Context, dump backup.DatabaseDump, target Target, r io.Reader) error {
	engine, err := engineOf(dump.Type)
	if err != nil {
		return err
	}
	return engine.restore(ctx, m, dump, target, r)
}

// RestoreTree brings back a dump that is a folder of files (format directory). The files are read by the user that the program
// of the database runs as.
func (m *Maker) RestoreTree(ctx context.Context, dump backup.DatabaseDump, target Target, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open the dump: %w", err)
	}
	defer func() { _ = root.Close() }()
	folder, err := root.Open(".")
	if err != nil {
		return fmt.Errorf("open the dump: %w", err)
	}
	defer folder.Close()
	if err := m.lend(target.Database, root); err != nil {
		return fmt.Errorf("let %s read the dump: %w", target.Database.RunAs, err)
	}
	return postgresql{}.restoreTree(ctx, m, dump, target, folder)
}

// lend gives a folder of files to the user that the program of the database runs as.
func (m *Maker) lend(database *backup.Database, root *os.Root) error {
	who, _, err := m.identity(database)
	if err != nil || who == nil {
		return err
	}
	return fs.WalkDir(root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return root.Lchown(path, int(who.UID), int(who.GID))
	})
}

// Holds tells what at the target a restore would overwrite, "" if nothing is there.
func (m *Maker) Holds(ctx context.Context, dump backup.DatabaseDump, target Target) (string, error) {
	engine, err := engineOf(dump.Type)
	if err != nil {
		return "", err
	}
	if target.Name == "" {
		target.Name = dump.Name
	}
	if dump.Kind == backup.ServerWide {
		return "", nil
	}
	return engine.holds(ctx, m, target)
}
