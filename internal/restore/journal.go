package restore

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"borgcron/internal/backup"
)

const journalVersion = 1

// Stale is after how long nobody means the same restore any more when he says the same.
const Stale = 7 * 24 * time.Hour

// Request is what somebody asked for: the same request again continues a restore that was interrupted.
type Request struct {
	Job, Dir, Archive string // Archive as it was asked for, such as latest
	Paths             []string
}

// key names the journal of a request.
func (r Request) key() string {
	sum := sha256.New()
	for _, text := range append([]string{r.Job, r.Dir, r.Archive}, r.Paths...) {
		fmt.Fprintf(sum, "%d:%s", len(text), text)
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// Journal is what is on record of a restore that has begun and is not whole.
type Journal struct {
	Version    int            `json:"version"`
	Job        string         `json:"job"`
	Dir        string         `json:"dir"`
	Repository string         `json:"repository"` // its key
	Archive    backup.Archive `json:"archive"`
	Existing   Existing       `json:"existing"`
	Stamp      string         `json:"stamp"`
	Began      time.Time      `json:"began"`
	Touched    time.Time      `json:"touched"`
	Boot       string         `json:"boot"`             // of the machine when it was last at work
	Synced     time.Time      `json:"synced"`           // all that was written before is on the disk
	Failed     []string       `json:"failed,omitempty"` // what could not be restored, as Spelled
	Before     []string       `json:"-"`                // what was there before
}

// Former is what the planner needs to know. A crash of the machine may leave files that seem whole and are not: after it only
// those count that are surely on the disk.
func (j *Journal) Former(boot string) *Former {
	former := &Former{Before: map[string]struct{}{}, Failed: map[string]struct{}{}}
	for _, entry := range j.Before {
		former.Before[entry] = struct{}{}
	}
	for _, entry := range j.Failed {
		former.Failed[entry] = struct{}{}
	}
	sameBoot := boot != "" && boot == j.Boot
	former.Trust = func(changed time.Time) bool { return sameBoot || changed.Before(j.Synced) }
	return former
}

// Journals are kept in a folder of their own, for nobody else: names of files tell much.
type Journals struct {
	Dir string
	Now func() time.Time
}

// Open returns the journal of a request, nil if there is none or if it is stale. Stale ones are dropped.
func (s *Journals) Open(r Request) (*Journal, error) {
	s.sweep()
	text, err := os.ReadFile(s.file(r, ".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	journal := &Journal{}
	if err == nil {
		err = json.Unmarshal(text, journal)
	}
	if err == nil && (journal.Version != journalVersion || journal.Dir != r.Dir || journal.Job != r.Job) {
		err = errors.New("it is of another version")
	}
	if err == nil {
		journal.Before, err = readNames(s.file(r, ".before"))
	}
	if err != nil {
		return nil, fmt.Errorf("read the journal of the restore that was interrupted: %w", err)
	}
	return journal, nil
}

// Begin puts on record what is about to be restored. It is on the disk when it returns.
func (s *Journals) Begin(r Request, j *Journal) error {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of the journals: %w", err)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	for _, entry := range j.Before {
		_, _ = io.WriteString(w, entry+"\x00") // into memory
	}
	if err := errors.Join(w.Close(), renameio.WriteFile(s.file(r, ".before"), packed.Bytes(), 0o600)); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	return s.Save(r, j)
}

// Save puts on record how it stands; what was there before stays as it was.
func (s *Journals) Save(r Request, j *Journal) error {
	j.Version, j.Job, j.Dir, j.Touched = journalVersion, r.Job, r.Dir, s.Now()
	text, err := json.MarshalIndent(j, "", "  ")
	if err == nil {
		err = renameio.WriteFile(s.file(r, ".json"), text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	return nil
}

// End drops a journal: the restore is whole.
func (s *Journals) End(r Request) error {
	if err := os.Remove(s.file(r, ".json")); err != nil {
		return fmt.Errorf("drop the journal: %w", err)
	}
	_ = os.Remove(s.file(r, ".before")) // without the other it means nothing
	return nil
}

func (s *Journals) file(r Request, suffix string) string {
	return filepath.Join(s.Dir, r.key()+suffix)
}

// sweep drops what nobody has touched for long.
func (s *Journals) sweep() {
	entries, _ := os.ReadDir(s.Dir) // what cannot be read will be said by whoever opens it
	for _, entry := range entries {
		name := filepath.Join(s.Dir, entry.Name())
		base, isJournal := strings.CutSuffix(name, ".json")
		info, err := entry.Info()
		if err != nil || s.Now().Sub(info.ModTime()) < Stale {
			continue
		}
		if isJournal {
			_ = os.Remove(name)
			_ = os.Remove(base + ".before")
		} else if _, err := os.Lstat(strings.TrimSuffix(name, ".before") + ".json"); errors.Is(err, fs.ErrNotExist) {
			_ = os.Remove(name)
		}
	}
}

func readNames(name string) ([]string, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r, err := gzip.NewReader(file)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	names := strings.Split(string(text), "\x00")
	return names[:len(names)-1], nil
}
