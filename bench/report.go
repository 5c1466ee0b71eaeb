package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// report puts the tables of all raw figures into benchmarks.md, between the two marks of each part. All else
// on that page is left as it is.
func report(docs string) {
	root := must(os.OpenRoot(docs))
	defer func() { _ = root.Close() }()
	text := string(must(root.ReadFile("benchmarks.md")))
	for _, part := range []string{"a", "b", "c", "d", "l", "s", "t", "h", "k", "p", "q", "f", "v", "e"} {
		begin, end := "<!-- "+part+" -->\n", "\n<!-- end -->"
		before, rest, found := strings.Cut(text, begin)
		_, after, ended := strings.Cut(rest, end)
		if !found || !ended {
			check(fmt.Errorf("benchmarks.md has no marks for part %s", part))
		}
		tables := ""
		paths := must(filepath.Glob(filepath.Join(docs, "benchmarks", part+"*.csv")))
		slices.SortFunc(paths, func(a, b string) int { return len(a) - len(b) }) // by size
		for _, path := range paths {
			tables += load(path).table()
		}
		text = before + begin + cmp.Or(tables, "\nNot measured yet.\n") + end + after
	}
	check(root.WriteFile("benchmarks.md", []byte(text), 0o644))
}

// table is a series in Markdown. The ratios are those of a column to the base round by round: what disturbs
// the machine for longer than a round is in both.
func (s *series) table() string {
	var out strings.Builder
	part, files, _ := strings.Cut(s.name, "-")
	if n, err := strconv.Atoi(files); err == nil {
		fmt.Fprintf(&out, "\n%s files:\n", thousands(n))
	}
	fmt.Fprintf(&out, "\n| | median, %s | quartiles | highest | ratio | 95 %% interval | bound | met |\n", s.unit)
	out.WriteString("| --- | ---: | --- | ---: | ---: | --- | --- | --- |\n")
	base := max(0, slices.Index(s.columns, byHand))
	for i, name := range s.columns {
		var values, ratios []float64
		for _, row := range s.rows {
			values, ratios = append(values, row[i]), append(ratios, row[i]/row[base])
		}
		low, high := interval(ratios)
		highest := slices.Max(values)
		bound, met := verdict(part, name, low, quantile(values, 0.5), highest)
		fmt.Fprintf(&out, "| %s | %.2f | %.2f – %.2f | %.2f | %.3f | %.3f – %.3f | %s | %s |\n", name, quantile(values, 0.5),
			quantile(values, 0.25), quantile(values, 0.75), highest, quantile(ratios, 0.5), low, high, bound, met)
	}
	fmt.Fprintf(&out, "\n%d rounds ([raw figures](benchmarks/%s.csv)); %s.\n", len(s.rows), s.name, s.note)
	return out.String()
}

// verdict is the bound of a contender and whether it is met. A ratio meets its bound if the lower end of its
// interval does, so that the noise of a small machine is no failure; a time, if its median does; memory, if its highest
// value does.
func verdict(part, name string, low, median, highest float64) (bound, met string) {
	ok := false
	switch {
	case part == "a" && name == borgcron:
		bound, ok = "ratio 1.03", low <= 1.03
	case part == "b" && name == borgcron:
		bound, ok = "ratio 0.60", low <= 0.6
	case part == "e" && name == borgcron:
		bound, ok = "ratio 1.03", low <= 1.03
	case part == "p" && name == borgcron:
		bound, ok = "ratio 1.05", low <= 1.05
	case part == "l" && name == loginProgram:
		bound, ok = "ratio 1.50", low <= 1.5
	case part == "s" && name == sizesProgram:
		bound, ok = "ratio 0.75", low <= 0.75
	case part == "f" && name == findAgain:
		bound, ok = "ratio 0.10", low <= 0.1
	case part == "h":
		bound, ok = "50 ms", median < 50
	case part == "k" && strings.HasSuffix(name, inMemory):
		bound, ok = "5 ms", median < 5
	case part == "c" && strings.HasSuffix(name, " files"): // flat: a tenth more at most
		bound, ok = "25 MiB, ratio 1.10", highest < 25 && low <= 1.1
	case part == "c":
		bound, ok = "25 MiB", highest < 25
	default:
		return "", ""
	}
	return bound, map[bool]string{true: "yes", false: "**no**"}[ok]
}

// thousands writes a number with commas.
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
