package backup

import (
	"strings"
	"unicode"
)

// Clean makes one line of text from outside that is safe to show: each run of control characters, line
// breaks and other characters that move the cursor or turn the direction of writing becomes one space, what
// is no UTF-8 the replacement character.
func Clean(s string) string {
	var clean strings.Builder
	clean.Grow(len(s))
	gap := false
	for _, r := range s { // each byte that is no UTF-8 comes as the replacement character
		if unsafeRune(r) {
			gap = true
			continue
		}
		if gap && clean.Len() > 0 {
			clean.WriteByte(' ')
		}
		gap = false
		clean.WriteRune(r)
	}
	return clean.String()
}

// CleanLine is Clean with at most limit characters; what is longer ends in an ellipsis.
func CleanLine(s string, limit int) string {
	runes := []rune(Clean(s))
	if len(runes) <= limit {
		return string(runes)
	}
	if limit <= 0 {
		return ""
	}
	return string(runes[:limit-1]) + "…"
}

// unsafeRune tells whether a character is a control (C0, DEL, C1), a line or paragraph separator, or an
// invisible formatting character (bidirectional overrides and marks, zero widths, byte order marks, tags).
// Tabs and line breaks are controls too.
func unsafeRune(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}
