// The bench program measures borgcron side by side with the same work done by hand and by borgmatic.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const usage = `bench/run [-rounds N] [-docs FOLDER] [PART...] [SIZE...]
Parts: a (one run), b (a day of hourly runs), c (memory), d (start-up), report (the page anew from the figures).
Sizes are numbers of files, for a and c. Without any: all parts; 1000, 10000 and 100000 files.`

// bench is one call of this program: what to measure, and where things are.
type bench struct {
	rounds        int
	sizes         []int
	docs          string // the folder of benchmarks.md
	program, temp string // the borgcron that is measured, and where
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	b := &bench{}
	flag.Usage = func() { fmt.Fprintln(os.Stderr, usage) }
	flag.IntVar(&b.rounds, "rounds", 16, "a multiple of 4 has every contender in every place")
	flag.StringVar(&b.docs, "docs", "docs", "folder of benchmarks.md")
	flag.Parse()
	parts := ""
	for _, word := range flag.Args() {
		if size, err := strconv.Atoi(word); err == nil && size >= 100 {
			b.sizes = append(b.sizes, size)
		} else if word == "report" || len(word) == 1 && strings.Contains("abcd", word) {
			parts += word[:1]
		} else {
			return fmt.Errorf("%q is neither a part nor a number of at least 100 files\n%s", word, usage)
		}
	}
	if parts == "" {
		parts = "dacb"
	}
	if b.sizes == nil {
		b.sizes = []int{1000, 10000, 100000}
	}
	if b.program, err = filepath.Abs("borgcron"); err != nil {
		return err
	}
	if b.temp, err = os.MkdirTemp("", "borgcron-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.temp)
	measures := map[rune]func(context.Context) error{'a': b.oneRun, 'b': b.day, 'c': b.memory, 'd': b.startUp}
	for _, part := range parts {
		if measure := measures[part]; measure != nil {
			if err := measure(ctx); err != nil {
				return fmt.Errorf("part %c: %w", part, err)
			}
		}
	}
	return report(b.docs)
}
