package listing

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Pattern says which paths of an archive are wanted.
type Pattern struct {
	tokens []token
	whole  bool   // of the whole path, not of its last name
	fold   bool   // upper and lower case are the same
	tail   string // what a path has to end in: most fall out by that
	exact  *regexp.Regexp
}

// token is one character, one of a class, or any number of them.
type token struct {
	char   rune // if there is no class
	class  []span
	not    bool // none of the class
	any    bool // ?
	repeat bool // *
	raw    int  // 1 + a byte that is not UTF-8
}

type span struct{ from, to rune }

// Glob reads a pattern of the shell's: * is any characters, ? is one, [a-z] and [!a-z] one of a class or none, a backslash takes
// what follows as it is. Without a slash it is about the last name in a path, else about the whole path, where * matches slashes
// too; a slash at its beginning or end says nothing. With fold upper and lower case are the same.
func Glob(text string, fold bool) (*Pattern, error) {
	p := &Pattern{whole: strings.Contains(text, "/"), fold: fold}
	text = strings.Trim(text, "/")
	if text == "" {
		return nil, errors.New("an empty pattern")
	}
	for text != "" {
		t, rest, err := nextToken(text)
		if err != nil {
			return nil, err
		}
		if fold {
			t.char = unicode.ToLower(t.char)
		}
		if !t.repeat || len(p.tokens) == 0 || !p.tokens[len(p.tokens)-1].repeat { // ** is *
			p.tokens = append(p.tokens, t)
		}
		p.tail += text[:len(text)-len(rest)]
		if !t.plain(text) || fold {
			p.tail = ""
		}
		text = rest
	}
	return p, nil
}

// plain tells whether the token stands for the characters at the head of the text themselves.
func (t *token) plain(text string) bool {
	return !t.repeat && !t.any && t.class == nil && text[0] != '\\'
}

// Regexp reads a regular expression, which is to be found somewhere in the whole path.
func Regexp(text string, fold bool) (*Pattern, error) {
	if fold {
		text = "(?i)" + text
	}
	exact, err := regexp.Compile(text)
	return &Pattern{exact: exact}, err
}

func nextToken(text string) (t token, rest string, err error) {
	switch text[0] {
	case '*':
		return token{repeat: true}, text[1:], nil
	case '?':
		return token{any: true}, text[1:], nil
	case '[':
		if end := classEnd(text); end > 0 {
			t, err = class(text[1:end])
			return t, text[end+1:], err
		}
	case '\\':
		if len(text) == 1 {
			return t, "", errors.New("a backslash at the end of the pattern")
		}
		text = text[1:]
	}
	char, width := character(text)
	return char, text[width:], nil
}

// classEnd is where the class at the head of the text ends, 0 if it is none. Its first character may be a closing bracket.
func classEnd(text string) int {
	at := 1
	if at < len(text) && (text[at] == '!' || text[at] == '^') {
		at++
	}
	if at++; at >= len(text) {
		return 0
	}
	if end := strings.IndexByte(text[at:], ']'); end >= 0 {
		return at + end
	}
	return 0
}

func class(text string) (t token, err error) {
	if text[0] == '!' || text[0] == '^' {
		t.not, text = true, text[1:]
	}
	runes := []rune(text)
	for i := 0; i < len(runes); i++ {
		s := span{runes[i], runes[i]}
		if i+2 < len(runes) && runes[i+1] == '-' {
			s.to = runes[i+2]
			i += 2
		}
		if s.to < s.from {
			return t, fmt.Errorf("the range %c-%c is the wrong way round", s.from, s.to)
		}
		t.class = append(t.class, s)
	}
	return t, nil
}

// character is the first one of a text, and how many bytes it takes; one that is not UTF-8 is one byte.
func character(text string) (token, int) {
	char, width := utf8.DecodeRuneInString(text)
	if char == utf8.RuneError && width == 1 {
		return token{char: char, raw: 1 + int(text[0])}, 1
	}
	return token{char: char}, width
}

// Match tells whether a path, as it is stored in archives, is wanted.
func (p *Pattern) Match(path string) bool {
	if p.exact != nil {
		return p.exact.MatchString(path)
	}
	if !p.whole {
		path = path[strings.LastIndexByte(path, '/')+1:]
	}
	if !strings.HasSuffix(path, p.tail) {
		return false
	}
	// Only the last star can be of use again: whatever an earlier one might take, the last one can take as well.
	star, from := -1, 0
	at := 0
	for rest := 0; rest < len(path); {
		if at < len(p.tokens) && p.tokens[at].repeat {
			star, from = at, rest
			at++
			continue
		}
		char, width := character(path[rest:])
		if at < len(p.tokens) && p.tokens[at].takes(char, p.fold) {
			at++
			rest += width
			continue
		}
		if star < 0 {
			return false
		}
		_, width = character(path[from:])
		from += width
		at, rest = star+1, from
	}
	for at < len(p.tokens) && p.tokens[at].repeat {
		at++
	}
	return at == len(p.tokens)
}

func (t *token) takes(c token, fold bool) bool {
	if fold {
		c.char = unicode.ToLower(c.char)
	}
	switch {
	case t.any:
		return true
	case t.class == nil:
		return t.char == c.char && t.raw == c.raw
	}
	for _, s := range t.class {
		if s.from <= c.char && c.char <= s.to || fold && s.from <= unicode.ToUpper(c.char) && unicode.ToUpper(c.char) <= s.to {
			return !t.not && c.raw == 0 || t.not && c.raw != 0
		}
	}
	return t.not
}
