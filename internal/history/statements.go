package history

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"modernc.org/sqlite"
)

// connector opens connections that keep the statements they have prepared. A run puts the same twenty or so to the
// database several times each, and to prepare one takes longer than to carry it out.
type connector struct {
	sqlite sqlite.Driver
	name   string // the driver's, for the database
}

func (c *connector) Driver() driver.Driver { return &c.sqlite }

func (c *connector) Connect(context.Context) (driver.Conn, error) {
	opened, err := c.sqlite.Open(c.name)
	if err != nil {
		return nil, err
	}
	inner, ok := opened.(connection)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the driver's %T lacks a method", opened), opened.Close())
	}
	return &preparing{inner, map[string]*statement{}}, nil
}

// connection is what database/sql and we ask of the driver's.
type connection interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.QueryerContext
	driver.ExecerContext
	driver.SessionResetter
	driver.Validator
}

type preparing struct {
	connection
	statements map[string]*statement
}

// statement is one that was prepared; while its rows are read it cannot be used a second time.
type statement struct {
	driver.Stmt
	busy bool
}

// prepared returns the statement of a query, nil if it is in use.
func (p *preparing) prepared(ctx context.Context, query string) (*statement, error) {
	if known := p.statements[query]; known != nil {
		if known.busy {
			return nil, nil
		}
		return known, nil
	}
	made, err := p.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	p.statements[query] = &statement{Stmt: made}
	return p.statements[query], nil
}

func (p *preparing) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := p.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	if executes, ok := s.stmt().(driver.StmtExecContext); ok {
		return executes.ExecContext(ctx, args)
	}
	return p.connection.ExecContext(ctx, query, args)
}

func (p *preparing) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := p.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	queries, ok := s.stmt().(driver.StmtQueryContext)
	if !ok {
		return p.connection.QueryContext(ctx, query, args)
	}
	found, err := queries.QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	s.busy = true
	return &rows{found, s}, nil
}

// stmt is the driver's statement, nil if there is none to use.
func (s *statement) stmt() driver.Stmt {
	if s == nil {
		return nil
	}
	return s.Stmt
}

// Close ends the statements first: the connection would stay open for them.
func (p *preparing) Close() error {
	var failures []error
	for _, s := range p.statements {
		failures = append(failures, s.Close())
	}
	clear(p.statements)
	return errors.Join(append(failures, p.connection.Close())...)
}

// rows are the answer of a statement, which is free again when they are closed.
type rows struct {
	driver.Rows
	of *statement
}

func (r *rows) Close() error {
	r.of.busy = false
	return r.Rows.Close()
}
