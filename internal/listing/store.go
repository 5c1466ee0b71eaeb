// Package listing keeps what archives hold, once borg has listed it: a compact file an archive, dropped with the archive.
package listing

import (
	"bufio"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strings"

	"borgcron/internal/backup"
)

// Store keeps listings. A repository is named by its key, an archive by borg's id of it. Whoever saves or drops holds the
// repository's local lock; reading needs none.
type Store struct {
	Dir string // made if missing, and for nobody else: names of files tell much
}

// ErrDamaged is in the chain of an error about a listing that cannot be read, or is of another version of the program. Saving
// it again mends it.
var ErrDamaged = errors.New("what is kept of it is damaged")

const (
	// magic is the beginning of each file, with the number of the format.
	magic   = "borgcron listing 1\n"
	sumSize = crc32.Size
	suffix  = ".listing"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli) // processors have an instruction for it

// Save keeps the listing of an archive, which fill gives item by item. If fill fails nothing is kept, and its error is in the chain.
func (s *Store) Save(repository, id string, fill func(add func(backup.Item) error) error) error {
	name, err := s.path(repository, id)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fmt.Errorf("make the folder of the lists of files: %w", err)
	}
	if err := replace(name, func(file io.Writer) error { return write(file, fill) }); err != nil {
		return fmt.Errorf("keep the list of an archive's files: %w", err)
	}
	return nil
}

// replace makes a file anew, whole or not at all. It is not synced: after a loss of power what it holds tells that it is damaged.
func replace(name string, write func(io.Writer) error) (err error) {
	file, err := os.CreateTemp(filepath.Dir(name), "*.new") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			file.Close()
			_ = os.Remove(file.Name())
		}
	}()
	if err := write(file); err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Rename(file.Name(), name))
}

func write(file io.Writer, fill func(add func(backup.Item) error) error) error {
	sum := crc32.New(castagnoli)
	buffered := bufio.NewWriterSize(io.MultiWriter(file, sum), 64<<10)
	if _, err := buffered.WriteString(magic); err != nil {
		return err
	}
	packed, err := flate.NewWriter(buffered, flate.BestSpeed)
	if err != nil {
		return err
	}
	encoder := newEncoder(packed)
	if err := fill(encoder.add); err != nil {
		return err
	}
	if err := errors.Join(encoder.end(), packed.Close(), buffered.Flush()); err != nil {
		return err
	}
	_, err = file.Write(binary.BigEndian.AppendUint32(nil, sum.Sum32()))
	return err
}

// Items returns the items of an archive, in the order of the archive, to be walked over once. The error is fs.ErrNotExist if there
// is no listing, ErrDamaged if it is not whole: nothing has been given then.
func (s *Store) Items(repository, id string) (iter.Seq2[backup.Item, error], error) {
	name, err := s.path(repository, id)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read the list of an archive's files: %w", err)
	}
	body, err := check(file)
	if err != nil {
		file.Close()
		return nil, err
	}
	return func(yield func(backup.Item, error) bool) {
		defer file.Close()
		decode(flate.NewReader(bufio.NewReaderSize(body, 64<<10)), yield)
	}, nil
}

// check compares the file with its sum and returns what is packed in it.
func check(file *os.File) (io.Reader, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the list of an archive's files: %w", err)
	}
	end := info.Size() - sumSize
	if !info.Mode().IsRegular() || end < int64(len(magic)) {
		return nil, ErrDamaged
	}
	head, tail := make([]byte, len(magic)), make([]byte, sumSize)
	sum := crc32.New(castagnoli)
	_, err = io.Copy(sum, io.NewSectionReader(file, 0, end))
	for at, part := range map[int64][]byte{0: head, end: tail} {
		if err == nil {
			_, err = file.ReadAt(part, at)
		}
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	case string(head) != magic || binary.BigEndian.Uint32(tail) != sum.Sum32():
		return nil, ErrDamaged
	}
	return io.NewSectionReader(file, int64(len(magic)), end-int64(len(magic))), nil
}

// Has tells whether there is a listing of the archive, be it damaged.
func (s *Store) Has(repository, id string) bool {
	name, err := s.path(repository, id)
	if err != nil {
		return false
	}
	_, err = os.Lstat(name)
	return err == nil
}

func (s *Store) path(repository, id string) (string, error) {
	if raw, err := hex.DecodeString(id); err != nil || len(raw) != sha256.Size {
		return "", fmt.Errorf("%q is no id of an archive", id)
	}
	return filepath.Join(s.folder(repository), id+suffix), nil
}

// folder has a readable name that is not another repository's.
func (s *Store) folder(repository string) string {
	readable := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, path.Base(repository))
	sum := sha256.Sum256([]byte(repository))
	return filepath.Join(s.Dir, readable[:min(len(readable), 32)]+"-"+hex.EncodeToString(sum[:8]))
}
