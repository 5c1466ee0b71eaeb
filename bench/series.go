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
func (b *bench) measure(s *series, rounds int, take func(round int, row []float64) error) error {
	for round := range rounds + 1 {
		row := make([]float64, len(s.columns))
		if err := take(round, row); err != nil {
			return err
		}
		if round > 0 {
			s.rows = append(s.rows, row)
		}
		say("%s: round %d of %d: %.2f %s", s.name, round, rounds, row, s.unit)
	}
	return s.save(filepath.Join(b.docs, "benchmarks"))
}

// say prints progress.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// save writes the raw figures under the unit and the columns; the note is a comment before them.
func (s *series) save(folder string) error {
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
	if err := csv.NewWriter(text).WriteAll(records); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, s.name+".csv"), []byte(text.String()), 0o644)
}

// load reads what save wrote.
func load(path string) (*series, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	note, figures, _ := strings.Cut(string(text), "\n")
	records, err := csv.NewReader(strings.NewReader(figures)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s := &series{name: strings.TrimSuffix(filepath.Base(path), ".csv"), note: strings.TrimPrefix(note, "# ")}
	for i, record := range records {
		if i == 0 {
			s.unit, s.columns = record[0], record[1:]
			continue
		}
		row := make([]float64, len(s.columns))
		for j := range row {
			if row[j], err = strconv.ParseFloat(record[j+1], 64); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
		}
		s.rows = append(s.rows, row)
	}
	return s, nil
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
	random := rand.New(rand.NewPCG(1, 2))
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
