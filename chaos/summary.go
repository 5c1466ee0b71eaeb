package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// byHand is where the part of the page begins that people write.
const byHand = "## Bugs found"

// summarise writes a page with the sum of all rounds on record, and keeps what stands by hand at its end.
func summarise(recordPath, page string) error {
	records, err := readRecords(recordPath)
	if err != nil {
		return err
	}
	name, err := filepath.Rel(filepath.Dir(page), recordPath)
	if err != nil {
		return err
	}
	former, _ := os.ReadFile(page)
	rest := byHand + "\n"
	if at := strings.Index(string(former), byHand); at >= 0 {
		rest = string(former[at:])
	}
	return os.WriteFile(page, []byte(sumOf(records, name)+rest), 0o644) //nolint:gosec // where the caller wants it
}

func readRecords(path string) ([]record, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var records []record
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for number := 1; lines.Scan(); number++ {
		var r record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, number, err)
		}
		records = append(records, r)
	}
	return records, lines.Err()
}

func sumOf(records []record, name string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "# Rounds of `make chaos`\n\nMade by `make chaos` from [%s](%s), which has a line a round: seed, commit, borg, the world, the faults with their\n"+
		"moments, exit codes, each invariant, violations. `make chaos SEED=n` plans the same rounds again.\n\n", name, name)
	violated := 0
	total := time.Duration(0)
	for _, r := range records {
		total += time.Duration(r.Seconds * float64(time.Second))
		if len(r.Violations) > 0 {
			violated++
		}
	}
	fmt.Fprintf(&text, "%d rounds, %s of runs and checks; in %d of them an invariant was violated.\n\n", len(records), total.Round(time.Minute), violated)
	table(&text, "borg, place", records, func(r record) []string { return []string{"borg " + r.Borg + ", " + r.Place} })
	table(&text, "fault", records, func(r record) []string {
		var kinds []string
		for _, f := range r.Faults {
			if f.At >= 0 && !slices.Contains(kinds, f.name()) {
				kinds = append(kinds, f.name())
			}
		}
		return kinds
	})
	table(&text, "invariant", records, func(r record) []string { return slices.Collect(maps.Keys(r.Invariants)) })
	seeds(&text, records)
	return text.String()
}

// column counts rounds.
type column struct{ rounds, violated int }

// table counts the rounds by what they are called; an invariant counts as violated where it was.
func table(text *strings.Builder, title string, records []record, names func(record) []string) {
	counts := map[string]*column{}
	for _, r := range records {
		for _, name := range names(r) {
			if counts[name] == nil {
				counts[name] = &column{}
			}
			counts[name].rounds++
			held, isInvariant := r.Invariants[name]
			if isInvariant && !held || !isInvariant && len(r.Violations) > 0 {
				counts[name].violated++
			}
		}
	}
	fmt.Fprintf(text, "| %s | rounds | with violations |\n| --- | ---: | ---: |\n", title)
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(text, "| %s | %d | %d |\n", name, counts[name].rounds, counts[name].violated)
	}
	text.WriteString("\n")
}

// seriesKey is what one call of `make chaos` has in common.
type seriesKey struct {
	seed   uint64
	commit string
}

// seeds lists the calls.
func seeds(text *strings.Builder, records []record) {
	counts, first := map[seriesKey]*column{}, map[seriesKey]time.Time{}
	for _, r := range records {
		key := seriesKey{r.Seed, r.Commit}
		if counts[key] == nil {
			counts[key], first[key] = &column{}, r.Time
		}
		counts[key].rounds++
		if len(r.Violations) > 0 {
			counts[key].violated++
		}
	}
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b seriesKey) int {
		return cmp.Or(first[a].Compare(first[b]), cmp.Compare(a.seed, b.seed), cmp.Compare(a.commit, b.commit))
	})
	text.WriteString("| seed | commit | begun | rounds | with violations |\n| ---: | --- | --- | ---: | ---: |\n")
	for _, key := range keys {
		fmt.Fprintf(text, "| %d | %s | %s | %d | %d |\n", key.seed, key.commit, first[key].Format("2006-01-02 15:04"), counts[key].rounds, counts[key].violated)
	}
	text.WriteString("\n")
}
