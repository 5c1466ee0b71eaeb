package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"borgcron/internal/backup"
)

const (
	// withSelection is the first version of the tables that knows what a create selected.
	withSelection = 3
	// searched is among how many of the last runs those that made an archive are looked for.
	searched = 1000
)

// Recent returns the figures of the target's last n runs that have ended and made an archive of what the job selects
// now, newest first. Archives that are not believable are left out.
func (s *Store) Recent(ctx context.Context, t backup.Target, n int) (recent []backup.Figures, err error) {
	err = s.read(ctx, func(tx *sql.Tx) error {
		recent, err = recentFigures(ctx, tx, t.Job.Name, t.Repository.Key(), t.Job.Fingerprint(), n)
		return err
	})
	return recent, about("figures", t, err)
}

// Trend is the trend of a job on a repository.
type Trend struct {
	Job        string `json:"job"`
	Repository string `json:"repository"`
	backup.Trend
}

// Trends returns the trends of the jobs and repositories that are asked for, by name; the limit is not heeded. Of
// those with too few runs of the same selection of files there is none, nor in a history of an older form.
func (s *Store) Trends(ctx context.Context, query Query) (trends []Trend, err error) {
	if s.version > 0 && s.version < withSelection {
		return nil, nil
	}
	err = s.read(ctx, func(tx *sql.Tx) error {
		targets, err := selectTargets(ctx, tx, query.Job)
		if err != nil {
			return err
		}
		for _, t := range targets {
			name, trend, err := trendOf(ctx, tx, t.job, t.key)
			if err != nil {
				return err
			}
			if trend != nil && (query.Repository == "" || query.Repository == name) {
				trends = append(trends, Trend{t.job, name, *trend})
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("history: trends: %w", err)
	}
	return trends, nil
}

// targetKey names a job on a repository in the tables.
type targetKey struct{ job, key string }

// selectTargets returns all targets of a job, of all jobs if it is "".
func selectTargets(ctx context.Context, tx *sql.Tx, job string) (targets []targetKey, err error) {
	query, args := "SELECT job, repository_key FROM targets ORDER BY job, repository_key", []any(nil)
	if job != "" {
		query, args = "SELECT job, repository_key FROM targets WHERE job = ? ORDER BY repository_key", []any{job}
	}
	err = each(ctx, tx, query, args, func(scan func(...any) error) error {
		var t targetKey
		err := scan(&t.job, &t.key)
		targets = append(targets, t)
		return err
	})
	return targets, err
}

// trendOf returns what the repository is called now, and the trend of the runs that selected what the last one did.
func trendOf(ctx context.Context, tx *sql.Tx, job, key string) (name string, trend *backup.Trend, err error) {
	var selection string
	err = tx.QueryRowContext(ctx, `SELECT runs.repository, steps.selection FROM runs CROSS JOIN steps ON steps.run = runs.id
		WHERE `+archived+` ORDER BY runs.started DESC LIMIT 1`, job, key, searched).Scan(&name, &selection)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	recent, err := recentFigures(ctx, tx, job, key, selection, backup.TrendRuns)
	return name, backup.NewTrend(recent), err
}

// archived chooses the steps that made a believable archive, in those of a target's runs that ended last. In the CROSS
// JOIN before it the runs come first, so that nothing is read of those that are not needed.
const archived = `runs.job = ?1 AND runs.repository_key = ?2 AND runs.outcome IS NOT NULL AND runs.started >= coalesce(
		(SELECT started FROM runs WHERE job = ?1 AND repository_key = ?2 ORDER BY started DESC LIMIT 1 OFFSET ?3), -1 << 63)
	AND steps.step = 'create' AND steps.archive <> '' AND steps.outcome IN ('succeeded', 'warning') AND NOT steps.breached`

func recentFigures(ctx context.Context, tx *sql.Tx, job, key, selection string, n int) (recent []backup.Figures, err error) {
	err = each(ctx, tx, `SELECT steps.started, steps.ended, steps.attempts, steps.repository_id, steps.files, steps.original_size,
			steps.deduplicated_size, steps.repository_size
		FROM runs CROSS JOIN steps ON steps.run = runs.id WHERE `+archived+` AND steps.selection = ?4
		ORDER BY runs.started DESC LIMIT ?5`, []any{job, key, searched, selection, n},
		func(scan func(...any) error) error {
			create := backup.StepResult{Step: backup.Create, Report: backup.Report{Archive: &backup.Archive{}}}
			report := &create.Report
			var began, ended int64
			err := scan(&began, &ended, &create.Attempts, &report.RepositoryID, &report.Files, &report.OriginalSize,
				&report.DeduplicatedSize, &report.RepositorySize)
			create.Started, create.Ended = time.UnixMicro(began), time.UnixMicro(ended)
			figures, _ := backup.FiguresOf(backup.Run{Steps: []backup.StepResult{create}})
			recent = append(recent, figures)
			return err
		})
	return recent, err
}
