package dump

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"borgcron/internal/backup"
)

// swapTime bounds the exchange of two databases, which is not broken off when we are: half of it is worse than a wait.
const swapTime = 10 * time.Minute

// pgReplacement is a database that is filled beside the one whose name it is to take.
type pgReplacement struct {
	postgresql
	maker         *Maker
	database      *backup.Database
	name, scratch string
	former        string // what the database that is there is called meanwhile; "" if there is none
	from          string // where statements are carried out: nobody may be connected to what is renamed
}

// replace fills a new database and lets it take the name only when it is whole. The one that had it is renamed before that, and
// dropped after it: at any moment one of them is there.
func (s postgresql) replace(ctx context.Context, m *Maker, dump backup.DatabaseDump, target Target, feed func(*client)) error {
	mark := strings.ToLower(rand.Text()[:10])
	r := &pgReplacement{
		postgresql: s, maker: m, database: target.Database, name: cmp.Or(target.Name, dump.Name), scratch: "borgcron-restore-" + mark, from: "postgres",
	}
	if r.name == r.from {
		r.from = "template1"
	}
	open, closed, err := s.databases(ctx, m, target.Database)
	if err != nil {
		return pgFailure("restore-database", err)
	}
	if slices.Contains(open, r.name) || slices.Contains(closed, r.name) {
		r.former = "borgcron-former-" + mark
	}
	err = r.create(ctx)
	if err == nil {
		err = s.fill(ctx, m, dump, target.Database, r.scratch, feed)
	}
	if err == nil && ctx.Err() == nil {
		err = r.inherit(ctx)
	}
	if err == nil && ctx.Err() != nil {
		err = fmt.Errorf("restore the database: %w", context.Cause(ctx))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), swapTime)
	defer cancel()
	if err == nil {
		err = r.swap(ctx)
	}
	if err != nil {
		_ = r.do(ctx, "DROP DATABASE IF EXISTS "+pgName(r.scratch)) // the failure is what matters
		return pgFailure("restore-database", err)
	}
	return r.dropFormer(ctx)
}

// do carries out statements, each for itself, up to the first that fails.
func (r *pgReplacement) do(ctx context.Context, statements ...string) error {
	for _, statement := range statements {
		if _, err := r.ask(ctx, r.maker, r.database, r.from, statement); err != nil {
			return err
		}
	}
	return nil
}

// create makes the new database, with encoding and locale of the one that is there.
func (r *pgReplacement) create(ctx context.Context) error {
	create := "CREATE DATABASE " + pgName(r.scratch) + " TEMPLATE template0"
	if r.former != "" {
		alike, err := r.ask(ctx, r.maker, r.database, r.from, "SELECT ' ENCODING ' || quote_literal(pg_encoding_to_char(encoding)) || ' LC_COLLATE ' || quote_literal(datcollate)"+
			" || ' LC_CTYPE ' || quote_literal(datctype) FROM pg_database WHERE datname = "+pgLiteral(r.name))
		if err != nil {
			return err
		}
		create += strings.TrimRight(alike, "\x00")
	}
	return r.do(ctx, create)
}

