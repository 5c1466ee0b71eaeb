// Package alarm keeps the alarms of repositories, each in a file of its own, so that none is lost with the history.
package alarm

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"borgcron/internal/backup"
)

// Store keeps the alarms of a state folder. Several processes may use the same one at once. A repository is
// named by its key.
type Store struct {
	Dir string           // of the alarms; made if missing, and nobody else's to write
	Now func() time.Time // nil: time.Now
}

// Standing returns the alarm of the repository, nil if there is none. A file that cannot be understood is an
// alarm too, which no check ends. An error says that it cannot be known whether there is one: whoever would
// delete something has to wait then as well.
func (s *Store) Standing(repository string) (*backup.Alarm, error) {
	err := checkFolder(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	standing, err := read(s.path(repository))
	var damage *damageError
	if errors.As(err, &damage) {
		return damage.alarm(), nil
	}
	return standing, err
}

// Raise puts a finding on record. If an alarm stands already it goes on, since the same time, with the words
// of the newest finding. After an error the finding may not be on record; what stood before still is.
func (s *Store) Raise(repository string, finding backup.Alarm) error {
	return s.update(func() error {
		name := s.path(repository)
		standing, err := read(name)
		var damage *damageError
		if errors.As(err, &damage) {
			// A second name, not another one: at no moment, not even if the disk is full, there is no alarm.
			err = s.keep(name, "damaged", os.Link)
			standing = damage.alarm()
		}
		if err != nil {
			return err
		}
		if finding.Since.IsZero() {
			finding.Since = s.now()
		}
		return write(name, repository, standing.Again(finding))
	})
}

// Settle ends the alarm of the repository, if there is one. The file is kept under another name.
func (s *Store) Settle(repository string) error {
	return s.update(func() error {
		err := s.keep(s.path(repository), "settled", os.Rename)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// Repaired notes that a `borg check --repair` was begun: a clean check no longer ends the alarm, if there is
// one.
func (s *Store) Repaired(repository string) error {
	return s.update(func() error {
		name := s.path(repository)
		standing, err := read(name)
		var damage *damageError
		if errors.As(err, &damage) || err == nil && (standing == nil || standing.Repaired) {
			return nil // what is damaged is not ended by a check anyway
		}
		if err != nil {
			return err
		}
		standing.Repaired = true
		return write(name, repository, standing)
	})
}

// update makes a change that no other process interferes with.
func (s *Store) update(change func() error) error {
	unlock, err := lockFolder(s.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	return change()
}

func (s *Store) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// path names the file of a repository: something for people to recognise, and the hash that counts.
func (s *Store) path(repository string) string {
	readable := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, path.Base(repository))
	sum := sha256.Sum256([]byte(repository))
	return filepath.Join(s.Dir, readable[:min(len(readable), 32)]+"-"+hex.EncodeToString(sum[:8])+".json")
}
