package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"borgcron/internal/backup"
	"borgcron/internal/borg"
	"borgcron/internal/dump"
)

// databaseNames are those that the configuration of a job says, but for the ones that stand on the command line already.
func (env *environment) databaseNames(args []string) (names []string) {
	loaded, err := env.readConfig()
	if err != nil {
		return nil
	}
	job, err := oneJob(loaded.Jobs, args[0])
	if err != nil {
		return nil
	}
	for _, database := range job.Databases {
		switch {
		case database.Type == "sqlite":
			names = append(names, database.Path)
		case !database.All():
			names = append(names, database.Names...)
		case database.Type == "postgresql":
			names = append(names, "globals")
		default:
			names = append(names, "grants")
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(args[1:], name) })
}

// piece is one dump and where it is restored to.
type piece struct {
	dump   backup.DatabaseDump
	target dump.Target
}

// order: roles come before what belongs to them, grants after what they are about.
func (p piece) order() int {
	switch {
	case p.dump.Kind == backup.OneDatabase:
		return 1
	case p.dump.Type == "postgresql":
		return 0
	}
	return 2
}

// place is the target as people call it.
func (p piece) place() string {
	if p.dump.Type == "sqlite" {
		return p.target.Database.Path
	}
	name := p.target.Name
	if name == "" {
		name = p.dump.Name
	}
	return p.target.Database.Server() + "/" + name
}

// target is where a dump goes: by the job's entry for its server, changed by --to and --as.
func (r *restoring) target(d backup.DatabaseDump) (dump.Target, error) {
	target := dump.Target{Name: r.options.as, Replace: r.options.replace}
	database, err := r.entry(d)
	if err != nil {
		return target, err
	}
	target.Database = database
	switch to := r.options.to; {
	case d.Type == "sqlite" && to == "":
		database.Path = d.Name
	case d.Type == "sqlite":
		if database.Path, err = filepath.Abs(to); err != nil {
			return target, exitError{exitFailed, err}
		}
	case strings.HasPrefix(to, "/") && d.Type == "postgresql":
		database.Host, database.Port, database.Container = to, 0, ""
		if folder, port, found := strings.Cut(to, "/.s.PGSQL."); found { // the socket itself
			database.Host = folder
			if database.Port, err = strconv.Atoi(port); err != nil {
				return target, usage("--to %s: give the folder of the socket, or DIR/.s.PGSQL.PORT", to)
			}
		}
	case strings.HasPrefix(to, "/"):
		database.Socket, database.Host, database.Port, database.Container = to, "", 0, ""
	case to != "":
		return target, setServer(database, to)
	}
	if d.Type == "sqlite" && r.options.as != "" {
		return target, usage("--as gives a database another name; a file of SQLite goes to another place by --to FILE")
	}
	return target, nil
}

// setServer points an entry to another server.
func setServer(database *backup.Database, to string) error {
	host, port := to, 0
	if h, p, err := net.SplitHostPort(to); err == nil {
		host = h
		if port, err = strconv.Atoi(p); err != nil || port < 1 || port > 65535 {
			return usage("--to %s: give HOST or HOST:PORT", to)
		}
	}
	if host == "" {
		return usage("--to %s: give HOST or HOST:PORT", to)
	}
	database.Host, database.Port, database.Socket, database.Container = host, port, "", ""
	return nil
}

// entry is a copy of the job's entry that the dump came from, which knows how to log in. If the configuration has
// changed since, one of the same type serves where --to says where to go.
func (r *restoring) entry(d backup.DatabaseDump) (*backup.Database, error) {
	var same, server *backup.Database
	for i := range r.call.Job.Databases {
		database := r.call.Job.Databases[i]
		if database.Server() == d.Server && (d.Type != "sqlite" || filepath.Clean(database.Path) == d.Name) {
			if database.All() || d.Type == "sqlite" || slices.Contains(database.Names, d.Name) {
				return &database, nil
			}
			server = &database // of others there, which may log in as another user
			continue
		}
		if database.Type == d.Type && same == nil {
			same = &database
		}
	}
	switch {
	case server != nil:
		return server, nil
	case d.Type == "sqlite":
		return &backup.Database{Type: "sqlite"}, nil
	case same != nil && r.options.to != "":
		return same, nil
	}
	return nil, exitError{exitFailed, fmt.Errorf("job %s has no entry for the server %s that %s came from: add it to `databases`, or say --to HOST",
		r.call.Job.Name, backup.Clean(d.Server), backup.Clean(d.Name))}
}

// maxContents bounds what is read of the contents of an archive of dumps.
const maxContents = 64 << 20

