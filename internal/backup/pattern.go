package backup

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Patterns of archive names are the shell globs of borg's -a: * is any number of characters, ? is one,
// [abc], [a-z] and [!a-z] are one of a class, and a metacharacter in brackets is itself. A bracket without
// its counterpart is literal. (borg also expands placeholders in -a: whoever calls it has to double braces.)

// runeRange is the characters from lo to hi.
type runeRange struct{ lo, hi rune }

// nameToken is one character of a class, or with repeat any number of them. No archive name has a slash,
// so that * and ? are the class of all characters here.
type nameToken struct {
	class  []runeRange // sorted, without overlaps
	repeat bool
}

var (
	anyRune   = []runeRange{{0, unicode.MaxRune}}
	digitRune = []runeRange{{'0', '9'}}
)

// CheckPattern tells why borg would refuse a pattern.
func CheckPattern(pattern string) error {
	_, err := parsePattern(pattern)
	return err
}

// Match tells whether the pattern matches the whole name. One that CheckPattern refuses matches nothing.
func Match(pattern, name string) bool {
	tokens, err := parsePattern(pattern)
	if err != nil {
		return false
	}
	at := startStates(tokens)
	for _, r := range name {
		next := make([]bool, len(tokens)+1)
		for i, token := range tokens {
			if at[i] && slices.ContainsFunc(token.class, func(c runeRange) bool { return c.lo <= r && r <= c.hi }) {
				next[i] = next[i] || token.repeat
				next[i+1] = next[i+1] || !token.repeat
			}
		}
		at = skipRepeats(tokens, next)
	}
	return at[len(tokens)]
}

// PatternsOverlap tells whether there can be an archive that a prune with the one pattern and a prune with
// the other both take for theirs. Prune also takes the incomplete archives (NAME.checkpoint,
// NAME.checkpoint.N) of all names that match. A pattern that CheckPattern refuses overlaps with nothing.
func PatternsOverlap(a, b string) bool {
	first, err := parsePattern(a)
	if err != nil {
		return false
	}
	second, err := parsePattern(b)
	if err != nil {
		return false
	}
	if tokensOverlap(first, second) {
		return true
	}
	for _, suffix := range checkpointSuffixes() {
		if tokensOverlap(slices.Concat(first, suffix), second) || tokensOverlap(first, slices.Concat(second, suffix)) {
			return true
		}
	}
	return false
}

// LiteralHead returns how many characters at the pattern's head are literal.
func LiteralHead(pattern string) int {
	tokens, err := parsePattern(pattern)
	if err != nil {
		return 0
	}
	for i, token := range tokens {
		if token.repeat || len(token.class) != 1 || token.class[0].lo != token.class[0].hi {
			return i
		}
	}
	return len(tokens)
}

// escapePattern returns the pattern that matches the text alone. A bracket stands beside a slash, which no
// name has: if it began the class, borg would warn of a nested one at every call.
func escapePattern(text string) string {
	return strings.NewReplacer("*", "[*]", "?", "[?]", "[", "[/[]").Replace(text)
}

func checkpointSuffixes() [][]nameToken {
	plain := literalTokens(".checkpoint")
	numbered := append(literalTokens(".checkpoint."), nameToken{class: digitRune}, nameToken{class: digitRune, repeat: true})
	return [][]nameToken{plain, numbered}
}

func literalTokens(text string) []nameToken {
	var tokens []nameToken
	for _, r := range text {
		tokens = append(tokens, nameToken{class: []runeRange{{r, r}}})
	}
	return tokens
}

func parsePattern(pattern string) ([]nameToken, error) {
	var tokens []nameToken
	runes := []rune(pattern)
	for i := 0; i < len(runes); i++ {
		switch r := runes[i]; r {
		case '*':
			// As in paths, **/ also matches nothing at all: the one way in which a slash can match.
			if i+2 < len(runes) && runes[i+1] == '*' && runes[i+2] == '/' {
				i += 2
				continue
			}
			tokens = append(tokens, nameToken{class: anyRune, repeat: true})
		case '?':
			tokens = append(tokens, nameToken{class: anyRune})
		case '[':
			end := classEnd(runes, i)
			if end < 0 {
				tokens = append(tokens, nameToken{class: []runeRange{{r, r}}})
				continue
			}
			class, err := parseClass(runes[i+1 : end])
			if err != nil {
				return nil, fmt.Errorf("character %d: %w", i+1, err)
			}
			tokens = append(tokens, nameToken{class: class})
			i = end
		default:
			tokens = append(tokens, nameToken{class: []runeRange{{r, r}}})
		}
	}
	return tokens, nil
}

