package listing

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"borgcron/internal/backup"
)

// An item is written as numbers (unsigned unless said otherwise, seven bits a byte) and texts (a number of bytes, then these):
//
//	1 + how many bytes its path shares with the path before; 0 ends the list
//	the rest of the path
//	its style, mode and owner: the number of one given before, from 1 on; 0 and the two texts of a new one
//	size
//	mtime in microseconds, as the signed difference to that of the item before
//	ctime in microseconds, as the signed difference to mtime
//	target

const (
	maxText   = 1 << 20 // bytes of a path
	maxStyles = 4096    // then they are numbered anew
)

type style struct{ mode, owner string }

type encoder struct {
	to      io.Writer
	buffer  []byte
	path    string
	modTime int64
	styles  map[style]uint64
}

func newEncoder(to io.Writer) *encoder {
	return &encoder{to: to, styles: map[style]uint64{}}
}

func (e *encoder) add(item backup.Item) error {
	if max(len(item.Path), len(item.Target), len(item.Mode), len(item.Owner)) > maxText {
		return fmt.Errorf("a name of more than %d bytes", maxText)
	}
	if item.Size < 0 {
		return fmt.Errorf("a size of %d bytes", item.Size)
	}
	shared := 0
	for shared < min(len(item.Path), len(e.path)) && item.Path[shared] == e.path[shared] {
		shared++
	}
	b := binary.AppendUvarint(e.buffer[:0], uint64(shared)+1)
	b = appendText(b, item.Path[shared:])
	b = e.appendStyle(b, style{item.Mode, item.Owner})
	b = binary.AppendUvarint(b, uint64(item.Size))
	modTime := item.ModTime.UnixMicro()
	b = binary.AppendVarint(b, modTime-e.modTime)
	b = binary.AppendVarint(b, item.Changed.UnixMicro()-modTime)
	b = appendText(b, item.Target)
	e.buffer, e.path, e.modTime = b, item.Path, modTime
	_, err := e.to.Write(b)
	return err
}

func (e *encoder) appendStyle(b []byte, s style) []byte {
	number, known := e.styles[s]
	if known {
		return binary.AppendUvarint(b, number)
	}
	if len(e.styles) == maxStyles {
		clear(e.styles)
	}
	e.styles[s] = uint64(len(e.styles)) + 1
	return appendText(appendText(append(b, 0), s.mode), s.owner)
}

func (e *encoder) end() error {
	_, err := e.to.Write([]byte{0})
	return err
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

type decoder struct {
	from    *bufio.Reader
	path    []byte
	modTime int64
	styles  []style
}

// decode gives each item; what cannot be read ends with one error.
func decode(from io.Reader, yield func(backup.Item, error) bool) {
	d := &decoder{from: bufio.NewReaderSize(from, 64<<10)}
	for {
		item, more, err := d.next()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			yield(backup.Item{}, fmt.Errorf("%w: %w", ErrDamaged, err))
			return
		}
		if !more || !yield(item, nil) {
			return
		}
	}
}

func (d *decoder) next() (item backup.Item, more bool, err error) {
	r := &reader{from: d.from}
	shared := r.number()
	if r.err != nil || shared == 0 {
		return item, false, r.err
	}
	if shared-1 > uint64(len(d.path)) {
		return item, false, errors.New("a path shares more than there is")
	}
	d.path = r.appendText(d.path[:shared-1])
	worn, err := d.style(r)
	if err != nil {
		return item, false, err
	}
	size := r.number()
	if size > math.MaxInt64 {
		return item, false, errors.New("a size is too large")
	}
	d.modTime += r.signed()
	changed := d.modTime + r.signed()
	item = backup.Item{
		Path: string(d.path), Mode: worn.mode, Owner: worn.owner, Size: int64(size),
		ModTime: time.UnixMicro(d.modTime).UTC(), Changed: time.UnixMicro(changed).UTC(), Target: r.text(),
	}
	if len(d.path) > maxText {
		return item, false, errors.New("a path is too long")
	}
	return item, true, r.err
}

func (d *decoder) style(r *reader) (style, error) {
	number := r.number()
	if r.err == nil && number == 0 {
		if len(d.styles) == maxStyles {
			d.styles = d.styles[:0]
		}
		d.styles = append(d.styles, style{r.text(), r.text()})
		number = uint64(len(d.styles))
	}
	if r.err != nil {
		return style{}, r.err
	}
	if number > uint64(len(d.styles)) {
		return style{}, errors.New("a style is missing")
	}
	return d.styles[number-1], nil
}

// reader reads numbers and texts until one fails; what it gives then is zero.
type reader struct {
	from *bufio.Reader
	err  error
}

func (r *reader) number() (n uint64) {
	if r.err == nil {
		n, r.err = binary.ReadUvarint(r.from)
	}
	return n
}

func (r *reader) signed() (n int64) {
	if r.err == nil {
		n, r.err = binary.ReadVarint(r.from)
	}
	return n
}

func (r *reader) text() string { return string(r.appendText(nil)) }

func (r *reader) appendText(to []byte) []byte {
	number := r.number()
	if r.err == nil && number > maxText {
		r.err = errors.New("a text is too long")
	}
	if r.err != nil {
		return to
	}
	length, at := int(number), len(to) //nolint:gosec // see above
	to = slices.Grow(to, length)[:at+length]
	_, r.err = io.ReadFull(r.from, to[at:])
	return to
}
