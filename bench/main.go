// The bench program measures borgcron side by side with the same work done by hand and by borgmatic.
package main

import (
	"cmp"
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
Parts: a (one run), b (a day of hourly runs), c (memory), d (start-up), l (at login), s and t (sizes, warm and cold),
h (asking a history of a million runs), k (keeping a run on record), p (a database of 1 GB), q (many databases), f (find a file in all archives), v (a restore drill), e (a restore), report (the page anew from the figures).
Sizes are numbers of files, for a and c. Without any: all parts; 1000, 10000 and 100000 files.`

// bench is one call of this program: what to measure, and where things are.
type bench struct {
	context.Context
	rounds        int
	sizes         []int
	docs          string // the folder of benchmarks.md
	program, temp string // the borgcron that is measured, and where
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := &bench{Context: ctx}
	flag.Usage = func() { fmt.Fprintln(os.Stderr, usage) }
	flag.IntVar(&b.rounds, "rounds", 16, "a multiple of 4 has every contender in every place")
	flag.StringVar(&b.docs, "docs", "docs", "folder of benchmarks.md")
	flag.Parse()
	parts := ""
	for _, word := range flag.Args() {
		if size, err := strconv.Atoi(word); err == nil && size >= 100 {
			b.sizes = append(b.sizes, size)
		} else if word == "report" || len(word) == 1 && strings.Contains("abcdelsthkpqfv", word) {
			parts += word[:1]
		} else {
			flag.Usage()
			os.Exit(64)
		}
	}
	if err := b.run(cmp.Or(parts, "dstlacbhkpqfve")); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) run(parts string) (err error) {
	defer func() {
		switch cause := recover().(type) {
		case nil:
		case failure:
			err = cause.error
		default:
			panic(cause)
		}
	}()
	if b.sizes == nil {
		b.sizes = []int{1000, 10000, 100000}
	}
	b.program = must(filepath.Abs("borgcron"))
	b.temp = must(os.MkdirTemp("", "borgcron-bench-"))
	defer func() { check(os.RemoveAll(b.temp)) }()
	for _, part := range parts {
		switch part {
		case 'a':
			for _, files := range b.sizes {
				b.compare(fmt.Sprintf("a-%d", files), files, 3, 1, borgcron, byHand, fewest, borgmatic)
			}
		case 'b':
			b.compare("b-1000", 1000, 24, 24, borgcron, byHand, borgmatic)
		case 'c':
			b.memory()
		case 'e':
			b.restoring()
		case 'f':
			b.finding()
		case 'h':
			b.asking()
		case 'k':
			b.recording()
		case 'l':
			b.login()
		case 'p':
			b.database()
		case 'q':
			b.manyDatabases()
		case 'v':
			b.drill()
		case 's':
			b.measureSizes("s", false)
		case 't':
			b.measureSizes("t", true)
		case 'd':
			b.startUp()
		}
	}
	report(b.docs)
	return nil
}

// failure is the panic of check, which run catches.
type failure struct{ error }

// check gives up at an error: without all figures there is nothing to report. What was made is still removed.
func check(err error) {
	if err != nil {
		panic(failure{err})
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}
