package setup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Draft is what is prepared before the first thing is made that outlasts an interruption: a folder beside the configuration, with
// the passphrase. Whoever finds one finds a set-up that was cut off, and can go on with it.
type Draft struct {
	Dir     string
	Answers Answers
	Begun   time.Time
}

const (
	draftPrefix = ".init-"
	unfinished  = ".new-"
)

// Passphrase and KnownHosts are files of the draft.
func (d *Draft) Passphrase() string { return filepath.Join(d.Dir, "passphrase") }

// KnownHosts is where the draft has the server's key.
func (d *Draft) KnownHosts() string { return filepath.Join(d.Dir, "known_hosts") }

// Files are those of the draft, as its configuration names them.
func (d *Draft) Files() Files {
	files := Files{Passphrase: d.Answers.Passphrase.File, KnownHosts: d.KnownHosts()}
	if d.Answers.Passphrase.Ours() {
		files.Passphrase = d.Passphrase()
	}
	return files
}

// Prepare writes a draft to the disk. It is there as a whole or not at all.
func Prepare(folder string, answers Answers, passphrase, knownHosts string, now time.Time) (*Draft, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // as /etc is; all that is secret in it is 0600
		return nil, err
	}
	d := &Draft{Dir: filepath.Join(folder, draftPrefix+answers.Job), Answers: answers, Begun: now}
	if _, err := os.Lstat(d.Dir); err == nil {
		return nil, fmt.Errorf("%s is there already", d.Dir)
	}
	before, err := os.MkdirTemp(folder, unfinished+"*")
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	write := func(name, content string) {
		err = errors.Join(err, WriteNew(filepath.Join(before, name), []byte(content)))
	}
	write("draft.json", string(text))
	if answers.Passphrase.Ours() {
		write("passphrase", passphrase+"\n")
	}
	if knownHosts != "" {
		write("known_hosts", knownHosts)
	}
	if err == nil {
		err = Sync(before)
	}
	if err == nil {
		err = os.Rename(before, d.Dir)
	}
	if err = errors.Join(err, Sync(folder)); err != nil {
		return nil, errors.Join(err, os.RemoveAll(before))
	}
	return d, nil
}

// Left finds the drafts that were left in the folder, of one job if it is named. What was not even a draft yet is removed.
func Left(folder, job string) ([]*Draft, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var drafts []*Draft
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		name, isDraft := strings.CutPrefix(entry.Name(), draftPrefix)
		switch {
		case strings.HasPrefix(entry.Name(), unfinished) && entry.IsDir() && old(entry):
			err = errors.Join(err, os.RemoveAll(path))
		case isDraft && entry.IsDir() && (job == "" || job == name):
			text, readErr := os.ReadFile(filepath.Join(path, "draft.json"))
			d := &Draft{}
			if readErr = errors.Join(readErr, json.Unmarshal(text, d)); readErr != nil {
				return drafts, fmt.Errorf("read what an init that was cut off has left in %s: %w", path, readErr)
			}
			d.Dir = path
			drafts = append(drafts, d)
		}
	}
	return drafts, err
}

// Sweep removes from the folder for trials what those that were killed have left.
func Sweep(folder string) error {
	entries, err := os.ReadDir(folder)
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), TrialPrefix) && entry.IsDir() && old(entry) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(folder, entry.Name())))
		}
	}
	return err
}

// old keeps what another init is just writing.
func old(entry fs.DirEntry) bool {
	info, err := entry.Info()
	return err == nil && time.Since(info.ModTime()) > time.Hour
}

// Remove removes the draft when all is in its place, or when nothing has come of it.
func (d *Draft) Remove() error { return os.RemoveAll(d.Dir) }

// SetAside keeps the draft, of which a passphrase may be needed yet, where no init finds it.
func (d *Draft) SetAside(now time.Time) (string, error) {
	aside := fmt.Sprintf("%s.given-up-%s", strings.Replace(d.Dir, draftPrefix, "init-", 1), now.Format("20060102-150405"))
	return aside, os.Rename(d.Dir, aside)
}

// WriteNew writes a file that only we can read, to the disk. One that is there already is an error.
func WriteNew(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// Place puts a file in its place for good, beside where it was. One with other content that is there already is an error.
func Place(from, to string) error {
	err := os.Link(from, to)
	if errors.Is(err, fs.ErrExist) {
		ours, readErr := os.ReadFile(from)
		theirs, otherErr := os.ReadFile(to)
		if readErr == nil && otherErr == nil && string(ours) == string(theirs) {
			return nil
		}
		return fmt.Errorf("%s is there already and is left alone", to)
	}
	if err != nil { // a file system without hard links
		content, readErr := os.ReadFile(from)
		if readErr != nil {
			return readErr
		}
		if err = WriteNew(to, content); err != nil {
			return err
		}
	}
	return Sync(filepath.Dir(to))
}

// Sync has the folder itself written to the disk: what was renamed in it.
func Sync(folder string) error {
	dir, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
