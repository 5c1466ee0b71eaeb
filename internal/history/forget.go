package history

import (
	"context"
	"database/sql"
	"fmt"

	"borgcron/internal/backup"
)

// Place is a repository on which something of a job is on record.
type Place struct {
	Key  string // never shown: it is where the repository is
	Name string // the last that it was called by; "" if no run is on record
	Runs int
}

// Places are the repositories on which anything of the job is on record.
func (s *Store) Places(ctx context.Context, job string) (places []Place, err error) {
	err = s.read(ctx, func(tx *sql.Tx) error {
		return each(ctx, tx, `SELECT repository_key,
			coalesce((SELECT repository FROM runs WHERE job = ?1 AND repository_key = known.repository_key ORDER BY started DESC LIMIT 1), ''),
			(SELECT count(*) FROM runs WHERE job = ?1 AND repository_key = known.repository_key)
			FROM (SELECT repository_key FROM runs WHERE job = ?1 UNION SELECT repository_key FROM targets WHERE job = ?1
				UNION SELECT repository_key FROM told WHERE job = ?1 UNION SELECT repository_key FROM read_back WHERE job = ?1) known
			ORDER BY repository_key`, []any{job}, func(scan func(...any) error) error {
			var place Place
			err := scan(&place.Key, &place.Name, &place.Runs)
			places = append(places, place)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("history: what is on record of job %s: %w", job, err)
	}
	return places, nil
}

// Unsettled names a job with a run on the repository that is not known to have ended; "" if there is none.
func (s *Store) Unsettled(ctx context.Context, key string) (job string, err error) {
	err = s.read(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT coalesce(min(job), '') FROM runs WHERE repository_key = ? AND outcome IS NULL", key).Scan(&job)
	})
	if err != nil {
		return "", fmt.Errorf("history: runs that did not end: %w", err)
	}
	return job, nil
}

// Forget drops all that is on record of a job on a repository, and its messages that wait. What is known of the repository
// itself stays. The caller holds the repository's lock, and no run on it is unsettled: what this job has done there is evidence
// of what a run that was cut off has left behind.
func (s *Store) Forget(ctx context.Context, t backup.Target) error {
	err := s.write(ctx, true, func(tx *sql.Tx) error {
		job, key := t.Job.Name, t.Repository.Key()
		for _, statement := range []string{
			"DELETE FROM runs WHERE job = ? AND repository_key = ?", // steps, and all below them, go with their runs
			"DELETE FROM targets WHERE job = ? AND repository_key = ?",
			"DELETE FROM told WHERE job = ? AND repository_key = ?",
			"DELETE FROM read_back WHERE job = ? AND repository_key = ?",
		} {
			if _, err := tx.ExecContext(ctx, statement, job, key); err != nil {
				return err
			}
		}
		for _, skipped := range []bool{false, true} {
			if _, err := tx.ExecContext(ctx, "DELETE FROM letters WHERE topic = ?", backup.Topic(t, skipped)); err != nil {
				return err
			}
		}
		return nil
	})
	return about("records", t, err)
}
