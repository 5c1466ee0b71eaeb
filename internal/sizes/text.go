package sizes

import (
	"fmt"
	"strconv"
	"strings"

	"borgcron/internal/backup"
)

// Text is the report as du prints it, a line an entry, `SIZE<TAB>PATH`, and the sum. Where growth is known it is a third
// column.
func (r Report) Text() string {
	var text strings.Builder
	for _, entry := range r.Entries {
		fmt.Fprintf(&text, "%s\t%s%s\n", Human(entry.DiskSize), backup.Clean(entry.Path), r.growth(entry.Growth))
	}
	fmt.Fprintf(&text, "%s\ttotal%s\n", Human(r.Total.DiskSize), r.growth(r.Total.Growth))
	return text.String()
}

func (r Report) growth(bytes *int64) string {
	switch {
	case r.Since == nil:
		return ""
	case bytes == nil:
		return "\tnew"
	case *bytes < 0:
		return "\t-" + Human(-*bytes)
	}
	return "\t+" + Human(*bytes)
}

// Human writes a size as `du -h` does: in powers of 1024, rounded up, with one decimal below ten.
func Human(bytes int64) string {
	if bytes < 1024 {
		return strconv.FormatInt(bytes, 10)
	}
	const units = "KMGTPE"
	unit, power := int64(1024), 0
	for bytes/1024 >= unit {
		unit *= 1024
		power++
	}
	whole, rest := bytes/unit, bytes%unit
	if whole < 10 {
		tenths := whole*10 + ceil(rest, unit, 10)
		if tenths < 100 {
			return fmt.Sprintf("%d.%d%c", tenths/10, tenths%10, units[power])
		}
		return "10" + units[power:power+1]
	}
	if whole += ceil(rest, unit, 1); whole == 1024 && power+1 < len(units) {
		return "1.0" + units[power+1:power+2]
	}
	return strconv.FormatInt(whole, 10) + units[power:power+1]
}

// ceil is rest*times/unit, rounded up, without an overflow: unit is at most 2^60 and rest is less.
func ceil(rest, unit, times int64) int64 {
	if unit > 1<<50 {
		rest, unit = (rest+1023)/1024, unit/1024
	}
	return (rest*times + unit - 1) / unit
}