// readContents reads which dumps the archive holds.
func (r *restoring) readContents(ctx context.Context) (contents backup.Contents, err error) {
	var text bytes.Buffer
	if err := r.parts.client.Extract(ctx, r.call, r.archive.Name, r.base+r.listed, &bounded{to: &text, left: maxContents}); err != nil {
		return contents, err
	}
	if err := json.Unmarshal(text.Bytes(), &contents); err != nil || contents.Version != 1 {
		return contents, &backup.Failure{Op: "extract", Code: -1, Class: backup.Permanent, Err: err,
			Message: fmt.Sprintf("the contents of the archive %s cannot be understood", backup.Clean(r.archive.Name)), Hint: "a newer borgcron may have made it"}
	}
	return contents, nil
}

// bounded passes on only so many bytes.
type bounded struct {
	to   io.Writer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(p) > b.left {
		return 0, errors.New("it is too long")
	}
	b.left -= len(p)
	return b.to.Write(p)
}

// restoreOne streams one dump out of the archive into its server. The server sees the end of the dump only if borg has ended
// well and all bytes that were once written have come.
func (r *restoring) restoreOne(ctx context.Context, p piece) error {
	if p.dump.Format == backup.DirectoryFormat {
		return r.restoreTree(ctx, p)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	read, write := io.Pipe()
	extracted := make(chan error, 1)
	go func() {
		counted := &counting{to: write}
		err := r.parts.client.Extract(ctx, r.call, r.archive.Name, r.base+p.dump.Path(), counted)
		if err == nil && counted.n != p.dump.Size {
			err = r.incomplete(p, counted.n)
		}
		_ = write.CloseWithError(err) // nil is io.EOF
		extracted <- err
	}()
	err := r.maker.maker.Restore(ctx, p.dump, p.target, read)
	_ = read.CloseWithError(errNotTaken)
	if err != nil {
		cancel()
	}
	if lost := <-extracted; lost != nil && !errors.Is(lost, errNotTaken) && ctx.Err() == nil {
		return lost
	}
	return err
}

func (r *restoring) incomplete(p piece, size int64) error {
	return &backup.Failure{Op: "extract", Code: -1, Class: backup.Permanent,
		Message: fmt.Sprintf("the archive holds %d bytes of this dump, and %d were written", size, p.dump.Size),
		Hint:    "run borgcron run " + r.call.Job.Name + " --only check"}
}

var errNotTaken = errors.New("the dump was not taken to its end")

// counting counts what is written.
type counting struct {
	to io.Writer
	n  int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += int64(n)
	return n, err
}

// list prints what the archive holds.
func (r *restoring) list() error {
	if r.options.json {
		return printJSON(r.env.Stdout, struct {
			Archive string                `json:"archive"`
			Dumps   []backup.DatabaseDump `json:"dumps"`
		}{r.archive.Name, r.contents.Dumps})
	}
	fmt.Fprintln(r.env.Stdout, backup.Clean(r.archive.Name))
	lines := newTable(r.env.Stdout)
	lines.AppendHeader(table.Row{"NAME", "SERVER", "FORMAT", "SIZE", "NOTE"})
	for _, d := range r.contents.Dumps {
		note := d.Left
		if d.Kind == backup.ServerWide {
			note = "of the server, restored only if named"
		}
		lines.AppendRow(table.Row{backup.Clean(d.Name), backup.Clean(d.Server), d.Format, size(d.Size), backup.Clean(note)})
	}
	lines.Render()
	return nil
}

// restoreTree extracts a dump that is a folder of files, and restores it from there.
func (r *restoring) restoreTree(ctx context.Context, p piece) error {
	dir, remove, err := dump.Private(filepath.Join(r.parts.state, "restore")) // on a disk, unlike the folder for pipes
	if err != nil {
		return err
	}
	defer remove()
	path := r.base + p.dump.Path()
	report, err := r.parts.client.ExtractTree(ctx, r.call, r.archive.Name, borg.Extraction{Dir: dir, Paths: []string{path}})
	if err != nil {
		return err
	}
	if len(report.Warnings) > 0 {
		return &backup.Failure{Op: "extract", Code: -1, Class: backup.Permanent, Message: report.Warnings[0].Message, Tail: report.Tail}
	}
	size := int64(0)
	err = filepath.WalkDir(filepath.Join(dir, path), func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		return err
	}
	if size != p.dump.Size {
		return r.incomplete(p, size)
	}
	return r.maker.maker.RestoreTree(ctx, p.dump, p.target, filepath.Join(dir, path))
}
