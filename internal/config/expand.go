package config

import (
	"fmt"
	"regexp"
	"strings"
)

var variable = regexp.MustCompile(`^\{([A-Za-z_][A-Za-z0-9_]*)(:-([^}]*))?\}`)

// expand replaces ${NAME} and ${NAME:-default} by the value of an environment variable; an empty variable
// counts as unset. $${ is a literal ${, and no other $ means anything.
func expand(value string, getenv func(string) string) (string, error) {
	var expanded strings.Builder
	for {
		before, rest, found := strings.Cut(value, "$")
		expanded.WriteString(before)
		if !found {
			return expanded.String(), nil
		}
		switch {
		case strings.HasPrefix(rest, "${"):
			expanded.WriteString("${")
			value = rest[2:]
		case strings.HasPrefix(rest, "{"):
			parts := variable.FindStringSubmatch(rest)
			if parts == nil {
				return "", fmt.Errorf("has a ${ without a name and a }; for a literal ${ write $${")
			}
			replacement := getenv(parts[1])
			if replacement == "" && parts[2] == "" {
				return "", fmt.Errorf("needs the environment variable %s, which is not set; ${%s:-TEXT} has a default", parts[1], parts[1])
			}
			if replacement == "" {
				replacement = parts[3]
			}
			expanded.WriteString(replacement)
			value = rest[len(parts[0]):]
		default:
			expanded.WriteString("$")
			value = rest
		}
	}
}
