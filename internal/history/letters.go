package history

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"borgcron/internal/backup"
)

const (
	// keepLetters is how long a message is worth delivering.
	keepLetters = 7 * 24 * time.Hour
	// mostLetters is how many messages wait for a channel; the oldest fall away.
	mostLetters = 200
	// mostClaimed is how many messages one process delivers at a time.
	mostClaimed = 50
)

// Tell lets decide look at what was told of a job on a repository and change it, and keeps the letters that it
// returns, all in one transaction. It is on the disk when Tell returns.
func (s *Store) Tell(ctx context.Context, t backup.Target, decide func(*backup.Told) []backup.Letter) error {
	err := s.write(ctx, true, func(tx *sql.Tx) error {
		var told backup.Told
		key := t.Repository.Key()
		if _, err := load(ctx, tx, &told, "SELECT told FROM told WHERE job = ? AND repository_key = ?", t.Job.Name, key); err != nil {
			return err
		}
		letters := decide(&told)
		encoded, err := text(told)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO told VALUES (?, ?, ?)", t.Job.Name, key, encoded); err != nil {
			return err
		}
		for _, letter := range letters {
			if err := post(ctx, tx, letter); err != nil {
				return err
			}
		}
		return s.dropLetters(ctx, tx)
	})
	return about("messages", t, err)
}

func post(ctx context.Context, tx *sql.Tx, letter backup.Letter) error {
	if letter.Newest {
		_, err := tx.ExecContext(ctx, "DELETE FROM letters WHERE channel = ? AND topic = ?", letter.Channel, letter.Topic)
		if err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO letters (channel, topic, made, body) VALUES (?, ?, ?, ?)",
		letter.Channel, letter.Topic, letter.Made.UnixMicro(), string(letter.Body))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM letters WHERE channel = ?1 AND id <=
		(SELECT id FROM letters WHERE channel = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)`, letter.Channel, mostLetters)
	return err
}

// dropLetters lets those fall away that nobody wants to read any more, also of channels that are no longer there.
func (s *Store) dropLetters(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM letters WHERE made < ?", s.now().Add(-keepLetters).UnixMicro())
	return err
}

// Claim returns the letters to a channel that wait, the oldest first, and keeps other processes from delivering
// them until then: two that deliver at the same time would tell everything twice.
func (s *Store) Claim(ctx context.Context, channel string, until time.Time) (letters []backup.Letter, err error) {
	now := s.now()
	err = s.write(ctx, false, func(tx *sql.Tx) error {
		// A claim that lies too far ahead was made by a clock that was wrong.
		const waiting = "channel = ? AND (claimed <= ? OR claimed > ?)"
		of := []any{channel, now.UnixMicro(), until.Add(time.Hour).UnixMicro(), mostClaimed}
		err := each(ctx, tx, "SELECT id, topic, made, tries, problem, body FROM letters WHERE "+waiting+" ORDER BY id LIMIT ?", of,
			func(scan func(...any) error) error {
				letter := backup.Letter{Channel: channel}
				var made int64
				err := scan(&letter.ID, &letter.Topic, &made, &letter.Tries, &letter.Problem, &letter.Body)
				letter.Made = time.UnixMicro(made)
				letters = append(letters, letter)
				return err
			})
		if err != nil {
			return err
		}
		for _, letter := range letters {
			if _, err := tx.ExecContext(ctx, "UPDATE letters SET claimed = ? WHERE id = ?", until.UnixMicro(), letter.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("history: messages to channel %s: %w", channel, err)
	}
	return letters, nil
}

// Settle drops a letter that was delivered. One with a Problem could not be: it waits again.
func (s *Store) Settle(ctx context.Context, letter backup.Letter) error {
	err := s.write(ctx, false, func(tx *sql.Tx) error {
		if letter.Problem == "" {
			_, err := tx.ExecContext(ctx, "DELETE FROM letters WHERE id = ?", letter.ID)
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE letters SET claimed = 0, tries = ?, problem = ? WHERE id = ?", letter.Tries, letter.Problem, letter.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("history: a message to channel %s: %w", letter.Channel, err)
	}
	return nil
}

// Waiting tells of a channel's messages that wait: how many, since when, and why the last attempt failed.
type Waiting struct {
	Channel string
	Count   int
	Since   time.Time
	Problem string
}

// WaitingLetters returns what waits for each channel, by name; a history of an older form has nothing.
func (s *Store) WaitingLetters(ctx context.Context) (waiting []Waiting, err error) {
	err = s.read(ctx, func(tx *sql.Tx) error {
		var known bool
		err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'letters')").Scan(&known)
		if err != nil || !known {
			return err
		}
		return each(ctx, tx, `SELECT channel, count(*), min(made), coalesce((SELECT problem FROM letters tried WHERE tried.channel = letters.channel AND tries > 0
			ORDER BY id LIMIT 1), '') FROM letters GROUP BY channel ORDER BY channel`, nil,
			func(scan func(...any) error) error {
				var w Waiting
				var since int64
				err := scan(&w.Channel, &w.Count, &since, &w.Problem)
				w.Since = time.UnixMicro(since)
				waiting = append(waiting, w)
				return err
			})
	})
	if err != nil {
		return nil, fmt.Errorf("history: messages that wait: %w", err)
	}
	return waiting, nil
}
