package main

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestOrder(t *testing.T) {
	var places [4][4]int
	for turn := range 4 {
		all := order(turn, 4)
		if distance := slices.Index(all, 0) - slices.Index(all, 1); distance*distance != 1 {
			t.Errorf("turn %d: %v tears the pair apart", turn, all)
		}
		for place, contender := range all {
			places[contender][place]++
		}
	}
	if places != [4][4]int{{1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1}} {
		t.Errorf("not every contender was in every place: %v", places)
	}
}

func TestInterval(t *testing.T) {
	if q := quantile([]float64{4, 1, 3, 2}, 0.5); q != 2.5 {
		t.Errorf("the median of 1 to 4 is %v", q)
	}
	if low, high := interval([]float64{7, 7, 7}); low != 7 || high != 7 {
		t.Errorf("equal values lie between %v and %v", low, high)
	}
	var values []float64
	for i := range 101 {
		values = append(values, float64(i))
	}
	// The ranks of the exact interval for a median of 101 values are 50.5 ± 1.96 √101/2.
	if low, high := interval(values); math.Abs(low-40) > 2 || math.Abs(high-60) > 2 {
		t.Errorf("the median of 0 to 100 lies between %v and %v", low, high)
	}
}

func TestReport(t *testing.T) {
	docs := t.TempDir()
	page := filepath.Join(docs, "benchmarks.md")
	prose := "before\n<!-- a -->\nold\n<!-- end -->\n<!-- b -->\n\n<!-- end -->\n<!-- c -->\n\n<!-- end -->\n<!-- d -->\n\n<!-- end -->\n<!-- l -->\n\n<!-- end -->\n<!-- s -->\n\n<!-- end -->\n<!-- t -->\n\n<!-- end -->\n<!-- h -->\n\n<!-- end -->\n<!-- k -->\n\n<!-- end -->\n<!-- p -->\n\n<!-- end -->\n<!-- q -->\n\n<!-- end -->\n<!-- v -->\n\n<!-- end -->\n<!-- e -->\n\n<!-- end -->\n<!-- f -->\n\n<!-- end -->\nafter\n"
	if err := os.WriteFile(page, []byte(prose), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &series{name: "a-1000", unit: "seconds", note: "a note", columns: []string{borgcron, byHand, fewest}}
	s.rows = [][]float64{{1, 2, 3}, {3, 4, 5}, {4, 4, 4}}
	s.save(filepath.Join(docs, "benchmarks"))
	for range 2 { // the second time it stays as it is
		report(docs)
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			"before\n<!-- a -->\n\n1,000 files:\n", "| borgcron | 3.00 | 2.00 – 3.50 | 4.00 | 0.750 | 0.500 – 1.000 | ratio 1.03 | yes |",
			"| by hand | 4.00 | 3.00 – 4.00 | 4.00 | 1.000 | 1.000 – 1.000 |  |  |", "; a note.\n\n<!-- end -->", "-->\nafter\n",
		} {
			if strings.Count(string(text), want) != 1 {
				t.Errorf("the page lacks %q:\n%s", want, text)
			}
		}
	}
}