// classEnd returns where the class that starts at i ends, -1 if it does not. The first character of a class
// may be a closing bracket.
func classEnd(runes []rune, i int) int {
	j := i + 1
	if j < len(runes) && runes[j] == '!' {
		j++
	}
	j++
	for ; j < len(runes); j++ {
		if runes[j] == ']' {
			return j
		}
	}
	return -1
}

func parseClass(runes []rune) ([]runeRange, error) {
	negated := runes[0] == '!'
	if negated {
		runes = runes[1:]
	}
	var ranges []runeRange
	for i := 0; i < len(runes); i++ {
		r := runeRange{runes[i], runes[i]}
		if i+2 < len(runes) && runes[i+1] == '-' {
			r.hi = runes[i+2]
			i += 2
		}
		if r.hi < r.lo {
			return nil, fmt.Errorf("the range %c-%c is the wrong way round", r.lo, r.hi)
		}
		if r.lo != '/' || r.hi != '/' {
			ranges = append(ranges, r)
		}
	}
	ranges = mergeRanges(ranges)
	if negated {
		ranges = invertRanges(ranges)
	}
	return ranges, nil
}

func mergeRanges(ranges []runeRange) []runeRange {
	slices.SortFunc(ranges, func(a, b runeRange) int { return int(a.lo - b.lo) })
	var merged []runeRange
	for _, r := range ranges {
		if last := len(merged) - 1; last >= 0 && r.lo <= merged[last].hi+1 {
			merged[last].hi = max(merged[last].hi, r.hi)
		} else {
			merged = append(merged, r)
		}
	}
	return merged
}

func invertRanges(ranges []runeRange) []runeRange {
	var inverted []runeRange
	from := rune(0)
	for _, r := range ranges {
		if r.lo > from {
			inverted = append(inverted, runeRange{from, r.lo - 1})
		}
		from = r.hi + 1
	}
	if from <= unicode.MaxRune {
		inverted = append(inverted, runeRange{from, unicode.MaxRune})
	}
	return inverted
}

// startStates are the positions in the tokens before any character was read.
func startStates(tokens []nameToken) []bool {
	states := make([]bool, len(tokens)+1)
	states[0] = true
	return skipRepeats(tokens, states)
}

// skipRepeats adds the positions that are reached by repeating a token no more.
func skipRepeats(tokens []nameToken, states []bool) []bool {
	for i, token := range tokens {
		if states[i] && token.repeat {
			states[i+1] = true
		}
	}
	return states
}

// tokensOverlap walks both token lists at once: a pair of positions is reached if some text leads the one
// list to its first and the other to its second position.
func tokensOverlap(a, b []nameToken) bool {
	width := len(b) + 1
	reached := make([]bool, (len(a)+1)*width)
	reached[0] = true
	// A step never goes back in either list, so one pass in order sees every pair after all its predecessors.
	for i := 0; i <= len(a); i++ {
		for j := 0; j <= len(b); j++ {
			if !reached[i*width+j] {
				continue
			}
			if i < len(a) && a[i].repeat {
				reached[(i+1)*width+j] = true
			}
			if j < len(b) && b[j].repeat {
				reached[i*width+j+1] = true
			}
			if i < len(a) && j < len(b) && classesMeet(a[i].class, b[j].class) {
				reached[after(a, i)*width+after(b, j)] = true
			}
		}
	}
	return reached[len(reached)-1]
}

// after returns the position after a character of the token at i.
func after(tokens []nameToken, i int) int {
	if tokens[i].repeat {
		return i
	}
	return i + 1
}

func classesMeet(a, b []runeRange) bool {
	for _, x := range a {
		for _, y := range b {
			if x.lo <= y.hi && y.lo <= x.hi {
				return true
			}
		}
	}
	return false
}
