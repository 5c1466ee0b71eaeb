package main

import (
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// series is what one comparison gave: a row a round, a column a contender.
type series struct {
	name, unit, note string
	columns          []string
	rows             [][]float64
}

// measure takes the rows of a series and keeps them. The first round is for warmth and does not count.
func (s *series) measure(docs string, rounds int, take func(round int, row []float64)) {
	for round := range rounds + 1 {
		row := make([]float64, len(s.columns))
		take(round, row)
		say("%s: round %d of %d: %.2f %s", s.name, round, rounds, row, s.unit)
		if round > 0 {
			s.rows = append(s.rows, row)
		}
	}
	s.save(filepath.Join(docs, "benchmarks"))
}

// say prints progress.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// save writes the raw figures under the unit and the columns; the note is a comment before them.
func (s *series) save(folder string) {
	text := &strings.Builder{}
	fmt.Fprintf(text, "# %s\n", s.note)
	records := [][]string{append([]string{s.unit}, s.columns...)}
	for i, row := range s.rows {
		record := []string{strconv.Itoa(i + 1)}
		for _, value := range row {
			record = append(record, strconv.FormatFloat(value, 'f', 4, 64))
		}
		records = append(records, record)
	}
	check(csv.NewWriter(text).WriteAll(records))
	check(os.MkdirAll(folder, 0o755))
	check(os.WriteFile(filepath.Join(folder, s.name+".csv"), []byte(text.String()), 0o644))
}

// load reads what save wrote.
func load(path string) *series {
	note, figures, _ := strings.Cut(string(must(os.ReadFile(path))), "\n")
	s := &series{name: strings.TrimSuffix(filepath.Base(path), ".csv"), note: strings.TrimPrefix(note, "# ")}
	for i, record := range must(csv.NewReader(strings.NewReader(figures)).ReadAll()) {
		if i == 0 {
			s.unit, s.columns = record[0], record[1:]
			continue
		}
		var row []float64
		for _, cell := range record[1:] {
			row = append(row, must(strconv.ParseFloat(cell, 64)))
		}
		s.rows = append(s.rows, row)
	}
	return s
}

// quantile is the value below which a part q of the values lies; between two neighbours in proportion.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	place := q * float64(len(sorted)-1)
	below := int(place)
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (place-float64(below))*(sorted[above]-sorted[below])
}

// interval is the 95 % interval of the median by bootstrap: the medians of many samples drawn from the values
// with replacement. The same values give the same interval.
func interval(values []float64) (low, high float64) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // no secret
	medians, sample := make([]float64, 10000), make([]float64, len(values))
	for i := range medians {
		for j := range sample {
			sample[j] = values[random.IntN(len(values))]
		}
		medians[i] = quantile(sample, 0.5)
	}
	return quantile(medians, 0.025), quantile(medians, 0.975)
}

// machine says in general words what was measured on.
func machine() string {
	said := func(program string, args ...string) string {
		text, _ := exec.Command(program, args...).Output() // empty if it is not there
		return strings.TrimSpace(string(text))
	}
	return fmt.Sprintf("%s, %d cores, %s, %s, borgmatic %s, %s", time.Now().Format("January 2006"), runtime.NumCPU(),
		said("sh", "-c", `. /etc/os-release; echo "$NAME $VERSION_ID"`), said("borg", "--version"),
		said("borgmatic", "--version"), runtime.Version())
}