// pgProperties are the statements that give a database (the second name) what belongs to the first and is in no table of it: its owner, who may
// connect, its limit of connections, its settings, its comment. The settings that are lists are kept as their text
// stands, as pg_dump does it.
const pgProperties = `SELECT statement FROM (
	SELECT 1 AS n, format('ALTER DATABASE %I OWNER TO %I', new, pg_get_userbyid(datdba)) AS statement FROM pg_database, names WHERE datname = old
	UNION ALL SELECT 2, format('ALTER DATABASE %I CONNECTION LIMIT %s', new, datconnlimit) FROM pg_database, names WHERE datname = old AND datconnlimit <> -1
	UNION ALL SELECT 3, format('REVOKE ALL ON DATABASE %I FROM PUBLIC', new) FROM pg_database, names WHERE datname = old AND datacl IS NOT NULL
	UNION ALL SELECT 4, format('GRANT %s ON DATABASE %I TO %s%s', privilege_type, new, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
		CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) FROM names, pg_database, aclexplode(datacl) WHERE datname = old
	UNION ALL SELECT 5, format('ALTER %s SET %I TO %s', CASE setrole WHEN 0 THEN format('DATABASE %I', new) ELSE format('ROLE %I IN DATABASE %I', pg_get_userbyid(setrole), new) END,
		split_part(setting, '=', 1), CASE WHEN split_part(setting, '=', 1) IN ('search_path', 'temp_tablespaces', 'local_preload_libraries', 'session_preload_libraries')
		THEN substr(setting, strpos(setting, '=') + 1) ELSE quote_literal(substr(setting, strpos(setting, '=') + 1)) END)
		FROM names, pg_database JOIN pg_db_role_setting ON setdatabase = pg_database.oid, unnest(setconfig) setting WHERE datname = old
	UNION ALL SELECT 6, format('COMMENT ON DATABASE %I IS %L', new, shobj_description(oid, 'pg_database')) FROM pg_database, names
		WHERE datname = old AND shobj_description(oid, 'pg_database') IS NOT NULL
) statements ORDER BY n`

// inherit gives the new database what the one that is there has beside its contents.
func (r *pgReplacement) inherit(ctx context.Context) error {
	if r.former == "" {
		return nil
	}
	out, err := r.ask(ctx, r.maker, r.database, r.from, "WITH names AS (SELECT "+pgLiteral(r.name)+"::text AS old, "+pgLiteral(r.scratch)+"::text AS new) "+pgProperties)
	if err != nil || out == "" {
		return err
	}
	return r.do(ctx, strings.Split(strings.TrimSuffix(out, "\x00"), "\x00")...)
}

// swap lets the new database take the name. If that fails the old one has it again.
func (r *pgReplacement) swap(ctx context.Context) error {
	if r.former != "" {
		if err := r.rename(ctx, r.name, r.former); err != nil {
			return err
		}
	}
	err := r.rename(ctx, r.scratch, r.name)
	if err == nil {
		err = r.do(ctx, "ALTER DATABASE "+pgName(r.name)+" ALLOW_CONNECTIONS true")
	}
	if err != nil && r.former != "" {
		if back := r.do(ctx, "ALTER DATABASE "+pgName(r.former)+" RENAME TO "+pgName(r.name), "ALTER DATABASE "+pgName(r.name)+" ALLOW_CONNECTIONS true"); back != nil {
			failure := *backup.AsFailure("restore-database", pgFailure("restore-database", err))
			failure.Hint = fmt.Sprintf("the former database is called %s now: rename it back, and allow connections to it", r.former)
			return &failure
		}
	}
	return err
}

// rename renames a database to which others may be connected, or connect any time. Connections stay forbidden if that works.
func (r *pgReplacement) rename(ctx context.Context, from, to string) error {
	err := r.do(ctx, "ALTER DATABASE "+pgName(from)+" ALLOW_CONNECTIONS false",
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "+pgLiteral(from),
		"ALTER DATABASE "+pgName(from)+" RENAME TO "+pgName(to))
	if err != nil {
		_ = r.do(ctx, "ALTER DATABASE "+pgName(from)+" ALLOW_CONNECTIONS true")
	}
	return err
}

func (r *pgReplacement) dropFormer(ctx context.Context) error {
	if r.former == "" {
		return nil
	}
	if err := r.do(ctx, "DROP DATABASE "+pgName(r.former)); err != nil {
		failure := *backup.AsFailure("restore-database", pgFailure("restore-database", err))
		failure.Message = backup.CleanLine(fmt.Sprintf("the database is restored, but the former one is still there as %s: %s", r.former, failure.Message), 500)
		failure.Hint = "drop it"
		return &failure
	}
	return nil
}
