package borg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"borgcron/internal/backup"
)

// itemFormat makes borg print an item as fields that end in NUL. Borg replaces what is not UTF-8 by question marks when it
// prints; as an ASCII literal of Python's (!a) a path keeps all its bytes. No line breaks: borg would flush at each.
const itemFormat = "{mode}{NUL}{user}{NUL}{group}{NUL}{size}{NUL}{isomtime}{NUL}{isoctime}{NUL}{source!a}{NUL}{bpath!a}{NUL}"

const itemFields = 8

// Items calls each with every item of an archive, in the order of the archive; its error ends the listing and is returned as it
// is. Times are rounded to the nearest microsecond; the target of a link has question marks where it is not UTF-8; where ctime was
// not stored, borg gives mtime for it. Other errors are of type *backup.Failure.
func (c *Client) Items(ctx context.Context, call backup.Call, archive string, each func(backup.Item) error) error {
	return c.cut(ctx, call, task{command: "list", archive: archive, options: options{"--format=" + itemFormat}}, func(text []byte) ([]byte, error) {
		item, after, err := nextItem(text)
		if err == nil && after != nil {
			err = each(item)
		}
		return after, err
	})
}

// nextItem reads the first item; nothing is after it if it is not there as a whole.
func nextItem(text []byte) (item backup.Item, after []byte, err error) {
	var fields [itemFields][]byte
	after = text
	for i := range fields {
		end := bytes.IndexByte(after, 0)
		if end < 0 {
			return item, nil, nil
		}
		fields[i], after = after[:end], after[end+1:]
	}
	item, err = parseItem(fields)
	if err != nil {
		return item, nil, &answerError{fmt.Errorf("%w in %.200q", err, bytes.Join(fields[:], []byte(" ")))}
	}
	return item, after, nil
}

func parseItem(fields [itemFields][]byte) (item backup.Item, err error) {
	if len(fields[0]) != len("-rw-r--r--") {
		return item, errors.New("no mode")
	}
	item.Mode = string(fields[0])
	item.Owner = string(fields[1]) + ":" + string(fields[2])
	if item.Size, err = strconv.ParseInt(string(fields[3]), 10, 64); err != nil || item.Size < 0 {
		return item, errors.New("no size")
	}
	if item.Type() != '-' {
		item.Size = 0 // of a symbolic link borg gives the length of its target
	}
	if item.ModTime, err = parseTime(string(fields[4])); err != nil {
		return item, errors.New("no mtime")
	}
	if item.Changed, err = parseTime(string(fields[5])); err != nil {
		return item, errors.New("no ctime")
	}
	if item.Target, err = unquote(fields[6]); err != nil {
		return item, fmt.Errorf("link: %w", err)
	}
	if item.Path, err = unquote(fields[7]); err != nil {
		return item, fmt.Errorf("path: %w", err)
	}
	if item.Path == "" {
		return item, errors.New("no path")
	}
	return item, nil
}

// escapes are the letters that stand for one character in Python's literals, hexDigits those that are followed by its number.
var (
	escapes   = map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', '\\': '\\', '\'': '\'', '"': '"'}
	hexDigits = map[byte]int{'x': 2, 'u': 4, 'U': 8}
)

// unquote reads a string as Python's ascii() writes it. Bytes that are not UTF-8 are in there as lone surrogates, U+DC80 for 0x80.
func unquote(literal []byte) (string, error) {
	if len(literal) < 2 || literal[0] != '\'' && literal[0] != '"' || literal[len(literal)-1] != literal[0] {
		return "", errors.New("no literal")
	}
	text := literal[1 : len(literal)-1]
	if bytes.IndexByte(text, '\\') < 0 {
		return string(text), nil
	}
	raw := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			raw = append(raw, text[i])
			continue
		}
		i++
		if i == len(text) {
			return "", errors.New("a backslash without a letter")
		}
		if char, ok := escapes[text[i]]; ok {
			raw = append(raw, char)
			continue
		}
		digits := hexDigits[text[i]]
		if digits == 0 || len(text)-i <= digits {
			return "", errors.New("an unknown escape")
		}
		number, err := strconv.ParseUint(string(text[i+1:i+1+digits]), 16, 32)
		if err != nil || number > utf8.MaxRune {
			return "", errors.New("no number of a character")
		}
		raw = appendCharacter(raw, rune(number))
		i += digits
	}
	return string(raw), nil
}

func appendCharacter(raw []byte, r rune) []byte {
	if r >= 0xdc80 && r <= 0xdcff {
		return append(raw, byte(r-0xdc00))
	}
	return utf8.AppendRune(raw, r)
}
