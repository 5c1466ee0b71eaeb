package history

import (
	"context"
	"database/sql"
	"encoding/json"

	"borgcron/internal/backup"
)

func writeDumps(ctx context.Context, tx *sql.Tx, step int64, dumps []backup.DatabaseDump) error {
	for _, dump := range dumps {
		encoded, err := text(dump)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO dumps VALUES (?, ?)", step, encoded); err != nil {
			return err
		}
	}
	return nil
}

// readDumps reads what a step dumped; a history of an older form has nothing.
func readDumps(ctx context.Context, tx *sql.Tx, step int64) (dumps []backup.DatabaseDump, err error) {
	var tables int
	err = tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name = 'dumps'").Scan(&tables)
	if err != nil || tables == 0 {
		return nil, err
	}
	err = each(ctx, tx, "SELECT dump FROM dumps WHERE step = ? ORDER BY rowid", []any{step}, func(scan func(...any) error) error {
		var encoded []byte
		if err := scan(&encoded); err != nil {
			return err
		}
		var dump backup.DatabaseDump
		err := json.Unmarshal(encoded, &dump)
		dumps = append(dumps, dump)
		return err
	})
	return dumps, err
}
