package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
)

// printJSON prints a value over several lines, for people too.
func printJSON(to io.Writer, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(to, harmless(string(data)))
	return err
}

// printJSONLine prints a value on one line.
func printJSONLine(to io.Writer, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(to, harmless(string(data)))
	return err
}

// harmless writes what could disturb a terminal by its number, which means the same in JSON.
func harmless(data string) string {
	var plain strings.Builder
	for _, r := range data {
		switch {
		case r == '\n' || r < unicode.MaxASCII || unicode.IsPrint(r):
			plain.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&plain, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&plain, `\u%04x`, r)
		}
	}
	return plain.String()
}
